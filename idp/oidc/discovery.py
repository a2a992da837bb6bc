"""What can a program read about us? Metadata and keys, as bytes that are ready before anyone asks.

They are answered in front of Flask: no session, no database, no template. What the metadata say is what the
endpoints do; every address in them comes from the `issuer` setting, never from a request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError

from idp.claims import catalogue
from idp.config import Settings
from idp.context import House
from idp.manners import LANGUAGES
from idp.oidc import fields, registration, request_checks, signing
from idp.oidc.signing import Published

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
"""OpenID Connect Discovery section 4, RFC 8414 section 3."""
JWKS_PATH = "/jwks"
METADATA_SECONDS = 3_600
JWKS_SECONDS = 900
"""How long may a copy be kept? Keys are announced two weeks ahead, so a copy of days would do no harm."""
ALLOWED = "GET, HEAD, OPTIONS"
PROTOCOL_CLAIMS = ("iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid")


def metadata(settings: Settings) -> dict[str, Any]:
    """OpenID provider metadata (Discovery section 3, RFC 8414 section 2). Only what is true today."""
    issuer = settings.issuer
    signs = list(settings.signing_algorithms)
    methods = list(registration.AUTH_METHODS)
    proven = [method for method in methods if method != "none"]
    assertion_algorithms = [alg for kind in fields.SIGNS.values() for alg in kind]
    registers = {"registration_endpoint": f"{issuer}/register"} if settings.dynamic_registration else {}
    return registers | {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}{JWKS_PATH}",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "require_pushed_authorization_requests": False,
        "end_session_endpoint": f"{issuer}/end_session",
        "scopes_supported": list(catalogue.SCOPES),
        "claims_supported": [*PROTOCOL_CLAIMS, *(claim.name for claim in catalogue.CATALOGUE)],
        "claim_types_supported": ["normal"],
        "response_types_supported": ["code"],
        "response_modes_supported": list(request_checks.RESPONSE_MODES),
        "grant_types_supported": list(registration.GRANT_TYPES),
        "prompt_values_supported": sorted(request_checks.PROMPTS),
        "acr_values_supported": list(request_checks.ACR_VALUES),
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": signs,
        "userinfo_signing_alg_values_supported": signs,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "introspection_endpoint_auth_methods_supported": proven,
        "introspection_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "code_challenge_methods_supported": ["S256"],
        "ui_locales_supported": list(LANGUAGES),
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": settings.request_uri_by_reference,
        "require_request_uri_registration": True,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": assertion_algorithms,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": False,
    }


def in_front_of(inner: Wsgi, house: House) -> Wsgi:
    """A WSGI application that answers metadata and keys itself, and leaves the rest to `inner`."""
    body = orjson.dumps(metadata(house.settings))
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    about_us = Published(body=body, etag=etag)
    always = _headers(house.settings)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == JWKS_PATH:
            try:
                return _send(environ, start_response, signing.jwks(house), JWKS_SECONDS, always)
            except SQLAlchemyError:
                json = ("Content-Type", "application/json")
                start_response("503 Service Unavailable", [*always, json, ("Retry-After", "3")])
                return [b'{"error":"temporarily_unavailable"}']
        if path in PATHS:
            return _send(environ, start_response, about_us, METADATA_SECONDS, always)
        return inner(environ, start_response)

    return answer


def _headers(settings: Settings) -> list[tuple[str, str]]:
    headers = [
        ("Access-Control-Allow-Origin", "*"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if not settings.loopback:
        headers.append(("Strict-Transport-Security", "max-age=63072000; includeSubDomains"))
    return headers


def _send(
    environ: dict[str, Any], start_response: Any, what: Published, seconds: int, always: list[tuple[str, str]]
) -> Iterable[bytes]:
    method = environ.get("REQUEST_METHOD")
    if method == "OPTIONS":
        allowed = [("Access-Control-Allow-Methods", ALLOWED), ("Access-Control-Max-Age", "86400")]
        start_response("204 No Content", [*always, ("Allow", ALLOWED), *allowed])
        return []
    if method not in {"GET", "HEAD"}:
        json = ("Content-Type", "application/json")
        start_response("405 Method Not Allowed", [*always, ("Allow", ALLOWED), json])
        return [b'{"error":"invalid_request"}']
    headers = [*always, ("ETag", what.etag), ("Cache-Control", f"public, max-age={seconds}")]
    if _has_it(environ.get("HTTP_IF_NONE_MATCH", ""), what.etag):
        start_response("304 Not Modified", headers)
        return []
    headers += [("Content-Type", "application/json"), ("Content-Length", str(len(what.body)))]
    start_response("200 OK", headers)
    return [b"" if method == "HEAD" else what.body]


def _has_it(if_none_match: str, etag: str) -> bool:
    """Does the asker's copy still hold (RFC 9110 section 13.1.2)?"""
    return bool(if_none_match) and any(
        one.strip().removeprefix("W/") in {etag, "*"} for one in if_none_match[:1000].split(",")
    )
