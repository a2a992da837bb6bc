"""How far is the nightly look at the trail and the ledger, and what did it find? One row a trail, under our mark.

admin/records/patrol.py walks and writes here; whoever shows it (doctor, health, console, Prometheus) reads here. Somebody who has
the database and not our keys cannot say in our name that all was looked at: a row with another mark counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from idp.marks import Marks, Verdict
from idp.models import Patrol

ANCHORS = "anchor"
"""The row of the signed statements: of those the newest is remembered, and all are looked at every night."""
_TABLE = Patrol.__tablename__


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What is not as it was, in one seal (or among the anchors, or in rows that no seal has yet)."""

    trail: str
    seal: int | None
    what: str
    """A word of verifying.py: `edited`, `deleted`, `inserted`, `seal_changed` …"""
    rows: tuple[int, ...] = ()
    """Their places in the seal, from 1; of many the first."""
    ids: tuple[str, ...] = ()
    """The same rows by their ids; of a statement, where it is."""
    count: int = 1
    since: str = ""
    """The day on which it was first seen."""
    expected: str = ""
    """The hash that a seal had when we last came by; it has another one now."""

    def __str__(self) -> str:
        where = f"{self.trail} seal {self.seal}" if self.seal is not None else self.trail
        if self.rows:
            more = ", …" if self.count > len(self.rows) else ""
            return f"{where}: {self.what} row {', '.join(str(one) for one in self.rows)}{more}"
        many = f" {self.count}×" if self.count > 1 else ""
        return f"{where}: {self.what}{many}"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A seal that was looked at: the next one must follow it."""

    number: int
    hash: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of one trail."""

    trail: str
    newest: Place
    """The newest seal that was looked at."""
    old: Place
    """How far the walk through the older ones is."""
    until: int
    """The seal where this walk ends."""
    begun_at: datetime
    """When this walk began."""
    whole_at: datetime | None = None
    """When a walk last came to its end: everything that was sealed before it began has been looked at."""
    night: date | None = None
    """The day whose part is done."""
    troubles: tuple[Trouble, ...] = field(default=())

    @property
    def walking(self) -> bool:
        return self.old.number < self.until

    def age(self, now: datetime) -> timedelta | None:
        return None if self.whole_at is None else max(timedelta(), now - self.whole_at)


@dataclass(frozen=True, kw_only=True)
class Book:
    """Everything that is known, by trail."""

    standings: Mapping[str, Standing]
    strange: tuple[str, ...] = ()
    """Trails whose row somebody else wrote."""

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        return tuple(one for standing in self.standings.values() for one in standing.troubles)


def read(db: Connection, marks: Marks) -> Book:
    """What is known; a row that we did not write is told, and otherwise not there."""
    rows: Sequence[Any] = db.execute(select(Patrol.__table__).order_by(Patrol.trail)).mappings().all()
    good = {row["trail"]: _standing(row) for row in rows if marks.judge(_TABLE, row) is Verdict.GOOD}
    return Book(standings=good, strange=tuple(row["trail"] for row in rows if row["trail"] not in good))


def write(db: Connection, marks: Marks, standing: Standing) -> None:
    row = {
        "trail": standing.trail,
        "newest": standing.newest.number,
        "newest_hash": standing.newest.hash,
        "old": standing.old.number,
        "old_hash": standing.old.hash,
        "until": standing.until,
        "begun_at": standing.begun_at,
        "whole_at": standing.whole_at,
        "night": standing.night,
        "troubles": {
            "found": [vars(one) | {"rows": [*one.rows], "ids": [*one.ids]} for one in standing.troubles]
        },
    }
    db.execute(delete(Patrol).where(Patrol.trail == standing.trail))
    db.execute(insert(Patrol), row | {"mark": marks.of(_TABLE, row)})


def _standing(row: Mapping[str, Any]) -> Standing:
    return Standing(
        trail=row["trail"],
        newest=Place(number=row["newest"], hash=row["newest_hash"]),
        old=Place(number=row["old"], hash=row["old_hash"]),
        until=row["until"],
        begun_at=row["begun_at"],
        whole_at=row["whole_at"],
        night=row["night"],
        troubles=tuple(
            Trouble(**one | {"rows": tuple(one["rows"]), "ids": tuple(one["ids"])})
            for one in row["troubles"]["found"]
        ),
    )
