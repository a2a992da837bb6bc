"""What programs read about us: bytes, for everyone, and nothing but the truth."""

from __future__ import annotations

import json

import pytest
from werkzeug.test import Client

from idp.claims import catalogue
from idp.oidc import discovery, request_checks, signing
from tests import make_signing

EVERY_PATH = [*discovery.PATHS, discovery.JWKS_PATH]


def nobody_home(environ, start_response):
    start_response("418 I'm a teapot", [])
    return [b""]


@pytest.fixture
def front(house):
    make_signing.keys(house)
    return Client(discovery.in_front_of(nobody_home, house))


def test_JWT_14_the_metadata_are_exact(front, house):
    said = front.get(discovery.PATHS[0]).get_json()
    assert said["issuer"] == house.settings.issuer
    for name, value in said.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{said['issuer']}/"), name
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["response_types_supported"] == ["code"]
    assert said["response_modes_supported"] == ["query", "form_post"]
    assert not {"password", "implicit"} & set(said["grant_types_supported"])
    assert '"none"' not in json.dumps({k: v for k, v in said.items() if "alg_values" in k})
    assert set(said["prompt_values_supported"]) == request_checks.PROMPTS
    assert set(said["scopes_supported"]) == set(catalogue.SCOPES)
    assert set(said["claims_supported"]) >= catalogue.NAMES
    assert said["authorization_response_iss_parameter_supported"] is True


def test_ROBJ_05_what_we_do_not_do_we_do_not_promise(front):
    said = front.get(discovery.PATHS[0]).get_json()
    assert said["request_uri_parameter_supported"] is False
    assert said["request_parameter_supported"] is True
    assert "none" not in said["request_object_signing_alg_values_supported"]
    assert said["claims_parameter_supported"] is True
    assert said["backchannel_logout_supported"] is said["backchannel_logout_session_supported"] is True
    assert said["registration_endpoint"].endswith("/register")
    assert said["pushed_authorization_request_endpoint"] == f"{said['issuer']}/par"


def test_ROBJ_05_reading_requests_by_reference_is_said_when_it_is_on(house):
    settings = house.settings.model_copy(update={"request_uri_by_reference": True})
    said = discovery.metadata(settings)
    assert said["request_uri_parameter_supported"] is True
    assert said["require_request_uri_registration"] is True


def test_both_addresses_say_the_same(front):
    assert front.get(discovery.PATHS[0]).data == front.get(discovery.PATHS[1]).data


@pytest.mark.parametrize("path", EVERY_PATH)
def test_HTTP_01_and_10_a_foreign_host_or_origin_changes_nothing(front, path):
    ours = front.get(path)
    theirs = front.get(
        path,
        headers={
            "Host": "evil.example",
            "X-Forwarded-Host": "evil.example",
            "Origin": "https://evil.example",
        },
    )
    assert theirs.data == ours.data
    assert "evil.example" not in str(theirs.headers)
    assert theirs.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in theirs.headers


@pytest.mark.parametrize("path", EVERY_PATH)
def test_a_copy_that_still_holds_is_not_sent_again(front, path):
    first = front.get(path)
    assert first.headers["Cache-Control"].startswith("public, max-age=")
    assert first.mimetype == "application/json"
    for etag in (first.headers["ETag"], f"W/{first.headers['ETag']}", f'"x", {first.headers["ETag"]}', "*"):
        again = front.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.data) == (304, b"")
    assert front.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", EVERY_PATH)
def test_HTTP_09_other_methods_are_refused(front, path):
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
        answer = front.open(path, method=method)
        assert answer.status_code == 405
        assert answer.json == {"error": "invalid_request"}
        assert "GET" in answer.headers["Allow"]
    assert front.open(path, method="OPTIONS").status_code == 204
    head = front.head(path)
    assert (head.status_code, head.data) == (200, b"")


def test_a_new_key_changes_the_etag(front, house):
    before = front.get("/jwks").headers["ETag"]
    with house.database.transaction() as db:
        signing.rotate(db, house, "ES256", house.clock.now())
    house.clock.move(seconds=signing.RING_SECONDS)
    assert front.get("/jwks", headers={"If-None-Match": before}).status_code == 200


@pytest.mark.parametrize("path", ["/authorize", "/JWKS", "/jwks/", "/.well-known/openid-configuration/"])
def test_everything_else_goes_on(front, path):
    assert front.get(path).status_code == 418


def test_FAULT_01_without_a_database_the_keys_say_try_again(house):
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE signing_key RENAME TO elsewhere")
    answer = Client(discovery.in_front_of(nobody_home, house)).get("/jwks")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
