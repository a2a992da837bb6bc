"""An invitation works once, in time, and starts anew; nobody sees a secret twice."""

from __future__ import annotations

import re

import pyotp
import pytest
from sqlalchemy import select

from idp import models
from idp.login import staff_accounts, staff_setup, staff_sign_in
from idp.models import RightKind
from tests import make, make_staff
from tests.make_browser import path


@pytest.fixture
def link(house):
    with house.database.transaction() as db:
        person = make.person(db, "bart", e_mail="bart@school.example")
        make.right(db, person, make.school(db), kind=RightKind.BEHEERDER)
        return staff_setup.invite(db, house.settings, person_id=person, by="system", now=house.clock.now())


def local(link: str) -> str:
    return "/" + link.partition("//")[2].partition("/")[2]


def set_up(client, house, link):
    """From the link to the page with recovery codes."""
    assert path(client.get(local(link))) == "/personeel/instellen"
    page = make_staff.form(client, "/personeel/instellen", password=make_staff.PASSWORD)
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)[1].replace(" ", "")
    return make_staff.send(client, page, code=pyotp.TOTP(secret).at(house.clock.now())), secret


def test_an_invited_person_chooses_a_password_links_an_app_and_is_in(client, house, link, stopped):
    page, secret = set_up(client, house, link)
    codes = re.findall(r"<li><code>([a-z0-9-]+)</code></li>", page.text)
    assert len(codes) == 10
    assert client.get("/schoolloket/leerid-beheer").status_code == 200
    stopped.move(seconds=30)
    one = make_staff.Staff(person_id="bart@school.example", school="", secret=secret)
    assert path(make_staff.sign_in(client.application.test_client(), house, one)) == "/schoolloket"


def test_PWD_06_an_invitation_works_once(app, client, house, link):
    set_up(client, house, link)
    again = app.test_client().get(local(link))
    assert again.status_code == 404
    assert "werkt niet meer" in again.text


def test_PWD_06_an_invitation_that_was_opened_halfway_opens_again_and_ends_in_time(
    app, client, house, link, stopped
):
    client.get(local(link))
    assert path(app.test_client().get(local(link))) == "/personeel/instellen"
    stopped.move(hours=house.settings.staff_invitation_hours, seconds=1)
    assert client.get("/personeel/instellen").status_code == 404
    assert app.test_client().get(local(link)).status_code == 404


def test_a_newer_invitation_makes_the_older_one_worthless(client, house, link):
    with house.database.transaction() as db:
        staff_setup.invite(db, house.settings, person_id="bart", by="system", now=house.clock.now())
    assert client.get(local(link)).status_code == 404


def test_an_invitation_to_somebody_who_could_sign_in_takes_the_old_ways_and_sessions_away(app, house):
    one = make_staff.staff(house)
    browser = app.test_client()
    make_staff.begin(browser, house, one)
    with house.database.transaction() as db:
        link = staff_setup.invite(
            db, house.settings, person_id=one.person_id, by="system", now=house.clock.now()
        )
    assert browser.get("/schoolloket/leerid-beheer").status_code == 200
    set_up(app.test_client(), house, link)
    assert path(browser.get("/schoolloket/leerid-beheer")) == "/personeel/aanmelden"
    with house.database.reading() as db:
        now = staff_accounts.find(db, one.person_id)
    assert house.keys.kept(staff_sign_in.TOTP, now.totp_secret) != one.secret


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("korter dan 15", "15 tekens"),
        ("wachtwoordwachtwoord", "iedereen"),
        ("aaaaaaaaaaaaaaaaaaaa", "iedereen"),
        ("BartPeetersBart1", "naam"),
        ("x" * 129, "128"),
    ],
)
def test_PWD_02_what_is_guessed_first_is_no_password_of_staff(client, house, password, said):
    with house.database.transaction() as db:
        person = make.person(db, "bart", voornaam="Bart")
        link = staff_setup.invite(db, house.settings, person_id=person, by="x", now=house.clock.now())
    client.get(local(link))
    page = make_staff.form(client, "/personeel/instellen", password=password)
    assert page.status_code == 400
    assert said in page.text.partition('role="alert"')[2]


@pytest.mark.parametrize("password", ["p" + "aßé 漢字 " * 3, "z" + "xy q" * 30, "only lower case letters"])
def test_PWD_02_long_unicode_and_spaces_are_fine_and_nothing_is_cut_off(client, house, link, password):
    client.get(local(link))
    page = make_staff.form(client, "/personeel/instellen", password=password)
    assert page.status_code == 200, page.text
    assert "<code>" in page.text


def test_the_link_is_kept_as_a_digest_and_audited(house, link):
    with house.database.reading() as db:
        kept = db.execute(select(models.StaffLink)).one()
        events = db.execute(select(models.AuditEvent.event)).scalars().all()
    assert link.rpartition("/")[2].encode() not in kept.digest
    assert "staff_invited" in events


def test_a_set_up_page_belongs_to_the_link_of_this_browser(app, client, house, link):
    """Begun with one invitation, it cannot be ended with another person's."""
    client.get(local(link))
    page = make_staff.form(client, "/personeel/instellen", password=make_staff.PASSWORD)
    with house.database.transaction() as db:
        other = make.person(db)
        theirs = staff_setup.invite(db, house.settings, person_id=other, by="x", now=house.clock.now())
    client.get(local(theirs))
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)[1].replace(" ", "")
    answer = make_staff.send(client, page, code=pyotp.TOTP(secret).at(house.clock.now()))
    assert path(answer) == "/personeel/instellen"
