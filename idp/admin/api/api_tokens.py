"""Which programs of operators may use the REST API, for what, and until when? Tokens: shown once, kept as digests.

A token reads or writes one kind of thing, ends on a day, and is somebody's: who approves a change is never the one who
made the token that asked for it (admin/apps/app_requests.py).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from idp import audit, entropy
from idp.audit import apps as audit_apps
from idp.clock import day_of_law, midnight
from idp.entropy import Token
from idp.errors import Invalid, NotFound
from idp.models import OperatorToken

LONGEST_LIFE = timedelta(days=397)
LONGEST_LABEL = 100


class Scope(StrEnum):
    APPS_READ = "apps.read"
    APPS_WRITE = "apps.write"
    SCHOOLS_READ = "schools.read"
    SCHOOLS_WRITE = "schools.write"
    AUDIT_READ = "audit.read"
    AUDIT_WRITE = "audit.write"
    """Say that the operator knows of something that the nightly look found."""
    HOLDS_READ = "holds.read"
    HOLDS_WRITE = "holds.write"
    """Decide about enrolments that wait: a token that changes schools does not."""


@dataclass(frozen=True, kw_only=True)
class ApiToken:
    id: str
    label: str
    scopes: tuple[Scope, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_on: date | None

    def good(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def as_json(self, now: datetime) -> dict[str, Any]:
        return {
            "id": self.id,
            "label": self.label,
            "scope": " ".join(self.scopes),
            "good": self.good(now),
            "created_by": self.created_by,
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None,
            "last_used_on": self.last_used_on.isoformat() if self.last_used_on else None,
        }


def issue(
    db: Connection, *, label: str, scopes: frozenset[str], until: date, now: datetime
) -> tuple[str, str]:
    """A new token, shown once: (id, token). It is good through the day `until`. Raises Invalid `token_refused`."""
    today = day_of_law(now)
    label = label.strip()
    if not scopes or not scopes <= {*Scope}:
        raise Invalid("token_refused", f"scopes: one or more of {' '.join(Scope)}")
    if not 0 < len(label) <= LONGEST_LABEL or not label.isprintable():
        raise Invalid("token_refused", f"a label of 1 to {LONGEST_LABEL} characters says whose program it is")
    if not today <= until <= today + LONGEST_LIFE:
        raise Invalid(
            "token_refused", f"the last day is today or later, at most {LONGEST_LIFE.days} days from now"
        )
    token, name = entropy.token(Token.OPERATOR_API, now), entropy.row_id()
    scope = " ".join(one for one in Scope if one in scopes)
    row = {
        "id": name,
        "digest": entropy.digest(token, Token.OPERATOR_API),
        "label": label,
        "scope": scope,
        "created_by": audit.actor(),
        "created_at": now,
        "expires_at": midnight(until + timedelta(days=1)),
        "revoked_at": None,
        "last_used_on": None,
    }
    db.execute(insert(OperatorToken), row)
    audit_apps.operator_token_issued(db, token=name, scope=scope, until=until.isoformat())
    return name, token


def listing(db: Connection) -> list[ApiToken]:
    """Every token, newest first; never the token itself."""
    rows = db.execute(select(OperatorToken.__table__).order_by(OperatorToken.id.desc())).mappings()
    return [_token(row) for row in rows]


def revoke(db: Connection, token_id: str, *, now: datetime) -> None:
    """It opens nothing any more. Raises NotFound `token_unknown`."""
    try:
        known = str(uuid.UUID(token_id[:40]))
    except ValueError:
        raise NotFound("token_unknown", token_id[:40]) from None
    mine = (OperatorToken.id == known) & OperatorToken.revoked_at.is_(None)
    if not db.execute(update(OperatorToken).where(mine).values(revoked_at=now)).rowcount:
        raise NotFound("token_unknown", token_id[:40])
    audit_apps.operator_token_revoked(db, token=known)


def find(db: Connection, presented: str) -> ApiToken | None:
    """The token that this is, good or not."""
    digest = entropy.digest(presented, Token.OPERATOR_API)
    if digest is None:
        return None
    row = db.execute(select(OperatorToken.__table__).where(OperatorToken.digest == digest)).mappings().first()
    return _token(row) if row else None


def used(db: Connection, token: ApiToken, today: date) -> None:
    """Remember the day on which it was used last, for who cleans up. Call it when `last_used_on` is another day."""
    where = OperatorToken.id == token.id
    db.execute(update(OperatorToken).where(where).values(last_used_on=today))


def refused(db: Connection, token: ApiToken | None, because: str) -> None:
    """The trail keeps that somebody came with a token that is not good, or not for this."""
    audit_apps.operator_token_refused(db, token=token.id if token else None, because=because)


def _token(row: Any) -> ApiToken:
    words = {name: row[name] for name in ApiToken.__dataclass_fields__ if name != "scopes"}
    return ApiToken(**words, scopes=tuple(one for one in Scope if one in row["scope"].split()))
