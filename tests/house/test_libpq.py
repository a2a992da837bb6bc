"""What goes straight to PostgreSQL is refused, lost, and made ready anew as psycopg would have it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import BigInteger, String, bindparam, column, insert, select, table, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from idp.prepared import Prepared

PATIENCE = 20
THINGS = table("thing", column("id", BigInteger()), column("naam", String()))
ADD = Prepared(insert(THINGS))
FIND = Prepared(select(THINGS).where(THINGS.c.id >= bindparam("least")).order_by(THINGS.c.id))
NAME = Prepared(update(THINGS).where(THINGS.c.id == bindparam("which")).values(naam=bindparam("as")))
CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.fixture
def database(house):
    if house.database.sqlite:
        pytest.skip("SQLite is no server")
    with house.database.transaction() as db:
        db.execute(text("CREATE TABLE thing (id bigint PRIMARY KEY, naam varchar(20))"))
    return house.database


def found(db) -> list[Any]:
    return [tuple(row) for row in FIND.rows(db, {"least": 0})]


def test_a_number_that_grows_and_a_word_that_is_missing_are_what_they_were(database):
    numbers = (1, 2**15, 2**31, 2**62)
    for given in (*numbers, None):
        with database.each_by_itself() as db:
            if given is None:
                assert found(db) == [(number, None if number == 1 else "é") for number in numbers]
                assert [row.id for row in FIND.rows(db, {"least": 2**31})] == [2**31, 2**62]
            else:
                assert ADD.run(db, {"id": given, "naam": None if given == 1 else "é"}) == 1


def test_a_statement_that_finds_nothing_at_first_finds_rows_later(database):
    with database.each_by_itself() as db:
        assert found(db) == []
        ADD.run(db, {"id": 1, "naam": "a"})
        assert found(db) == [(1, "a")]
        assert NAME.run(db, {"which": 2, "as": "b"}) == 0
        assert NAME.run(db, {"which": 1, "as": "b"}) == 1
        assert found(db) == [(1, "b")]


def test_a_refusal_leaves_the_connection_in_order(database):
    with database.reading() as db:
        ADD.run(db, {"id": 1, "naam": "a"})
        with pytest.raises(IntegrityError) as refused:
            ADD.run(db, {"id": 1, "naam": "a"})
        assert refused.value.orig.sqlstate == "23505"
        assert not refused.value.connection_invalidated
        assert found(db) == [(1, "a")]


def test_a_statement_that_makes_no_sense_is_refused_each_time(database):
    nowhere = Prepared(select(column("x")).select_from(table("nowhere")))
    for _ in range(2):
        with database.reading() as db, pytest.raises(DBAPIError) as refused:
            nowhere.rows(db, {})
        assert refused.value.orig.sqlstate == "42P01"


def test_the_first_statement_of_a_transaction_begins_it(database):
    with pytest.raises(ZeroDivisionError), database.transaction() as db:
        ADD.run(db, {"id": 1, "naam": "a"})
        assert found(db) == [(1, "a")]
        raise ZeroDivisionError
    with database.reading() as db:
        assert found(db) == []
    with database.transaction() as db:
        ADD.run(db, {"id": 2, "naam": "b"})
    with database.reading() as db:
        assert found(db) == [(2, "b")]


def test_a_transaction_that_wants_one_picture_of_everything_gets_it(database):
    with database.engine.execution_options(isolation_level="REPEATABLE READ").connect() as db:
        assert found(db) == []
        assert db.connection.driver_connection.execute("SHOW transaction_isolation").fetchone() == (
            "repeatable read",
        )
        with database.each_by_itself() as other:
            ADD.run(other, {"id": 1, "naam": "a"})
        assert found(db) == []
        db.connection.driver_connection.rollback()
        assert found(db) == [(1, "a")]


def test_who_waits_for_a_row_lets_others_work(database):
    """Were Python's lock not given away meanwhile, who holds the row could never let go of it."""
    with database.each_by_itself() as db:
        ADD.run(db, {"id": 1, "naam": ""})
    begun = threading.Event()

    def rename() -> None:
        with database.each_by_itself() as db:
            begun.set()
            NAME.run(db, {"which": 1, "as": "second"})

    other = threading.Thread(target=rename)
    with database.transaction() as db:
        NAME.run(db, {"which": 1, "as": "first"})
        other.start()
        assert begun.wait(PATIENCE)
        with database.reading() as looking:
            assert found(looking) == [(1, "")]
    other.join(PATIENCE)
    with database.reading() as db:
        assert found(db) == [(1, "second")]


def test_a_connection_that_the_server_ended_is_given_up_and_the_next_one_learns_the_statement_anew(database):
    with database.each_by_itself() as db:
        ADD.run(db, {"id": 1, "naam": "a"})
        with database.reading() as other:
            other.execute(text(CUT))
        with pytest.raises(OperationalError) as lost:
            ADD.run(db, {"id": 2, "naam": "b"})
        assert lost.value.connection_invalidated
    with database.reading() as db:
        assert found(db) == [(1, "a")]


@pytest.mark.parametrize("change", ["ALTER TABLE thing ALTER naam TYPE varchar(40)", "DEALLOCATE ALL"])
def test_what_was_made_ready_and_is_of_no_use_any_more_is_made_ready_again(database, change):
    with database.each_by_itself() as db:
        ADD.run(db, {"id": 1, "naam": "a"})
        assert found(db) == [(1, "a")]
        db.execute(text(change))
        assert found(db) == [(1, "a")]
        assert ADD.run(db, {"id": 2, "naam": "b"}) == 1
        assert found(db) == [(1, "a"), (2, "b")]


def test_in_a_transaction_it_is_refused_once_and_made_ready_for_the_next(database):
    with database.transaction() as db:
        assert found(db) == []
    with pytest.raises(DBAPIError), database.transaction() as db:
        db.execute(text("DEALLOCATE ALL"))
        found(db)
    with database.transaction() as db:
        assert found(db) == []


@pytest.mark.parametrize("change", ["ALTER TABLE thing ALTER naam TYPE varchar(40)", "DEALLOCATE ALL"])
def test_work_that_meets_in_a_transaction_what_is_of_no_use_any_more_is_done_again(database, change):
    """As somebody meets it who signs in while a migration changes a table."""
    with database.transaction() as db:
        assert found(db) == []
    tries = []

    def work(db) -> list[Any]:
        tries.append(1)
        if len(tries) == 1:
            db.execute(text(change))
        ADD.run(db, {"id": 1, "naam": "a"})
        return found(db)

    assert (database.retrying(work), len(tries)) == ([(1, "a")], 2)


def test_what_was_made_ready_outlives_a_savepoint_that_is_taken_back(database):
    """psycopg throws away every statement of a connection then, when it made some ready itself."""
    count = select(column("id")).select_from(THINGS)
    with database.transaction() as db:
        for number in range(8):
            assert len(db.execute(count).all()) == number
            ADD.run(db, {"id": number, "naam": "a"})
            with pytest.raises(IntegrityError), db.begin_nested():
                ADD.run(db, {"id": number, "naam": "a"})
        assert len(found(db)) == 8
