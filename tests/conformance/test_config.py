"""The module of the plan Config OP, also part of the plan Dynamic OP."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests
from joserfc.jwk import KeySet

from idp import config
from idp.oidc import discovery

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def endpoints(metadata):
    return {name: value for name, value in metadata.items() if name.endswith(("_endpoint", "jwks_uri"))}


def check_addresses(provider):
    """Each is ours; on this machine http, anywhere else https."""
    assert all(value.startswith(f"{provider.issuer}/") for value in endpoints(provider.metadata).values())
    elsewhere = discovery.metadata(config.Settings(issuer="https://id.example.org"))
    assert endpoints(elsewhere).keys() == endpoints(provider.metadata).keys()
    assert all(value.startswith("https://id.example.org/") for value in endpoints(elsewhere).values())


def check_keys(answer):
    assert answer.status_code == 200
    keys = answer.json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys)
    assert not any(PRIVATE & key.keys() for key in keys)
    assert {"RSA"} <= {key["kty"] for key in keys} <= {"RSA", "EC", "OKP"}
    KeySet.import_key_set(answer.json())
    return {key["kid"] for key in keys}


def test_oidcc_discovery_endpoint_verification(provider):
    answer = requests.get(f"{provider.issuer}/.well-known/openid-configuration", timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    said = answer.json()
    assert said["issuer"] == provider.issuer
    assert urlsplit(said["issuer"])[3:] == ("", "")
    assert "code" in said["response_types_supported"]
    assert "authorization_code" in said["grant_types_supported"]
    assert {*said["subject_types_supported"]} <= {"pairwise", "public"}
    assert said["subject_types_supported"]
    assert "RS256" in said["id_token_signing_alg_values_supported"]
    assert "RS256" in said["userinfo_signing_alg_values_supported"]
    assert "RS256" in said["request_object_signing_alg_values_supported"]
    needed = {"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "registration_endpoint"}
    assert needed | {"jwks_uri"} <= endpoints(said).keys()
    assert said["request_parameter_supported"] is said["request_uri_parameter_supported"] is True
    assert said["claims_parameter_supported"] is True
    assert "sub" in said["claims_supported"]
    assert "openid" in said["scopes_supported"]
    assert all(
        scope.isascii() and scope.isprintable() and " " not in scope for scope in said["scopes_supported"]
    )
    assert all(len(language) == 2 and language.islower() for language in said["ui_locales_supported"])
    assert said["code_challenge_methods_supported"] == ["S256"]
    check_addresses(provider)
    check_keys(requests.get(said["jwks_uri"], timeout=60))


def test_what_dynamic_providers_must_list_and_we_do_not(provider):
    """OpenID Connect Discovery 3 wants implicit flows of dynamic providers: docs/conformance.md says that we have none."""
    said = provider.metadata
    wanted = {"code", "id_token", "token id_token"}
    assert wanted - {*said["response_types_supported"]} == {"id_token", "token id_token"}
    assert {"authorization_code", "implicit"} - {*said["grant_types_supported"]} == {"implicit"}
