"""How far is work that takes long, and who goes on with it when it stopped? One thread, and a lease that runs out.

Hashing hundreds of secrets takes longer than a request should. `start` begins it in a thread of this process and waits a
moment, so that work for a few is simply done. How far it is stands in the row: any browser page, reload or other worker
sees it. Everything is written in one transaction (admin/accounts/papers.py), so a process that dies leaves nothing half;
its lease runs out, and the person who holds the key goes on from the beginning. Then the same thread draws the zip; where
it does not come that far, the zip is drawn when somebody asks for it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select, update

from idp.admin.accounts import papers
from idp.admin.accounts.papers import Desk, Work
from idp.context import House
from idp.errors import Refusal
from idp.models import Paperwork

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=30)
PATIENCE = 2.0
"""Seconds that a click waits for the end: work for a few needs no page that says how far it is."""
EVERY = 8
"""Secrets between two notes of how far it is; about a fifth of a second."""
EVERY_CARD = 40
"""Cards and stickers between two notes; about as long."""
FAILED = "papers_failed"


@dataclass(frozen=True, kw_only=True)
class State:
    """Work that was started and is not finished."""

    ready: int
    """Secrets; once they are made, cards and stickers."""
    count: int
    """Of so many."""
    works: bool
    """Somebody is at it. False: it was interrupted, and may be started again."""
    problem: str | None
    """The code of why it could not be done; nothing was made."""
    made: bool = False
    """Everything is written, and the zip is being drawn."""


def start(house: House, desk: Desk, work: Work, *, patience: float = PATIENCE) -> None:
    """Let it be done by one thread, whoever clicks how often, and wait a moment for the end."""
    if not _take(house, work):
        return
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_do, house, desk, work), name="papers")
    thread.start()
    thread.join(patience)


def look(db: Connection, work_id: str, now: datetime) -> State | None:
    """None when it was not started, or is finished: what is left of the zip is drawn when somebody asks for it."""
    row = db.execute(
        select(
            Paperwork.hashed,
            Paperwork.count.label("many"),
            Paperwork.working_until,
            Paperwork.problem,
            Paperwork.done_at,
            Paperwork.drawn,
        ).where(Paperwork.id == work_id)
    ).one_or_none()
    works = row is not None and row.working_until is not None and row.working_until > now
    if row is None or (row.working_until is None and row.problem is None):
        return None
    if row.done_at is not None:
        drawing = works and row.drawn is not None
        return (
            State(ready=row.drawn, count=2 * row.many, works=True, problem=None, made=True)
            if drawing
            else None
        )
    return State(ready=row.hashed or 0, count=row.many, works=works, problem=row.problem)


# ---------------------------------------------------------------- inside


def _take(house: House, work: Work) -> bool:
    """Nobody is at it, and it is not done: from now on this process is."""
    now = house.clock.now()
    free = (
        Paperwork.id == work.id,
        Paperwork.done_at.is_(None),
        Paperwork.working_until.is_(None) | (Paperwork.working_until <= now),
    )
    values = {"working_until": now + LEASE, "hashed": 0, "problem": None}
    with house.database.transaction() as db:
        return bool(db.execute(update(Paperwork).where(*free).values(values)).rowcount)


def _do(house: House, desk: Desk, work: Work) -> None:
    """Nobody waits for the answer of a thread: what went wrong is noted in the row, and in the log."""
    try:
        papers.carry_out(house, desk, work, progress=_noting(house, work))
        papers.draw_ahead(house, desk, work.id, progress=_noting_cards(house, work))
    except Refusal as refusal:
        _stop(house, work, refusal.code)
    except Exception as failure:
        log.error("papers_failed", kind=type(failure).__name__, exc_info=failure)  # noqa: TRY400
        _stop(house, work, FAILED)


def _noting(house: House, work: Work) -> Callable[[int, int], None]:
    mine = update(Paperwork).where(Paperwork.id == work.id, Paperwork.done_at.is_(None))

    def note(done: int, of: int) -> None:
        if done % EVERY == 0 or done == of:
            values = {"hashed": done, "working_until": house.clock.now() + LEASE}
            with house.database.transaction() as db:
                db.execute(mine.values(values))

    return note


def _noting_cards(house: House, work: Work) -> Callable[[int, int], None]:
    mine = update(Paperwork).where(Paperwork.id == work.id)

    def note(done: int, _of: int) -> None:
        if done % EVERY_CARD == 0:
            values = {"drawn": done, "working_until": house.clock.now() + LEASE}
            with house.database.transaction() as db:
                db.execute(mine.values(values))

    return note


def _stop(house: House, work: Work, code: str) -> None:
    mine = update(Paperwork).where(Paperwork.id == work.id)
    with house.database.transaction() as db:
        db.execute(mine.where(Paperwork.done_at.is_(None)).values(working_until=None, problem=code))
        db.execute(mine.where(Paperwork.done_at.is_not(None)).values(working_until=None))
