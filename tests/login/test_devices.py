"""A device of a school: how a browser becomes one, stays one, and stops being one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from idp.login import devices
from idp.models import AuditEvent, ClassDevice, DeviceCode, DeviceKind, Session
from tests import make, make_devices, make_login
from tests.login.test_pages import TAPS, identify, read, send


@pytest.fixture
def noor(house) -> str:
    return make_login.pupil(house)


@pytest.fixture
def school(house, noor) -> str:
    return make_devices.school_of(house, noor)


def find(house, cookie):
    with house.database.reading() as db:
        return devices.find(db, cookie, house.clock.now())


def renew(house, cookie):
    with house.database.transaction() as db:
        return devices.renew(db, cookie, house.clock.now())


def type_code(client, typed):
    page = client.get("/toestel")
    return send(client, read(page).forms[0], code=typed)


def is_device(client) -> bool:
    return "Dit toestel is van je school." in read(client.get("/toestel")).words


# ---------------------------------------------------------------- codes


@pytest.mark.parametrize("written", ["{}", " {} ", "{}".lower(), "{}-"])
def test_a_code_makes_this_browser_a_device_of_the_school(client, house, school, written):
    code = make_devices.code(house, school)
    answer = type_code(client, written.format(devices.readable(code)))
    assert (answer.status_code, answer.location) == (303, "/toestel")
    words = read(client.get("/toestel")).words
    assert "Tablet 3" in words
    assert "De Wijzer" in words


def test_a_code_is_good_once_and_ten_minutes(client, house, school, app):
    code = make_devices.code(house, school)
    assert type_code(client, code).status_code == 303
    assert type_code(app.test_client(), code).status_code == 400
    late = make_devices.code(house, school)
    house.clock.move(minutes=10)
    assert type_code(app.test_client(), late).status_code == 400
    with house.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(ClassDevice)) == 1


@pytest.mark.parametrize("typed", ["", "AAAAAAAA", "0OIL10OI", "x" * 4000, "22223333;--"])
def test_codes_that_do_not_work_look_alike_and_are_in_the_trail(client, house, school, typed):
    make_devices.code(house, school)
    answer = type_code(client, typed)
    assert answer.status_code == 400
    assert "Deze code klopt niet, of is verlopen." in read(answer).words
    assert "Set-Cookie" not in answer.headers or "device" not in answer.headers["Set-Cookie"]
    with house.database.reading() as db:
        assert db.scalar(select(AuditEvent.event).where(AuditEvent.event == "device_code_refused"))


def test_whoever_guesses_codes_from_one_address_waits(client, house, school):
    code = make_devices.code(house, school)
    form = read(client.get("/toestel")).forms[0]
    for _ in range(house.settings.throttle_address):
        send(client, form, code="22222222")
    answer = send(client, form, code=code)
    assert answer.status_code == 429
    assert "over tien minuten" in read(answer).words
    house.clock.move(minutes=11)
    assert send(client, form, code=make_devices.code(house, school)).status_code == 303


def test_QR_02_code_and_cookie_are_kept_as_digests(house, school):
    code = make_devices.code(house, school)
    with house.database.reading() as db:
        kept = db.scalar(select(DeviceCode.code_digest))
    assert code not in kept
    made = make_devices.enrolled(house, school)
    with house.database.reading() as db:
        row = db.execute(select(ClassDevice.__table__)).one()
    assert made.cookie.encode() not in row.cookie_digest
    assert len(made.cookie) > 40


# ---------------------------------------------------------------- the cookie


def test_a_device_counts_until_the_school_year_and_some_days_are_over(house, school):
    made = make_devices.enrolled(house, school)
    assert made.device.einddatum == make.YEAR_ENDS + timedelta(days=30)
    house.clock.move(days=(made.device.einddatum - make.TODAY).days)
    assert find(house, made.cookie) is not None
    house.clock.move(days=1)
    assert find(house, made.cookie) is None


def test_the_cookie_is_renewed_each_week_and_the_old_one_stops_once_the_new_one_is_seen(house, school):
    old = make_devices.enrolled(house, school).cookie
    assert renew(house, old) is None
    house.clock.move(days=7)
    new = renew(house, old)
    assert find(house, old) is not None, "the answer may have got lost"
    assert find(house, new) is not None
    assert renew(house, old) is None, "several pages load at once"
    assert renew(house, new) is None
    assert find(house, old) is None
    assert find(house, new) is not None


def test_an_answer_that_got_lost_is_made_good_later(house, school):
    old = make_devices.enrolled(house, school).cookie
    house.clock.move(days=7)
    lost = renew(house, old)
    house.clock.move(minutes=10)
    new = renew(house, old)
    assert new is not None
    assert find(house, lost) is None
    assert find(house, new) is not None


def test_the_sign_in_page_renews_the_cookie_of_the_browser(client, house, school):
    type_code(client, make_devices.code(house, school))
    house.clock.move(days=8)
    assert "-device=" in client.get("/aanmelden").headers.get("Set-Cookie", "")
    assert "-device=" not in client.get("/aanmelden").headers.get("Set-Cookie", "")
    assert is_device(client)


@pytest.mark.parametrize("cookie", ["", "lsd_", "lsd_" + "x" * 43, "lss_" + "x" * 43, "ü", "x" * 5000])
def test_SESS_02_a_cookie_that_somebody_made_up_is_no_device(house, school, cookie):
    make_devices.enrolled(house, school)
    assert find(house, cookie) is None


# ---------------------------------------------------------------- signing in on one


def test_SESS_11_on_a_device_of_the_school_every_session_is_shared(client, house, noor, school):
    type_code(client, make_devices.code(house, school))
    page = client.get("/aanmelden")
    assert "Dit toestel is van je school." in read(page).words
    first = read(page).forms[0]
    assert "shared" not in first["kinds"]
    assert 'autocomplete="off"' in page.text
    prove = client.get(send(client, first, username="noor.peeters").location)
    assert 'autocomplete="username"' not in prove.text
    assert 'autocomplete="current-password"' not in prove.text
    answer = send(client, read(prove).forms[0], **TAPS)
    assert answer.location == "/mijn-apps"
    assert not [
        one for one in answer.headers.getlist("Set-Cookie") if "-session=" in one and "Max-Age" in one
    ]
    with house.database.reading() as db:
        row = db.execute(select(Session.shared, Session.class_device, Session.expires_at)).one()
        assert row.class_device == db.scalar(select(ClassDevice.id))
    assert row.shared
    assert row.expires_at == make.NOW.replace(hour=16), "five o'clock in Brussels"


def test_SESS_11_whoever_was_signed_in_before_it_was_the_schools_is_signed_out(client, house, noor, school):
    send(client, read(identify(client)).forms[0], **TAPS)
    said = type_code(client, make_devices.code(house, school))
    assert said.status_code == 303
    gone = [one.partition("=")[0] for one in said.headers.getlist("Set-Cookie") if "Max-Age=0" in one]
    assert any(one.endswith("card") for one in gone)
    assert client.get("/mijn-apps").status_code == 303
    with house.database.reading() as db:
        assert db.execute(select(Session.ended_because)).scalars().all() == ["signed_out"]


def test_SESS_03_a_shared_session_ends_after_a_quarter_without_use(client, house, noor, school):
    type_code(client, make_devices.code(house, school))
    send(client, read(identify(client)).forms[0], **TAPS)
    house.clock.move(minutes=14)
    assert client.get("/mijn-apps").status_code == 200
    house.clock.move(minutes=15)
    assert client.get("/mijn-apps").status_code == 303


@pytest.mark.parametrize(
    ("says", "mobile", "kind"),
    [
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit Mobile/15E148 Safari",
            "",
            DeviceKind.TABLET,
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit Chrome/120 Safari/537.36",
            "?0",
            DeviceKind.TABLET,
        ),
        ("Mozilla/5.0 (Linux; Android 10; K) Chrome/120 Mobile Safari/537.36", "?1", DeviceKind.PHONE),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile", "", DeviceKind.PHONE),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/120", "?0", DeviceKind.COMPUTER),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "", DeviceKind.COMPUTER),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "", DeviceKind.COMPUTER),
        ("curl/8", "", DeviceKind.OTHER),
        ("", "", DeviceKind.OTHER),
        ("a" * 100_000, "?1", DeviceKind.PHONE),
    ],
)
def test_a_device_has_one_word(says, mobile, kind):
    assert devices.kind_of(says, says_mobile=mobile) is kind


def test_only_that_word_is_kept_of_what_a_browser_says(client, house, noor):
    client.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) VeryOwn/1"
    send(client, read(identify(client)).forms[0], **TAPS)
    with house.database.reading() as db:
        row = db.execute(select(Session.__table__)).mappings().one()
        trail = db.execute(select(AuditEvent.__table__)).mappings().all()
    assert row["device"] is DeviceKind.TABLET
    assert "VeryOwn" not in f"{dict(row)} {[dict(one) for one in trail]}"
