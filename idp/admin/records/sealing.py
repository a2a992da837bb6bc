"""How do the audit trail and the ledger become a chain in which nothing can change unseen?

Rows are marked when they are written (idp/marks.py); a minute later one process *seals* them, in order, in runs: a
seal keeps 32 bytes for every row and the digest of the seal before it. Once a day an *anchor* states where the chains
end, signed, for outsiders to keep (anchors.py). A row that was committed after its neighbours had been sealed gets a
late seal at the next anchor. What is old enough goes in whole runs, below an anchor, after a signed statement that says
so; what stays can still be verified (verifying.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from idp import marks
from idp.admin.records import anchors
from idp.clock import day_of_law
from idp.context import House
from idp.models import AuditEvent, Base, Release, Seal, SealedRows
from idp.pacing import Pace

TRAILS: tuple[type[Base], ...] = (AuditEvent, Release)
"""The tables that are sealed."""
RUN = 5_000
"""Rows in one seal, at most."""
SETTLE = timedelta(seconds=60)
"""Rows this young are left for the next round: others may still be committed between them."""
AHEAD = timedelta(minutes=10)
"""The clock of another machine is not further ahead than this; what says so is not waited for."""
LATE_WITHIN = timedelta(days=2)
"""How far back the daily look for rows that were committed late goes."""
WIDTH = 32


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where the chain of a trail ends."""

    number: int
    hash: str
    last_id: str | None
    """Rows up to here are sealed, but for late ones."""


def table_of(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


def seal(house: House, now: datetime, *, settle: timedelta = SETTLE) -> int:
    """Seal every row that has settled, in both trails. Returns how many; safe to repeat, and by several at once."""
    return sum(_seal(house, table_of(model), now, settle) for model in TRAILS)


def anchor(house: House, now: datetime, *, anew: bool = False) -> anchors.Statement | None:
    """State where the chains end: once a day by the calendar of Brussels, or `anew`. None: not due, or done elsewhere."""
    if not anew and not _is_due(house, now):
        return None
    for model in TRAILS:
        _seal_late(house, table_of(model), now)
    with house.database.reading() as db:
        heads = [_said(model.__tablename__, head(db, house, model.__tablename__)) for model in TRAILS]
    return anchors.state(house, "anchor", now, heads=heads)


def head(db: Connection, house: House, trail: str) -> Head:
    """The end of this chain; number 0 when nothing was ever sealed."""
    mine = select(Seal.number, Seal.hash, Seal.last_id).where(Seal.trail == trail)
    mine = mine.order_by(Seal.number.desc()).limit(1)
    newest = db.execute(mine).first()
    if newest is None:
        gone = anchors.newest_purge(db, house, trail)
        return _after(gone) if gone else Head(number=0, hash=anchors.NOTHING, last_id=None)
    in_order = db.execute(mine.where(Seal.late.is_(False))).first()
    return Head(number=newest.number, hash=newest.hash, last_id=in_order.last_id if in_order else None)


def sealed(rows: bytes) -> Iterator[tuple[str, bytes]]:
    """The identifier and digest of every row that a seal covers."""
    for at in range(0, len(rows), WIDTH):
        yield _dashed(rows[at : at + 16].hex()), rows[at + 16 : at + WIDTH]


def digest(trail: str, row: Any) -> bytes:
    """What a seal keeps of a row: 16 bytes over everything in it, its mark included."""
    return hashlib.sha256(marks.canonical(trail, row) + f"\n{row['mark'] or ''}".encode()).digest()[:16]


def hash_of(said: dict[str, Any]) -> str:
    """The digest of a seal over all of its columns, the one before it included."""
    told = {name: value for name, value in said.items() if name != "hash"}
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)).hexdigest()


