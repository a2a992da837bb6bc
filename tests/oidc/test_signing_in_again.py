"""Signing in again for prompt=login and max_age, hints about who it is, and answers that count once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import insert

from idp import entropy, models
from idp.login import sessions
from idp.oidc import evidence, signing
from idp.oidc.next_step import Evidence
from tests import make, make_browser, make_signing
from tests.make_browser import fresh, next_of, path, query, said, sign_in


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db)


# ---------------------------------------------------------------- proving it again


def test_AUTHZ_11_prompt_login_asks_again_and_is_satisfied_once(client, house, story):
    sign_in(client, house, story.pupil)
    asked = f"/authorize?{query(story.app, prompt='login')}"
    url = next_of(client.get(asked))
    house.clock.move(minutes=5)
    sid = sign_in(client, house, story.pupil)
    fresh(house, sid, url)
    said(client.get(url), story.app)
    assert make_browser.grant_of(house)["auth_time"] == house.clock.now()
    assert path(client.get(url)) == "/aanmelden"


def test_AUTHZ_13_backing_out_of_a_second_sign_in_gives_no_code(client, house, story):
    sign_in(client, house, story.pupil)
    asked = f"/authorize?{query(story.app, prompt='login')}"
    for _ in range(3):
        assert path(client.get(asked)) == "/aanmelden"


def test_a_fresh_sign_in_counts_for_its_own_request_and_session_and_for_a_short_time(client, house, story):
    url = next_of(client.get(f"/authorize?{query(story.app, prompt='login')}"))
    other = next_of(client.get(f"/authorize?{query(story.app, prompt='login', state='other')}"))
    old = sign_in(client, house, story.pupil)
    fresh(house, old, url)
    assert path(client.get(other)) == "/aanmelden"
    sid = sign_in(client, house, story.pupil)
    assert path(client.get(url)) == "/aanmelden"
    fresh(house, sid, url)
    house.clock.move(seconds=house.settings.marker_seconds + 1)
    assert path(client.get(url)) == "/aanmelden"


def test_max_age_is_measured_from_the_sign_in(client, house, story):
    sign_in(client, house, story.pupil)
    house.clock.move(seconds=100)
    said(client.get(f"/authorize?{query(story.app, max_age=100)}"), story.app)
    house.clock.move(seconds=1)
    answer = client.get(f"/authorize?{query(story.app, max_age=100)}")
    assert path(answer) == "/aanmelden"
    told = said(client.get(f"/authorize?{query(story.app, max_age=100, prompt='none')}"), story.app)
    assert told["error"] == "login_required"


def test_max_age_zero_always_asks(client, house, story):
    sid = sign_in(client, house, story.pupil)
    asked = f"/authorize?{query(story.app, max_age=0)}"
    url = next_of(client.get(asked))
    fresh(house, sid, url)
    said(client.get(asked), story.app)
    assert path(client.get(asked)) == "/aanmelden"


# ---------------------------------------------------------------- hints


def hint(house, app, account_uuid, **claims):
    from idp.claims import pseudonym

    said = {
        "iss": house.settings.issuer,
        "aud": app.client_id,
        "sub": pseudonym.sub_for(house.keys, app, account_uuid),
    }
    return signing.sign(house, said | {"exp": 1} | claims, "RS256")


def test_a_hint_for_the_same_pupil_changes_nothing(client, house, story):
    make_signing.keys(house)
    sign_in(client, house, story.pupil)
    asked = query(story.app, id_token_hint=hint(house, story.app, story.pupil), prompt="none")
    assert "code" in said(client.get(f"/authorize?{asked}"), story.app)


def test_a_hint_for_another_pupil_asks_who_it_is(client, house, story):
    make_signing.keys(house)
    sid = sign_in(client, house, story.pupil)
    token = hint(house, story.app, entropy.identifier())
    told = said(client.get(f"/authorize?{query(story.app, id_token_hint=token, prompt='none')}"), story.app)
    assert told["error"] == "login_required"
    answer = client.get(f"/authorize?{query(story.app, id_token_hint=token)}")
    assert path(answer) == "/aanmelden"
    fresh(house, sid, next_of(answer))
    assert said(client.get(next_of(answer)), story.app)["error"] == "login_required"
    assert make_browser.codes(house) == 0


def test_a_hint_of_another_app_or_of_nobody_is_ignored(client, house, story):
    make_signing.keys(house)
    sign_in(client, house, story.pupil)
    for token in (hint(house, story.app, "x", aud="other"), "eyJhbGciOiJub25lIn0.e30.", "junk", "x" * 9000):
        assert "code" in said(client.get(f"/authorize?{query(story.app, id_token_hint=token)}"), story.app)


# ---------------------------------------------------------------- at the same moment


def test_RACE_a_fresh_sign_in_gives_one_code_however_often_it_is_asked_at_once(house, story):
    """Eight tabs, one sign-in for prompt=login."""
    from idp.oidc import authorize
    from idp.oidc import request as requests
    from idp.oidc.authorize import Issued
    from idp.oidc.next_step import SignIn

    asked = requests.read(
        parse_qsl(query(story.app, prompt="login")),
        find_app=lambda _: story.app,
        scopes_known=frozenset({"openid"}),
        today=house.clock.today(),
    )
    words = {"account_uuid": story.pupil, "amr": ("pwd",), "acr": "x", "must_change": False, "shared": False}
    with house.database.transaction() as db:
        started = sessions.start(db, house, now=house.clock.now(), **words)
        sessions.leave_marker(db, started.sid, asked.url, house.clock.now())
        session = sessions.seen(db, house.settings, started.cookie, house.clock.now())
    with ThreadPoolExecutor(8) as tabs:
        steps = [one.step for one in tabs.map(lambda _: authorize.consider(house, asked, session), range(8))]
    assert sum(isinstance(step, Issued) for step in steps) == 1
    assert sum(isinstance(step, SignIn) for step in steps) == 7
    assert make_browser.codes(house) == 1


def test_the_sign_in_page_marks_the_same_request_as_we_look_for(house, story):
    from idp.oidc import arriving
    from idp.oidc import request as requests

    asked = requests.read(
        parse_qsl(
            query(
                story.app, state="a b+é&=%2B~'", id_token_hint="x.y.z", login_hint="é ü", ui_locales="fr nl"
            )
        ),
        find_app=lambda _: story.app,
        scopes_known=arriving.SCOPES_KNOWN,
        today=house.clock.today(),
    )
    now = house.clock.now()
    with house.database.transaction() as db:
        sid = sessions.start(
            db, house, account_uuid=story.pupil, amr=(), acr="x", must_change=False, shared=False, now=now
        ).sid
        sessions.leave_marker(db, sid, asked.url, now)
        assert evidence.found(db, sid, asked.query, now, seconds=9) == {Evidence.FRESH}
        assert not evidence.take(db, sid, asked.query, [Evidence.FRESH, Evidence.INFORMED], now, seconds=9)


def test_an_answer_is_used_up_once(house, story):
    now = house.clock.now()
    with house.database.transaction() as db:
        sid = sessions.start(
            db, house, account_uuid=story.pupil, amr=(), acr="x", must_change=False, shared=False, now=now
        ).sid
        for one in Evidence:
            evidence.leave(db, sid, "q", one, now)
            evidence.leave(db, sid, "q", one, now)
        assert evidence.found(db, sid, "q", now, seconds=9) == set(Evidence)
        assert evidence.take(db, sid, "q", Evidence, now, seconds=9)
        assert not evidence.take(db, sid, "q", Evidence, now, seconds=9)
        assert evidence.found(db, sid, "q", now, seconds=9) == set()
        db.execute(
            insert(models.Marker),
            {"sid": sid, "request_digest": "x" * 64, "created_at": now - timedelta(days=1)},
        )
