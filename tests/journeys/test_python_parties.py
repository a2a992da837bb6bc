"""Whole visits of apps in Python: requests-oauthlib and Authlib, from signing in to signing out, and what goes wrong between."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc6749.errors import MismatchingStateException
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from oauthlib.oauth2 import InvalidGrantError, OAuth2Error
from requests_oauthlib import OAuth2Session

from idp.clock import Clock
from tests.make_person import Person

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SCOPE = "openid profile ov_leerling offline_access"
LEERID = "openid profile vo ov_leerling"
AT = "http://127.0.0.1:8999"
KEY = RSAKey.generate_key(2048, {"kid": "leerid"})


@pytest.fixture(params=["demo_on_sqlite", pytest.param("demo_on_postgres", marks=pytest.mark.postgres)])
def demo(request, monkeypatch):
    """A running demo; oauthlib speaks plain http only when it is told that this is a development machine."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    return request.getfixturevalue(request.param)


@pytest.fixture
def metadata(demo):
    return requests.get(f"{demo.issuer}/.well-known/openid-configuration", timeout=60).json()


@pytest.fixture
def pupil(demo):
    seppe = demo.pupil(username="seppe.duinen")
    return Person(demo.issuer, seppe["username"], seppe["secret"])


def register(demo, folder, client_id, **more):
    document = {
        "client_id": client_id,
        "client_name": "App in Python",
        "redirect_uris": [f"{AT}/{client_id}"],
        "post_logout_redirect_uris": [f"{AT}/bye"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": SCOPE,
        "open_to_every_pupil": True,
    } | more
    (folder / "app.json").write_text(json.dumps(document))
    demo.idp("app", "import", str(folder / "app.json"))
    return document


def claims_of(token, metadata, client_id):
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=60).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"]) == (metadata["issuer"], client_id)
    return claims


def test_requests_oauthlib_signs_in_refreshes_and_signs_out(demo, metadata, pupil, tmp_path):
    app = register(demo, tmp_path, "roauthlib", client_secret="roauthlib-secret-0123456789")
    kept = []
    session = OAuth2Session(
        app["client_id"],
        redirect_uri=app["redirect_uris"][0],
        scope=SCOPE.split(),
        pkce="S256",
        auto_refresh_url=metadata["token_endpoint"],
        token_updater=kept.append,
    )
    url, state = session.authorization_url(metadata["authorization_endpoint"], nonce="n-1")
    back = pupil.visit(url).url
    assert parse_qs(urlsplit(back).query)["state"] == [state]
    token = session.fetch_token(
        metadata["token_endpoint"], authorization_response=back, client_secret=app["client_secret"]
    )
    claims = claims_of(token, metadata, app["client_id"])
    assert claims["nonce"] == "n-1"
    info = session.get(metadata["userinfo_endpoint"]).json()
    assert info["sub"] == claims["sub"]
    auth = (app["client_id"], app["client_secret"])
    renewed = session.refresh_token(metadata["token_endpoint"], auth=auth)
    assert renewed["refresh_token"] != token["refresh_token"]
    assert session.get(metadata["userinfo_endpoint"]).json()["sub"] == claims["sub"]
    with pytest.raises(InvalidGrantError):
        session.fetch_token(
            metadata["token_endpoint"], authorization_response=back, client_secret=app["client_secret"]
        )
    assert session.get(metadata["userinfo_endpoint"]).status_code == 401, "a replay ends all that came of it"
    leave = {"id_token_hint": token["id_token"], "post_logout_redirect_uri": f"{AT}/bye", "state": "x"}
    gone = pupil.visit(requests.Request("GET", metadata["end_session_endpoint"], params=leave).prepare().url)
    assert gone.url == f"{AT}/bye?state=x"
    assert pupil.steps == [], "with a good hint nobody is asked"
    silent, _ = session.authorization_url(metadata["authorization_endpoint"], prompt="none")
    with pytest.raises(OAuth2Error, match="login_required"):
        session.fetch_token(metadata["token_endpoint"], authorization_response=pupil.visit(silent).url)


