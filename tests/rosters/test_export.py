"""What is in the zip? OneRoster's files with OneRoster's columns, what the pages say, and nothing of a school that stopped."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import event, func, select, update

from idp import models
from idp.rosters import endpoints, export
from tests import make
from tests.make_roster import Rosters, read_zip

OTHERS = Path(__file__).resolve().parents[1] / "data" / "oneroster" / "999003"


@pytest.fixture
def bench(house):
    return Rosters(house)


def test_the_files_have_the_columns_of_the_specification_in_its_order(bench):
    story = bench.story()
    answer = bench.get(story.app.client_id, endpoints.ZIP)
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("application/zip", "no-store")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        for name in archive.namelist():
            (header, *_) = csv.reader(io.StringIO(archive.read(name).decode()))
            if (OTHERS / name).exists():
                with (OTHERS / name).open(encoding="utf-8") as known:
                    assert header == next(csv.reader(known)), name
        assert {*archive.namelist()} == {f"{name}.csv" for name in (*export.HEADERS, "manifest")}
    manifest = {row["propertyName"]: row["value"] for row in read_zip(answer.data)["manifest"]}
    assert manifest["oneroster.version"] == "1.2"
    with (OTHERS / "manifest.csv").open(encoding="utf-8") as known:
        assert {*manifest} == {row["propertyName"] for row in csv.DictReader(known)}


def test_whatever_a_file_refers_to_stands_in_another_one(bench):
    story = bench.story()
    files = read_zip(bench.get(story.app.client_id, endpoints.ZIP).data)
    ids = {name: {row["sourcedId"] for row in rows} for name, rows in files.items() if name != "manifest"}
    for sits in files["enrollments"]:
        assert sits["classSourcedId"] in ids["classes"]
        assert sits["userSourcedId"] in ids["users"]
        assert sits["schoolSourcedId"] in ids["orgs"]
    for klas in files["classes"]:
        assert klas["courseSourcedId"] in ids["courses"]
        assert klas["termSourcedIds"] in ids["academicSessions"]
    for role in files["roles"]:
        assert role["userSourcedId"] in ids["users"]
        assert role["orgSourcedId"] in ids["orgs"]


def test_CARD_01_a_name_that_begins_like_a_formula_is_text_in_the_file(bench):
    story = bench.story()
    bench.change(update(models.Enrolment).values(voornaam="=cmd|'/c calc'!A1", naam="@Logie"))
    (user,) = read_zip(bench.get(story.app.client_id, endpoints.ZIP).data)["users"]
    assert (user["givenName"], user["familyName"]) == ("'=cmd|'/c calc'!A1", "'@Logie")


def test_the_file_of_one_school_has_that_school_only_and_is_in_its_trail(bench):
    story = bench.story()
    with bench.house.database.transaction() as db:
        second = make.school(db)
        make.enrolment(db, story.pupil, second)
        make.rule(db, story.app.client_id, second)
    files = read_zip(bench.get(story.app.client_id, endpoints.ZIP, school=second).data)
    assert [org["sourcedId"] for org in files["orgs"]] == [second]
    assert files["classes"] == files["enrollments"] == files["courses"] == []
    (noted,) = bench.rows(
        select(models.AuditEvent.instellingsnummer, models.AuditEvent.actor, models.AuditEvent.details).where(
            models.AuditEvent.event == "roster_exported",
            models.AuditEvent.instellingsnummer == second,
        )
    )
    assert noted.actor == f"app:{story.app.client_id}"
    assert noted.details == {"pupils": 1}
    assert bench.get(story.app.client_id, endpoints.ZIP, scool=second).status_code == 400


def test_CONS_03_a_school_that_stops_while_the_file_is_made_is_not_in_it(bench):
    """Classes are in the file already when a director stops: the file is made anew."""
    story = bench.story()
    bench.items(story.app.client_id, "classes")
    counts: list[str] = []

    def stop(_db, _cursor, statement, *_rest):
        if statement.startswith("SELECT count(*)") and "roster_entry" in statement:
            counts.append(statement)
            if len(counts) == 4:
                bench.change(update(models.Agreement).values(stopped_at=bench.house.clock.now()))

    event.listen(bench.house.database.engine, "before_cursor_execute", stop)
    files = read_zip(bench.get(story.app.client_id, endpoints.ZIP).data)
    assert len(counts) == 8, "schools, pupils, classes, who sits where: twice"
    assert files["classes"] == files["enrollments"] == files["courses"] == []
    assert len(files["users"]) == 1
    told = {row.claims["ov_klassen"] for row in bench.ledger("export")}
    assert told == {"not_requested"}


def test_nothing_is_written_down_of_a_file_that_was_not_given(bench):
    story = bench.story(scope="openid https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly")
    assert bench.get(story.app.client_id, endpoints.ZIP).status_code == 403
    assert bench.rows(select(func.count()).select_from(models.Release))[0][0] == 0
