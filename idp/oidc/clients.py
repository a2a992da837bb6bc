"""Which app is calling? Exactly one proof, by exactly the method that the app is registered for.

client_secret_basic and client_secret_post (RFC 6749 section 2.3.1), private_key_jwt (RFC 7523, with algorithms
pinned and every assertion good once), none for public apps. Client secrets are random, so one SHA-256 keeps
them. Wrong secrets are counted per app and address; a right secret always works, whatever others try.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from idp import audit
from idp.apps import App
from idp.context import House
from idp.lately import Counter
from idp.models import UsedAssertion
from idp.oidc import app_keys, app_log

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CONFIDENTIAL = ("client_secret_basic", "client_secret_post", "private_key_jwt")
METHODS = (*CONFIDENTIAL, "none")
LONGEST_SECRET = 512
LONGEST_ASSERTION = 8192
LONGEST_JTI = 256
LONGEST_LIFE = timedelta(minutes=10)
LEEWAY = timedelta(seconds=60)
"""Clocks of apps may be off by this much."""

NOTED = 5
"""Wrong proofs of one app from one address that are audited one by one …"""
MANY = 20
"""… and after which wrong ones are told to slow down."""
WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What came with a request."""

    form: Mapping[str, str]
    """The parameters of the body, each once."""
    authorization: str | None
    """The Authorization header."""
    source: str | None
    """Network address."""


def authenticate(
    house: House, proof: Proof, *, now: datetime, find: Callable[[str], App | None] | None = None
) -> App:
    """The app that proved itself. Raises InvalidClientError (401) or InvalidRequestError.

    `find`: where to look for who calls, when it is no registered app.
    """
    client_id, method, secrets = _offered(proof)
    app = (find or house.apps.find)(client_id)
    if app is None or app.disabled:
        raise _wrong(house, proof, "", now, because="unknown app")
    if method != app.token_endpoint_auth_method:
        raise _wrong(
            house,
            proof,
            client_id,
            now,
            because="another method",
            description=f"This client authenticates with {app.token_endpoint_auth_method}, not with {method}.",
        )
    if method == "private_key_jwt":
        if said := _refusal_of(house, app, secrets[0], now):
            raise _wrong(house, proof, client_id, now, because=said, description=f"The assertion {said}.")
    elif method != "none" and not any(is_secret(app, secret, now) for secret in secrets):
        raise _wrong(house, proof, client_id, now, because="wrong secret")
    return app


def _offered(proof: Proof) -> tuple[str, str, tuple[str, ...]]:
    """client_id, method and what proves it, in every way it can be meant. Two methods at once are refused (RFC 6749 section 2.3)."""
    form = proof.form
    offered = [
        method
        for method, there in (
            ("client_secret_basic", proof.authorization is not None),
            ("client_secret_post", "client_secret" in form),
            ("private_key_jwt", "client_assertion" in form or "client_assertion_type" in form),
        )
        if there
    ]
    if len(offered) > 1:
        raise InvalidRequestError(f"Use one way to authenticate, not {' and '.join(offered)}.")
    method = offered[0] if offered else "none"
    client_id, secrets = form.get("client_id", ""), tuple[str, ...]()
    if method == "client_secret_basic":
        named, secrets = _basic(proof.authorization or "")
        if client_id and client_id != named:
            raise refused("client_id is not the client that authenticates.")
        client_id = named
    elif method == "client_secret_post":
        secrets = (form["client_secret"],)
    elif method == "private_key_jwt":
        if form.get("client_assertion_type") != BEARER:
            raise refused(f"client_assertion_type must be {BEARER}.")
        secrets = (form.get("client_assertion", ""),)
        named = _subject(secrets[0])
        if client_id and client_id != named:
            raise refused("client_id is not the subject of the assertion.")
        client_id = named
    if not client_id:
        raise refused("No client authenticates: client_id is missing.")
    return client_id, method, secrets


def refused(description: str = "Client authentication failed.", *, status: int = 401) -> InvalidClientError:
    """The answer to a client that did not prove itself."""
    return _NotProven(status_code=status, description=description)


class _NotProven(InvalidClientError):  # type: ignore[misc]
    """With the realm that a challenge must have (RFC 7617 section 2)."""

    def get_headers(self) -> list[tuple[str, str]]:
        return [
            (name, value.replace("Basic ", 'Basic realm="clients", ', 1))
            for name, value in super().get_headers()
        ]


# ---------------------------------------------------------------- secrets


