"""Which classes are there at a school, and who sits in them? As the school's package delivered it last.

A delivery is a full snapshot of one school. What it no longer has is marked as replaced: never released again, and
purged a week later. A class is recognised by the package's own `klas_id`, so `Klas.id` survives renaming.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from idp import entropy
from idp.claims import agreements, visibility
from idp.claims.seating import DeliveredMembership, Seating
from idp.clock import day_of_law
from idp.database import by_and_by
from idp.errors import Invalid, NotAllowed, NotFound
from idp.models import ClassMembership, Klas, School, Soort

T = TypeVar("T")
CHUNK = 500
"""Rows in one statement with a list of ids."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveredKlas:
    klas_id: str
    """The package's own, stable identifier."""
    code: str
    naam: str
    soort: Soort


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a delivery changed."""

    classes_new: int
    classes_changed: int
    members_new: int
    members_kept: int
    members_replaced: int


@dataclass(frozen=True, kw_only=True)
class SchoolKlas:
    """A class of a school, and how many pupils sit in it today."""

    id: str
    klas_id: str
    code: str
    naam: str
    soort: Soort
    members: int


def replace(
    db: Connection,
    instellingsnummer: str,
    classes: Iterable[DeliveredKlas],
    memberships: Iterable[DeliveredMembership],
    now: datetime,
) -> Counts:
    """Store a full snapshot of one school; the same snapshot again changes nothing.

    The caller has checked that every account_uuid exists. Raises NotFound `school_unknown`; NotAllowed
    `school_does_not_share`; Invalid `klas_unknown` (a membership of a class that is not in the snapshot) and
    `klas_twice` (two classes with one klas_id that differ).
    """
    _lock(db, instellingsnummer)
    if not agreements.shares_today(db, instellingsnummer, day_of_law(now)):
        raise NotAllowed("school_does_not_share")
    delivered: dict[str, DeliveredKlas] = {}
    for klas in classes:
        if delivered.setdefault(klas.klas_id, klas) != klas:
            raise Invalid("klas_twice", klas.klas_id)
    ids, new, changed = _keep_classes(db, instellingsnummer, delivered, now)
    coming = Seating()
    for one in memberships:
        if one.klas_id not in delivered:
            raise Invalid("klas_unknown")
        if (one.begindatum, one.einddatum) not in coming.periods(one.account_uuid, one.klas_id):
            coming.add(one.account_uuid, one.klas_id, one.begindatum, one.einddatum)
    kept, gone = _compared(db, instellingsnummer, ids, coming)
    for some in _chunks(gone):
        db.execute(update(ClassMembership).where(ClassMembership.id.in_(some)).values(replaced_at=now))
    added, rows = len(coming), iter(coming)
    while part := list(islice(rows, CHUNK)):
        db.execute(_INSERT_SEAT, [_row(one, ids, instellingsnummer) for one in part])
    return Counts(
        classes_new=new,
        classes_changed=changed,
        members_new=added,
        members_kept=kept,
        members_replaced=len(gone),
    )


_INSERT_SEAT = insert(ClassMembership)


def _row(one: DeliveredMembership, ids: dict[str, str], instellingsnummer: str) -> dict[str, Any]:
    return {
        "id": entropy.row_id(),
        "klas": ids[one.klas_id],
        "account_uuid": one.account_uuid,
        "instellingsnummer": instellingsnummer,
        "begindatum": one.begindatum,
        "einddatum": one.einddatum,
        "replaced_at": None,
    }


def _compared(
    db: Connection, instellingsnummer: str, ids: dict[str, str], coming: Seating
) -> tuple[int, list[str]]:
    """Take what stands already out of what is coming; returns how many stay, and the ids of rows that go."""
    names = {uuid: klas_id for klas_id, uuid in ids.items()}
    columns = (
        ClassMembership.id,
        ClassMembership.klas,
        ClassMembership.account_uuid,
        ClassMembership.begindatum,
        ClassMembership.einddatum,
    )
    mine = and_(ClassMembership.instellingsnummer == instellingsnummer, ClassMembership.replaced_at.is_(None))
    kept, gone = 0, []
    for row in by_and_by(db, select(*columns).where(mine)):
        klas_id = names.get(row.klas)
        if klas_id and coming.take(row.account_uuid, klas_id, row.begindatum, row.einddatum):
            kept += 1
        else:
            gone.append(row.id)
    return kept, gone


def listing(db: Connection, instellingsnummer: str, today: date) -> tuple[SchoolKlas, ...]:
    """The classes of a school in which somebody sits today, by kind and code."""
    columns = (Klas.id, Klas.klas_id, Klas.code, Klas.naam, Klas.soort)
    seats = and_(ClassMembership.klas == Klas.id, visibility.current(ClassMembership, today))
    wanted = (
        select(*columns, func.count(ClassMembership.account_uuid.distinct()).label("members"))
        .join(ClassMembership, seats)
        .where(Klas.instellingsnummer == instellingsnummer)
        .group_by(*columns)
        .order_by(Klas.soort, func.lower(Klas.code), Klas.id)
    )
    return tuple(SchoolKlas(**row) for row in db.execute(wanted).mappings())


def _keep_classes(
    db: Connection, instellingsnummer: str, delivered: dict[str, DeliveredKlas], now: datetime
) -> tuple[dict[str, str], int, int]:
    """Insert and rename; returns Klas.id by klas_id, how many are new, how many changed."""
    columns = (Klas.id, Klas.klas_id, Klas.code, Klas.naam, Klas.soort)
    rows = db.execute(select(*columns).where(Klas.instellingsnummer == instellingsnummer)).all()
    standing = {row.klas_id: (row.id, (row.code, row.naam, row.soort)) for row in rows}
    ids, new, changed = {}, [], []
    for klas in delivered.values():
        words = {"code": klas.code, "naam": klas.naam, "soort": klas.soort, "changed_at": now}
        known = standing.get(klas.klas_id)
        ids[klas.klas_id] = known[0] if known else entropy.identifier()
        if known is None:
            key = {"id": ids[klas.klas_id], "instellingsnummer": instellingsnummer, "klas_id": klas.klas_id}
            new.append(key | words)
        elif known[1] != (klas.code, klas.naam, klas.soort):
            changed.append({"this": known[0]} | words)
    if new:
        db.execute(insert(Klas), new)
    if changed:
        db.execute(update(Klas).where(Klas.id == bindparam("this")), changed)
    return ids, len(new), len(changed)


def _lock(db: Connection, instellingsnummer: str) -> None:
    """A delivery and a director who stops sharing go one after the other."""
    mine = select(School.kind).where(School.instellingsnummer == instellingsnummer)
    if db.execute(mine.with_for_update()).first() is None:
        raise NotFound("school_unknown")


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
