"""BRUTE-08, QR-07, QR-09, OPEN-01, ENUM-04, LOGO-13: a classmate at the same tablet, and who says to be elsewhere."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote_plus

import pytest
from sqlalchemy import select
from werkzeug.test import Client

from idp import context, entropy, models, serving
from idp.login import sessions
from idp.models import SecretKind
from tests import make_login
from tests.make_browser import fill_in, path
from tests.make_reading import stands

FORWARDED = {
    "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
    "Forwarded": "for=203.0.113.9",
    "X-Real-IP": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
}


@pytest.mark.parametrize(("proxies", "seen"), [(0, "192.0.2.1"), (1, "198.51.100.7"), (2, "203.0.113.9")])
def test_BRUTE_08_an_address_is_believed_as_far_as_our_own_proxies_go(house, proxies, seen):
    settings = house.settings.model_copy(update={"trusted_proxies": proxies})
    words = {name: getattr(house, name) for name in context.House.__dataclass_fields__}
    browser = Client(serving.assemble(context.House(**words | {"settings": settings})))
    answer = browser.get("/authorize", headers=FORWARDED, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert answer.status_code == 400
    assert not stands("evil", answer.text)
    with house.database.reading() as db:
        assert db.execute(select(models.AuditEvent.source)).scalars().all() == [seen]


def test_BRUTE_08_with_one_proxy_only_its_own_word_counts(house):
    settings = house.settings.model_copy(update={"trusted_proxies": 1})
    words = {name: getattr(house, name) for name in context.House.__dataclass_fields__}
    browser = Client(serving.assemble(context.House(**words | {"settings": settings})))
    for spoofed in ("1.2.3.4", "::1", "x" * 500, "127.0.0.1"):
        browser.get("/authorize", headers={"X-Forwarded-For": f"{spoofed}, 198.51.100.7"})
    with house.database.reading() as db:
        assert {*db.execute(select(models.AuditEvent.source)).scalars()} == {"198.51.100.7"}


# ---------------------------------------------------------------- two pupils at one tablet


def _prove(client, username, secret, way="/aanmelden"):
    page = client.get(way)
    page = client.get(fill_in(client, page, username=username).headers["Location"])
    return fill_in(client, page, password=secret)


def _living(house):
    with house.database.reading() as db:
        of = models.Session
        return [*db.execute(select(of.account_uuid).where(of.ended_at.is_(None))).scalars()]


@pytest.fixture
def two(house):
    noor = make_login.pupil(house, "noor.peeters", "29ban9", SecretKind.BASIC)
    seppe = make_login.pupil(house, "seppe.claes", "4mam38", SecretKind.BASIC)
    return noor, seppe


@pytest.mark.parametrize("mine", [True, False])
def test_QR_07_and_LOGO_13_the_personal_url_of_another_asks_and_never_merges(client, house, two, mine):
    noor, seppe = two
    assert path(_prove(client, "noor.peeters", "29ban9")) == "/mijn-apps"
    page = client.get("/mijn/seppe.claes", follow_redirects=True)
    assert page.status_code == 200
    assert not stands("Noor", page.text.replace("noor.peeters", ""))
    answer = fill_in(client, page, password="4mam38" if mine else "wrong")
    if mine:
        assert path(answer) == "/mijn-apps"
        assert _living(house) == [seppe]
    else:
        assert answer.status_code == 401
        assert _living(house) == [noor]


def test_SESS_01_and_02_a_cookie_that_was_there_before_is_never_adopted(client, house, two):
    planted = entropy.token(entropy.Token.SESSION, house.clock.now())
    name = f"idp-{house.settings.issuer.rpartition(':')[2]}-{sessions.COOKIE}"
    client.set_cookie(name, planted)
    _prove(client, "noor.peeters", "29ban9")
    assert client.get_cookie(name).value != planted
    stranger = client.application.test_client()
    stranger.set_cookie(name, planted)
    assert path(stranger.get("/mijn-apps")) == "/aanmelden"


def test_ENUM_04_a_personal_url_tells_nothing_about_who_exists(client, two):
    there, nobody = (client.get(f"/mijn/{name}") for name in ("noor.peeters", "noor.peetersen"))
    assert there.status_code == nobody.status_code == 303
    assert [name for name, _ in there.headers] == [name for name, _ in nobody.headers]
    page = client.get(there.headers["Location"])
    assert not stands("Noor", page.text.replace("noor.peeters", ""))


@pytest.mark.parametrize(
    "tail",
    ["noor.peeters/", "NOOR.PEETERS", "noor.peeters.", "noor.peeters?x=//evil.example", "noor%2fpeeters"],
)
def test_QR_09_odd_forms_of_a_personal_url_stay_here(client, two, tail):
    answer = client.get(f"/mijn/{tail}")
    assert answer.status_code in {303, 404}
    assert answer.headers.get("Location", "/").startswith("/")
    assert not stands("evil", unquote_plus(answer.headers.get("Location", "/")))
    assert client.get("/mijn/" + "a" * 4000).status_code in {303, 404}


EVIL = ["https://evil.example", "//evil.example", "/\\evil.example", "/%09/evil.example", "\\\\evil.example"]


@pytest.mark.parametrize(
    "way",
    [*EVIL, "javascript:alert(1)", "/mijn-apps@evil.example", "/mijn-apps\r\nX: y", "/authorize?\u2028"],
)
def test_OPEN_01_signing_in_never_leads_away(client, two, way):
    page = client.get("/aanmelden", query_string={"next": way, "return_to": way, "continue": way})
    assert page.status_code == 200
    for target in re.findall(r'(?:action|href)="([^"]*)"', page.text):
        assert unescape(target).startswith("/")
        assert not re.match(r"/[/\\]", unescape(target))
    word = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    form = {"csrf_token": word, "username": "noor.peeters", "next": way}
    page = client.get(client.post("/aanmelden", data=form).headers["Location"])
    answer = fill_in(client, page, password="29ban9", next=way)
    assert path(answer) in {"/mijn-apps", "/authorize", "/mijn-apps@evil.example"}
    word = {"csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', client.get("/mijn-apps").text)[1]}
    answer = client.post("/taal", data=word | {"taal": "fr", "terug": way})
    assert not re.match(r"(?:[a-z]+:|/[/\\]|\\)", answer.headers["Location"])
