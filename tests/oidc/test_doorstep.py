"""Before Flask and within a sign-in: /authorize says the same as its page would, whoever says it, and as often."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

import pytest
from flask import Flask
from sqlalchemy import delete, update
from werkzeug.test import Client, TestResponse

from idp import models
from idp.login import sessions
from idp.oidc import clients
from tests import make, make_browser
from tests.make_browser import fill_in, path, query, said, sign_in
from tests.make_tokens import SECRET, basic

WORDS = "kat appel trein kasteel"


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db, secrets=(clients.digest(SECRET),))


@pytest.fixture
def plain(app):
    """A browser that meets Flask alone, with nobody in front of it."""
    return Client(lambda environ, start: Flask.wsgi_app(app, environ, start), TestResponse)


def shown(house, browser, sid_of=None, **given):
    """This browser has a session of this pupil, or, without one, a cookie that opens nothing."""
    if sid_of is None:
        browser.set_cookie(f"idp-{house.settings.issuer.rpartition(':')[2]}-session", "lks_nothing")
        return None
    return sign_in(browser, house, sid_of, **given)


def told(answer):
    """What a browser notices of an answer; codes and numbers differ each time."""
    quiet = {"X-Request-Id", "Set-Cookie", "Content-Length", "Content-Security-Policy"}
    heads = sorted((name, value) for name, value in answer.headers if name not in quiet | {"Location"})
    location = re.sub(r"code=[^&]+", "code=…", answer.headers.get("Location", ""))
    policy = answer.headers.get("Content-Security-Policy", "")
    walls = {
        wall for wall in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'") if wall in policy
    }
    return answer.status_code, location, heads, walls


REQUESTS = {
    "everyday": {},
    "silent": {"prompt": "none"},
    "again": {"prompt": "login"},
    "at once": {"max_age": 0},
    "long ago": {"max_age": 10_000},
    "in a language": {"ui_locales": "fr"},
    "odd state": {"state": "é &=+/?#"},
    "no state": {"state": None},
    "unknown app": {"client_id": "nobody"},
    "foreign address": {"redirect_uri": "https://evil.example/cb"},
    "no scope": {"scope": None},
    "another answer": {"response_type": "token"},
    "unknown claims": {"claims": "{"},
}


@pytest.mark.parametrize("who", ["nobody", "a cookie that opens nothing", "signed in"])
@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
def test_who_passes_is_told_what_the_page_would_have_said(client, plain, house, story, asked, who):
    answers = []
    for browser in (client, plain):
        if who != "nobody":
            shown(house, browser, story.pupil if who == "signed in" else None)
        answers.append(told(browser.get(f"/authorize?{query(story.app, **asked)}")))
    passed, paged = answers
    assert passed == paged


def test_one_code_is_written_for_one_answer(client, house, story):
    sign_in(client, house, story.pupil)
    said(client.get(f"/authorize?{query(story.app)}"), story.app)
    assert make_browser.codes(house) == 1


@pytest.mark.parametrize("gone", ["ended", "blocked", "expired"])
def test_a_session_that_opens_nothing_any_more_leads_to_the_sign_in(client, house, story, gone):
    sid = sign_in(client, house, story.pupil)
    with house.database.transaction() as db:
        if gone == "ended":
            sessions.end(db, sid, "test", house.clock.now())
        if gone == "blocked":
            db.execute(update(models.Account).values(blocked_at=house.clock.now()))
    if gone == "expired":
        house.clock.move(days=3)
    assert path(client.get(f"/authorize?{query(story.app)}")) == "/aanmelden"
    assert make_browser.codes(house) == 0


def test_what_goes_wrong_on_the_doorstep_is_a_page_with_a_number(client, app, house, story):
    app.testing = False
    sign_in(client, house, story.pupil)
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE visibility_rule RENAME TO away")
    answer = client.get(f"/authorize?{query(story.app)}")
    assert answer.status_code in {500, 503}
    assert answer.headers["X-Request-Id"] in answer.text
    assert "text/html" in answer.headers["Content-Type"]


# ---------------------------------------------------------------- within a sign-in


@pytest.fixture
def known(house, story):
    """The pupil of the story knows the pictures."""
    stored = house.hasher.hash(WORDS)
    with house.database.transaction() as db:
        db.execute(update(models.Account).values(secret_hash=stored.hash, pepper_id=stored.pepper_id))
    return story


def prove(client, story, asked, **secret):
    """From an authorization request through both pages; the answer to the secret (the pictures, unless given)."""
    page = client.get(client.get(asked).headers["Location"])
    page = client.get(fill_in(client, page, username=story.username).headers["Location"])
    return fill_in(client, page, **(secret or {"dier": "4", "eten": "0", "waarmee": "10", "waar": "4"}))


def pushed(client, app):
    headers = {"Authorization": basic(app.client_id, SECRET)}
    answer = client.post("/par", data=dict(parse_qsl(query(app))), headers=headers)
    return urlencode({"client_id": app.client_id, "request_uri": answer.json["request_uri"]})


@pytest.mark.parametrize("how", ["plainly", "prompt", "max_age", "pushed"])
def test_a_secret_answers_the_request_that_it_was_asked_for_and_no_other(app, client, house, known, how):
    changes = {"prompt": {"prompt": "login"}, "max_age": {"max_age": 0}}.get(how, {})
    asked = f"/authorize?{pushed(client, known.app) if how == 'pushed' else query(known.app, **changes)}"
    answer = said(prove(client, known, asked), known.app)
    assert (answer["state"], answer["iss"]) == ("s-1", house.settings.issuer)
    assert make_browser.codes(house) == 1
    assert make_browser.grant_of(house)["auth_time"] == house.clock.now()
    again = client.get(asked)
    if how in {"prompt", "max_age"}:
        assert path(again) == "/aanmelden"
        return
    assert said(again, known.app)["code"] != answer["code"]
    other = app.test_client()
    sign_in(other, house, known.pupil)
    assert ("code" in said(other.get(asked), known.app)) is (how == "plainly")


def test_a_form_of_an_app_is_a_page_of_its_own_which_a_reload_may_ask_for_again(client, house, known):
    answer = prove(client, known, f"/authorize?{query(known.app, response_mode='form_post')}")
    assert path(answer) == "/authorize"
    assert make_browser.codes(house) == 0
    assert 'name="code"' in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize("closed", ["not visible", "two schools"])
def test_whoever_is_to_be_asked_or_told_something_gets_no_code_with_the_secret(client, house, known, closed):
    with house.database.transaction() as db:
        if closed == "not visible":
            db.execute(delete(models.VisibilityRule))
        else:
            second = make.school(db, naam="Atheneum De Toren")
            make.enrolment(db, known.pupil, second)
            make.rule(db, known.app.client_id, second)
    answer = prove(client, known, f"/authorize?{query(known.app)}")
    assert path(answer) == "/authorize"
    assert make_browser.codes(house) == 0


def test_PWD_03_a_temporary_password_is_changed_before_the_secret_answers_any_app(client, house, known):
    stored = house.hasher.hash("Tijdelijk7")
    words = {"type": models.AccountType.ADVANCED, "secret_kind": models.SecretKind.TEMPORARY}
    words |= {"secret_hash": stored.hash, "pepper_id": stored.pepper_id}
    with house.database.transaction() as db:
        db.execute(update(models.Account).values(words))
    answer = prove(client, known, f"/authorize?{query(known.app)}", password="Tijdelijk7")
    assert path(answer) == "/nieuw-wachtwoord"
    assert make_browser.codes(house) == 0
