"""May this pupil come in at all? A school blocks an account and opens it again; a block ends whatever is open."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from idp.audit import accounts as audit_accounts
from idp.errors import NotFound
from idp.login import sessions
from idp.models import Account

BLOCKED = "blocked"


def block(db: Connection, *, account_uuid: str, instellingsnummer: str, now: datetime) -> None:
    """Sessions and what apps hold end with it; the apps are told. Twice is once. Raises NotFound."""
    done = db.execute(
        update(Account)
        .where(Account.account_uuid == account_uuid, Account.blocked_at.is_(None))
        .values(blocked_at=now)
    ).rowcount
    if not done:
        _require(db, account_uuid)
        return
    sessions.end_all(db, account_uuid, BLOCKED, now, grants=True)
    audit_accounts.account_blocked(db, account_uuid=account_uuid, instellingsnummer=instellingsnummer)


def unblock(db: Connection, *, account_uuid: str, instellingsnummer: str) -> None:
    """The same secret and cards work again. Twice is once. Raises NotFound."""
    done = db.execute(
        update(Account)
        .where(Account.account_uuid == account_uuid, Account.blocked_at.is_not(None))
        .values(blocked_at=None)
    ).rowcount
    if not done:
        _require(db, account_uuid)
        return
    audit_accounts.account_unblocked(db, account_uuid=account_uuid, instellingsnummer=instellingsnummer)


def _require(db: Connection, account_uuid: str) -> None:
    known = select(Account.account_uuid).where(Account.account_uuid == account_uuid)
    if db.execute(known).first() is None:
        raise NotFound("account_unknown")
