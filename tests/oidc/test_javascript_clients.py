"""Do the libraries that apps in JavaScript use get all the way? openid-client and oauth4webapi, against a running server.

The scripts are in tests/oidc/clients; the person at the browser is played here. Everything is checked twice: the
libraries refuse what does not fit the standards, and we look at what they report.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.conftest import _create_database, _named
from tests.journeys.conftest import Demo, running
from tests.make_person import Person

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "clients"
sys.path.insert(0, str(ROOT / "tools"))

import npm  # noqa: E402

REDIRECT, BYE = "http://127.0.0.1:8999/cb", "http://127.0.0.1:8999/bye"
SCOPE = "openid profile ov_leerling ov_klas offline_access"
RSA, EC = RSAKey.generate_key(2048, {"kid": "rsa"}), ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
PUBLIC = {"keys": [key.as_dict(private=False) for key in (RSA, EC, ED)]}


def _app(name: str, method: str, **more: Any) -> dict[str, Any]:
    document = {
        "client_id": f"js-{name}",
        "client_name": f"App {name}",
        "redirect_uris": [REDIRECT],
        "post_logout_redirect_uris": [BYE],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": method,
        "open_to_every_pupil": True,
        "scope": SCOPE,
    }
    if method.startswith("client_secret"):
        document["client_secret"] = f"secret/of+{name}:%26&=-0123456789"
    if method == "private_key_jwt":
        document["jwks"] = PUBLIC
    return document | more


APPS = [
    _app("basic", "client_secret_basic"),
    _app("post", "client_secret_post", id_token_signed_response_alg="ES256"),
    _app(
        "key",
        "private_key_jwt",
        id_token_signed_response_alg="PS256",
        userinfo_signed_response_alg="ES256",
    ),
    _app(
        "strict",
        "private_key_jwt",
        require_pushed_authorization_requests=True,
        require_signed_request_object=True,
        id_token_signed_response_alg="EdDSA",
        userinfo_signed_response_alg="EdDSA",
    ),
    _app("public", "none", id_token_signed_response_alg="EdDSA"),
    _app("closed", "client_secret_basic", open_to_every_pupil=False),
]
BY_NAME = {app["client_id"].removeprefix("js-"): app for app in APPS}


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], autouse=True
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of two workers that signs with every algorithm, and these apps."""
    if not npm.installed(SCRIPTS):
        pytest.skip("the libraries are not installed: python tools/npm.py tests/oidc/clients")
    settings = {"IDP_SIGNING_ALGORITHMS": "RS256,PS256,ES256,EdDSA"}
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        name = f"javascript_{id(request):x}"
        _create_database(url, name)
        settings["IDP_DATABASE_URL"] = _named(url, name)
    folder = tmp_path_factory.mktemp("javascript")
    with running(folder, **settings) as made:
        (folder / "apps.json").write_text(json.dumps(APPS))
        made.idp("app", "import", str(folder / "apps.json"))
        made.idp("visible", "add", "--app", "js-closed", "--school", "999901", "--pupil", "sb-seppe.duinen")
        yield made


