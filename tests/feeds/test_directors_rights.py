"""Directors: a right ends while somebody is signed in, counts at two schools, and outlives a week without a list."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest
from sqlalchemy import delete, select

from idp import audit, models
from idp.errands import jobs
from idp.feeds import directors
from tests import make as plain
from tests import make_feeds as make
from tests import make_staff

PATH = "/schoolloket/klasinformatie"
HEADER = (
    "instellingsnummer",
    "persoon_id",
    "voornaam",
    "naam",
    "e_mail",
    "aanstelling",
    "begindatum",
    "einddatum",
)


def line(school="999001", end="2027-08-31", kind="tijdelijk", **words):
    row = {"instellingsnummer": school, "persoon_id": "d-7", "voornaam": "Ann", "naam": "Claes"}
    row |= {"e_mail": "", "aanstelling": kind, "begindatum": "2026-09-01", "einddatum": end}
    return row | words


def week(house, *rows):
    """The list of this Monday."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HEADER)
    writer.writeheader()
    writer.writerows(rows)
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="feed:week")):
        return directors.take_in(house, text.getvalue().encode())


@pytest.fixture
def director(house, app):
    """Signed in, with a right from the list of this week at each of the schools that a test names."""
    make.schools(house)
    with house.database.transaction() as db:
        elsewhere = plain.school(db)
    make_staff.staff(house, models.RightKind.TEACHER, school=elsewhere, person_id="d-7")
    with house.database.transaction() as db:
        db.execute(delete(models.Right))  # only what the list gives

    def one(*rows):
        week(house, *rows)
        browser = app.test_client()
        held = make_staff.Staff(person_id="d-7", school=rows[0]["instellingsnummer"], secret="x")
        make_staff.begin(browser, house, held)
        return browser

    return one


def test_a_right_that_an_end_row_ends_is_gone_at_the_next_request(house, director):
    browser = director(line())
    assert browser.get(PATH).status_code == 200
    week(house, line(end="2026-11-22"))
    assert browser.get(PATH).status_code == 403


def test_the_trail_of_the_school_tells_which_right_the_list_ended_and_gave_again(house, director):
    two = line(begindatum="2026-11-01", end="2027-06-30")
    director(line())
    for rows in (
        (line(end="2026-11-22"), two),  # the other one gives the right now
        (line(end="2026-11-22"), two | {"einddatum": "2026-11-22"}),
        (line(end="2026-11-22"), two | {"einddatum": "2026-11-22"}),
        (line(end="2026-11-22"), two),
    ):
        week(house, *rows)
    with house.database.reading() as db:
        mine = models.AuditEvent.event.in_(("right_given", "right_stopped"))
        rows = db.execute(select(models.AuditEvent).where(mine).order_by(models.AuditEvent.id)).all()
    assert [(one.event, one.instellingsnummer, one.object) for one in rows[1:]] == [
        ("right_given", "999001", "person:d-7"),
        ("right_stopped", "999001", "person:d-7"),
        ("right_given", "999001", "person:d-7"),
    ]
    assert rows[2].details == {"right": "leerid-databeheerder", "until": "2027-06-30"}


def test_the_trail_tells_of_no_right_that_stopped_while_one_given_by_hand_runs_on(house, director):
    browser = director(line())
    with house.database.transaction() as db:
        hand = plain.right(db, "d-7", "999001", source="cli")
    week(house, line(end="2026-11-22"))
    assert browser.get(PATH).status_code == 200
    stopped = select(models.AuditEvent.id).where(models.AuditEvent.event == "right_stopped")
    with house.database.reading() as db:
        assert db.execute(stopped).all() == []
    week(house, line())
    with house.database.transaction() as db:
        db.execute(delete(models.Right).where(models.Right.id == hand))
    week(house, line(end="2026-11-22"))
    with house.database.reading() as db:
        assert len(db.execute(stopped).all()) == 1


def test_a_right_ends_at_midnight_while_the_director_is_signed_in(house, director):
    browser = director(line(end="2026-11-23"))
    house.clock.move(hours=13, minutes=59)  # 23:59 in Brussels
    fresh = director(line(end="2026-11-23"))
    assert fresh.get(PATH).status_code == 200
    house.clock.move(minutes=1)
    assert fresh.get(PATH).status_code == 403
    assert browser.get(PATH).status_code in {303, 403}


def test_a_director_of_two_schools_has_a_right_at_each(house, director):
    browser = director(line("999001"), line("999002", kind="vast", end=""))
    page = browser.get("/schoolloket/instelling")
    assert all(number in page.text for number in ("999001", "999002"))
    week(house, line("999001", end="2026-11-22"), line("999002", kind="vast", end=""))
    with house.database.reading() as db:
        running = select(models.Right.instellingsnummer).where(
            models.Right.person_id == "d-7",
            models.Right.kind == models.RightKind.DATABEHEERDER,
            models.Right.einddatum >= house.clock.today(),
        )
        assert db.execute(running).scalars().all() == ["999002"]


def test_who_is_missing_from_the_list_keeps_the_right_and_is_told_to_the_operator(house, director):
    browser = director(line())
    other = week(house, line("999003", persoon_id="d-8"))
    assert other.missing == (("999001", "d-7"),)
    assert other.counts["missing"] == 1
    assert browser.get(PATH).status_code == 200
    with house.database.reading() as db:
        mine = select(models.AuditEvent.details).where(models.AuditEvent.event == "directors_imported")
        events = db.execute(mine.order_by(models.AuditEvent.id)).scalars()
        assert [one["counts"]["missing"] for one in events] == [0, 1]


def test_a_permanent_appointment_has_a_right_for_ten_years(house, director):
    director(line(kind="vast", end=""))
    with house.database.reading() as db:
        query = select(models.Right.einddatum).where(models.Right.source == directors.SOURCE)
        (end,) = db.execute(query).scalars()
    assert date(2036, 11, 1) < end < date(2036, 12, 31)


def test_operators_hear_of_a_list_that_did_not_come_and_only_then(house, app):
    said = [one.name for one in jobs.JOBS]
    job = jobs.JOBS[said.index("missing-directors")]

    def told():
        with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="system")):
            return job.work(house)

    make.schools(house)
    assert told() == {}  # no real school: nobody's list is awaited
    make.schools(house, "800001", kind=models.SchoolKind.REAL)
    assert told() == {"missing": 1, "days": 0}
    week(house, line())
    assert told() == {}
    house.clock.move(days=7, hours=23)
    assert told() == {}
    house.clock.move(hours=1)
    assert told() == {"missing": 1, "days": 8}
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="feed:week")):
        assert directors.take_in(house, b"no,list\n1,2\n").refused
    assert told() == {"missing": 1, "days": 8}
    with house.database.reading() as db:
        assert "directors_missing" in db.execute(select(models.AuditEvent.event)).scalars().all()
    week(house, line())
    assert told() == {}


def test_a_line_that_ended_brings_no_name_back_that_was_kept_long_enough(house):
    with house.database.transaction() as db:
        plain.school(db, "999001")
        plain.person(db, "d-7", voornaam="", naam="", e_mail=None)
    week(house, line(begindatum="2023-09-01", end="2024-08-31"))
    with house.database.reading() as db:
        assert db.execute(select(models.Person.naam)).scalar_one() == ""
    week(house, line())
    with house.database.reading() as db:
        assert db.execute(select(models.Person.naam)).scalar_one() == "Claes"
