"""How far is the nightly look at the trail and the ledger, and what did it find? One row a trail, under our mark.

admin/records/patrol.py walks and writes here; whoever shows it (doctor, health, console, Prometheus) reads here. Somebody who has
the database and not our keys cannot say in our name that all was looked at: a row with another mark counts for nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select, update

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

    @property
    def day(self) -> date | None:
        return date.fromisoformat(self.since) if self.since else None

    @property
    def name(self) -> str:
        """What it is called by: something else as soon as more, or something else, is wrong there."""
        said = (self.trail, self.seal, self.what, self.rows, self.ids, self.count, self.expected)
        return hashlib.sha256(orjson.dumps(said)).hexdigest()[:12]

    def __str__(self) -> str:
        where = f"{self.trail} seal {self.seal}" if self.seal is not None else self.trail
        if self.rows:
            more = ", …" if self.count > len(self.rows) else ""
            return f"{where}: {self.what} row {', '.join(str(one) for one in self.rows)}{more}"
        many = f" {self.count}×" if self.count > 1 else ""
        return f"{where}: {self.what}{many}"


@dataclass(frozen=True, kw_only=True)
class Known:
    """An operator knows of this trouble (admin/records/acknowledging.py)."""

    name: str
    """`Trouble.name`"""
    by: str
    """An actor, as in the trail."""
    at: str
    """The moment, in UTC."""
    reason: str

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


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
    known: tuple[Known, ...] = field(default=())

    @property
    def alarms(self) -> tuple[Trouble, ...]:
        """Troubles of which nobody said that they know of it."""
        names = {one.name for one in self.known}
        return tuple(one for one in self.troubles if one.name not in names)

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

    @property
    def alarms(self) -> tuple[Trouble, ...]:
        """Those of which nobody said that they know of it."""
        return tuple(one for standing in self.standings.values() for one in standing.alarms)

    @property
    def known(self) -> tuple[tuple[Trouble, Known], ...]:
        """The others, each with who knows of it."""
        by_name = {one.name: one for standing in self.standings.values() for one in standing.known}
        return tuple((one, by_name[one.name]) for one in self.troubles if one.name in by_name)


def read(db: Connection, marks: Marks) -> Book:
    """What is known; a row that we did not write is told, and otherwise not there."""
    rows: Sequence[Any] = db.execute(select(Patrol.__table__).order_by(Patrol.trail)).mappings().all()
    good = {row["trail"]: _standing(row) for row in rows if marks.judge(_TABLE, row) is Verdict.GOOD}
    return Book(standings=good, strange=tuple(row["trail"] for row in rows if row["trail"] not in good))


def write(db: Connection, marks: Marks, standing: Standing, *, whole: bool = True) -> None:
    """Write down what is known. Who acknowledged what stays as the row has it; with `whole`, `standing` has all that is
    wrong, and what was acknowledged and is wrong no more is forgotten: should it come back, it is new.
    """
    there = _held(db, marks, standing.trail)
    known = there.known if there is not None else ()
    if whole:
        names = {one.name for one in standing.troubles}
        known = tuple(one for one in known if one.name in names)
    _write(db, marks, replace(standing, known=known))


def acknowledge(db: Connection, marks: Marks, known: Known) -> Trouble | None:
    """Somebody knows of this trouble. None: there is none by this name."""
    there, found = _called(db, marks, known.name)
    if there is not None:
        _write(db, marks, replace(there, known=(*_but(there.known, known.name), known)))
    return found


def take_back(db: Connection, marks: Marks, name: str) -> tuple[Trouble, Known] | None:
    """Nobody knows of this trouble any more. None: nobody did, or there is none by this name."""
    there, found = _called(db, marks, name)
    said = next((one for one in there.known if one.name == name), None) if there else None
    if there is None or found is None or said is None:
        return None
    _write(db, marks, replace(there, known=_but(there.known, name)))
    return found, said


def _called(db: Connection, marks: Marks, name: str) -> tuple[Standing, Trouble] | tuple[None, None]:
    """The trouble by this name, and the row that it stands in, held until the transaction ends."""
    for trail in sorted(read(db, marks).standings):
        there = _held(db, marks, trail)
        found = next((one for one in there.troubles if one.name == name), None) if there else None
        if there is not None and found is not None:
            return there, found
    return None, None


def _but(known: tuple[Known, ...], name: str) -> tuple[Known, ...]:
    return tuple(one for one in known if one.name != name)


def _held(db: Connection, marks: Marks, trail: str) -> Standing | None:
    """The row, held until the transaction ends, if it is one of ours."""
    mine = select(Patrol.__table__).where(Patrol.trail == trail).with_for_update()
    row: Any = db.execute(mine).mappings().one_or_none()
    return _standing(row) if row is not None and marks.judge(_TABLE, row) is Verdict.GOOD else None


def _write(db: Connection, marks: Marks, standing: Standing) -> None:
    row: dict[str, Any] = {
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
    if standing.known:
        row["troubles"]["known"] = [asdict(one) for one in standing.known]
    row["mark"] = marks.of(_TABLE, row)
    if not db.execute(update(Patrol).where(Patrol.trail == standing.trail).values(row)).rowcount:
        db.execute(insert(Patrol), row)


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
        known=tuple(Known(**one) for one in row["troubles"].get("known", ())),
    )
