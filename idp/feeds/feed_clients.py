"""Which programs bring and fetch data about schools, and does this token speak for one?

A maker of packages has one client, the sender of the list of directors another. They prove themselves as apps do
(a secret, or a signed assertion that is good once) and get short-lived tokens (RFC 6749 section 4.4). They are no
apps: no page shows them, and no pupil signs in to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from idp import entropy
from idp.apps import App
from idp.audit import feeds as audit_feeds
from idp.context import House
from idp.entropy import Token
from idp.errors import Invalid, NotFound
from idp.feeds.schools import PACKAGES
from idp.models import FeedClient, FeedSecret
from idp.oidc import clients, fields, tokens

PAKKET, DIRECTEURS = "pakket", "directeurs"
SCOPES = (PAKKET, DIRECTEURS)
MOST_SECRETS = 2
"""Alive at a time: the old one and its successor."""


@dataclass(frozen=True, kw_only=True)
class Feeder:
    """A program that brings or fetches."""

    client_id: str
    naam: str
    scope: str
    pakket: str | None
    jwks: Mapping[str, Any] | None
    created_at: datetime
    disabled_at: datetime | None
    secrets: tuple[tuple[str, datetime | None], ...] = ()
    """Digests of live secrets, and until when each is good."""

    @property
    def method(self) -> str:
        return "private_key_jwt" if self.jwks else "client_secret_basic"


def find(db: Connection, client_id: str) -> Feeder | None:
    row = db.execute(select(FeedClient.__table__).where(FeedClient.client_id == client_id)).mappings().first()
    if row is None:
        return None
    live = select(FeedSecret.digest, FeedSecret.expires_at).where(FeedSecret.client_id == client_id)
    return Feeder(**row, secrets=tuple((digest, until) for digest, until in db.execute(live)))


def listing(db: Connection) -> tuple[Feeder, ...]:
    """All of them, by name."""
    names = db.execute(select(FeedClient.client_id).order_by(FeedClient.naam, FeedClient.client_id)).scalars()
    return tuple(one for name in names.all() if (one := find(db, name)))


def token(house: House, proof: clients.Proof, *, now: datetime) -> dict[str, Any]:
    """A token for a program that proves itself. Raises Authlib's InvalidClientError and InvalidRequestError."""
    who = clients.authenticate(house, proof, now=now, find=lambda name: _as_app(house, name))
    seconds = house.settings.access_token_minutes * 60
    (scope,) = who.scopes
    with house.database.transaction() as db:
        made = tokens.issue_access(
            db,
            client_id=who.client_id,
            grant_id=None,
            scope=scope,
            now=now,
            expires_at=now + timedelta(seconds=seconds),
        )
    return {"access_token": made, "token_type": "Bearer", "expires_in": seconds, "scope": scope}


def holder(db: Connection, presented: str, scope: str, now: datetime) -> Feeder | None:
    """Whose token this is, if it stands and is for this."""
    access = tokens.find_access(db, presented)
    if access is None or access.held is not None or not access.stands(now) or access.scope != scope:
        return None
    found = find(db, access.client_id)
    return found if found and found.disabled_at is None and found.scope == scope else None


def _as_app(house: House, client_id: str) -> App | None:
    """What clients.authenticate asks about who calls."""
    if not 0 < len(client_id) <= 60 or "\x00" in client_id:
        return None
    with house.database.reading() as db:
        found = find(db, client_id)
    if found is None:
        return None
    return App(
        client_id=found.client_id,
        client_name=found.naam,
        sector="",
        disabled=found.disabled_at is not None,
        scopes=frozenset({found.scope}),
        grant_types=frozenset({"client_credentials"}),
        token_endpoint_auth_method=found.method,
        jwks=found.jwks,
        secrets=found.secrets,
    )


# ---------------------------------------------------------------- what an operator does