def test_authlib_signs_in_by_post_refreshes_revokes_and_signs_out(demo, metadata, pupil, tmp_path):
    secret = {
        "client_secret": "authlib-secret-0123456789",
        "token_endpoint_auth_method": "client_secret_post",
    }
    app = register(demo, tmp_path, "authlib", **secret)
    session = AuthlibSession(
        app["client_id"],
        app["client_secret"],
        token_endpoint_auth_method="client_secret_post",
        revocation_endpoint_auth_method="client_secret_post",
        scope=SCOPE,
        redirect_uri=app["redirect_uris"][0],
        code_challenge_method="S256",
    )
    verifier = "w" * 64
    url, state = session.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-2"
    )
    back = pupil.visit(url).url
    with pytest.raises(MismatchingStateException):
        session.fetch_token(metadata["token_endpoint"], authorization_response=back, state="another")
    words = {"authorization_response": back, "state": state, "code_verifier": verifier}
    token = session.fetch_token(metadata["token_endpoint"], **words)
    assert claims_of(token, metadata, app["client_id"])["nonce"] == "n-2"
    renewed = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
    assert renewed["refresh_token"] != token["refresh_token"]
    told = session.introspect_token(metadata["introspection_endpoint"], renewed["access_token"]).json()
    assert told["active"] is True
    session.revoke_token(metadata["revocation_endpoint"], renewed["refresh_token"])
    told = session.introspect_token(metadata["introspection_endpoint"], renewed["access_token"]).json()
    assert told == {"active": False}
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.refresh_token(metadata["token_endpoint"], refresh_token=renewed["refresh_token"])
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.fetch_token(metadata["token_endpoint"], **words)
    session.client_secret = "wrong"
    with pytest.raises(OAuthError, match="invalid_client"):
        session.fetch_token(metadata["token_endpoint"], **words)
    leave = {"client_id": app["client_id"], "post_logout_redirect_uri": f"{AT}/bye"}
    gone = pupil.visit(requests.Request("GET", metadata["end_session_endpoint"], params=leave).prepare().url)
    assert gone.url == f"{AT}/bye"
    assert pupil.steps == ["/end_session"], "without a hint the pupil is asked"


@pytest.mark.parametrize("method", ["client_secret_post", "private_key_jwt"])
def test_an_app_that_works_with_leerid_today_gets_all_the_way(demo, metadata, pupil, tmp_path, method):
    """form_post, no PKCE, a secret by POST or a key with the issuer as audience, ov_leerid_uuid[0], out by client_id."""
    name = f"leerid-{method.partition('_')[0]}"
    proof = {"client_secret": "leerid-secret-0123456789"}
    if method == "private_key_jwt":
        proof = {"jwks": {"keys": [KEY.as_dict(private=False)]}}
    until = str(Clock().today() + timedelta(days=100))
    more = {"grant_types": ["authorization_code"], "scope": LEERID, "pkce_exempt_until": until}
    app = register(demo, tmp_path, name, token_endpoint_auth_method=method, **more, **proof)
    session = AuthlibSession(
        name,
        app.get("client_secret") or KEY.as_pem(private=True),
        token_endpoint_auth_method=method,
        scope=LEERID,
        redirect_uri=app["redirect_uris"][0],
    )

    def redeem(code):
        """Authlib's own assertions live for an hour, too long here; and one object that is told `exp` signs once."""
        if method == "private_key_jwt":
            soon = {"exp": int(Clock().now().timestamp()) + 300}
            about = PrivateKeyJWT(metadata["issuer"], soon, headers={"kid": "leerid"}, alg="RS256")
            session.register_client_auth_method(about)
        return session.fetch_token(metadata["token_endpoint"], code=code)

    words = {"response_mode": "form_post", "nonce": "n-3"}
    url, state = session.create_authorization_url(metadata["authorization_endpoint"], **words)
    came = pupil.visit(url)
    assert came.url == app["redirect_uris"][0]
    assert (came.form["state"], came.form["iss"]) == (state, metadata["issuer"])
    token = redeem(came.form["code"])
    assert "refresh_token" not in token
    claims = claims_of(token, metadata, name)
    info = session.get(metadata["userinfo_endpoint"]).json()
    assert info["sub"] == claims["sub"]
    user_id = info["ov_leerid_uuid"][0]
    assert isinstance(user_id, str)
    assert info["ov_account_uuid"]
    assert info["ov_historiek_account_uuid"] == []
    assert (info["ov_orgcode"], info["given_name"]) == ("999901", "Seppe")
    assert not [claim for claim in info if claim.startswith("vo_")], "vo is for staff"

    leave = {"client_id": name, "post_logout_redirect_uri": f"{AT}/bye", "state": "y"}
    gone = pupil.visit(requests.Request("GET", metadata["end_session_endpoint"], params=leave).prepare().url)
    assert gone.url == f"{AT}/bye?state=y"
    assert session.get(metadata["userinfo_endpoint"]).status_code == 401
    came = pupil.visit(session.create_authorization_url(metadata["authorization_endpoint"], **words)[0])
    assert "/aanmelden" in pupil.steps, "signed out: the next visit asks who it is"
    again = redeem(came.form["code"])
    assert claims_of(again, metadata, name)["sub"] == claims["sub"]
    assert session.get(metadata["userinfo_endpoint"]).json()["ov_leerid_uuid"][0] == user_id
