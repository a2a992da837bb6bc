"""Requests that a library of others pushes and signs, over a real connection."""

from __future__ import annotations

import threading
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from jwskate import Jwk
from requests_oauth2client import OAuth2Client
from werkzeug.serving import make_server

from idp.oidc import clients
from tests import make, make_browser, make_signing
from tests.make_tokens import SECRET

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
KEY = Jwk.generate(alg="ES256", kid="k1")


@pytest.fixture
def address(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def story(house):
    make_signing.keys(house)
    with house.database.transaction() as db:
        jwks = {"keys": [dict(KEY.public_jwk())]}
        return make.story(
            db, secrets=(clients.digest(SECRET),), jwks=jwks, token_endpoint_auth_method="client_secret_post"
        )


@pytest.fixture
def party(house, address, story):
    return OAuth2Client(
        token_endpoint=f"{address}/token",
        authorization_endpoint=f"{address}/authorize",
        pushed_authorization_request_endpoint=f"{address}/par",
        issuer=house.settings.issuer,
        client_id=story.app.client_id,
        client_secret=SECRET,
        redirect_uri=story.app.redirect_uris[0],
        authorization_response_iss_parameter_supported=True,
        code_challenge_method="S256",
        testing=True,
    )


@pytest.fixture
def browser(app, house, address, story):
    """Somebody who is signed in."""
    tester = app.test_client()
    make_browser.sign_in(tester, house, story.pupil)
    cookie = tester.get_cookie(f"idp-{urlsplit(house.settings.issuer).port}-session")
    with requests.Session() as session:
        session.headers["Cookie"] = f"{cookie.key}={cookie.value}"
        yield session


def arrive(browser, address, url, app):
    for _ in range(3):
        answer = browser.get(url, allow_redirects=False)
        url = answer.headers["Location"]
        if url.startswith(app.redirect_uris[0]):
            return url
        url = f"{address}{url}"
    raise AssertionError(answer.text)


def redeemed(party, asked, landed):
    answer = asked.validate_callback(landed)
    return party.authorization_code(answer, validate=False)


def test_a_library_pushes_its_request(party, browser, address, story):
    asked = party.authorization_request(scope="openid profile")
    pushed = party.pushed_authorization_request(asked)
    assert str(pushed.request_uri).startswith("urn:ietf:params:oauth:request_uri:")
    assert redeemed(party, asked, arrive(browser, address, pushed.uri, story.app)).access_token


def test_a_library_signs_its_request(party, browser, address, story):
    asked = party.authorization_request(scope="openid profile")
    signed = asked.sign_request_jwt(jwk=KEY, alg="ES256")
    url = f"{address}/authorize?client_id={story.app.client_id}&request={signed}"
    assert redeemed(party, asked, arrive(browser, address, url, story.app)).access_token


def test_a_library_pushes_a_signed_request(party, browser, address, story):
    asked = party.authorization_request(scope="openid profile")
    form = {"client_id": story.app.client_id, "client_secret": SECRET}
    form["request"] = str(asked.sign_request_jwt(jwk=KEY, alg="ES256"))
    pushed = requests.post(f"{address}/par", form, timeout=60).json()
    url = f"{address}/authorize?{urlencode({'client_id': story.app.client_id} | pushed)}"
    assert redeemed(party, asked, arrive(browser, address, url, story.app)).access_token
