"""Which secrets of an app are good, and until when? One, or two while the app changes over; each shown once.

What is kept of a secret is a digest (oidc/clients.py). A new one lets the one before it live on until a date; an
operator may end either by hand, and an app that signs in with secrets never ends up with more than two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from idp import apps, entropy
from idp.admin.apps import app_history
from idp.audit import apps as audit_apps
from idp.entropy import Token
from idp.errors import Invalid, NotFound, Problem
from idp.models import App as AppRow
from idp.models import AppChange, AppSecret
from idp.oidc import clients

SHORTEST = 16
OVERLAP_DAYS = 14
"""How long an old secret stays good beside a new one."""
MOST_OVERLAP_DAYS = 90
WITH_SECRET = frozenset({"client_secret_basic", "client_secret_post"})


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret that is kept, by what may be seen of it."""

    id: str
    created_at: datetime
    expires_at: datetime | None
    """None: until it is renewed."""

    def good(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at

    def as_json(self, now: datetime) -> dict[str, Any]:
        until = self.expires_at.isoformat() if self.expires_at else None
        made = self.created_at.isoformat()
        return {"id": self.id, "created_at": made, "expires_at": until, "good": self.good(now)}


def listing(db: Connection, client_id: str) -> list[Secret]:
    """Those of one app, the newest first."""
    mine = select(AppSecret.id, AppSecret.created_at, AppSecret.expires_at).where(
        AppSecret.client_id == client_id
    )
    newest = mine.order_by(AppSecret.created_at.desc(), AppSecret.id.desc())
    return [Secret(**row) for row in db.execute(newest).mappings()]


def renew(db: Connection, client_id: str, *, now: datetime, overlap_days: int = OVERLAP_DAYS) -> str:
    """A new secret, shown once; the one it replaces stays good for `overlap_days` (0: no older one does).

    At most two are good at a time, and somebody says which of two ends: a button that is pressed twice must not take
    away the one that the app runs on. Raises NotFound `app_unknown`, Invalid `app_has_no_secret`, `two_secrets`.
    """
    _usable(db, client_id)
    old = listing(db, client_id)
    if overlap_days > 0 and sum(one.good(now) for one in old) > 1:
        raise Invalid("two_secrets", client_id)
    ends = now + timedelta(days=overlap_days)
    for place, secret in enumerate(old):
        this = AppSecret.id == secret.id
        if place or overlap_days <= 0:
            db.execute(delete(AppSecret).where(this))
        elif secret.expires_at is None or secret.expires_at > ends:
            db.execute(update(AppSecret).where(this).values(expires_at=ends))
    made = entropy.token(Token.SECRET, now)
    keep(db, client_id, made, now)
    _told(db, client_id, AppChange.SECRET_RENEWED, now)
    audit_apps.app_secret_renewed(db, client_id=client_id)
    return made


def end(db: Connection, client_id: str, secret_id: str, *, now: datetime) -> None:
    """This secret stops counting at once. The last good one stays: renew it, or disable the app.

    Raises NotFound `app_unknown` or `secret_unknown`, Invalid `last_secret`.
    """
    _usable(db, client_id)
    all_of_it = listing(db, client_id)
    if secret_id not in {one.id for one in all_of_it}:
        raise NotFound("secret_unknown", secret_id[:40])
    if not any(one.good(now) for one in all_of_it if one.id != secret_id):
        raise Invalid("last_secret", client_id)
    db.execute(delete(AppSecret).where(AppSecret.id == secret_id))
    _told(db, client_id, AppChange.SECRET_ENDED, now)
    audit_apps.app_secret_ended(db, client_id=client_id, secret=secret_id)


# ---------------------------------------------------------------- with a registration


def problem(secret: Any, given: Mapping[str, Any]) -> Problem | None:
    """What is wrong with a secret that came with a registration."""
    if given.get("token_endpoint_auth_method", "client_secret_basic") not in WITH_SECRET:
        return Problem("secret_unused", "an app that does not sign in with a secret has none")
    if not isinstance(secret, str) or not secret.isascii() or not secret.isprintable():
        return Problem("secret_not_ascii", "must be text of visible ASCII characters")
    if not SHORTEST <= len(secret) <= clients.LONGEST_SECRET:
        said = "must have {least} to {most} characters"
        return Problem("secret_length", said, least=SHORTEST, most=clients.LONGEST_SECRET)
    return None


def settle(db: Connection, document: Mapping[str, Any], given: str | None, now: datetime) -> str | None:
    """Keep the given secret as the only one, or make one where one is needed; returns what is new."""
    client_id, mine = document["client_id"], AppSecret.client_id == document["client_id"]
    if document["token_endpoint_auth_method"] not in WITH_SECRET:
        db.execute(delete(AppSecret).where(mine))
        return None
    digests = good_digests(db, client_id, now)
    if given is None:
        if digests:
            return None
        given = entropy.token(Token.SECRET, now)
    elif digests == [clients.digest(given)]:
        return None
    db.execute(delete(AppSecret).where(mine))
    keep(db, client_id, given, now)
    return given


def would_be_new(db: Connection, document: Mapping[str, Any], given: str | None, now: datetime) -> bool:
    """Would `settle` make or take one?"""
    if document["token_endpoint_auth_method"] not in WITH_SECRET:
        return False
    digests = good_digests(db, document["client_id"], now)
    return not digests if given is None else digests != [clients.digest(given)]


def good_digests(db: Connection, client_id: str, now: datetime) -> list[str]:
    good = or_(AppSecret.expires_at.is_(None), AppSecret.expires_at > now)
    return [*db.execute(select(AppSecret.digest).where(AppSecret.client_id == client_id, good)).scalars()]


def keep(db: Connection, client_id: str, secret: str, now: datetime) -> None:
    row = {"id": entropy.row_id(), "client_id": client_id, "digest": clients.digest(secret)}
    db.execute(insert(AppSecret), row | {"created_at": now, "expires_at": None})


def _usable(db: Connection, client_id: str) -> None:
    where = AppRow.client_id == client_id
    columns = select(AppRow.registration, AppRow.disabled_at, AppRow.paused_at).where(where)
    row = db.execute(columns.with_for_update()).first()
    if row is None or (row.disabled_at is not None and row.paused_at is None):
        raise NotFound("app_unknown", client_id[:100])
    if row.registration.get("token_endpoint_auth_method", "client_secret_basic") not in WITH_SECRET:
        raise Invalid("app_has_no_secret", client_id)


def _told(db: Connection, client_id: str, what: AppChange, now: datetime) -> None:
    app_history.record(db, client_id, what, now=now)
    apps.changed(db)