def add(
    db: Connection,
    *,
    naam: str,
    pakket: str | None,
    jwks: Mapping[str, Any] | None = None,
    now: datetime,
) -> tuple[str, str | None]:
    """A program of this package, or (None) one that sends the list of directors. Returns client_id and secret.

    The secret is shown once; with public keys there is none. Raises Invalid `package_unknown` and `jwks_unusable`.
    """
    if pakket is not None and pakket not in PACKAGES:
        raise Invalid("package_unknown", f"one of {', '.join(PACKAGES)}")
    keys = _checked(jwks) if jwks is not None else None
    client_id = f"{pakket or DIRECTEURS}-{entropy.url_safe(6).lower().strip('-_')}"
    scope = PAKKET if pakket else DIRECTEURS
    row: dict[str, Any] = {
        "client_id": client_id,
        "naam": "".join(sign for sign in naam if sign.isprintable()).strip()[:200],
        "scope": scope,
        "pakket": pakket,
    }
    row |= {"jwks": keys, "created_at": now, "disabled_at": None}
    db.execute(insert(FeedClient), row)
    audit_feeds.feed_client_made(db, client_id=client_id, scope=scope, package=pakket)
    return client_id, None if keys else _secret(db, client_id, now)


def new_secret(db: Connection, client_id: str, *, old_until: datetime, now: datetime) -> str:
    """A secret beside the one there is, which ends at `old_until`. Raises NotFound, Invalid `too_many_secrets`."""
    found = _known(db, client_id)
    live = [digest for digest, until in found.secrets if until is None or until > now]
    if len(live) >= MOST_SECRETS:
        raise Invalid("too_many_secrets", "two secrets are alive: wait until the older one has ended")
    endless = (FeedSecret.client_id == client_id, FeedSecret.expires_at.is_(None))
    db.execute(update(FeedSecret).where(*endless).values(expires_at=old_until))
    audit_feeds.feed_client_changed(db, client_id=client_id, change="secret made")
    return _secret(db, client_id, now)


def end_secrets(db: Connection, client_id: str, *, now: datetime) -> None:
    """All secrets end now, and so do tokens: it was lost. Raises NotFound."""
    _known(db, client_id)
    alive = or_(FeedSecret.expires_at.is_(None), FeedSecret.expires_at > now)
    db.execute(update(FeedSecret).where(FeedSecret.client_id == client_id, alive).values(expires_at=now))
    _end_tokens(db, client_id, now)
    audit_feeds.feed_client_changed(db, client_id=client_id, change="secrets ended")


def close(db: Connection, client_id: str, *, closed: bool, now: datetime) -> None:
    """Close it (its tokens end at once), or open it again. Raises NotFound."""
    _known(db, client_id)
    values = {"disabled_at": now if closed else None}
    db.execute(update(FeedClient).where(FeedClient.client_id == client_id).values(values))
    if closed:
        _end_tokens(db, client_id, now)
    audit_feeds.feed_client_changed(db, client_id=client_id, change="closed" if closed else "opened")


def _end_tokens(db: Connection, client_id: str, now: datetime) -> None:
    mine = (tokens.ACCESS.c.client_id == client_id, tokens.ACCESS.c.revoked_at.is_(None))
    db.execute(update(tokens.ACCESS).where(*mine).values(revoked_at=now))


def _secret(db: Connection, client_id: str, now: datetime) -> str:
    secret = entropy.token(Token.SECRET, now)
    row = {"id": entropy.row_id(), "client_id": client_id, "digest": clients.digest(secret)}
    db.execute(insert(FeedSecret), row | {"created_at": now, "expires_at": None})
    return secret


def _known(db: Connection, client_id: str) -> Feeder:
    found = find(db, client_id)
    if found is None:
        raise NotFound("feed_client_unknown", client_id)
    return found


def _checked(jwks: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return fields.jwks(jwks, None)  # type: ignore[arg-type]
    except fields.Mistake as mistake:
        raise Invalid("jwks_unusable", str(mistake)) from None