def digest(secret: str) -> str:
    """What AppSecret.digest keeps of a client secret: SHA-256, 64 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(app: App, secret: str, now: datetime) -> bool:
    """Is this one of its live client secrets?"""
    if not secret or len(secret) > LONGEST_SECRET:
        return False
    presented = digest(secret)
    right = False
    for kept, until in app.secrets:
        right |= hmac.compare_digest(kept, presented) and (until is None or now < until)
    return right


def _basic(header: str) -> tuple[str, tuple[str, ...]]:
    """User name and password, each form-encoded before they were joined (RFC 6749 section 2.3.1).

    Many clients join them as they are. That makes a difference for a secret with a + or a % in it, as an operator may
    have brought one along: it counts in both spellings.
    """
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic" or len(credentials) > 4096:
        raise refused("The Authorization header must be Basic.")
    try:
        pair = base64.b64decode(credentials, validate=True).decode()
        client_id, colon, secret = pair.partition(":")
        secrets: tuple[str, ...] = (secret,)
        if "%" in pair or "+" in pair:
            client_id = unquote_plus(client_id, errors="strict")
            secrets = (unquote_plus(secret), secret)
    except ValueError:
        raise refused("The Authorization header cannot be read.") from None
    if not colon or not client_id or not secret:
        raise refused()
    return client_id, secrets


# ---------------------------------------------------------------- assertions


def _subject(assertion: str) -> str:
    """Whom an assertion speaks for, before anything is verified."""
    if len(assertion) > LONGEST_ASSERTION:
        raise refused("The assertion is too long.")
    try:
        subject = app_keys.strictly(assertion.split(".")[1])["sub"]
    except (ValueError, LookupError, RecursionError):
        raise refused("The assertion cannot be read.") from None
    if not isinstance(subject, str):
        raise refused("The assertion has no subject.")
    return subject


def _refusal_of(house: House, app: App, assertion: str, now: datetime) -> str | None:  # noqa: PLR0911
    """Why this assertion proves nothing, or None when it does; then it is used up, also if the request fails."""
    claims = app_keys.verified(house, app, assertion, alg=app.token_endpoint_auth_signing_alg)
    if claims is None:
        return "is not signed with a registered key and algorithm"
    if claims.get("iss") != app.client_id or claims.get("sub") != app.client_id:
        return "must have the client as iss and sub"
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    issuer = house.settings.issuer
    ours = {issuer, f"{issuer}/token", f"{issuer}/par"}
    if not named or not all(isinstance(one, str) and one in ours for one in named):
        return "must have our issuer, token endpoint or /par as aud"
    moments = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if any(type(moment) is not int or not 0 <= moment < 2**40 for moment in moments.values()):
        return "must have whole seconds as exp, nbf and iat"
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    if "exp" not in moments or moments["exp"] + leeway <= at:
        return "has expired"
    if moments["exp"] > at + LONGEST_LIFE.total_seconds() + leeway:
        return "must expire within 10 minutes"
    if any(moments.get(name, 0) > at + leeway for name in ("nbf", "iat")):
        return "is from the future"
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        return "must have a jti of 1 to 256 characters"
    return None if _first_use(house, app, jti, moments["exp"]) else "was used before"


def _first_use(house: House, app: App, jti: str, exp: int) -> bool:
    row = {
        "client_id": app.client_id,
        "jti_digest": hashlib.sha256(jti.encode()).hexdigest(),
        "expires_at": datetime.fromtimestamp(exp, UTC) + LEEWAY,
    }
    try:
        with house.database.transaction() as db:
            db.execute(_INSERT_USED, row)
    except IntegrityError:
        return False
    return True


_INSERT_USED = insert(UsedAssertion)


# ---------------------------------------------------------------- wrong proofs


_wrong_proofs = Counter(window=WINDOW)


def _wrong(
    house: House,
    proof: Proof,
    client_id: str,
    now: datetime,
    *,
    because: str,
    description: str = "Client authentication failed.",
) -> InvalidClientError:
    """Count and note a wrong proof. The audit trail gets the first few and one line for many: it cannot be flooded."""
    count = _wrong_proofs.add((id(house.database), client_id, proof.source), now)
    if count <= NOTED or count == MANY:
        noted = because if count <= NOTED else f"{MANY} times in {WINDOW}: {because}"
        with house.database.transaction() as db:
            audit.app_refused(
                db,
                client_id=client_id or None,
                error="invalid_client",
                because=noted,
                received=app_log.received([*proof.form.items()]),
                registered=app_log.registered(house.apps.find(client_id) if client_id else None),
            )
    return refused(description, status=401 if count <= MANY else 429)
