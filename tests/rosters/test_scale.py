"""A school of three thousand: pages in little time, by indexes, with as many statements as for a school of ten."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import event, insert, text

from idp import entropy, models
from tests import make
from tests.make_roster import Rosters

PUPILS, PER_CLASS = 3_000, 20
SLOWEST = 2.5
"""Seconds of CPU for a first page, which looks at all three thousand (on SQLite with the database's share): usually less than one."""


@pytest.fixture
def large(house):
    """Every pupil in one class, all with the app; the app reads lists."""
    bench = Rosters(house)
    story = bench.story()
    pupils = [entropy.identifier() for _ in range(PUPILS)]
    now = house.clock.now()
    with house.database.transaction() as db:
        blank = {"leerid_uuid": None, "national_number_digest": None, "geslacht": None, "merged_into": None}
        blank |= {"geboortedatum": None, "created_at": now, "voornaam": None, "naam": None}
        db.execute(insert(models.Pupil), [blank | {"account_uuid": one} for one in pupils])
        account = {"type": models.AccountType.BASIC, "secret_kind": models.SecretKind.PICTURE}
        account |= {"secret_hash": "none", "pepper_id": "pepper-1", "secret_set_at": now, "created_at": now}
        db.execute(
            insert(models.Account),
            [account | {"account_uuid": one, "username": f"u{n}"} for n, one in enumerate(pupils)],
        )
        stay = {
            "instellingsnummer": story.school,
            "voornaam": "Jo",
            "naam": "Peeters",
            "hoofdstructuur": "211",
        }
        stay |= {"administratieve_groep": "derde", "administratieve_groep_code": "L3", "leerjaar": "3"}
        stay |= {"begindatum": make.YEAR_BEGINS, "einddatum": make.YEAR_ENDS, "changed_at": now}
        db.execute(
            insert(models.Enrolment),
            [
                stay | {"id": entropy.row_id(), "account_uuid": one, "stamnummer": f"n{n}"}
                for n, one in enumerate(pupils)
            ],
        )
        classes = [make.klas(db, story.school, f"K{n}") for n in range(PUPILS // PER_CLASS)]
        seat = {"instellingsnummer": story.school, "begindatum": make.YEAR_BEGINS}
        db.execute(
            insert(models.ClassMembership),
            [
                seat | {"id": entropy.row_id(), "klas": classes[n // PER_CLASS], "account_uuid": one}
                for n, one in enumerate(pupils)
            ],
        )
    return bench, story


def test_a_school_of_three_thousand_is_read_by_pages_and_by_indexes(large):
    bench, story = large
    client_id, database = story.app.client_id, bench.house.database
    if not database.sqlite:
        with database.transaction() as db:
            db.execute(text("ANALYZE"))
    for path, lines in (("users", 1000), ("enrollments", 1000), ("classes", PUPILS // PER_CLASS + 1)):
        began = time.process_time()
        assert len(bench.items(client_id, path, limit=1000)) == lines
        took = time.process_time() - began
        assert took < SLOWEST, f"a first page of {path} took {took:.1f} s"
    said: list[tuple[str, object]] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: said.append((given[2], given[3])))
    total, counts = 0, []
    for page in bench.pages(client_id, "enrollments", limit=1000, after="0"):
        total += len(page)
        counts.append(len(said))
        said_now, said[:] = said[:], []
    assert total == PUPILS + 1
    assert set(counts) <= {5, 7}, "two more where somebody is named for the first time"
    if database.sqlite:
        for statement, given in said_now:
            if statement.startswith("SELECT"):
                with database.reading() as db:
                    placed = tuple(given) if isinstance(given, list) else given
                    plan = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", placed).all()
                large_tables = ("enrolment", "class_membership", "pupil", "account", "roster_entry", "klas")
                scans = [row[3] for row in plan if row[3].startswith("SCAN")]
                assert not [
                    scan for scan in scans if scan.split()[1].rstrip("_0123456789") in large_tables
                ], scans
