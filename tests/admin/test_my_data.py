"""A person changes the own ways to sign in after proving to be there, sees the own sessions and ends them."""

from __future__ import annotations

import re
from html import unescape

import pyotp
import pytest
from sqlalchemy import select

from idp import models
from idp.login import staff_accounts
from idp.login.staff_factors import Question
from tests import make_staff
from tests.make_browser import path
from tests.make_passkey import Device

PATH = "/personeel/mijn-gegevens"


@pytest.fixture
def one(client, house):
    made = make_staff.staff(house)
    make_staff.begin(client, house, made)
    return made


def post(client, where, **fields):
    page = client.get(PATH).text
    return client.post(
        where, data={"csrf_token": re.search(r'csrf_token" value="([^"]+)"', page)[1]} | fields
    )


def test_a_new_password_ends_every_other_session(app, client, house, one):
    other = app.test_client()
    make_staff.begin(other, house, one)
    answer = make_staff.form(client, f"{PATH}/wachtwoord", password="een heel ander wachtwoord")
    assert path(answer) == PATH
    assert client.get(PATH).status_code == 200
    assert path(other.get(PATH)) == "/personeel/aanmelden"
    with house.database.reading() as db:
        stored = staff_accounts.find(db, one.person_id).stored
    assert house.hasher.verify(stored, "een heel ander wachtwoord").right


@pytest.mark.parametrize("what", ["wachtwoord", "app", "herstelcodes", "passkey", "passkey/weg"])
def test_a_change_asks_who_proved_too_long_ago_to_prove_it_again(client, house, one, stopped, what):
    stopped.move(minutes=house.settings.staff_fresh_minutes, seconds=1)
    answer = post(client, f"{PATH}/{what}", password="een heel ander wachtwoord", code="123456")
    assert path(answer) == "/personeel/bevestigen"
    with house.database.reading() as db:
        found = staff_accounts.find(db, one.person_id)
        assert house.hasher.verify(found.stored, one.password).right
        assert staff_accounts.recovery_codes_left(db, one.person_id) == 0


def test_a_password_and_a_code_prove_it_again(client, house, one, stopped):
    stopped.move(minutes=15)
    page = client.get(f"{PATH}/wachtwoord")
    assert path(page) == "/personeel/bevestigen"
    where = page.headers["Location"]
    wrong = make_staff.form(client, where, password=one.password, code="000000")
    assert wrong.status_code == 401
    assert path(client.get(f"{PATH}/wachtwoord")) == "/personeel/bevestigen"
    stopped.move(seconds=30)
    assert (
        path(make_staff.form(client, where, password=one.password, code=one.code(house)))
        == f"{PATH}/wachtwoord"
    )
    assert client.get(f"{PATH}/wachtwoord").status_code == 200


def test_a_right_password_while_it_is_busy_is_not_called_wrong(client, house, one, stopped):
    stopped.move(minutes=15)
    where = client.get(f"{PATH}/wachtwoord").headers["Location"]
    places = house.hasher._gate._places
    taken = sum(iter(lambda: places.take(0), False))
    said = make_staff.form(client, where, password=one.password, code=one.code(house))
    for _ in range(taken):
        places.give_back()
    assert said.status_code == 503
    assert "kloppen niet" not in said.text


def test_another_app_takes_over_and_the_first_one_brings_recovery_codes(client, house, one, stopped):
    page = client.get(f"{PATH}/app")
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)[1].replace(" ", "")
    answer = make_staff.send(client, page, code=pyotp.TOTP(secret).at(house.clock.now()))
    assert len(re.findall(r"<li><code>", answer.text)) == 10
    stopped.move(seconds=60)
    old = client.application.test_client()
    fresh = make_staff.Staff(person_id=one.person_id, school=one.school, secret=secret)
    while one.code(house) in fresh.around(house):
        stopped.move(seconds=90)
    assert make_staff.sign_in(old, house, one).status_code == 401
    assert path(make_staff.sign_in(old, house, fresh)) == "/schoolloket"


