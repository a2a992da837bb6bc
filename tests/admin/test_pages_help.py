"""A teacher with a phone: find the pupil, give a code, or give new pictures; and never for somebody else's pupil."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote_plus

import pytest
from sqlalchemy import func, select, update

from idp import models
from idp.admin.pupils import helping
from idp.admin.pupils.helping import Scope
from idp.login import cards, let_in, sign_in, throttle, tries
from idp.login import help as login_help
from idp.login.slowing import Counter
from idp.models import RightKind, RuleKind
from idp.redis_link import RedisLink
from tests import make, make_login, make_staff
from tests.make_reading import read, stands

HELP = "/schoolloket/hulp"


@pytest.fixture
def noor(house):
    return make_login.pupil(house)


@pytest.fixture
def teacher(house, client, noor):
    with house.database.reading() as db:
        school = db.execute(select(models.Enrolment.instellingsnummer)).scalar_one()
    boss = make_staff.staff(house, RightKind.BEHEERDER, school=school)
    one = make_staff.staff(house, RightKind.TEACHER, school=school)
    with house.database.transaction() as db:
        helping.narrow(
            db,
            person_id=one.person_id,
            instellingsnummer=school,
            scopes=[Scope(kind=RuleKind.PUPIL, target=noor)],
            by=boss.person_id,
            today=house.clock.today(),
        )
    make_staff.begin(client, house, one)
    return one


def test_two_taps_from_the_list_lie_a_code_that_lets_the_pupil_in(client, house, noor, teacher):
    page = client.get(HELP)
    assert "Noor Peeters" in page.text
    pupil = client.get(f"{HELP}/{noor}")
    shown = client.post(f"{HELP}/{noor}/code", data=word(pupil))
    code = re.search(r'big-code">(\d{3} \d{3})<', shown.text)[1]
    assert "data:image/svg+xml" in shown.text
    assert 'data-countdown="600"' in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    visit = let_in.Visit(browser=make_login.BROWSER, address="192.0.2.7")
    outcome = login_help.redeem(house, "noor.peeters", login_help.digits(code), visit)
    assert isinstance(outcome, sign_in.SignedIn)


def word(page) -> dict[str, str]:
    return {"csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]}


def stored(house, account_uuid):
    with house.database.reading() as db:
        mine = models.Account.account_uuid == account_uuid
        return db.execute(select(models.Account.secret_hash).where(mine)).scalar_one()


def test_new_pictures_are_asked_about_first_and_shown_once(client, house, noor, teacher):
    page = client.get(f"{HELP}/{noor}")
    asked = client.post(f"{HELP}/{noor}/nieuw", data=word(page))
    assert "Nieuwe plaatjes geven?" in asked.text
    assert isinstance(sign_in.prove(house, make_login.attempt()), sign_in.SignedIn), "nothing changed yet"
    before = stored(house, noor)
    shown = client.post(f"{HELP}/{noor}/nieuw", data=word(asked) | {"zeker": "ja"})
    secret = re.findall(r"<dd><code>([^<]+)</code>", shown.text)[1]
    assert stored(house, noor) != before
    assert secret not in client.get(f"{HELP}/{noor}").text
    assert isinstance(sign_in.prove(house, make_login.attempt(secret=secret)), sign_in.SignedIn)


def test_SESS_a_desk_that_was_left_alone_gives_a_code_but_no_new_secret(client, house, noor, teacher):
    page = client.get(f"{HELP}/{noor}")
    for _ in range(2):
        house.clock.move(minutes=15)
        client.get(HELP)
    assert "Nieuwe plaatjes geven?" in client.post(f"{HELP}/{noor}/nieuw", data=word(page)).text
    house.clock.move(minutes=1)
    for asked in ({}, {"zeker": "ja"}, {"zeker": "ja", "kaart": "1"}):
        answer = client.post(f"{HELP}/{noor}/nieuw", data=word(page) | asked)
        assert answer.status_code == 303
        assert answer.location.startswith("/personeel/bevestigen?")
    assert "big-code" in client.post(f"{HELP}/{noor}/code", data=word(page)).text
    assert isinstance(sign_in.prove(house, make_login.attempt()), sign_in.SignedIn), "nothing changed"
    again = make_staff.form(client, answer.location, password=teacher.password, code=teacher.code(house))
    assert again.location == f"{HELP}/{noor}?vraag=nieuw"
    assert "Nieuwe plaatjes geven?" in client.get(again.location).text


def test_a_code_from_this_page_wakes_a_card_that_rests_wherever_tries_are_counted(
    client, house, noor, teacher, redis_url
):
    link = RedisLink(redis_url, clock=house.clock, connections=4)
    client.application.extensions["idp"] = both = replace(house, redis=link)
    now = house.clock.now()
    with house.database.transaction() as db:
        card = cards.issue(db, account_uuid=noor, label="school", now=now, days=9).id
    resting = throttle.name_of(house.keys.throttle, Counter.CARD, card)
    tries.anywhere(both, lambda counters: counters.close(resting, now + timedelta(hours=9), now))
    page = client.get(f"{HELP}/{noor}")
    client.post(f"{HELP}/{noor}/code", data=word(page))
    assert not tries.anywhere(both, lambda counters: counters.closed([resting], now))
    link.close()


def test_a_new_card_is_a_paper_that_no_browser_keeps(client, noor, teacher):
    page = client.get(f"{HELP}/{noor}")
    paper = client.post(f"{HELP}/{noor}/nieuw", data=word(page) | {"zeker": "ja", "kaart": "1"})
    assert paper.mimetype == "application/pdf"
    assert paper.headers["Cache-Control"] == "no-store"
    assert paper.data.startswith(b"%PDF")


def test_IDOR_02_a_pupil_of_others_is_not_found_and_nothing_changes(client, house, noor, teacher):
    other = make_login.pupil(house, "seppe.duinen")
    page = client.get(f"{HELP}/{noor}")
    for who in (other, "x", "00000000-0000-0000-0000-000000000000"):
        assert client.get(f"{HELP}/{who}").status_code == 404
        for act in ("code", "nieuw"):
            answer = client.post(f"{HELP}/{who}/{act}", data=word(page) | {"zeker": "ja"})
            assert answer.status_code == 404
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.HelpCode)).scalar() == 0
        renewed = select(func.count()).where(models.AuditEvent.event == "secret_renewed")
        assert db.execute(renewed).scalar() == 0


def test_searching_finds_parts_of_a_name_and_puts_no_name_in_an_address(client, teacher):
    def search(words):
        sent = client.post(HELP, data=word(client.get(HELP)) | {"woorden": words})
        assert not stands(words, unquote_plus(sent.headers["Location"]))
        return client.get(sent.headers["Location"]).text

    found = search("pee")
    assert "Noor Peeters" in found
    assert 'value="pee"' in found
    assert "te oud" in client.get(f"{HELP}?zoek=pee").text
    nobody = search("<b>x")
    assert "Noor Peeters" not in nobody
    assert "<b>x" not in nobody


def test_a_school_without_accounts_sends_a_beheerder_to_make_them_and_a_teacher_to_the_beheerder(app, house):
    with house.database.transaction() as db:
        school = make.school(db)
        make.enrolment(db, make.pupil(db), school)
    read = {}
    for kind in (models.RightKind.BEHEERDER, models.RightKind.TEACHER):
        desk = app.test_client()
        make_staff.begin(desk, house, make_staff.staff(house, kind, school=school))
        read[kind] = desk.get(HELP).text
    chooses = "De LeerID-beheerder van je school kiest ze voor jou."
    assert chooses in read[models.RightKind.TEACHER]
    assert chooses not in read[models.RightKind.BEHEERDER]
    assert "Maak ze aan bij Leerlingen." in read[models.RightKind.BEHEERDER]


def test_a_beheerder_chooses_the_groups_classes_and_pupils_of_a_teacher(client, app, house, noor, teacher):
    boss = make_staff.staff(house, school=teacher.school)
    desk = app.test_client()
    make_staff.begin(desk, house, boss)
    where = f"/schoolloket/personen/leerkracht/{teacher.person_id}"
    with house.database.transaction() as db:
        other = make.pupil(db)
        make.enrolment(
            db,
            other,
            teacher.school,
            naam="Logie",
            administratieve_groep="L9",
            administratieve_groep_code="L9",
        )
        make.account(db, other)
        klas = make.klas(db, teacher.school, "9Z")
        make.membership(db, klas, other)
    assert where in desk.get("/schoolloket/personen").text
    page = desk.get(where)
    assert f'value="{noor}" checked' in page.text
    assert 'value="9Z"' not in page.text, "the school shares no classes"

    def choose(**fields):
        answer = desk.post(where, data=word(desk.get(where)) | fields)
        return desk.get(answer.headers["Location"])

    found = choose(doe="zoek", woorden="logie", leerling=noor)
    assert f'value="{other}"' in found.text
    assert "Logie" not in read(client.get(HELP)).seen
    choose(doe="bewaar", groep="L9")
    assert "Logie" in client.get(HELP).text
    assert "Noor Peeters" not in client.get(HELP).text
    with house.database.transaction() as db:
        agreed = make.agreement(db, teacher.school)
    assert 'value="9Z"' in desk.get(where).text
    choose(doe="bewaar", klas="9Z")
    assert "Logie" in client.get(HELP).text
    with house.database.transaction() as db:
        db.execute(
            update(models.Agreement).where(models.Agreement.id == agreed).values(stopped_at=house.clock.now())
        )
    choose(doe="bewaar", leerling=noor)
    names = read(client.get(HELP)).seen
    assert ("Logie" in names, "Noor Peeters" in names) == (False, True)
    with house.database.reading() as db:
        kinds = {one.kind for one in db.execute(select(models.RightScope)).all()}
    assert kinds == {RuleKind.KLAS, RuleKind.PUPIL}, (
        "what was chosen before waits until the school shares again"
    )


def test_IDOR_a_teacher_of_another_school_is_not_there(client, app, house, teacher):
    elsewhere = make_staff.staff(house)
    desk = app.test_client()
    make_staff.begin(desk, house, elsewhere)
    where = f"/schoolloket/personen/leerkracht/{teacher.person_id}"
    assert desk.get(where).status_code == 404
    token = word(desk.get("/schoolloket/personen"))
    assert desk.post(where, data=token | {"groep": "L3"}).status_code == 404
    assert client.post(where, data=word(client.get(HELP))).status_code == 403, "nobody chooses for oneself"


def test_a_teacher_arrives_at_the_page_where_a_pupil_is_helped(client, teacher):
    assert client.get("/schoolloket").headers["Location"] == HELP