def purge(
    house: House, model: type[Base], before: datetime, now: datetime, *, until: float | None = None
) -> int:
    """Delete the runs that are wholly older and below an anchor, and say so under our signature. Returns how many rows.

    Broken off, or `until` a moment of the house's monotonic clock, it goes on where it was at the next call.
    """
    trail = model.__tablename__
    with house.database.reading() as db:
        through = _purgeable(db, house, trail, before)
        stated = anchors.newest_purge(db, house, trail)
    gone = _after(stated).number if stated else 0
    if through is not None and through.number > gone:
        words = {"trail": trail, "through": through.number, "hash": through.hash, "last_id": through.last_id}
        if anchors.state(house, "purge", now, before=before.isoformat(), **words) is None:
            return 0
        gone = through.number
    return _delete_through(house, model, gone, until)


# ---------------------------------------------------------------- sealing


def _seal(house: House, table: Table, now: datetime, settle: timedelta) -> int:
    total = 0
    while True:
        with house.database.reading() as db:
            before = head(db, house, table.name)
            query = select(table).order_by(table.c.id).limit(RUN)
            if before.last_id is not None:
                query = query.where(table.c.id > before.last_id)
            found = db.execute(query).mappings().all()
        rows = _settled(found, now, settle)
        if not rows or not _write(house, table.name, before, rows, now, late=False):
            return total
        total += len(rows)
        if len(rows) < RUN:
            return total


def _settled(rows: Sequence[Any], now: datetime, settle: timedelta) -> list[Any]:
    """The rows before the first one that is too young."""
    kept = []
    for row in rows:
        if now - settle < row["at"] <= now + AHEAD:
            break
        kept.append(row)
    return kept


def _write(house: House, trail: str, before: Head, rows: Sequence[Any], now: datetime, *, late: bool) -> bool:
    """Add seals to the chain, one for every day in these rows. False: another process was first."""
    seals, bodies = [], []
    number, previous = before.number, before.hash
    for _day, run in groupby(rows, key=_day_of):
        members = list(run)
        number += 1
        body = b"".join(bytes.fromhex(row["id"].replace("-", "")) + digest(trail, row) for row in members)
        said: dict[str, Any] = {
            "trail": trail,
            "number": number,
            "first_id": members[0]["id"],
            "last_id": members[-1]["id"],
            "count": len(members),
            "late": late,
            "through": max(row["at"] for row in members),
            "sealed_at": now,
            "unmarked": sum(row["mark"] is None for row in members),
            "rows_sha256": hashlib.sha256(body).hexdigest(),
            "previous": previous,
        }
        previous = hash_of(said)
        seals.append(said | {"hash": previous})
        bodies.append({"trail": trail, "number": number, "rows": body})
    try:
        with house.database.transaction() as db:
            db.execute(insert(Seal), seals)
            db.execute(insert(SealedRows), bodies)
    except IntegrityError:
        return False
    return True


def _day_of(row: Any) -> date:
    """A run never crosses midnight, so that what is kept for so many days goes day by day."""
    return day_of_law(row["at"])


def _seal_late(house: House, table: Table, now: datetime) -> int:
    """Seal rows that were committed between others which had been sealed already."""
    with house.database.reading() as db:
        before = head(db, house, table.name)
        late = _late(db, table, now)
    if late and not _write(house, table.name, before, late, now, late=True):
        return 0
    return len(late)


