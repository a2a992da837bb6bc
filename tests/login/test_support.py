"""What one pupil needs: words first, or a card that is enough by itself, with everything a malicious classmate would try."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from idp import models
from idp.admin.accounts import bulk
from idp.admin.pupils import pupil_record
from idp.errors import Invalid, NotFound
from idp.login import cards, devices, sessions, support
from idp.models import SecretKind
from idp.oidc import next_step
from tests import make, make_browser, make_devices, make_login, make_staff
from tests.make_browser import path

PICTURE, OWN = (f"{sessions.ACR}{word}" for word in ("picture", "own"))


@pytest.fixture
def noor(house):
    return make_login.pupil(house)


@pytest.fixture
def school(house, noor):
    return make_devices.school_of(house, noor)


def allow(house, noor, school, *, anywhere=True):
    with house.database.transaction() as db:
        support.allow_card_alone(
            db, account_uuid=noor, instellingsnummer=school, by="p", anywhere=anywhere, now=house.clock.now()
        )


def card(house, noor, school):
    """The token of a new card of this school."""
    (made,) = bulk.new_cards(house, instellingsnummer=school, account_uuids=[noor])
    return made.card_url.rpartition("/")[2]


def scan(client, token):
    """The page behind a card."""
    answer = client.get(f"/k/{token}")
    return client.get(answer.headers["Location"])


def greets(page):
    """Is it the page with one button?"""
    return 'name="kaart"' in page.text


def tap(client, page):
    return make_staff.send(client, page, kaart="1")


def live(house):
    with house.database.reading() as db:
        rows = db.execute(select(models.Session).where(models.Session.ended_at.is_(None)))
        return [(row.acr, row.amr) for row in rows]


def events(house, *names):
    with house.database.reading() as db:
        wanted = select(models.AuditEvent).where(models.AuditEvent.event.in_(names))
        return [(row.event, row.details) for row in db.execute(wanted.order_by(models.AuditEvent.id))]


# ---------------------------------------------------------------- a card that is enough


def test_a_card_made_after_the_decision_opens_with_one_tap_and_says_so(house, client, noor, school):
    before = card(house, noor, school)
    assert not greets(scan(client, before)), "a card never signs in alone unless a school decided so"
    client.delete_cookie("card")
    house.clock.move(minutes=5)
    allow(house, noor, school)
    assert not greets(scan(client, before)), "whoever found the old card has no key"
    house.clock.move(minutes=5)
    token = card(house, noor, school)
    page = scan(client, token)
    assert greets(page)
    assert "Noor" in page.text
    assert live(house) == [], "looking signs nobody in"
    assert path(tap(client, page)) == "/mijn-apps"
    assert live(house) == [(support.ACR, ["card"])]
    assert events(house, "signed_in")[-1][1] == {"amr": ["card"], "acr": f"{sessions.ACR}card"}
    with house.database.reading() as db:
        ends = db.execute(select(models.Session.expires_at)).scalar_one()
    assert ends == datetime(2026, 11, 23, 16, 0, tzinfo=UTC), "until the school day ends"


def test_the_paper_says_that_it_is_a_key(house, noor, school):
    (plain,) = bulk.new_cards(house, instellingsnummer=school, account_uuids=[noor])
    allow(house, noor, school)
    (key,) = bulk.new_cards(house, instellingsnummer=school, account_uuids=[noor])
    assert (plain.note, key.note) == ("", bulk.KEY_NOTE)


def test_without_more_it_opens_on_devices_of_that_school_only(house, client, noor, school):
    allow(house, noor, school, anywhere=False)
    token = card(house, noor, school)
    page = scan(client, token)
    assert not greets(page), "a tablet at home"
    with house.database.reading() as db:
        held = cards.find(db, token, house.clock.now())
        opens = [
            support.opens(db, held, house.clock.now(), device_of=where) for where in (None, "999999", school)
        ]
    assert opens == [False, False, True]
    enrolled = make_devices.enrolled(house, school)
    client.set_cookie(f"idp-8080-{devices.COOKIE}", enrolled.cookie)
    page = scan(client, token)
    assert greets(page)
    tap(client, page)
    with house.database.reading() as db:
        row = db.execute(select(models.Session)).one()
    assert (row.shared, row.class_device is not None) == (True, True)


def test_a_card_that_was_shown_some_minutes_ago_opens_for_nobody(house, client, noor, school):
    allow(house, noor, school)
    page = scan(client, card(house, noor, school))
    house.clock.move(minutes=support.MINUTES, seconds=1)
    refused = tap(client, page)
    assert "geheim=1" in refused.headers["Location"]
    assert live(house) == []
    assert "Vier plaatjes" in client.get(refused.headers["Location"]).text


def test_CSRF_01_without_the_word_of_the_page_a_card_opens_nothing(house, client, noor, school):
    allow(house, noor, school)
    scan(client, card(house, noor, school))
    answer = client.post("/aanmelden", data={"wie": "x", "kaart": "1"})
    assert answer.status_code in {303, 400, 403}
    assert live(house) == []


def test_the_secret_stays_one_tap_away(house, client, noor, school):
    allow(house, noor, school)
    page = scan(client, card(house, noor, school))
    other = re.search(r'href="([^"]+geheim=1[^"]*)"', page.text)[1].replace("&amp;", "&")
    assert "Vier plaatjes" in client.get(other).text


def test_it_ends_with_the_school_year_and_at_once_when_the_school_stops_it(house, client, noor, school):
    allow(house, noor, school)
    token = card(house, noor, school)
    tap(client, scan(client, token))
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).values(einddatum=make.YEAR_ENDS + timedelta(days=90)))
        stop = {"account_uuid": noor, "instellingsnummer": school, "now": house.clock.now()}
        assert support.stop_card_alone(db, **stop)
        assert not support.stop_card_alone(db, **stop)
    assert live(house) == []
    assert [name for name, _ in events(house, "card_alone_allowed", "card_alone_stopped")] == [
        "card_alone_allowed",
        "card_alone_stopped",
    ]
    allow(house, noor, school)
    token = card(house, noor, school)
    opens = []
    for moment in (datetime(2027, 8, 31, 21, 59, tzinfo=UTC), datetime(2027, 8, 31, 22, 0, tzinfo=UTC)):
        house.clock.moment = moment
        with house.database.reading() as db:
            held = cards.find(db, token, moment)
            opens.append((held is not None, support.opens(db, held, moment, device_of=None)))
    assert opens == [(True, True), (True, False)], "the card goes on as a card"


def test_a_lost_key_that_is_stopped_ends_what_it_opened(house, client, noor, school):
    allow(house, noor, school)
    token = card(house, noor, school)
    tap(client, scan(client, token))
    with house.database.transaction() as db:
        held = cards.find(db, token, house.clock.now())
        words = {"account_uuid": noor, "card_id": held.id, "now": house.clock.now()}
        other = make.school(db)
        make.enrolment(db, noor, other)
        with pytest.raises(NotFound):
            pupil_record.void_card(db, instellingsnummer=other, **words)
        pupil_record.void_card(db, instellingsnummer=school, **words)
    assert live(house) == []
    assert "bericht=kaart" in client.get(f"/k/{token}").headers["Location"]


def test_LIFE_11_the_decision_of_one_school_makes_no_key_of_the_card_of_another(house, client, noor, school):
    with house.database.transaction() as db:
        other = make.school(db)
        make.enrolment(db, noor, other)
    allow(house, noor, school)
    assert not greets(scan(client, card(house, noor, other)))


def test_it_is_for_basic_accounts_and_stops_counting_when_the_account_grows(house, noor, school):
    grown = make_login.pupil(house, "jean.cock", kind=SecretKind.OWN, secret="een lang geheim")
    with pytest.raises(Invalid, match="card_alone_not_for_advanced"):
        allow(house, grown, make_devices.school_of(house, grown))
    allow(house, noor, school)
    token = card(house, noor, school)
    bulk.renew(
        house, instellingsnummer=school, account_uuids=[noor], kind=SecretKind.TEMPORARY, with_cards=False
    )
    with house.database.reading() as db:
        held = cards.find(db, token, house.clock.now())
        assert not support.opens(db, held, house.clock.now(), device_of=school)


# ---------------------------------------------------------------- apps that ask for more


@pytest.mark.parametrize(
    ("needed", "acr"),
    [((PICTURE,), None), ((OWN, f"{PICTURE}+card"), None), ((), support.ACR), ((support.ACR,), support.ACR)],
)
def test_no_app_takes_a_card_for_a_secret(needed, acr):
    assert next_step.met(needed, support.ACR) == acr
    assert next_step.met((support.ACR,), f"{PICTURE}+card") is None


def test_an_app_that_needs_a_secret_is_not_fooled_by_a_card(house, client, noor, school):
    allow(house, noor, school)
    with house.database.transaction() as db:
        app = make.app(db)
        make.rule(db, app.client_id, school)
    claims = json.dumps({"id_token": {"acr": {"essential": True, "values": [PICTURE]}}})
    strict = f"/authorize?{make_browser.query(app, claims=claims)}"
    token = card(house, noor, school)
    tap(client, scan(client, token))
    assert make_browser.said(client.get(f"/authorize?{make_browser.query(app)}"), app)["code"]
    again = client.get(strict)
    assert path(again).startswith("/aanmelden"), "the session of a card is not enough"
    typed = make_staff.form(client, again.headers["Location"], username=f"HTTP://LOCALHOST:8080/K/{token}")
    page = client.get(typed.headers["Location"])
    assert not greets(page), "nor is the card once more"
    make_staff.send(client, page, password=make_login.KAT)
    assert make_browser.said(client.get(strict), app)["code"]


# ---------------------------------------------------------------- words first


def test_words_come_first_only_where_the_pupil_is_known(house, client, noor, school):
    def opened(page):
        return "<details open>" in page.text

    who = client.get("/mijn/noor.peeters").headers["Location"]
    assert not opened(client.get(who))
    with house.database.transaction() as db:
        support.let_type(db, account_uuid=noor, instellingsnummer=school, typed=True)
    assert not opened(client.get(who)), "a name tells nobody what its pupil needs"
    page = scan(client, card(house, noor, school))
    assert opened(page)
    make_staff.send(client, page, password=make_login.KAT)
    assert make_staff.form(client, "/afmelden", antwoord="ja").status_code == 303
    who = client.get("/mijn/noor.peeters").headers["Location"]
    assert opened(client.get(who)), "this browser knows the pupil"
    with house.database.transaction() as db:
        support.let_type(db, account_uuid=noor, instellingsnummer=school, typed=False)
        assert db.execute(select(models.Support)).first() is None, "nothing is kept of a need that ended"
    assert [words for _, words in events(house, "words_first")] == [{"typed": True}, {"typed": False}]


# ---------------------------------------------------------------- the page of the school


@pytest.fixture
def desk(client, house, school):
    one = make_staff.staff(house, school=school)
    make_staff.begin(client, house, one)
    return one


def post(client, where, **fields):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/schoolloket/personen").text)[1]
    return client.post(where, data={"csrf_token": token} | fields)


def test_a_beheerder_decides_it_after_reading_and_everybody_of_the_school_sees_it(
    house, client, noor, school, desk
):
    here = f"/schoolloket/leerid-beheer/leerling/{noor}"
    unread = post(client, f"{here}/kaart-alleen", doe="geef", waar="school")
    assert unread.status_code == 400
    assert "vink dat aan" in unread.text
    assert events(house, "card_alone_allowed") == []
    done = post(client, f"{here}/kaart-alleen", doe="geef", waar="school", gelezen="ja")
    assert path(done) == here
    page = client.get(here).text
    assert "tot en met 31 augustus 2027" in page
    assert "Alleen op toestellen van de school." in page
    assert "Beslist door Mira Peeters" in page
    assert events(house, "card_alone_allowed") == [("card_alone_allowed", {"anywhere": False})]
    post(client, f"{here}/kaart-alleen", doe="stop")
    assert "Kaart alleen is genoeg: gestopt" in client.get(here).text
    post(client, f"{here}/woorden", doe="typen")
    assert "Eerst de plaatjes" in client.get(here).text


def test_a_desk_that_was_left_alone_makes_no_keys(house, client, noor, school, desk):
    here = f"/schoolloket/leerid-beheer/leerling/{noor}"
    house.clock.move(minutes=25)
    client.get(here)
    house.clock.move(minutes=25)
    asked = post(client, f"{here}/kaart-alleen", doe="geef", waar="overal", gelezen="ja")
    assert path(asked).startswith("/personeel/bevestigen")
    assert events(house, "card_alone_allowed") == []


def test_another_secret_is_chosen_from_the_page_of_the_pupil(house, client, noor, school, desk):
    work = post(client, "/schoolloket/leerid-beheer/werk", doe="vernieuw", leerling=noor, soort="temporary")
    page = client.get(path(work)).text
    assert re.search(r'value="temporary"[^>]*(checked|selected)', page)


def test_nothing_of_a_need_is_kept_when_the_pupil_left(house, noor, school):
    from idp.admin.privacy import retention

    allow(house, noor, school)
    with house.database.transaction() as db:
        other = make.school(db)
        row = {"account_uuid": noor, "instellingsnummer": other, "typed": True, "card_alone_anywhere": False}
        db.execute(insert(models.Support), row)
    retention.tidy(house, house.clock.now())
    with house.database.reading() as db:
        assert db.scalars(select(models.Support.instellingsnummer)).all() == [school]


def test_a_pupil_reads_that_a_card_is_enough_since_when_and_that_it_stopped(house, client, noor, school):
    make_browser.sign_in(client, house, noor)
    assert "Mijn kaart" not in client.get("/mijn-aanmeldingen").text
    allow(house, noor, school)
    page = client.get("/mijn-aanmeldingen").text
    assert "Met alleen je kaart kom je binnen" in page
    assert re.search(r"van \d+ \w+ tot en met 31 augustus", page)
    assert "Vanaf dan is je kaart genoeg om binnen te komen." in page
    with house.database.transaction() as db:
        support.stop_card_alone(db, account_uuid=noor, instellingsnummer=school, now=house.clock.now())
    make_browser.sign_in(client, house, noor)
    page = client.get("/mijn-aanmeldingen").text
    assert "Mijn kaart" not in page
    assert "Vanaf dan is je kaart alleen niet meer genoeg." in page
