"""What two transactions do to each other is tried again, once for all, and only that. Real conflicts, no pretended ones."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from idp.database import Database
from idp.models import School
from tests import make

PATIENCE = 20


def rename(db, school, name):
    db.execute(update(School).where(School.instellingsnummer == school).values(naam=School.naam + name))


def names(house):
    with house.database.reading() as db:
        return sorted(db.execute(select(School.naam)).scalars())


@pytest.fixture
def schools(house):
    with house.database.transaction() as db:
        return [make.school(db, naam="") for _ in range(2)]


def test_two_that_lock_each_other_out_both_get_their_way(house, schools):
    """On PostgreSQL a deadlock (40P01): one of the two is broken off, and does it again."""
    meeting, tries = threading.Barrier(2), {"a": 0, "b": 0}

    def change(name, first, then):
        def work(db):
            tries[name] += 1
            rename(db, first, name)
            if tries[name] == 1 and not house.database.sqlite:
                meeting.wait(PATIENCE)
            rename(db, then, name)

        house.database.retrying(work)

    one = threading.Thread(target=change, args=("a", schools[0], schools[1]))
    one.start()
    change("b", schools[1], schools[0])
    one.join(PATIENCE)
    assert not one.is_alive()
    assert [sorted(name) for name in names(house)] == [["a", "b"], ["a", "b"]]
    if house.database.sqlite:
        assert tries == {"a": 1, "b": 1}
    else:
        assert sum(tries.values()) >= 3, "whom PostgreSQL breaks off, and how often, is its own choice"


def test_what_could_not_be_put_in_order_is_done_again(house, schools):
    """PostgreSQL's 40001: somebody else changed, after our look, what we looked at."""
    if house.database.sqlite:
        pytest.skip("SQLite has one writer: there is nothing to put in order")
    tries = []

    def work(db):
        tries.append(1)
        db.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        seen = db.execute(select(School.naam).where(School.instellingsnummer == schools[0])).scalar_one()
        if len(tries) == 1:
            with house.database.transaction() as other:
                rename(other, schools[0], "x")
        db.execute(update(School).where(School.instellingsnummer == schools[0]).values(naam=seen + "y"))

    house.database.retrying(work)
    assert (names(house), len(tries)) == (["", "xy"], 2)


def test_a_lost_connection_is_replaced_and_none_of_the_idle_ones_is_used_again(house, schools):
    if house.database.sqlite:
        pytest.skip("a file has no connection to lose")
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid {} pg_backend_pid()"
    tries = []
    with house.database.reading() as db:
        db.execute(text("SELECT 1"))

    def work(db):
        tries.append(1)
        rename(db, schools[0], "z")
        if len(tries) == 1:
            db.execute(text(cut.format("<>")))
            db.execute(text(cut.format("=")))

    house.database.retrying(work)
    assert (names(house), len(tries)) == (["", "z"], 2)


def test_what_is_wrong_stays_wrong_and_is_not_tried_again(house, schools):
    tries = []

    def work(db):
        tries.append(1)
        make.school(db, schools[0])

    with pytest.raises(IntegrityError):
        house.database.retrying(work)
    assert len(tries) == 1


def test_what_never_works_is_given_up(house, schools):
    if house.database.sqlite:
        pytest.skip("a file has no connection to lose")
    tries = []

    def work(db):
        tries.append(1)
        db.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DBAPIError):
        house.database.retrying(work)
    assert len(tries) == 4


def test_who_opens_a_new_sqlite_file_while_another_process_makes_it_waits(tmp_path):
    file = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = threading.Timer(0.3, other.execute, ["COMMIT"])
        done.start()
        store = Database(f"sqlite:///{file}")
        try:
            with store.reading() as db:
                assert db.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        finally:
            store.close()
            done.join()
