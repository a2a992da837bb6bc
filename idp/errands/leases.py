"""Who does the work that one process does for all? The holder of a row, until it runs out.

A lease is a row with an end, on any database: no lock outlives a process that died, and none is held while something
slow is done. Beside it stands up to which moment the work is done.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.models import Lease

JOBS = "jobs"
EXPIRED_SESSIONS = "expired sessions"


def take(db: Connection, work: str, holder: str, now: datetime, *, seconds: float) -> bool:
    """Hold this work from now on for so long; True also for who holds it already."""
    row = {"work": work, "holder": holder, "until": now + timedelta(seconds=seconds), "reached": None}
    free = or_(Lease.holder == holder, Lease.until <= now)
    mine = update(Lease).where(Lease.work == work, free).values(holder=holder, until=row["until"])
    if db.execute(mine).rowcount:
        return True
    dialect = sqlite if db.dialect.name == "sqlite" else postgresql
    first = dialect.insert(Lease).values(row).on_conflict_do_nothing().returning(Lease.work)
    return db.execute(first).first() is not None


def leave(db: Connection, work: str, holder: str, now: datetime) -> None:
    """Let another process take over at once, also one whose clock is behind."""
    free = update(Lease).where(Lease.work == work, Lease.holder == holder)
    db.execute(free.values(until=now - timedelta(days=1)))


def reached(db: Connection, work: str) -> datetime | None:
    """Up to which moment this work is done, if it ever was."""
    return db.execute(select(Lease.reached).where(Lease.work == work)).scalar()


def reach(db: Connection, work: str, holder: str, now: datetime) -> None:
    """The work is done up to now."""
    done = update(Lease).where(Lease.work == work).values(reached=now, holder=holder, until=now)
    if not db.execute(done).rowcount:
        db.execute(insert(Lease), {"work": work, "holder": holder, "until": now, "reached": now})
