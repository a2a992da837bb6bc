"""Keys at a `jwks_uri`: read when needed, not too often, and only what stands there now counts."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
from joserfc.jwk import OctKey

from idp import fetching
from idp.apps import App
from idp.oidc import app_keys
from tests import make_signed
from tests.make_signed import EC, RSA, RSA_2, jwks, sign


@pytest.fixture
def site():
    with make_signed.site() as here:
        yield here


def set_to(house, **settings):
    return replace(house, settings=house.settings.model_copy(update=settings))


@pytest.fixture
def house(house):
    return set_to(house, fetch_from_loopback=True)


def app_at(uri, **given):
    return App(client_id="a", client_name="A", sector="a", jwks_uri=uri, **given)


def good(house, app, token, alg=None):
    return app_keys.verified(house, app, token, alg=alg) is not None


def test_keys_are_read_once_and_kept(house, site):
    app = app_at(site.put("/jwks", jwks(RSA, EC), "application/jwk-set+json"))
    for _ in range(3):
        assert good(house, app, sign({"a": 1}))
        assert good(house, app, sign({"a": 1}, EC, "ES256"))
    assert site.asked == ["/jwks"]
    house.clock.move(seconds=app_keys.FRESH_SECONDS)
    assert good(house, app, sign({"a": 1}))
    assert len(site.asked) == 2


def test_CJWT_20_a_new_key_counts_at_once_and_a_removed_one_no_longer(house, site):
    app = app_at(site.put("/jwks", jwks(RSA)))
    assert good(house, app, sign({}, RSA))
    site.put("/jwks", jwks(RSA_2))
    house.clock.move(seconds=app_keys.AGAIN_SECONDS)
    assert good(house, app, sign({}, RSA_2))
    assert not good(house, app, sign({}, RSA))
    assert len(site.asked) == 2


def test_CJWT_20_a_removed_key_counts_ten_minutes_at_most(house, site):
    app = app_at(site.put("/jwks", jwks(RSA)))
    assert good(house, app, sign({}, RSA))
    site.put("/jwks", jwks(RSA_2))
    house.clock.move(seconds=app_keys.FRESH_SECONDS - 1)
    assert good(house, app, sign({}, RSA))
    house.clock.move(seconds=1)
    assert not good(house, app, sign({}, RSA))


def test_unknown_keys_do_not_make_us_read_again_and_again(house, site):
    app = app_at(site.put("/jwks", jwks(RSA)))
    for number in range(20):
        assert not good(house, app, sign({}, RSA_2, kid=f"k{number}"))
    assert len(site.asked) == 1
    house.clock.move(seconds=app_keys.AGAIN_SECONDS)
    assert not good(house, app, sign({}, RSA_2))
    assert len(site.asked) == 2


def test_while_the_apps_server_is_down_its_keys_count_for_a_day(house, site):
    app = app_at(site.put("/jwks", jwks(RSA)))
    assert good(house, app, sign({}, RSA))
    del site.documents["/jwks"]
    house.clock.move(hours=23)
    assert good(house, app, sign({}, RSA))
    house.clock.move(hours=2)
    assert not good(house, app, sign({}, RSA))


@pytest.mark.parametrize(
    "document", [b"", b"{", [], {}, {"keys": {}}, {"keys": [7, None, []]}, b"x" * 70_000, {"keys": []}]
)
def test_what_is_no_key_set_proves_nothing(house, site, document):
    assert not good(house, app_at(site.put("/jwks", document)), sign({}))


def test_a_page_is_no_key_set(house, site):
    app = app_at(site.put("/jwks", jwks(RSA), "text/html"))
    assert not good(house, app, sign({}))


def test_keys_that_we_cannot_use_are_passed_by(house, site):
    odd = [
        {"kty": "oct", "k": "x" * 40, "kid": "one"},
        {"kty": "EC", "crv": "secp256k1", "x": "x", "y": "y"},
        RSA_2.as_dict(private=False) | {"use": "enc"},
        EC.as_dict(private=True),
    ]
    app = app_at(site.put("/jwks", {"keys": odd + jwks(RSA)["keys"]}))
    assert good(house, app, sign({}, RSA))
    assert not good(house, app, sign({}, RSA_2))
    assert not good(house, app, sign({}, EC, "ES256"))
    assert not good(house, app, sign({}, OctKey.import_key("x" * 40, {"kid": "one"}), "HS256"))


def test_the_algorithm_of_a_key_and_of_the_registration_is_the_only_one(house, site):
    bound = {"keys": [RSA.as_dict(private=False) | {"alg": "PS256"}]}
    app = app_at(site.put("/jwks", bound))
    assert good(house, app, sign({}, RSA, "PS256"))
    assert not good(house, app, sign({}, RSA, "RS256"))
    assert not good(house, app, sign({}, RSA, "PS256"), alg="RS256")


def test_SSRF_01_keys_on_this_machine_are_not_read_without_the_switch(house, site):
    app = app_at(site.put("/jwks", jwks(RSA)))
    assert not good(set_to(house, fetch_from_loopback=False), app, sign({}, RSA))
    assert site.asked == []


def test_SSRF_06_nothing_that_a_header_names_is_read(house, site):
    app = app_at(site.put("/jwks", jwks(RSA)))
    other = site.put("/other", jwks(RSA_2))
    assert not good(house, app, sign({}, RSA_2, jku=other, x5u=other, kid=other))
    assert site.asked == ["/jwks"]


def test_an_app_without_keys_proves_nothing(house):
    assert not good(house, app_at(None), sign({}))


def test_ten_apps_with_a_slow_server_do_not_hold_every_thread(house):
    """Three documents are read at a time; the others are told to come back."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(20)
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        answers = []

        def read(number):
            try:
                fetching.get(f"{uri}/{number}", loopback=True, seconds=2)
            except fetching.NotFetched as no:
                answers.append(no.because)

        readers = [threading.Thread(target=read, args=(number,)) for number in range(10)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout=60)
    assert len(answers) == 10
    assert any("too many" in because for because in answers)
