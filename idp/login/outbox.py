"""Which mails must go out? A row for each, written with what made it necessary; whoever asks never waits for a server.

A row holds no link and no secret: those are made when the mail is sent (postman.py). A worker takes rows that are due
by moving their next moment, so that two workers never send the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from idp import entropy
from idp.models import AccountEmail, ErrandState, Letter, LetterKind

WAITS = (30, 120, 600, 1800, 3600, 7200)
"""Seconds before each next try, half of it by chance: seven tries in some four hours, then a person must look."""
TAKEN = timedelta(seconds=90)
"""So long a worker has for what it took; after that another may."""
BATCH = 20


@dataclass(frozen=True, kw_only=True)
class Due:
    """A row that this worker took."""

    id: str
    kind: LetterKind
    account_uuid: str | None
    address: str | None
    language: str
    tries: int
    """Before this one."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row as it is shown: without the address."""

    id: str
    kind: LetterKind
    state: ErrandState
    tries: int
    result: str | None
    created_at: datetime
    next_at: datetime
    done_at: datetime | None


def post(
    db: Connection,
    kind: LetterKind,
    *,
    account_uuid: str | None,
    address: str | None = None,
    language: str,
    now: datetime,
) -> None:
    """Have this sent, to the address the pupil has by then, or to this one."""
    row: dict[str, Any] = {
        "id": entropy.row_id(),
        "kind": kind,
        "account_uuid": account_uuid,
        "address": address,
    }
    row |= {"language": language, "state": ErrandState.WAITING, "tries": 0, "next_at": now, "created_at": now}
    db.execute(insert(Letter), row)


def tell_password_changed(db: Connection, *, account_uuid: str, language: str, now: datetime) -> None:
    """Somebody chose a new password: the pupil's address hears of it, if there is one."""
    mine = select(AccountEmail.address).where(AccountEmail.account_uuid == account_uuid)
    address = db.execute(mine).scalar()
    if address is not None:
        kind = LetterKind.PASSWORD_CHANGED
        post(db, kind, account_uuid=account_uuid, address=address, language=language, now=now)


def is_due(db: Connection, now: datetime) -> bool:
    return bool(db.execute(select(select(Letter.id).where(_due(now)).exists())).scalar())


def take(db: Connection, now: datetime) -> tuple[Due, ...]:
    """Rows that are due, ours until TAKEN has passed; the oldest first."""
    rows = db.execute(
        select(Letter.id, Letter.kind, Letter.account_uuid, Letter.address, Letter.language, Letter.tries)
        .where(_due(now))
        .order_by(Letter.next_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).mappings()
    found = tuple(Due(**row) for row in rows)
    mine = Letter.id.in_([one.id for one in found])
    db.execute(update(Letter).where(mine).values(next_at=now + TAKEN))
    return found


def forget(db: Connection, letter_id: str) -> None:
    """There is nobody to send it to."""
    db.execute(delete(Letter).where(Letter.id == letter_id))


def sent(db: Connection, one: Due, now: datetime) -> None:
    _settle(
        db, one, state=ErrandState.DELIVERED, tries=one.tries + 1, result="sent", done_at=now, address=None
    )


def not_sent(db: Connection, one: Due, because: str, now: datetime, *, for_good: bool) -> bool:
    """Try again later; True when it was given up: the server will never take it, or it was tried too often."""
    tries = one.tries + 1
    if for_good or tries > len(WAITS):
        _settle(db, one, state=ErrandState.GIVEN_UP, tries=tries, result=because[:200], done_at=now)
        return True
    wait = WAITS[tries - 1] / 2
    _settle(
        db,
        one,
        tries=tries,
        result=because[:200],
        next_at=now + timedelta(seconds=wait + entropy.jitter(wait)),
    )
    return False


def back(db: Connection, taken: tuple[Due, ...], now: datetime) -> None:
    """There was no time left for these in this round."""
    db.execute(update(Letter).where(Letter.id.in_([one.id for one in taken])).values(next_at=now))


def lines(db: Connection, *, most: int) -> list[Line]:
    """The newest, whatever became of them."""
    rows = db.execute(
        select(
            Letter.id,
            Letter.kind,
            Letter.state,
            Letter.tries,
            Letter.result,
            Letter.created_at,
            Letter.next_at,
            Letter.done_at,
        )
        .order_by(Letter.created_at.desc(), Letter.id.desc())
        .limit(most)
    ).mappings()
    return [Line(**row) for row in rows]


def try_again(db: Connection, now: datetime) -> int:
    """What was given up is tried anew; returns how many."""
    fresh = {"state": ErrandState.WAITING, "tries": 0, "next_at": now, "done_at": None}
    return db.execute(update(Letter).where(Letter.state == ErrandState.GIVEN_UP).values(fresh)).rowcount


def _due(now: datetime) -> ColumnElement[bool]:
    return (Letter.state == ErrandState.WAITING) & (Letter.next_at <= now)


def _settle(db: Connection, one: Due, **what: object) -> None:
    db.execute(update(Letter).where(Letter.id == one.id).values(**what))