def test_new_recovery_codes_make_the_old_ones_worthless(client, house, one):
    first, second = (
        re.findall(r"<li><code>([a-z0-9-]+)", post(client, f"{PATH}/herstelcodes").text) for _ in range(2)
    )
    assert len({*first, *second}) == 20
    with house.database.transaction() as db:
        now = house.clock.now()
        assert not staff_accounts.spend_recovery_code(db, one.person_id, first[0], now)
        assert staff_accounts.spend_recovery_code(db, one.person_id, second[0], now)


def test_SESS_09_own_sessions_are_listed_and_ended_and_nobody_elses(app, client, house, one):
    browsers = [app.test_client() for _ in range(3)]
    sids = [make_staff.begin(browser, house, one) for browser in browsers]
    stranger = app.test_client()
    theirs = make_staff.begin(stranger, house, make_staff.staff(house))
    post(client, f"{PATH}/sessie", sid=theirs)
    assert stranger.get(PATH).status_code == 200
    post(client, f"{PATH}/sessie", sid=sids[0])
    assert path(browsers[0].get(PATH)) == "/personeel/aanmelden"
    assert browsers[1].get(PATH).status_code == 200
    post(client, f"{PATH}/sessie", sid="alle")
    assert {path(browser.get(PATH)) for browser in browsers} == {"/personeel/aanmelden"}
    assert client.get(PATH).status_code == 200


def test_changes_are_audited_without_secrets(client, house, one):
    make_staff.form(client, f"{PATH}/wachtwoord", password="een heel ander wachtwoord")
    with house.database.reading() as db:
        rows = db.execute(
            select(models.AuditEvent).where(models.AuditEvent.event == "staff_way_changed")
        ).all()
    assert [(row.actor, row.details) for row in rows] == [
        (f"person:{one.person_id}", {"what": "password", "change": "changed"})
    ]


def make_passkey(client, house, label):
    """On the page for it, with a device of its own."""
    page = client.get(f"{PATH}/passkey")
    options = unescape(re.search(r'data-passkey="([^"]+)"', page.text)[1])
    sealed = unescape(re.search(r'name="question" value="([^"]+)"', page.text)[1])
    answer = Device(origin=house.settings.issuer).make(Question(options=options, sealed=sealed))
    done = make_staff.send(client, page, label=label, answer=answer)
    assert done.headers["Location"] == f"{PATH}?bericht=passkey"


def test_a_passkey_carries_the_name_that_its_owner_gave_it(client, house, one):
    for label in ("Mijn gsm", " <b>Sleutel</b> in de kast ", "x" * 300, "  "):
        make_passkey(client, house, label)
    page = unescape(client.get(PATH).text)
    told = re.findall(r"<strong>Passkey</strong> (.*?)<br><small>toegevoegd op", page)
    assert told == ["Mijn gsm", "<b>Sleutel</b> in de kast", "x" * 60, "?"], "of what could not be told: ?"
    assert len(re.findall(r'Verwijder<span class="out-of-sight"> ', page)) == 4


def test_the_last_way_to_sign_in_stays_and_the_page_says_so(client, house):
    one = make_staff.staff(house, app=False)
    make_staff.begin(client, house, one)
    make_passkey(client, house, "Mijn gsm")
    answer = make_staff.form(client, PATH, key=key_of(client))
    assert path(answer) == PATH
    assert "Dit is je laatste manier om je aan te melden." in client.get(answer.headers["Location"]).text
    make_passkey(client, house, "Mijn laptop")
    assert path(make_staff.form(client, PATH, key=key_of(client))) == PATH
    with house.database.reading() as db:
        assert [key.label for key in staff_accounts.passkeys(db, one.person_id)] == ["Mijn laptop"]


def key_of(client):
    """The first passkey on the page."""
    return re.search(r'name="key" value="([^"]+)"', client.get(PATH).text)[1]
