"""What did we refuse an app lately, and what should its developer change? Received beside registered.

The lines are events of the audit trail; here they are written so that they hold no secret, no code and nobody's
name, and read so that the difference leaps to the eye. A person who saw an error page has an incident number: it
leads here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from idp import audit
from idp.apps import App
from idp.models import AuditEvent
from idp.oidc import beside
from idp.oidc.beside import Beside
from idp.oidc.request_checks import UNREADABLE

EVENTS = {
    "authorization_refused": "/authorize",
    "app_refused": "/token",
    "sign_out_refused": "/end_session",
    "registration_refused": "/register",
    "logout_not_delivered": "backchannel_logout_uri",
    "logout_given_up": "backchannel_logout_uri",
}
"""Which events are for developers, and where each happened."""
MOST = 200
"""Lines that are shown of one app."""
ADDRESSES = {
    "redirect_uri": "redirect_uris",
    "post_logout_redirect_uri": "post_logout_redirect_uris",
    "request_uri": "request_uris",
}
"""What comes, and where it is registered."""
PLAIN = (
    "client_id",
    "response_type",
    "response_mode",
    "scope",
    "prompt",
    "max_age",
    "acr_values",
    "code_challenge_method",
    "grant_type",
    "token_endpoint_auth_method",
)
"""Parameters whose value tells nothing about anybody."""
LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Line:
    """One refusal, as a developer reads it."""

    at: datetime
    incident: str | None
    client_id: str | None
    where: str
    error: str
    because: str
    received: Mapping[str, Any]
    registered: Mapping[str, Any]
    addresses: tuple[Beside, ...]
    """Addresses that came and are not registered, beside the nearest one that is."""
    advice: str


# ---------------------------------------------------------------- writing


def received(parameters: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What may be kept of a request: plain values and addresses as they came; of the rest, that it was there."""
    kept: dict[str, Any] = {}
    for name, came in parameters:
        value = UNREADABLE.sub("?", came)
        if name in kept:
            kept[name] = f"{kept[name]} (and again)"
        elif name in ADDRESSES:
            kept[name] = beside.kept(value)
        elif name in PLAIN:
            kept[name] = value[:LONGEST]
        elif name.isidentifier() and len(name) <= 40 and len(kept) < 40:
            kept[name] = f"({len(value)} characters)"
    return kept


def registered(app: App | None) -> dict[str, Any]:
    """What is registered, as far as a request is compared with it."""
    if app is None:
        return {}
    return {
        "redirect_uris": [beside.kept(uri) for uri in app.redirect_uris[:20]],
        "post_logout_redirect_uris": [beside.kept(uri) for uri in app.post_logout_redirect_uris[:20]],
        "request_uris": [beside.kept(uri) for uri in app.request_uris[:20]],
        "scope": " ".join(sorted(app.scopes)),
        "grant_types": sorted(app.grant_types),
        "token_endpoint_auth_method": app.token_endpoint_auth_method,
        "pkce_exempt_until": app.pkce_exempt_until and app.pkce_exempt_until.isoformat(),
    }


# ---------------------------------------------------------------- reading


def lines(
    db: Connection, *, client_id: str | None = None, incident: str | None = None, most: int = 50
) -> list[Line]:
    """The newest refusals, of one app (or all), or those of one incident number; newest first."""
    wanted: Select[Any] = select(AuditEvent.__table__).where(AuditEvent.event.in_(EVENTS))
    if client_id is not None:
        wanted = wanted.where(AuditEvent.object == audit.app(client_id[:100]))
    if incident is not None:
        wanted = wanted.where(AuditEvent.request_id == incident)
    newest = wanted.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(min(most, MOST))
    return [_line(row) for row in db.execute(newest).mappings()]


def events_of(db: Connection, incident: str) -> list[str]:
    """Names of everything that was remembered under this number, refusal or not."""
    found = select(AuditEvent.event).where(AuditEvent.request_id == incident).order_by(AuditEvent.id)
    return [*db.execute(found).scalars()]


def _line(row: Mapping[Any, Any]) -> Line:
    details = row["details"]
    came, known = details.get("received") or {}, details.get("registered") or {}
    because = str(details.get("because", ""))
    compared = tuple(
        beside.beside(came[name], known.get(where, ()))
        for name, where in ADDRESSES.items()
        if name in came
        and came[name] not in known.get(where, ())
        and (row["result"] == "address_unknown" or f"{name} is not registered" in because)
    )
    subject = row["object"] or ""
    return Line(
        at=row["at"],
        incident=row["request_id"],
        client_id=subject.removeprefix("app:") if subject.startswith("app:") else None,
        where=str(details.get("at") or EVENTS[row["event"]]),
        error=row["result"],
        because=because,
        received=came,
        registered=known,
        addresses=compared,
        advice=advice(because, compared),
    )


