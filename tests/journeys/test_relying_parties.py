"""Relying parties that nobody here wrote, against a running server."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet
from requests_oauth2client import ClientSecretBasic, OAuth2Client

from idp.clock import Clock

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def form_of(page: requests.Response) -> tuple[str, dict[str, str]]:
    """The sign-in form on a page: where it goes, and its hidden fields."""
    for form in re.findall(r"<form\b.*?</form>", page.text, re.DOTALL):
        if 'name="username"' in form or 'name="password"' in form:
            action = re.search(r'<form[^>]*\baction="([^"]*)"', form)
            hidden = re.findall(r'<input[^>]*type="hidden"[^>]*>', form)
            fields = {}
            for field in hidden:
                name = re.search(r'name="([^"]*)"', field)
                value = re.search(r'value="([^"]*)"', field)
                fields[name[1]] = unescape(value[1]) if value else ""
            return urljoin(page.url, unescape(action[1]) if action else page.url), fields
    raise AssertionError(f"no sign-in form on {page.url}: {page.text[:500]}")


def sign_in(browser: requests.Session, url: str, username: str, secret: str, stop: str) -> str:
    """What a person does without script: user name, password, and on to the app. Returns the app's address."""
    page = browser.get(url, allow_redirects=False)
    for _ in range(12):
        while page.is_redirect:
            target = urljoin(page.url, page.headers["Location"])
            if target.startswith(stop):
                return target
            page = browser.get(target, allow_redirects=False)
        action, fields = form_of(page)
        fields |= {"password": secret} if 'name="password"' in page.text else {"username": username}
        page = browser.post(action, fields, headers={"Origin": _origin(url)}, allow_redirects=False)
    raise AssertionError("sign-in does not end")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture(params=["demo_on_sqlite", pytest.param("demo_on_postgres", marks=pytest.mark.postgres)])
def demo(request):
    """The running demo: once on SQLite, once on PostgreSQL, two workers each."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def rp(demo):
    """A sandbox app and one of its redirect URIs."""
    app = next(app for app in demo.sandbox["apps"] if "ov_klas" in app["scope"])
    return app, app["redirect_uris"][0]


def test_authlibs_client_signs_a_pupil_in(demo, rp):
    app, redirect_uri = rp
    metadata = requests.get(f"{demo.issuer}/.well-known/openid-configuration", timeout=60).json()
    client = OAuth2Session(
        app["client_id"],
        app["client_secret"],
        scope="openid profile ov_leerling",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )
    verifier = "v" * 64
    url, state = client.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6_WzA2Mj"
    )
    pupil = demo.pupil(kind="picture")
    with requests.Session() as browser:
        back = sign_in(browser, url, pupil["username"], pupil["secret"], redirect_uri)
    token = client.fetch_token(
        metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state
    )
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=60).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
    assert claims["iss"] == demo.issuer
    assert claims["aud"] == app["client_id"]
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    info = client.get(metadata["userinfo_endpoint"]).json()
    assert info["sub"] == claims["sub"]
    assert info["given_name"]
    assert len(info["ov_leerid_uuid"]) == 1


def test_requests_oauth2client_signs_a_pupil_in_and_refreshes(demo, rp):
    app, redirect_uri = rp
    client = OAuth2Client.from_discovery_endpoint(
        f"{demo.issuer}/.well-known/openid-configuration",
        issuer=demo.issuer,
        auth=ClientSecretBasic(app["client_id"], app["client_secret"]),
        redirect_uri=redirect_uri,
        testing=True,
    )
    request = client.authorization_request(scope="openid profile offline_access", acr_values=None)
    pupil = demo.pupil(kind="basic")
    with requests.Session() as browser:
        back = sign_in(browser, str(request), pupil["username"], pupil["secret"], redirect_uri)
    response = request.validate_callback(back)
    token = client.authorization_code(response, validate=True)
    assert token.id_token.issuer == demo.issuer
    again = client.refresh_token(token.refresh_token)
    assert again.access_token != token.access_token
    assert client.userinfo(again)["sub"] == token.id_token.subject


def test_a_callback_says_who_issued_it(demo, rp):
    app, redirect_uri = rp
    query = {
        "client_id": app["client_id"],
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "prompt": "none",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }
    answer = requests.get(f"{demo.issuer}/authorize", params=query, allow_redirects=False, timeout=60)
    said = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert said["error"] == ["login_required"]
    assert said["iss"] == [demo.issuer]
    assert said["state"] == ["s"]


def test_an_app_that_works_with_leerid_today_works_unchanged(demo, tmp_path):
    """Scopes `openid profile vo ov_leerling`, no PKCE, secret by POST, form_post, sign-out by client_id alone."""
    redirect_uri, bye = "http://127.0.0.1:8999/leerid", "http://127.0.0.1:8999/bye"
    document = {
        "client_id": "leerid-app",
        "client_secret": "leerid-secret-0123456789",
        "client_name": "LeerID-app",
        "redirect_uris": [redirect_uri],
        "post_logout_redirect_uris": [bye],
        "scope": "openid profile vo ov_leerling",
        "token_endpoint_auth_method": "client_secret_post",
        "pkce_exempt_until": str(Clock().today() + timedelta(days=100)),
    }
    (tmp_path / "app.json").write_text(json.dumps(document))
    demo.idp("app", "import", str(tmp_path / "app.json"))
    demo.idp("visible", "add", "--app", "leerid-app", "--school", "999901")
    pupil = demo.pupil(username="seppe.duinen")
    query = {"client_id": "leerid-app", "redirect_uri": redirect_uri, "response_type": "code"}
    query |= {"scope": document["scope"], "state": "s", "nonce": "n"}
    url = requests.Request("GET", f"{demo.issuer}/authorize", params=query).prepare().url
    with requests.Session() as browser:
        back = sign_in(browser, url, pupil["username"], pupil["secret"], redirect_uri)
        posted = browser.get(url + "&response_mode=form_post", timeout=60)
        assert f'action="{redirect_uri}"' in posted.text
        form = {"grant_type": "authorization_code", "code": parse_qs(urlsplit(back).query)["code"][0]}
        form |= {"redirect_uri": redirect_uri, "client_id": "leerid-app"}
        form["client_secret"] = document["client_secret"]
        token = requests.post(f"{demo.issuer}/token", form, timeout=60).json()
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        info = requests.get(f"{demo.issuer}/userinfo", headers=bearer, timeout=60).json()
        assert isinstance(info["ov_leerid_uuid"], list)
        assert info["ov_account_uuid"]
        assert info["ov_orgcode"] == "999901"
        leave = {"client_id": "leerid-app", "post_logout_redirect_uri": bye, "state": "x"}
        asked = browser.get(f"{demo.issuer}/end_session", params=leave, timeout=60)
        assert asked.status_code == 200, "without a hint a person is asked first"
