"""When did each job run, what came of it, and when is its next turn? One row a job, and the rhythm that it follows.

`overview` is for whoever shows it: the command line, the operator's console, the numbers for Prometheus. It says all that
they need; which jobs there are, and what each does, stands in idp/errands/jobs.py.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.clock import BRUSSELS
from idp.errands import leases
from idp.models import JobRecord, Lease

RETRIES = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
"""How long a job rests after its first, second, … failure in a row."""
LATE = timedelta(hours=2)
"""So long after its turn a job that did not go well is told to operators."""
BROKEN_OFF = "broken off: its process ended"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """Every so often, or at a time of day in Brussels (on one day of the week, or on all)."""

    every: timedelta | None = None
    at: time | None = None
    weekday: int | None = None
    """0: Monday."""

    def __post_init__(self) -> None:
        if (self.every is None) == (self.at is None) or (self.weekday is not None and self.at is None):
            raise ValueError("a rhythm is `every`, or `at` (with or without `weekday`)")

    def after(self, moment: datetime) -> datetime:
        """The first turn after this moment. Turns that were missed meanwhile are one."""
        if self.at is None:
            return moment + (self.every or timedelta())
        day = moment.astimezone(BRUSSELS).date()
        for ahead in range(9):
            turn = datetime.combine(day + timedelta(days=ahead), self.at, BRUSSELS).astimezone(UTC)
            if turn > moment and self.weekday in {None, (day + timedelta(days=ahead)).weekday()}:
                return turn
        raise AssertionError("a week has seven days")

    def __str__(self) -> str:
        if self.at is None:
            seconds = int((self.every or timedelta()).total_seconds())
            for length, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
                if seconds % length == 0:
                    count = seconds // length
                    return f"every {word}" if count == 1 else f"every {count} {word}s"
            return "every second" if seconds == 1 else f"every {seconds} seconds"
        return f"{'every day' if self.weekday is None else DAYS[self.weekday]} at {self.at:%H:%M}"


class State(StrEnum):
    WAITING = "never ran"
    RUNNING = "running"
    WELL = "well"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One job, as the book has it."""

    name: str
    rhythm: str
    """In words."""
    known_since: datetime
    expected_at: datetime
    """By its rhythm alone, it should have gone well soon after this moment."""
    begun_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    reached: datetime | None = None
    """When the last run began that went well."""
    result: Mapping[str, Any] | None = None
    failures: int = 0
    failed_at: datetime | None = None
    failure: str | None = None
    machine: str | None = None
    held: bool = False
    """Some process is at it now."""

    @property
    def state(self) -> State:
        if self.held and self._open:
            return State.RUNNING
        if self.failures or self._open:
            return State.FAILED
        return State.WELL if self.reached else State.WAITING

    @property
    def wrong(self) -> str | None:
        """What it failed on, while it has not gone well since."""
        if self.broken_off:
            return BROKEN_OFF
        return self.failure if self.failures else None

    @property
    def mended(self) -> bool:
        """Did it fail once, at `failed_at`, and go well since? Then `failure` is history."""
        return self.failed_at is not None and self.wrong is None

    @property
    def broken_off(self) -> bool:
        """It began, and whoever did it is gone."""
        return self._open and not self.held

    @property
    def _open(self) -> bool:
        return self.begun_at is not None and (self.finished_at is None or self.finished_at < self.begun_at)

    def turn(self, rhythm: Rhythm, now: datetime) -> datetime:
        """When it is due: by its rhythm, or sooner or later after a failure."""
        if self.failures and self.failed_at is not None and self.failed_at <= now:
            return self.failed_at + RETRIES[min(self.failures, len(RETRIES)) - 1]
        if rhythm.at is None and (self.reached is None or self.reached > now):
            return now  # it never ran, or the clock was put back
        return rhythm.after(self.reached or self.known_since)

    def late(self, now: datetime) -> bool:
        """Should it have gone well long ago? Then somebody must look."""
        return self.expected_at + LATE < now


def lease(name: str) -> str:
    return f"job:{name}"


def overview(db: Connection, now: datetime) -> tuple[Line, ...]:
    """What the book says of every job that this installation knows, by name."""
    alive = set(db.execute(select(Lease.work).where(Lease.until > now)).scalars())
    rows = db.execute(select(JobRecord.__table__).order_by(JobRecord.name)).mappings()
    return tuple(Line(**row, held=lease(row["name"]) in alive) for row in rows)


def announce(db: Connection, rhythms: Mapping[str, Rhythm], now: datetime) -> None:
    """From now on these are expected to run."""
    dialect = sqlite if db.dialect.name == "sqlite" else postgresql
    known = {row.name: row.rhythm for row in db.execute(select(JobRecord.name, JobRecord.rhythm))}
    for name, rhythm in sorted(rhythms.items()):
        if known.get(name) != str(rhythm):
            row = {"name": name, "known_since": now, "failures": 0, "rhythm": str(rhythm)}
            row["expected_at"] = rhythm.after(now)
            stated = dialect.insert(JobRecord).values(row)
            changed = {"rhythm": str(rhythm), "expected_at": rhythm.after(now)}
            db.execute(stated.on_conflict_do_update(index_elements=["name"], set_=changed))


def begin(db: Connection, name: str, holder: str, now: datetime, *, seconds: float) -> bool:
    """Hold this job and note that it began; False when another process is at it."""
    if not leases.take(db, lease(name), holder, now, seconds=seconds):
        return False
    _write(db, name, begun_at=now, machine=platform.node()[:100])
    return True


def went_well(
    db: Connection,
    name: str,
    result: Mapping[str, Any],
    *,
    begun: datetime,
    now: datetime,
    seconds: float,
    rhythm: Rhythm,
) -> None:
    _write(
        db,
        name,
        expected_at=rhythm.after(begun),
        begun_at=begun,
        finished_at=now,
        seconds=seconds,
        reached=begun,
        result=dict(result),
        failures=0,
        machine=platform.node()[:100],
    )


def failed(
    db: Connection, name: str, because: str, *, begun: datetime, now: datetime, seconds: float | None
) -> None:
    _write(
        db,
        name,
        begun_at=begun,
        finished_at=now,
        seconds=seconds,
        failures=JobRecord.failures + 1,
        failed_at=now,
        failure=because[:200],
        machine=platform.node()[:100],
    )


def forgiven(db: Connection, name: str, now: datetime) -> None:
    """What it failed on is known: its failures count no more, and its turn is now."""
    _write(db, name, failures=0, failed_at=None, expected_at=now)


def _write(db: Connection, name: str, **values: Any) -> None:
    db.execute(update(JobRecord).where(JobRecord.name == name).values(values))
