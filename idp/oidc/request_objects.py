"""What does a signed authorization request say, and is it really of this app? (RFC 9101, OpenID Connect Core 6)

A request object is a JWT with the parameters as its claims. It counts only when the app signed it with one of its
registered keys; `none`, encrypted ones and other algorithms are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp import fetching
from idp.apps import App
from idp.context import House
from idp.oidc import app_keys
from idp.oidc.clients import LEEWAY
from idp.oidc.request_checks import STRICT, WISHES, No

LONGEST = 16_384
TYPES = frozenset({"oauth-authz-req+jwt", "jwt"})
"""`typ` in the header, when there is one: what says to be something else is no request (RFC 8725 section 3.11)."""
KINDS = ("application/oauth-authz-req+jwt", "application/jwt", "application/jose")
"""RFC 9101 section 10.2, and what objects were served as before it (RFC 7515 section 9.2.1)."""
KNOWN = frozenset({*STRICT, *WISHES, "registration"})
"""Claims that are parameters; the others are about the object itself, or nobody's."""


def read(house: House, app: App, given: str, *, now: datetime) -> dict[str, str] | No:
    """The parameters inside, as text, or why the object does not count."""
    if len(given) > LONGEST:
        return _no("request is too long")
    claims = app_keys.verified(house, app, given, alg=app.request_object_signing_alg)
    if claims is None:
        return _no("request is not signed with a registered key and algorithm of this app")
    if str(app_keys.strictly(given.partition(".")[0]).get("typ", "jwt")).lower() not in TYPES:
        return _no("request has a typ that is not oauth-authz-req+jwt")
    wrong = _about(house, app, claims, now) or _nested(claims)
    return _no(wrong) if wrong else _parameters(claims)


def fetched(house: House, app: App, uri: str) -> str | No:
    """The object that stands at a registered address (Core 6.2). Only asked when the operator allows it."""
    if uri not in app.request_uris:
        return No(error="invalid_request_uri", because="request_uri is not registered")
    try:
        answer = fetching.get(
            uri.partition("#")[0], loopback=house.settings.calls_this_machine, accept=", ".join(KINDS)
        )
    except fetching.NotFetched as failure:
        return No(error="invalid_request_uri", because=f"request_uri: {failure.because}")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status != 200 or kind not in KINDS:
        return No(error="invalid_request_uri", because=f"request_uri gave {answer.status}, {kind[:60]}")
    return answer.body.decode("ascii", errors="replace").strip()


def _no(because: str) -> No:
    return No(error="invalid_request_object", because=because)


def _about(house: House, app: App, claims: Mapping[str, Any], now: datetime) -> str | None:  # noqa: PLR0911
    """Why it is not for us, or not good now (RFC 9101 sections 4, 6.3 and 10.8, RFC 8725)."""
    ours = {house.settings.issuer, f"{house.settings.issuer}/authorize"}
    named = {
        claims[name] if isinstance(claims[name], str) else ""
        for name in ("iss", "client_id")
        if name in claims
    }
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    moments = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    if named != {app.client_id}:
        return "request must have the client as iss and client_id"
    needed = app.require_signed_request_object or "aud" in claims
    if needed and not any(isinstance(one, str) and one in ours for one in listed):
        return "request must have our issuer as aud"
    if claims.get("sub") == app.client_id:
        return "request must not have the client as sub: that is a client assertion"
    if any(type(moment) not in {int, float} or not 0 <= moment < 2**40 for moment in moments.values()):
        return "request must have numbers as exp, nbf and iat"
    if "exp" in moments and moments["exp"] + leeway <= at:
        return "request has expired"
    if any(moments.get(name, 0) > at + leeway for name in ("nbf", "iat")):
        return "request is from the future"
    return None


def _nested(claims: Mapping[str, Any]) -> str | None:
    return (
        "request must not hold request or request_uri" if {"request", "request_uri"} & claims.keys() else None
    )


def _parameters(claims: Mapping[str, Any]) -> dict[str, str] | No:
    inside: dict[str, str] = {}
    for name in KNOWN & claims.keys():
        value = claims[name]
        if isinstance(value, str):
            inside[name] = value
        elif name == "max_age" and type(value) is int:
            inside[name] = str(value)
        elif name in {"claims", "registration"} and isinstance(value, dict):
            inside[name] = json.dumps(value, ensure_ascii=False)
        else:
            return _no(f"{name} in request must be text")
    return inside