_ADVICE = (
    (
        "request_uri has expired or was used",
        "Push anew for every sign-in: one request_uri leads to one code, and a browser brings it within expires_in.",
    ),
    ("request_uri is unknown", "Send the request_uri as /par gave it, with the client_id that pushed it."),
    ("request and request_uri together", "Send one of the two."),
    (
        "request is not signed with",
        "Sign the request with a key of the registered jwks or jwks_uri, by the registered algorithm, with its kid.",
    ),
    ("request has expired", "Sign a new request for every sign-in, and keep the app's clock right."),
    ("request must have our issuer", "Use our issuer, exactly, as aud of the signed request."),
    (
        "an acr that the request needs",
        "Ask acr as essential only where nothing else will do; acr_values is a wish.",
    ),
    ("the pupil said", "The pupil chose not to go on: that is no mistake of the app."),
    ("redirect_uri is missing", "Send redirect_uri, exactly as it is registered."),
    ("is repeated", "Send every parameter once."),
    ("given more than once", "Send every parameter once."),
    ("client_id is not registered", "Send the client_id of the registration: `idp app list`."),
    ("unknown app", "Send the client_id of the registration: `idp app list`."),
    ("the app is disabled", "The app was removed here: import it again if that was a mistake."),
    (
        "code_challenge is required",
        "Use PKCE with S256; an old app may get a dated exemption (pkce_exempt_until).",
    ),
    ("code_challenge", "Send the SHA-256 of the verifier in base64url, with code_challenge_method=S256."),
    (
        "code_verifier",
        "Send the code_verifier whose code_challenge came with this very authorization request.",
    ),
    ("code burnt: redirect_uri", "At /token, send the same redirect_uri as at /authorize."),
    ("code burnt", "Keep the code_verifier of each sign-in apart: two tabs are two sign-ins."),
    ("code replayed", "Redeem a code once. A second try ends the tokens of the first: find what repeats it."),
    (
        "code expired",
        "Redeem the code at once: it lives seconds. Look at the clock and the queue of the app.",
    ),
    (
        "code of another app",
        "The code was made for another client_id: check which credentials are used where.",
    ),
    ("code unknown", "The code is not one of ours, or is long gone: pass it on unchanged, once."),
    ("refresh replayed", "Keep only the newest refresh token, and refresh in one place at a time."),
    (
        "refresh token unknown",
        "Keep only the newest refresh token; after `invalid_grant`, let the pupil sign in.",
    ),
    (
        "grant ended",
        "The sign-in has ended (signed out, reset, or no longer visible): let the pupil sign in.",
    ),
    ("another method", "Authenticate with the method that is registered (token_endpoint_auth_method)."),
    (
        "wrong secret",
        "Check the client_secret; `idp app renew-secret` makes a new one, the old one stays a while.",
    ),
    ("is not signed with", "Sign the assertion with a key of the registered jwks, with its kid."),
    ("as aud", "Use our issuer, exactly, as aud of the assertion."),
    ("must have a jti", "Give every assertion a jti of its own."),
    ("was used before", "Make a new assertion, with a new jti, for every request."),
    ("has expired", "Let an assertion live some minutes, and keep the app's clock right."),
    ("from the future", "Keep the app's clock right."),
    ("scope", "Ask only scopes that are registered, openid among them."),
    ("not visible", "Nobody made the app visible for this pupil: the school does that (`idp visible`)."),
    ("prompt", "prompt is none, login, consent or select_account; none goes alone."),
    ("client_id is not the hint's aud", "Send the id_token_hint that this client_id got."),
    ("no answer", "Look whether backchannel_logout_uri is up, and answers within three seconds."),
    ("inside a network", "Register a public https address: we do not call addresses inside a network."),
    ("TLS", "Serve backchannel_logout_uri with a certificate that everybody trusts."),
    (
        "HTTP ",
        "Answer a good logout token with 200; verify typ, iss, aud, exp, events and sid as the standard says.",
    ),
)
"""By words in the reason, the first that fits."""


def advice(because: str, addresses: Iterable[Beside] = ()) -> str:
    """What to do, in one sentence."""
    for one in addresses:
        if one.received:
            if one.registered is None:
                return "Register the address, or stop sending one."
            return (
                f"Register exactly what the app sends, or send exactly what is registered: "
                f"they differ in {', '.join(one.differences)}."
            )
    return next(
        (said for word, said in _ADVICE if word in because),
        "Compare what was received with what is registered.",
    )