def run(server: Demo, script: str, name: str, **more: Any) -> dict[str, Any]:
    """Start a script with a task, be the person whom it sends along, and return what it reports."""
    app = BY_NAME[name]
    task = {
        "issuer": server.issuer,
        "client_id": app["client_id"],
        "client_secret": app.get("client_secret"),
        "method": app["token_endpoint_auth_method"],
        "introspects": app["token_endpoint_auth_method"] != "none",
        "redirect_uri": REDIRECT,
        "bye": BYE,
        "scope": SCOPE,
        "parameters": {},
        "metadata": {word: app[word] for word in app if word.endswith("_response_alg")},
    } | more
    pupil, stranger = server.pupil(username="seppe.duinen"), server.pupil(username="noor.zandman")
    people = {
        "pupil": Person(server.issuer, pupil["username"], pupil["secret"]),
        "nobody": Person(server.issuer),
        "stranger": Person(server.issuer, stranger["username"], stranger["secret"]),
    }
    process = subprocess.Popen(
        [*npm.command("node"), "--no-warnings", str(SCRIPTS / script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            heard = json.loads(line)
            if "report" in heard:
                return heard["report"]
            arrived = people[heard["who"]].visit(heard["visit"])
            process.stdin.write(json.dumps(asdict(arrived)) + "\n")
            process.stdin.flush()
        process.wait(10)
        raise AssertionError(process.stderr.read())


def jwk(key: Any, alg: str) -> dict[str, Any]:
    return key.as_dict(private=True) | {"alg": alg}


def whole_visit(told: dict[str, Any], server: Demo, name: str) -> None:
    """What holds after every visit, whichever way it went."""
    claims, app = told["claims"], BY_NAME[name]
    assert claims["iss"] == server.issuer
    assert claims["aud"] == app["client_id"]
    assert all(type(claims[moment]) is int for moment in ("iat", "exp", "auth_time"))
    assert told["header"]["alg"] == app.get("id_token_signed_response_alg", "RS256")
    assert told["header"]["kid"]
    assert told["userinfo"]["sub"] == claims["sub"]
    assert told["userinfo"]["given_name"]
    assert len(told["userinfo"]["ov_leerid_uuid"]) == 1
    assert told["refreshed"]["rotated"]
    assert told["left"]["url"] == f"{BYE}?state=bye"


def test_openid_client_with_basic_and_a_plain_request(server):
    told = run(server, "openid_client.mjs", "basic", parameters={"max_age": "600"})
    whole_visit(told, server, "basic")
    assert told["token"]["type"] == "bearer"
    assert told["token"]["expires_in"] == 3600
    assert told["refreshed"]["repeated"], "within the grace window the same successor"
    assert told["refreshed"]["sub"] == told["claims"]["sub"]
    assert told["refreshed"]["auth_time"] == told["claims"]["auth_time"]
    assert told["active"]["active"] is True
    assert told["active"]["client_id"] == "js-basic"
    assert told["inactive"] == {"active": False}
    assert told["afterRevocation"]["refresh"]["error"] == "invalid_grant"
    assert told["afterRevocation"]["userinfo"]["status"] == 401
    assert told["afterLeaving"]["error"] == "login_required"


def test_openid_client_with_a_secret_by_post_and_form_post(server):
    told = run(server, "openid_client.mjs", "post", parameters={"response_mode": "form_post"})
    whole_visit(told, server, "post")
    assert told["arrived"]["url"] == REDIRECT
    assert set(told["arrived"]["form"]) == {"code", "state", "iss"}


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_openid_client_with_a_key_pushes_its_request_and_reads_signed_userinfo(server, key, alg):
    told = run(server, "openid_client.mjs", "key", jwk=jwk(key, alg), way="pushed")
    whole_visit(told, server, "key")
    assert "request_uri=urn" in told["asked"]
    assert told["userinfo"]["aud"] == "js-key"


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_openid_client_signs_its_request(server, key, alg):
    told = run(server, "openid_client.mjs", "key", jwk=jwk(key, alg), way="signed")
    whole_visit(told, server, "key")
    assert "request=ey" in told["asked"]
    assert "scope=" not in told["asked"]


def test_openid_client_of_a_strict_app_signs_and_pushes(server):
    parameters = {"response_mode": "form_post"}
    more = {"jwk": jwk(EC, "ES256"), "way": "signed and pushed", "parameters": parameters}
    told = run(server, "openid_client.mjs", "strict", **more)
    whole_visit(told, server, "strict")
    assert told["arrived"]["form"]["code"]
    assert told["afterLeaving"]["error"] == "invalid_request", "the way that this app closed for itself"


def test_openid_client_of_a_public_app(server):
    whole_visit(run(server, "openid_client.mjs", "public"), server, "public")


def test_what_openid_client_refuses_and_what_it_is_refused(server):
    told = run(server, "openid_client_refusals.mjs", "closed")
    by_us = {name: (told[name] or {}).get("error") for name in told}
    assert told["good"] is None
    assert by_us["login_required"] == "login_required"
    assert by_us["access_denied"] == "access_denied"
    assert by_us["scope"] == "invalid_scope"
    assert by_us["plain"] == "invalid_request"
    assert by_us["verifier"] == "invalid_grant"
    assert by_us["replay"] == "invalid_grant"
    assert by_us["secret"] == "invalid_client"
    assert told["secret"]["status"] == 401
    assert told["secret"]["challenge"] == "basic"
    assert (told["after_replay"]["status"], told["after_replay"]["challenge"]) == (401, "bearer")
    assert by_us["after_replay"] == "invalid_token"
    for name in ("state", "nonce", "issuer", "no_issuer", "other_subject"):
        assert told[name] is not None, f"the library took a wrong {name}"
        assert told[name].get("error") is None, "it was the library that refused"
    for name in ("foreign_address", "never_pushed"):
        assert told[name]["status"] == 400, "a page for the person, and nothing is sent anywhere"


@pytest.mark.parametrize(
    ("name", "way", "mode"),
    [
        ("basic", None, "form_post"),
        ("post", "pushed", "query"),
        ("key", "signed", "query"),
        ("strict", "signed and pushed", "form_post"),
        ("public", "pushed", "query"),
    ],
)
def test_oauth4webapi_gets_all_the_way(server, name, way, mode):
    more = {"jwk": jwk(RSA, "RS256"), "way": way, "parameters": {"response_mode": mode}}
    told = run(server, "oauth4webapi.mjs", name, **more)
    whole_visit(told, server, name)
    assert told["same"], "both addresses of the metadata say the same"
    signed = BY_NAME[name].get("userinfo_signed_response_alg")
    assert told["type"] == ("application/jwt" if signed else "application/json")
    if name != "public":
        assert told["active"]["active"] is True
        assert told["inactive"] == {"active": False}
    assert told["revoked"]["status"] == 401
    assert told["refreshRevoked"]["error"] == "invalid_grant"
    assert told["replay"]["error"] == "invalid_grant"