def _late(db: Connection, table: Table, now: datetime) -> list[Any]:
    """Looked for run by run: two days of ledger are millions of rows."""
    mine = select(Seal.number, Seal.first_id, Seal.last_id).where(Seal.trail == table.name)
    runs = db.execute(
        mine.where(Seal.late.is_(False), Seal.sealed_at >= now - LATE_WITHIN).order_by(Seal.number)
    ).all()
    if not runs:
        return []
    bodies = select(SealedRows.rows).where(SealedRows.trail == table.name)
    late_ones = select(Seal.number).where(
        Seal.trail == table.name, Seal.late.is_(True), Seal.number >= runs[0].number
    )
    known = {
        one
        for body in db.execute(bodies.where(SealedRows.number.in_(late_ones))).scalars()
        for one, _digest in sealed(body)
    }
    lost: list[str] = []
    after = None
    for run in runs:
        body = db.execute(bodies.where(SealedRows.number == run.number)).scalar()
        begin = table.c.id >= run.first_id if after is None else table.c.id > after
        after = run.last_id
        if body is None:
            continue  # it was purged meanwhile
        here = {one for one, _digest in sealed(body)}
        within = select(table.c.id).where(begin, table.c.id <= run.last_id).order_by(table.c.id)
        lost += [one for one in db.execute(within).scalars() if one not in here and one not in known]
    rows: list[Any] = []
    for at in range(0, len(lost), 500):
        found = db.execute(select(table).where(table.c.id.in_(lost[at : at + 500])).order_by(table.c.id))
        rows += found.mappings().all()
    return rows


def _is_due(house: House, now: datetime) -> bool:
    with house.database.reading() as db:
        last = anchors.newest(db, house, "anchor")
        made = select(Seal.number).limit(1)
        if db.execute(made).first() is None:
            return False
    return last is None or day_of_law(datetime.fromisoformat(str(last.said["at"]))) < day_of_law(now)


# ---------------------------------------------------------------- purging


def _after(purge: anchors.Statement) -> Head:
    said = purge.said
    return Head(number=int(said["through"]), hash=str(said["hash"]), last_id=said["last_id"])


def _purgeable(db: Connection, house: House, trail: str, before: datetime) -> Head | None:
    """The last run that may go: it and all before it are older, and an anchor of ours states what came after them."""
    mine = Seal.trail == trail
    young = select(func.min(Seal.number)).where(mine, Seal.through >= before).scalar_subquery()
    last = db.execute(
        select(Seal.number, Seal.hash)
        .where(mine, Seal.number <= _anchored(db, house, trail), func.coalesce(Seal.number < young, True))
        .order_by(Seal.number.desc())
        .limit(1)
    ).first()
    if last is None:
        return None
    in_order = select(Seal.last_id).where(mine, Seal.number <= last.number, Seal.late.is_(False))
    last_id = db.execute(in_order.order_by(Seal.number.desc()).limit(1)).scalar()
    return Head(number=last.number, hash=last.hash, last_id=last_id)


def _anchored(db: Connection, house: House, trail: str) -> int:
    """The last seal of this trail that a statement of ours names."""
    last = anchors.newest(db, house, "anchor")
    heads = last.said["heads"] if last and last.good else ()
    return next((int(one["number"]) for one in heads if one["trail"] == trail), 0)


def _delete_through(house: House, model: type[Base], number: int, until: float | None) -> int:
    """The rows of every run up to this one, then the runs themselves."""
    table, pace, total = table_of(model), Pace(house.clock.monotonic), 0
    while until is None or house.clock.monotonic() <= until:
        with house.purging.reading() as db:
            old = select(SealedRows.number, SealedRows.rows).where(
                SealedRows.trail == table.name, SealedRows.number <= number
            )
            run = db.execute(old.order_by(SealedRows.number).limit(1)).first()
        if run is None:
            return total
        for some in pace.pieces([one for one, _digest in sealed(run.rows)]):
            total += house.purging.retrying(partial(_delete_rows, table=table, ids=some))
        house.purging.retrying(partial(_delete_seal, trail=table.name, number=run.number))
    return total


def _delete_rows(db: Connection, *, table: Table, ids: Sequence[str]) -> int:
    count = 0
    for at in range(0, len(ids), 500):
        count += db.execute(delete(table).where(table.c.id.in_(ids[at : at + 500]))).rowcount
    return count


def _delete_seal(db: Connection, *, trail: str, number: int) -> None:
    for mine in (SealedRows, Seal):
        db.execute(delete(mine).where(mine.trail == trail, mine.number == number))


def _said(trail: str, end: Head) -> dict[str, Any]:
    return {"trail": trail, "number": end.number, "hash": end.hash}


def _dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
