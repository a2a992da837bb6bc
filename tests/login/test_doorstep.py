"""Before Flask: who comes to sign in as most do is told the same as by the pages, and nobody else is answered there."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

import pytest
from flask import Flask
from markupsafe import escape
from sqlalchemy import select, update
from werkzeug.test import Client, EnvironBuilder, TestResponse

from idp import apps, manners, models, web
from idp.blanks import Kept
from idp.login import browsers, doorstep, first_pages
from idp.login.first_pages import Who
from idp.oidc import clients
from tests import make
from tests.make_browser import query
from tests.make_tokens import SECRET, basic

QUIET = {"X-Request-Id", "Content-Length"}
EVERYDAY = {
    "nobody sent": "/aanmelden",
    "an app": "/aanmelden?next={authorize}",
    "an app with a name": "/aanmelden?next={authorize}%26login_hint%3Dwim.claes",
    "an app in French": "/aanmelden?next={authorize}%26ui_locales%3Dfr-BE+nl",
    "an app that wants a card": "/aanmelden?next={authorize}%26claims%3D%257B%2522id_token%2522%253A%257B%2522acr%2522%253A"
    "%257B%2522essential%2522%253Atrue%252C%2522value%2522%253A%2522urn%253Aleersleutel%253Aacr%253Abasic%252Bcard%2522%257D%257D%257D",
    "an app that nobody knows": "/aanmelden?next=%2Fauthorize%3Fclient_id%3Dnobody",
    "a page of ours": "/aanmelden?next=%2Fmijn-gegevens",
    "a foreign page": "/aanmelden?next=https%3A%2F%2Fevil.example%2F",
    "a foreign page, in disguise": "/aanmelden?next=%2F%2Fevil.example%2F%3C%3E%22",
    "a name": "/aanmelden?next={authorize}&wie={wie}",
    "a name that does not exist": "/aanmelden?wie={nobody}",
}


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db, secrets=(clients.digest(SECRET),))


@pytest.fixture
def plain(app):
    """A browser that meets Flask alone, with nobody in front of it."""
    return Client(lambda environ, start: Flask.wsgi_app(app, environ, start), TestResponse)


@pytest.fixture
def alone(app, house):
    """Only who stands on the doorstep: what is left to others is a 404 without words."""

    def others(_environ, start_response):
        start_response("404 NOT FOUND", [])
        return [b"left to others"]

    return Client(doorstep.in_front_of(others, house, app.extensions["blanks"]), TestResponse)


def address(house, story, text):
    now = house.clock.now()
    named = Who(username=story.username, shared=False, asked=True)
    nobody = Who(username="niemand.hier", shared=True)
    return text.format(
        authorize=f"%2Fauthorize%3F{query(story.app).replace('=', '%3D').replace('&', '%26').replace('%3A', '%253A').replace('%2F', '%252F')}",
        wie=first_pages.sealed(house.keys, named, now),
        nobody=first_pages.sealed(house.keys, nobody, now),
    )


def told(answer):
    """What a browser notices of an answer; words of chance are named instead."""
    page = re.sub(r"wie=[^&\"]+", "wie=…", answer.text)
    page = re.sub(r'(name="(?:wie|csrf_token)" value|nonce)="[^"]+"', r'\1="…"', page)
    heads = {name: value for name, value in answer.headers if name not in QUIET}
    if "Location" in heads:
        heads |= {
            "Location": re.sub(r"wie=[^&]+", "wie=…", heads["Location"]),
            "Content-Security-Policy": "…",
        }
    heads["Content-Security-Policy"] = re.sub(r"'nonce-[^']+'", "…", heads["Content-Security-Policy"])
    heads["Set-Cookie"] = re.sub(r"=[0-9a-f]+\.[^;]+", "=…", heads.get("Set-Cookie", ""))
    return answer.status_code, page, sorted(heads.items())


@pytest.mark.parametrize("accepted", ["", "de-AT, fr;q=0.5"])
@pytest.mark.parametrize("where", EVERYDAY.values(), ids=EVERYDAY)
def test_whoever_comes_as_most_do_is_told_what_the_page_would_have_said(
    client, plain, alone, house, story, where, accepted
):
    where, heads = address(house, story, where), {"Accept-Language": accepted}
    first = told(plain.get(where, headers=heads))
    assert told(alone.get(where, headers=heads)) == first == told(client.get(where, headers=heads))


def test_a_page_that_was_never_shown_is_left_to_flask(alone, plain):
    assert alone.get("/aanmelden").text == "left to others"
    plain.get("/aanmelden")
    assert alone.get("/aanmelden").status_code == 200


@pytest.mark.parametrize("shared", [{}, {"shared": "1"}], ids=["mine", "shared"])
def test_a_name_leads_on_as_by_the_page(plain, alone, house, story, shared):
    answers = []
    for browser in (plain, alone):
        where = address(house, story, EVERYDAY["an app"])
        page = plain.get(where)
        for name, cookie in ((one.key, one.value) for one in (plain._cookies or {}).values()):
            browser.set_cookie(name, cookie)
        sent = {"csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]}
        sent |= {"username": " Wim  CLAES ", "next": where.partition("next=")[2], **shared}
        answers.append(browser.post(where, data=sent))
    assert told(answers[0]) == told(answers[1])
    for answer in answers:
        sealed = re.search(r"wie=([^&]+)", answer.headers["Location"])[1]
        who = first_pages.unsealed(house.keys, sealed, house.clock.now())
        assert who == Who(username="wim.claes", shared=bool(shared), asked=True)


@pytest.fixture
def form(client):
    """A form of ours, as a page of ours has sent it: the cookie of its page, and its words."""
    page = client.get("/aanmelden")
    word = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    return cookie, {"csrf_token": word, "username": "wim.claes"}


def answered(alone, environ):
    """The status and the body of the answer to this very request, which may be changed by it."""
    said = []
    body = b"".join(alone.application(environ, lambda status, _heads: said.append(status)))
    return said[0][:3], body.decode()


def sent_to(alone, form, *, heads=None, cookie=None, **words):
    """The status and the body of the answer, and what the request is afterwards."""
    shown, known = form
    given = {name: value for name, value in (known | words).items() if value is not None}
    builder = EnvironBuilder("/aanmelden", method="POST", data=given, headers=heads)
    environ = builder.get_environ() | {"HTTP_COOKIE": shown if cookie is None else cookie}
    return *answered(alone, environ), environ


def test_a_form_that_no_page_of_ours_has_sent_is_not_answered_here(alone, form):
    assert sent_to(alone, form)[0] == "303"
    for changed in (
        {"csrf_token": None},
        {"csrf_token": "0" * 43},
        {"cookie": ""},
        {"cookie": form[0][:-1] + ("A" if form[0][-1] != "A" else "B")},
        {"heads": {"Origin": "https://evil.example"}},
        {"heads": {"Referer": "https://evil.example/aanmelden"}},
        {"heads": {"Sec-Fetch-Site": "cross-site"}},
    ):
        _, text, environ = sent_to(alone, form, **changed)
        assert text == "left to others", changed
        assert environ["wsgi.input"].read() != b"", "what follows reads the form again"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "K1" + "A" * 26,
        "h1" + "2" * 26,
        "http://localhost:8080/k/K1" + "A" * 26,
        "id.example/mijn/wim.claes",
        "wïm.claes",
    ],
)
def test_what_may_be_something_else_than_a_name_is_left_to_the_page(alone, form, typed):
    assert sent_to(alone, form, username=typed)[1] == "left to others"


@pytest.mark.parametrize("more", [{"wie": "x"}, {"wissel": "1"}, {"kaart": "1"}, {"username": None}])
def test_other_forms_of_that_page_are_left_to_it(alone, form, more):
    assert sent_to(alone, form, **more)[1] == "left to others"


def test_a_form_that_comes_through_a_socket_is_read_once_and_kept_for_the_page(alone, form):
    """A server that does not keep bodies hands over a stream, which nobody can read a second time."""

    class Stream:
        def __init__(self, content):
            self.content = content

        def read(self, size):
            given, self.content = self.content[:size], self.content[size:]
            if not given:
                raise AssertionError("a socket would wait here for good")
            return given

    sent = b"wie=x&csrf_token=y"
    environ = EnvironBuilder("/aanmelden", method="POST").get_environ()
    environ |= {"CONTENT_TYPE": doorstep.FORM, "CONTENT_LENGTH": str(len(sent)), "HTTP_COOKIE": form[0]}
    environ["wsgi.input"] = Stream(sent)
    assert answered(alone, environ) == ("404", "left to others")
    assert environ["wsgi.input"].read() == sent


@pytest.mark.parametrize("word", ["session", "card", "device"])
def test_a_browser_that_holds_more_than_nothing_is_left_to_the_page(alone, client, house, word):
    client.get("/aanmelden")
    alone.set_cookie(f"idp-{house.settings.issuer.rpartition(':')[2]}-{word}", "something")
    assert alone.get("/aanmelden").text == "left to others"


@pytest.mark.parametrize(
    "query",
    [
        "bericht=naam",
        "wie=",
        "wie=x&wie=y",
        "wie=nothing-of-ours",
        "next=%00",
        "next=%C3%A9",
        "other=1",
        f"next=/{'a' * 9000}",
    ],
)
def test_odd_addresses_are_left_to_the_page(alone, client, query):
    client.get("/aanmelden")
    left = query != "wie="
    assert (alone.get(f"/aanmelden?{query}").text == "left to others") is left


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_and_other_places_are_left_to_others(alone, client, method):
    client.get("/aanmelden")
    assert alone.open("/aanmelden", method=method).status_code == 404
    assert alone.get("/aanmelden/").status_code == 404
    assert alone.get("/personeel/aanmelden").status_code == 404


def test_what_goes_wrong_here_is_a_page_of_flasks(client, app, house, story):
    app.testing = False
    where = address(house, story, EVERYDAY["a name"])
    assert client.get(where).status_code == 200
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE enrolment RENAME TO away")
    answer = client.get(where)
    assert answer.status_code in {500, 503}
    assert answer.headers["X-Request-Id"] in answer.text
    left = []
    inner = doorstep.in_front_of(lambda environ, _start: [left.append(environ)], house, Kept())
    inner(EnvironBuilder(where).get_environ(), None)
    assert isinstance(left[0][web.FAILED], Exception), (
        "Flask raises it, and does not wait for the database once more"
    )


def test_a_browser_that_knows_the_pupil_gets_the_same_page_here(plain, alone, house, story):
    where, now = address(house, story, EVERYDAY["a name"]), house.clock.now()
    browser = browsers.after_meeting(browsers.recognise(house.keys, "", now, days=30), story.pupil, now)
    name = f"idp-{house.settings.issuer.rpartition(':')[2]}-browser"
    for one in (plain, alone):
        one.set_cookie(name, browsers.cookie(house.keys, browser, now))
    assert told(plain.get(where)) == told(alone.get(where))


@pytest.mark.parametrize("wishes", [{}, {"ui_locales": "de-AT"}, {"login_hint": "wim.claes"}], ids=str)
def test_a_pushed_request_is_told_what_the_page_would_have_said(client, plain, alone, house, story, wishes):
    heads = {"Authorization": basic(story.app.client_id, SECRET)}
    kept = client.post("/par", data=dict(parse_qsl(query(story.app, **wishes))), headers=heads).json
    named = urlencode({"client_id": story.app.client_id, "request_uri": kept["request_uri"]})
    where = f"/aanmelden?{urlencode({'next': f'/authorize?{named}'})}"
    first = told(plain.get(where))
    assert told(alone.get(where)) == first == told(client.get(where))
    assert ("wim.claes" in first[1]) == ("login_hint" in wishes)
    assert ('<html lang="de"' in first[1]) == ("ui_locales" in wishes)


def test_what_an_app_is_called_now_is_what_the_next_page_says(plain, alone, house, story):
    where = address(house, story, EVERYDAY["an app"])
    before = plain.get(where).text
    assert escape("Rekenbuur") in before
    with house.database.transaction() as db:
        row = db.execute(select(models.App.registration).where(models.App.client_id == story.app.client_id))
        renamed = row.scalar_one() | {"client_name": 'Reken & "Schrijf" <b>'}
        named = {"client_name": renamed["client_name"], "registration": renamed}
        db.execute(update(models.App).where(models.App.client_id == story.app.client_id).values(named))
        apps.changed(db)
    house.clock.move(minutes=1)
    assert alone.get(where).text == "left to others"
    after = told(plain.get(where))
    assert told(alone.get(where))[:2] == after[:2]
    assert str(escape(renamed["client_name"])) in after[1]
    assert "Rekenbuur" not in after[1]
    assert "<b>" not in after[1]


def test_a_form_of_a_page_that_was_left_open_for_too_long_is_left_to_the_page(alone, house, form):
    house.clock.move(seconds=manners.PAGE_SECONDS - 1)
    assert sent_to(alone, form)[0] == "303"
    house.clock.move(seconds=1)
    assert sent_to(alone, form)[1] == "left to others"


def test_a_browser_with_the_cookie_of_an_old_page_gets_a_new_one(plain, alone, house, form):
    name, _, old = form[0].partition("=")
    cookies = []
    for passed, browser in ((0, alone), (manners.PAGE_SECONDS, alone), (0, plain)):
        house.clock.move(seconds=passed)
        browser.set_cookie(name, old)
        cookies.append(browser.get("/aanmelden").headers.get("Set-Cookie"))
    kept, *new = cookies
    assert kept is None
    assert all(re.match(rf"{name}=[0-9a-f]+\.", cookie) and old not in cookie for cookie in new)
