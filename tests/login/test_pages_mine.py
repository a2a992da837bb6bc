"""Where am I signed in, and who helped me? For the pupil alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from idp import audit, entropy
from idp.audit import accounts as audit_accounts
from idp.audit import staff as audit_staff
from idp.login import helped, sessions
from idp.models import DeviceKind, Grant, RightKind, SecretKind
from tests import make, make_browser, make_devices, make_login
from tests.login.test_pages import read, send
from tests.make_reading import stands

PAGE = "/mijn-aanmeldingen"


@pytest.fixture
def noor(house) -> str:
    return make_login.pupil(house)


def elsewhere(house, account_uuid, **given):
    """A session of this pupil on another browser."""
    words = {"amr": ("pictures",), "acr": "x", "must_change": False, "shared": False} | given
    with house.database.transaction() as db:
        return sessions.start(db, house, account_uuid=account_uuid, now=house.clock.now(), **words)


def alive(house, started) -> bool:
    with house.database.reading() as db:
        return sessions.seen(db, house.settings, started.cookie, house.clock.now()) is not None


# ---------------------------------------------------------------- where


def test_SESS_09_a_pupil_sees_each_live_session_in_words_of_a_child(client, house, noor):
    device = make_devices.device(house, make_devices.school_of(house, noor), label="Lokaal 12, tablet 3")
    elsewhere(house, noor, device=DeviceKind.TABLET, shared=True, class_device=device.id)
    house.clock.move(minutes=10)
    make_browser.sign_in(client, house, noor, device=DeviceKind.COMPUTER)
    page = client.get(PAGE)
    words = read(page).words
    assert "Op een tablet van school" in words
    assert "Op een computer hier" in words
    assert words.count("Sinds deze voormiddag") == 2
    assert "Lokaal 12" not in page.text, "never a place"
    assert "127.0.0.1" not in page.text
    assert "10:" not in words, "never an hour"


@pytest.mark.parametrize(
    ("began", "now", "says"),
    [
        (datetime(2026, 11, 23, 4, 59, tzinfo=UTC), 60, "Sinds vannacht"),
        (datetime(2026, 11, 23, 5, 0, tzinfo=UTC), 60, "Sinds deze voormiddag"),
        (datetime(2026, 11, 23, 11, 0, tzinfo=UTC), 60, "Sinds deze namiddag"),
        (datetime(2026, 11, 23, 17, 0, tzinfo=UTC), 60, "Sinds vanavond"),
        (datetime(2026, 11, 23, 22, 30, tzinfo=UTC), 60, "Sinds gisteravond"),
    ],
)
def test_since_when_is_a_part_of_a_day_by_the_clock_in_brussels(client, house, noor, began, now, says):
    house.clock.moment = began
    make_browser.sign_in(client, house, noor)
    house.clock.move(minutes=now)
    assert says in read(client.get(PAGE)).words


def test_what_ended_or_is_idle_too_long_is_not_shown(client, house, noor):
    elsewhere(house, noor, shared=True, device=DeviceKind.PHONE)
    gone = elsewhere(house, noor, device=DeviceKind.TABLET)
    with house.database.transaction() as db:
        sessions.end(db, gone.sid, "signed_out", house.clock.now())
    house.clock.move(minutes=20)
    make_browser.sign_in(client, house, noor, device=DeviceKind.COMPUTER)
    words = read(client.get(PAGE)).words
    assert "telefoon" not in words
    assert "tablet" not in words


def test_hier_afmelden_ends_that_session_only(client, house, noor):
    there, third = elsewhere(house, noor), elsewhere(house, noor)
    make_browser.sign_in(client, house, noor)
    form = next(one for one in read(client.get(PAGE)).forms if one["fields"].get("sid") == there.sid)
    assert send(client, form).location == PAGE
    assert (alive(house, there), alive(house, third)) == (False, True)
    assert client.get(PAGE).status_code == 200


def test_whoever_ends_this_session_is_done_here(client, house, noor):
    sid = make_browser.sign_in(client, house, noor)
    form = next(one for one in read(client.get(PAGE)).forms if one["fields"].get("sid") == sid)
    answer = send(client, form)
    assert answer.location == "/aanmelden?bericht=klaar"
    assert client.get(PAGE).status_code == 303


@pytest.mark.parametrize("given", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_nobody_ends_the_session_of_another(client, house, noor, given):
    jan = make_login.pupil(house, "jan.maes")
    theirs = elsewhere(house, jan)
    make_browser.sign_in(client, house, noor)
    form = next(one for one in read(client.get(PAGE)).forms if "sid" in one["fields"])
    assert send(client, form, sid=theirs.sid).location == PAGE
    assert send(client, form, sid=given).location == PAGE
    assert alive(house, theirs)


@pytest.mark.parametrize("also_apps", [False, True])
def test_overal_afmelden_ends_all_and_refresh_tokens_when_the_pupil_says_so(client, house, also_apps):
    with house.database.transaction() as db:
        story = make.story(db, backchannel_logout_uri="https://rekenbuur.example/logout")
    there = elsewhere(house, story.pupil)
    with house.database.transaction() as db:
        row = {"id": entropy.row_id(), "client_id": story.app.client_id, "account_uuid": story.pupil}
        row |= {"sid": there.sid, "scope": "openid offline_access", "auth_time": house.clock.now()}
        row |= {"amr": ["pictures"], "acr": "x", "offline": True, "created_at": house.clock.now()}
        db.execute(insert(Grant), row | {"expires_at": house.clock.now() + timedelta(days=30)})
    make_browser.sign_in(client, house, story.pupil)
    page = client.get(PAGE)
    assert "Ook bij apps die mij onthouden" in read(page).words
    form = next(one for one in read(page).forms if "apps" in one["kinds"])
    answer = send(client, form, overal="1", **({"apps": "1"} if also_apps else {}))
    assert answer.location == "/aanmelden?bericht=klaar"
    assert not alive(house, there)
    with house.database.reading() as db:
        assert (db.scalar(select(Grant.revoked_at)) is not None) is also_apps


def test_the_page_is_for_a_pupil_who_is_signed_in(client, house, noor):
    answer = client.get(PAGE)
    assert answer.status_code == 303
    assert answer.location.startswith("/aanmelden")
    assert client.post(PAGE).status_code in {303, 400}


def test_without_apps_that_remember_nothing_is_asked(client, house, noor):
    make_browser.sign_in(client, house, noor)
    assert "onthouden" not in read(client.get(PAGE)).words


# ---------------------------------------------------------------- who helped


@pytest.fixture
def school(house, noor) -> str:
    number = make_devices.school_of(house, noor)
    with house.database.transaction() as db:
        make.right(db, make.person(db, "juf", voornaam="Griet"), number, kind=RightKind.TEACHER)
        make.right(db, make.person(db, "ann", voornaam="Ann"), number, kind=RightKind.BEHEERDER)
    return number


def test_a_pupil_sees_who_helped_by_role_and_day(client, house, noor, school):
    with house.database.transaction() as db:
        audit.help_given(db, account_uuid=noor, instellingsnummer=school, by="juf")
    house.clock.move(hours=1)
    by_ann = audit.Circumstances(now=house.clock.now(), actor=audit.person("ann"))
    with audit.circumstances(by_ann), house.database.transaction() as db:
        audit.secret_renewed(db, account_uuid=noor, instellingsnummer=school, kind=SecretKind.PICTURE)
    make_browser.sign_in(client, house, noor)
    page = client.get(PAGE)
    words = read(page).words
    assert words.index("Je kreeg nieuwe plaatjes.") < words.index("Je kreeg een code om binnen te komen.")
    assert "Van je juf, meester of leerkracht" in words
    assert "Van wie op school de LeerID’s beheert" in words
    assert "op 23 november" in words
    in_german = read(client.get(PAGE, headers={"Accept-Language": "de"})).words
    assert "am 23. November" in in_german
    assert not stands("Griet", page.text)
    assert not stands("Ann", page.text)


def test_help_to_another_and_help_of_long_ago_is_not_shown(house, noor, school):
    jan = make_login.pupil(house, "jan.maes")
    with house.database.transaction() as db:
        audit.help_given(db, account_uuid=jan, instellingsnummer=school, by="juf")
        audit.secret_renewed(db, account_uuid=noor, instellingsnummer=school, kind=SecretKind.BASIC)
    with house.database.reading() as db:
        (only,) = helped.acts(db, noor, house.clock.now())
        assert only.act is helped.Act.PASSWORD
        assert only.by is helped.Helper.SCHOOL, "nobody in particular: the command line"
        assert helped.acts(db, noor, house.clock.now() + timedelta(days=366)) == []


def test_every_event_that_a_pupil_reads_is_one_of_the_audit_trail():
    pages = (audit, audit_accounts, audit_staff)
    assert all(any(hasattr(page, event) for page in pages) for event in helped.ACTS)
