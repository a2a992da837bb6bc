"""What does an app do well, and what not? Read from what its newest sign-ins left behind anyway; nothing is counted for it.

Of what leaves no trace here (does it check `iss`, the signature, the nonce that comes back?) nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select

from idp.models import AuthorizationCode, Grant, RefreshToken, Release
from idp.oidc.habits import Habit

NEWEST = 100
"""Sign-ins that are looked at."""
DAYS = 30
FEW = 20
"""Of these, did userinfo follow? It is looked up per pupil."""


class Seen(StrEnum):
    ALWAYS = "always"
    SOMETIMES = "sometimes"
    NEVER = "never"
    NOT_YET = "not_yet"
    """There is nothing to tell from."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the table."""

    name: str
    wanted: bool
    """A good app always does it; otherwise it is just told."""
    count: int
    of: int

    @property
    def seen(self) -> Seen:
        if not self.of:
            return Seen.NOT_YET
        if self.count == self.of:
            return Seen.ALWAYS
        return Seen.SOMETIMES if self.count else Seen.NEVER

    @property
    def good(self) -> bool | None:
        """None: nothing to judge."""
        return None if self.seen is Seen.NOT_YET or not self.wanted else self.seen is Seen.ALWAYS


@dataclass(frozen=True, kw_only=True)
class Table:
    sign_ins: int
    """How many of the newest were looked at, at most NEWEST of the last DAYS."""
    newest: datetime | None
    checks: tuple[Check, ...]


def of(db: Connection, client_id: str, now: datetime) -> Table:
    """How this app behaved lately."""
    rows = db.execute(
        select(
            Grant.id, Grant.account_uuid, Grant.created_at, Grant.habits, Grant.offline, Grant.revoked_because
        )
        .where(Grant.client_id == client_id, Grant.created_at >= now - timedelta(days=DAYS))
        .order_by(Grant.created_at.desc())
        .limit(NEWEST)
    ).all()
    told = [Habit(row.habits) for row in rows if row.habits is not None]
    ids = [row.id for row in rows]
    codes = {
        row.grant_id: row.spent_at is not None
        for row in db.execute(
            select(
                AuthorizationCode.grant_id, AuthorizationCode.spent_at, AuthorizationCode.expires_at
            ).where(AuthorizationCode.grant_id.in_(ids))
        )
        if row.spent_at is not None or row.expires_at <= now
    }
    redeemed = [row for row in rows if codes.get(row.id)]
    offline = [row.id for row in redeemed if row.offline]
    refreshed = set(
        db.execute(
            select(RefreshToken.grant_id)
            .where(RefreshToken.grant_id.in_(offline), RefreshToken.rotated_at.is_not(None))
            .distinct()
        ).scalars()
    )
    few = redeemed[:FEW]
    asked = sum(_asked_userinfo(db, client_id, row.account_uuid, row.created_at) for row in few)
    once = sum(row.revoked_because != "code replayed" for row in redeemed)
    habit = {one: sum(one in shown for shown in told) for one in Habit}
    checks = (
        Check(name="state", wanted=True, count=habit[Habit.STATE], of=len(told)),
        Check(name="nonce", wanted=True, count=habit[Habit.NONCE], of=len(told)),
        Check(name="pkce", wanted=True, count=habit[Habit.PKCE], of=len(told)),
        Check(name="code_redeemed", wanted=True, count=sum(codes.values()), of=len(codes)),
        Check(name="code_once", wanted=True, count=once, of=len(redeemed)),
        Check(name="userinfo", wanted=False, count=asked, of=len(few)),
        Check(name="refresh", wanted=False, count=len(refreshed), of=len(offline)),
        Check(name="prompt", wanted=False, count=habit[Habit.PROMPT], of=len(told)),
        Check(name="login_hint", wanted=False, count=habit[Habit.LOGIN_HINT], of=len(told)),
        Check(name="claims", wanted=False, count=habit[Habit.CLAIMS], of=len(told)),
    )
    return Table(sign_ins=len(rows), newest=rows[0].created_at if rows else None, checks=checks)


def _asked_userinfo(db: Connection, client_id: str, account_uuid: str, since: datetime) -> bool:
    found = (
        select(Release.id)
        .where(
            Release.account_uuid == account_uuid,
            Release.at >= since,
            Release.client_id == client_id,
            Release.channel == "userinfo",
        )
        .limit(1)
    )
    return db.execute(found).first() is not None
