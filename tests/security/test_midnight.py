"""Midnight in Brussels, in summer and winter time: accounts, rights and tabs turn then, and at no other moment."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from idp import models
from idp.login import help as login_help
from idp.login import let_in, sessions, sign_in
from idp.models import RightKind
from tests import make, make_login, make_staff
from tests.make_tokens import Bench

TURNS = [
    pytest.param(date(2027, 8, 31), datetime(2027, 8, 31, 21, 59, 59, tzinfo=UTC), id="31 August"),
    pytest.param(date(2027, 1, 31), datetime(2027, 1, 31, 22, 59, 59, tzinfo=UTC), id="31 January"),
    pytest.param(date(2027, 3, 28), datetime(2027, 3, 28, 21, 59, 59, tzinfo=UTC), id="to summer time"),
    pytest.param(date(2027, 10, 31), datetime(2027, 10, 31, 22, 59, 59, tzinfo=UTC), id="to winter time"),
]
"""A last day, and its last second."""
LIST, HELP, APPS = (
    "/schoolloket/leerid-beheer",
    "/schoolloket/hulp",
    "/schoolloket/applicatiebeheer/leerlingen",
)
turning = pytest.mark.parametrize(("last", "moment"), TURNS)


def end_on(house, last):
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).values(einddatum=last))


@turning
def test_LIFE_01_with_the_last_second_of_the_last_day_everything_a_pupil_holds_ends(house, last, moment):
    bench = Bench(house)
    house.clock.moment = moment
    story = bench.story()
    end_on(house, last)
    session = bench.sign_in(story)
    offline = bench.tokens(story, scope="openid profile offline_access")
    access = bench.tokens(story, session)["access_token"]
    assert bench.userinfo(access).status_code == 200
    assert bench.introspect(story, access).json["active"]
    house.clock.move(seconds=1)
    assert bench.userinfo(access).status_code == 401
    assert not bench.introspect(story, access).json["active"]
    refused = bench.refresh(story, offline["refresh_token"])
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_grant")


@turning
def test_LIFE_01_a_pupil_signs_in_until_midnight_and_not_after(house, last, moment):
    noor = make_login.pupil(house)
    end_on(house, last)
    house.clock.moment = moment
    inside = sign_in.prove(house, make_login.attempt())
    assert isinstance(inside, sign_in.SignedIn)
    with house.database.transaction() as db:
        (school,) = db.execute(select(models.Enrolment.instellingsnummer)).scalars()
        given = login_help.give(
            db, house, account_uuid=noor, instellingsnummer=school, by="p", now=house.clock.now()
        )
    house.clock.move(seconds=1)
    assert isinstance(sign_in.prove(house, make_login.attempt()), sign_in.Wrong)
    visit = let_in.Visit(browser=make_login.BROWSER, address="192.0.2.7")
    assert isinstance(login_help.redeem(house, "noor.peeters", given.code, visit), sign_in.Wrong)
    with house.database.reading() as db:
        assert sessions.seen(db, house.settings, inside.cookie, house.clock.now()) is None


@turning
def test_the_tabs_turn_at_midnight_and_applicatiebeheer_knows_before(house, client, last, moment):
    first = last + timedelta(days=1)
    with house.database.transaction() as db:
        school = make.school(db)
        for naam, words in (
            ("Vertrekt", {"einddatum": last}),
            ("Begint", {"begindatum": first, "einddatum": last + timedelta(days=300)}),
        ):
            who = make.pupil(db)
            make.enrolment(db, who, school, naam=naam, voornaam="An", **words)
            make.account(db, who, f"an.{naam.lower()}")
    boss = make_staff.staff(house, school=school)
    with house.database.transaction() as db:
        db.execute(update(models.Right).values(begindatum=date(2026, 1, 1), einddatum=date(2028, 12, 31)))
    house.clock.moment = moment
    make_staff.begin(client, house, boss)

    def seen():
        found = {}
        for where in (LIST, HELP, APPS):
            page = client.get(where)
            assert page.status_code == 200
            found[where] = [naam for naam in ("Vertrekt", "Begint") if naam in page.text]
        return found

    assert seen() == {LIST: ["Vertrekt"], HELP: ["Vertrekt"], APPS: ["Vertrekt", "Begint"]}
    house.clock.move(seconds=1)
    assert seen() == {LIST: ["Begint"], HELP: ["Begint"], APPS: ["Begint"]}


@turning
@pytest.mark.parametrize("kind", [RightKind.BEHEERDER, RightKind.TEACHER])
def test_ROLE_01_a_right_ends_with_its_last_second_and_the_tabs_with_it(house, client, last, moment, kind):
    one = make_staff.staff(house, kind)
    with house.database.transaction() as db:
        here = models.Right.person_id == one.person_id
        db.execute(update(models.Right).where(here).values(begindatum=date(2026, 1, 1), einddatum=last))
    house.clock.moment = moment
    make_staff.begin(client, house, one)
    assert client.get(HELP).status_code == 200
    house.clock.move(seconds=1)
    gone = client.get(HELP)
    assert gone.status_code == 403
    assert LIST not in gone.text


# ---------------------------------------------------------------- two schools


@pytest.fixture
def moved(house, client):
    """A pupil of A until 31 January, of B from 1 February; staff of both, and browsers of theirs."""
    noor = make_login.pupil(house)
    last = date(2027, 1, 31)
    with house.database.transaction() as db:
        (a,) = db.execute(select(models.Enrolment.instellingsnummer)).scalars()
        db.execute(update(models.Enrolment).values(einddatum=last))
        b = make.school(db)
        make.enrolment(db, noor, b, voornaam="Noor", naam="Peeters", begindatum=last + timedelta(days=1))
    return noor, make_staff.staff(house, school=a), make_staff.staff(house, school=b)


def test_LIFE_02_at_midnight_the_staff_of_one_school_lose_a_pupil_and_those_of_the_other_gain_one(
    house, app, moved
):
    noor, of_a, of_b = moved
    house.clock.moment = datetime(2027, 1, 31, 22, 59, 59, tzinfo=UTC)
    browsers = []
    for one in (of_a, of_b):
        browser = app.test_client()
        make_staff.begin(browser, house, one)
        browsers.append(browser)

    def answers():
        return [
            [browser.get(f"{where}/{noor}").status_code for where in (f"{LIST}/leerling", HELP)]
            for browser in browsers
        ]

    assert answers() == [[200, 200], [404, 404]]
    house.clock.move(seconds=1)
    assert answers() == [[404, 404], [200, 200]]


def test_LIFE_11_two_schools_each_act_within_their_own_and_the_other_reads_of_it(house, app, moved):
    noor, of_a, of_b = moved
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).values(begindatum=make.YEAR_BEGINS))
    pages = {}
    for one in (of_a, of_b):
        browser = app.test_client()
        make_staff.begin(browser, house, one)
        pages[one.school] = browser

    def read(one):
        return pages[one.school].get(f"{LIST}/leerling/{noor}").text

    token = re.search(r'name="csrf_token" value="([^"]+)"', read(of_a))[1]
    helped = pages[of_a.school].post(
        f"{HELP}/{noor}/nieuw", data={"csrf_token": token, "zeker": "ja", "kaart": "1"}
    )
    assert helped.mimetype == "application/pdf"
    assert "Wachtwoord vernieuwd" in read(of_b)
    assert "niet door iemand van deze school" in read(of_b)
    assert "Kaart van een andere school" in read(of_b)
    assert "Zet stop" not in read(of_b)
    assert "Zet stop" in read(of_a)
    house.clock.moment = datetime(2027, 2, 1, 9, 0, tzinfo=UTC)
    make_staff.begin(pages[of_b.school], house, of_b)
    with house.database.reading() as db:
        row = db.execute(select(models.Account.blocked_at)).one()
    assert row.blocked_at is None
    assert "Kaart van een andere school" not in read(of_b), (
        "it stopped with the enrolment at the other school"
    )
    assert "Noor" in read(of_b), "access through the second school stays"
