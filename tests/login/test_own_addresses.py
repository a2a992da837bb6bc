"""A personal URL: typed, scanned or visited on a host of its own; it says who somebody is and nothing more."""

from __future__ import annotations

import pytest
from werkzeug.test import Client

from idp import config, context, serving
from idp.login import own_addresses

ISSUER, SHORT = "https://id.example", "https://mijn.example"


def _settings(**given: str) -> config.Settings:
    return config.Settings(issuer=ISSUER, **{"personal_url": SHORT} | given)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("https://mijn.example/noor.peeters", "noor.peeters"),
        (" HTTPS://MIJN.EXAMPLE/NOOR.PEETERS\t", "NOOR.PEETERS"),
        ("mijn.example/noor.peeters/", "noor.peeters"),
        ("mijn.example/noor.peeters?x=1#y", "noor.peeters"),
        ("https://id.example/mijn/noor.peeters\n", "noor.peeters"),
        ("id.example/noor.peeters", None),
        ("https://mijn.example.evil.example/noor.peeters", None),
        ("https://evil.example/mijn.example/noor.peeters", None),
        ("mijn.example/a/b", None),
        ("mijn.example/", None),
        ("noor.peeters", None),
    ],
)
def test_a_personal_url_as_somebody_types_it(typed, name):
    assert own_addresses.personal(_settings(), typed) == name


def test_hosts_of_ours_are_named_once():
    assert own_addresses.hosts(_settings()) == (f"{ISSUER}/", f"{SHORT}/")
    assert own_addresses.hosts(_settings(personal_url="")) == (f"{ISSUER}/",)


@pytest.fixture
def browser(house) -> Client:
    words = {name: getattr(house, name) for name in ("clock", "database", "keys", "hasher", "apps")}
    return Client(serving.assemble(context.House(**words | {"settings": _settings()})))


@pytest.mark.parametrize(
    ("path", "onward"),
    [
        ("/noor.peeters", "/mijn/noor.peeters"),
        ("/Noor.Peeters/", "/mijn/Noor.Peeters"),
        ("/noor.peeters?next=//evil.example", "/mijn/noor.peeters"),
        ("/no%C3%B6r", "/mijn/no%C3%B6r"),
        ("/%3Cb%3E", "/mijn/%3Cb%3E"),
        ("/", "/aanmelden"),
        ("/K/K10123456789ABCDEFGHJKMNPQRS", "/K/K10123456789ABCDEFGHJKMNPQRS"),
    ],
)
def test_QR_09_the_host_of_personal_urls_leads_to_sign_in_at_the_issuer(browser, path, onward):
    answer = browser.get(path, base_url=SHORT)
    assert (answer.status_code, answer.headers["Location"]) == (303, ISSUER + onward)
    assert answer.data == b""
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/mijn/noor.peeters",
        "/.well-known/openid-configuration",
        "/static/style.css",
        "/..%2f..%2fetc",
        "/a%5cb",
        "/" + "x" * 4096,
    ],
)
def test_QR_09_the_host_of_personal_urls_does_nothing_else(browser, path):
    answer = browser.get(path, base_url=SHORT)
    assert (answer.status_code, answer.data) == (404, b"")
    assert browser.post("/noor.peeters", base_url=SHORT).status_code == 404


def test_the_issuer_answers_as_before(browser):
    assert browser.get("/aanmelden", base_url=ISSUER).status_code == 200
    assert browser.get("/.well-known/openid-configuration", base_url=ISSUER).status_code == 200


@pytest.mark.parametrize(
    "bad", ["mijn.example", "http://mijn.example", "https://a@b.example", "https://b.example?x"]
)
def test_a_personal_url_that_is_no_address_is_a_mistake_in_the_settings(bad):
    with pytest.raises(ValueError, match="personal_url"):
        _settings(personal_url=bad)
