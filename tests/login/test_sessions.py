"""Sessions: how they begin, how long they live, and how they end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask
from flask_login import current_user
from sqlalchemy import insert, select, update

from idp import context, entropy, web
from idp.login import sessions
from idp.models import Account, AuditEvent, ClassDevice, Enrolment, Grant, Session
from idp.oidc import evidence
from idp.oidc.next_step import Evidence
from tests import make, make_devices, make_login


def _start(house, who, **given):
    words = {
        "amr": ("pictures",),
        "acr": "urn:leersleutel:acr:picture",
        "must_change": False,
        "shared": False,
    }
    with house.database.transaction() as db:
        return sessions.start(db, house, account_uuid=who, now=house.clock.now(), **words | given)


def _look(house, cookie):
    with house.database.transaction() as db:
        return sessions.seen(db, house.settings, cookie, house.clock.now())


@pytest.fixture
def noor(house):
    return make_login.pupil(house)


def test_SESS_07_a_cookie_is_opaque_and_kept_as_a_digest(house, noor):
    started = _start(house, noor)
    assert started.cookie.startswith("lss_")
    assert len(started.cookie) >= 4 + 43
    with house.database.reading() as db:
        assert started.cookie not in str(db.execute(select(Session.__table__)).one())


@pytest.mark.parametrize("cookie", ["", "lss_", "lss_chosen-by-somebody", "lsa_" + "a" * 43, "x" * 5000, "é"])
def test_SESS_02_a_cookie_that_we_did_not_give_opens_nothing(house, noor, cookie):
    _start(house, noor)
    assert _look(house, cookie) is None


def test_SESS_03_a_session_ends_after_two_idle_hours_and_after_ten_hours(house, noor):
    seen, cookie = _start(house, noor).cookie, _start(house, noor).cookie
    house.clock.move(minutes=119, seconds=59)
    assert _look(house, seen) is not None
    house.clock.move(seconds=1)
    assert _look(house, cookie) is None
    assert _look(house, seen) is not None, "being seen counts"
    with house.database.transaction() as db:
        db.execute(update(Session).values(last_seen_at=house.clock.now() + timedelta(hours=7, minutes=59)))
    house.clock.move(hours=7, minutes=59)
    assert _look(house, cookie) is not None
    house.clock.move(minutes=1)
    assert _look(house, cookie) is None


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (datetime(2026, 11, 23, 9, 0, tzinfo=UTC), datetime(2026, 11, 23, 16, 0, tzinfo=UTC)),
        (datetime(2026, 6, 22, 9, 0, tzinfo=UTC), datetime(2026, 6, 22, 15, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 17, 0, tzinfo=UTC), datetime(2026, 11, 24, 3, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 16, 0, tzinfo=UTC), datetime(2026, 11, 24, 2, 0, tzinfo=UTC)),
    ],
)
def test_SESS_11_on_a_shared_device_a_session_ends_with_the_school_day(house, noor, begins, ends):
    house.clock.moment = begins
    sid = _start(house, noor, shared=True).sid
    with house.database.reading() as db:
        assert db.scalar(select(Session.expires_at).where(Session.sid == sid)) == ends


def test_SESS_11_on_a_shared_device_a_session_ends_after_fifteen_idle_minutes(house, noor):
    seen, idle = (_start(house, noor, shared=True).cookie for _ in range(2))
    house.clock.move(minutes=14, seconds=59)
    assert _look(house, seen).shared
    house.clock.move(seconds=1)
    assert _look(house, idle) is None


def test_SESS_09_of_more_than_twenty_sessions_the_oldest_gives_way(house, noor):
    cookies = []
    for _ in range(23):
        cookies.append(_start(house, noor).cookie)
        house.clock.move(seconds=1)
    assert [_look(house, cookie) is not None for cookie in cookies] == [False] * 3 + [True] * 20


def test_a_session_ends_once(house, noor):
    sid, cookie = _start(house, noor)
    with house.database.transaction() as db:
        assert sessions.end(db, sid, "signed_out", house.clock.now())
        assert not sessions.end(db, sid, "signed_out", house.clock.now())
    assert _look(house, cookie) is None


def test_SESS_04_a_reset_ends_every_session_and_all_that_apps_hold(house):
    with house.database.transaction() as db:
        story = make.story(db)
    here, there = _start(house, story.pupil), _start(house, story.pupil)
    with house.database.transaction() as db:
        grant = entropy.row_id()
        row = {"id": grant, "client_id": story.app.client_id, "account_uuid": story.pupil, "sid": here.sid}
        row |= {"scope": "openid offline_access", "auth_time": house.clock.now(), "amr": ["pictures"]}
        row |= {"acr": "x", "offline": True, "created_at": house.clock.now()}
        db.execute(insert(Grant), row | {"expires_at": house.clock.now() + timedelta(days=30)})
        ended = sessions.end_all(db, story.pupil, "secret_renewed", house.clock.now(), grants=True)
        assert {*ended} == {here.sid, there.sid}
        assert db.scalar(select(Grant.revoked_because).where(Grant.id == grant)) == "secret_renewed"
        assert sessions.end_all(db, story.pupil, "secret_renewed", house.clock.now()) == ()
    assert _look(house, here.cookie) is None


def test_AUD_03_the_trail_of_a_pupil_says_that_all_sessions_ended_and_why(house, noor):
    now = house.clock.now()
    _start(house, noor), _start(house, noor)
    with house.database.transaction() as db:
        sessions.end_all(db, noor, "secret_renewed", now)
        sessions.end_all(db, noor, "secret_renewed", now)
    assert _told(house) == [(f"pupil:{noor}", {"because": "secret_renewed"})], (
        "once, and nothing when none ended"
    )


def test_AUD_03_the_trail_of_each_pupil_says_that_the_session_on_a_device_ended(house, noor):
    lotte = make_login.pupil(house, "lotte.claes", official="Lotte")
    with house.database.transaction() as db:
        school = make.school(db)
    ours, theirs = make_devices.device(house, school), make_devices.device(house, school)
    for who in (noor, noor, lotte):
        _start(house, who, shared=True, class_device=ours.id)
    there = _start(house, noor, shared=True, class_device=theirs.id)
    now, here = house.clock.now(), ClassDevice.id == ours.id
    with house.database.transaction() as db:
        assert sessions.end_on_devices(db, here, "everyone_done", now, of=Session.account_uuid == lotte) == 1
    assert _told(house) == [(f"pupil:{lotte}", {"because": "everyone_done"})], "only of whom it was asked"
    with house.database.transaction() as db:
        assert sessions.end_on_devices(db, here, "device_revoked", now) == 2
    assert _told(house)[1:] == [(f"pupil:{noor}", {"because": "device_revoked"})], "once for each pupil"
    assert _look(house, there.cookie) is not None, "another device goes on"


def _told(house):
    with house.database.reading() as db:
        rows = db.execute(
            select(AuditEvent.object, AuditEvent.details)
            .where(AuditEvent.event == "signed_out")
            .order_by(AuditEvent.id)
        )
        return [tuple(row) for row in rows]


def test_an_own_password_ends_everything_and_goes_on_with_a_session_of_its_own(house, noor):
    old = _start(house, noor, must_change=True)
    with house.database.transaction() as db:
        fresh = sessions.after_own_password(db, house, account_uuid=noor, shared=False, now=house.clock.now())
    assert _look(house, old.cookie) is None
    seen = _look(house, fresh.cookie)
    assert (seen.must_change, seen.acr, seen.amr) == (False, "urn:leersleutel:acr:own", ("pwd",))


def test_a_marker_is_good_once_for_its_own_request_and_two_minutes(house, noor):
    sid, other = _start(house, noor).sid, _start(house, noor).sid
    url = "/authorize?client_id=a&redirect_uri=https%3A%2F%2Fa.example%2Fcb&scope=openid+profile&state="
    same = "http://localhost:8080/authorize?client_id=a&redirect_uri=https://a.example/cb&scope=openid%20profile&state="

    def take(sid, url):
        with house.database.transaction() as db:
            asked = urlencode(parse_qsl(urlsplit(url).query, keep_blank_values=True))
            return evidence.take(db, sid, asked, [Evidence.FRESH], house.clock.now(), seconds=120)

    def leave():
        with house.database.transaction() as db:
            sessions.leave_marker(db, sid, url, house.clock.now())

    leave()
    leave()
    assert not take(other, url)
    assert not take(sid, url + "x")
    assert take(sid, same)
    assert not take(sid, url)
    leave()
    house.clock.move(seconds=121)
    assert not take(sid, url)


# ---------------------------------------------------------------- for the request at hand


@pytest.fixture
def site(house):
    """A small site with one page for pupils, one for a new password and one for everyone."""
    app = Flask("site")
    app.extensions["idp"] = house
    web.prepare(app, house.settings)
    sessions.login_manager.init_app(app)

    @app.get("/mijn-apps")
    @app.get(sessions.NEW_PASSWORD, endpoint="new")
    @web.door(web.Door.PUPIL)
    def mine():
        return f"{sessions.current().given_name} {sessions.current() is sessions.current()}"

    @app.get("/")
    @web.door(web.Door.ANYONE)
    def all_():
        return str(current_user.is_authenticated)

    return app


def _visit(site, path="/mijn-apps", cookie="", **others):
    browser = site.test_client()
    with site.test_request_context():
        browser.set_cookie(web.cookie_name(sessions.COOKIE), cookie)
    for name, value in others.items():
        browser.set_cookie(name, value)
    return browser.get(path)


def test_who_is_not_signed_in_goes_to_the_sign_in_page_and_back(site):
    gone = _visit(site, "/mijn-apps?x=1")
    assert (gone.status_code, gone.location) == (303, "/aanmelden?next=%2Fmijn-apps%3Fx%3D1")
    assert _visit(site, "/").text == "False"


def test_who_is_signed_in_is_greeted_whatever_other_cookies_say(site, house, noor):
    cookie = _start(house, noor).cookie
    assert _visit(site, cookie=cookie, remember_token="1|forged").text == "Noor True"
    assert _visit(site, "/", cookie).text == "True"


def test_PWD_03_with_a_temporary_password_only_the_page_for_a_new_one_is_open(site, house, noor):
    cookie = _start(house, noor, must_change=True).cookie
    gone = _visit(site, cookie=cookie)
    assert (gone.status_code, gone.location) == (303, "/nieuw-wachtwoord?next=%2Fmijn-apps")
    assert _visit(site, sessions.NEW_PASSWORD, cookie).text == "Noor True"
    assert _visit(site, "/", cookie).text == "False"


def test_being_seen_is_noted_once_a_minute(site, house, noor):
    sid, cookie = _start(house, noor)

    def seen():
        with house.database.reading() as db:
            return db.scalar(select(Session.last_seen_at).where(Session.sid == sid))

    begin = house.clock.now()
    house.clock.move(seconds=59)
    _visit(site, cookie=cookie)
    assert seen() == begin
    house.clock.move(seconds=1)
    _visit(site, cookie=cookie)
    assert seen() == house.clock.now()


@pytest.mark.parametrize("because", ["blocked", "enrolment over"])
def test_an_account_that_goes_inactive_ends_its_session_for_good(site, house, noor, because):
    sid, cookie = _start(house, noor)
    yesterday = house.clock.today() - timedelta(days=1)
    with house.database.transaction() as db:
        if because == "blocked":
            db.execute(update(Account).values(blocked_at=house.clock.now()))
        else:
            db.execute(update(Enrolment).values(einddatum=yesterday))
    assert _visit(site, cookie=cookie).status_code == 303
    with house.database.transaction() as db:
        assert db.scalar(select(Session.ended_because).where(Session.sid == sid)) == "inactive"
        db.execute(update(Account).values(blocked_at=None))
        db.execute(update(Enrolment).values(einddatum=make.YEAR_ENDS))
    assert _visit(site, cookie=cookie).status_code == 303


def test_a_session_survives_a_restart_of_the_house(house, noor):
    cookie = _start(house, noor).cookie
    again = context.open_house(house.settings, clock=house.clock)
    assert _look(again, cookie) is not None
    again.database.close()
