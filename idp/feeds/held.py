"""Which deliveries wait for a person? What we need of their rows is kept sealed until somebody decides, seven days at most.

A newer delivery of the same school and kind ends the waiting, and so does a school that stops sharing (for classes): the
rows are deleted. What a row of each kind looks like is elsewhere: here for classes, in held_enrolments for enrolments.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from idp.audit import feeds as audit_feeds
from idp.context import House
from idp.errors import NotFound
from idp.feeds import deliveries
from idp.feeds.class_rows import Reading, RefusedRow, Row, Rows
from idp.feeds.problems import Problem
from idp.keys import Keys
from idp.models import Delivery, DeliveryState, HeldPart, Soort

PURPOSE = "held delivery"
PART = 192 * 1024
"""Packed bytes in one row of the table."""
DECLINED, REPLACED = "declined", "replaced"
GONE = "it does not wait (any more): decided, replaced by a newer one, or seven days old"


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """Rows as they are kept."""

    parts: tuple[bytes, ...]
    records: int


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A held delivery."""

    id: str
    kind: str
    """Of `deliveries`: classes, for the school to decide; or enrolments, for the operator."""
    instellingsnummer: str
    format: str
    received_at: datetime
    snapshot_at: datetime | None
    codes: tuple[str, ...]
    """Why it is held."""
    records: int


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What was kept of it."""

    reading: Reading
    words: Mapping[str, Any]
    """What `class_plan.plan` was told about who brought it."""


def sealed(keys: Keys, found: Reading, words: Mapping[str, Any]) -> Sealed:
    """The rows of a delivery of classes, packed and encrypted."""
    return pack(keys, _lines(found, words), len(found.rows))


def pack(keys: Keys, lines: Iterable[Any], records: int) -> Sealed:
    """Anything that JSON can say, line by line, packed and encrypted."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    content = packed.getvalue()
    parts = tuple(
        keys.keep(PURPOSE, base64.b64encode(content[start : start + PART]).decode()).encode()
        for start in range(0, len(content), PART)
    )
    return Sealed(parts=parts, records=records)


def keep(db: Connection, *, delivery: str, instellingsnummer: str, what: Sealed, now: datetime) -> None:
    """Let this delivery wait."""
    always = {"delivery": delivery, "instellingsnummer": instellingsnummer, "records": what.records}
    always |= {"held_at": now}
    db.execute(
        insert(HeldPart),
        [always | {"part": number, "sealed": part} for number, part in enumerate(what.parts)],
    )


def replace_older(
    db: Connection, *, instellingsnummer: str, delivery: str, kind: str = deliveries.CLASSES
) -> int:
    """A newer delivery is here: what waited for a person waits no more. Returns how many."""
    older = select(Delivery.id, Delivery.report).where(
        Delivery.instellingsnummer == instellingsnummer,
        Delivery.kind == kind,
        Delivery.state == DeliveryState.HELD,
        Delivery.id != delivery,
    )
    rows = db.execute(older).all()
    for row in rows:
        _end(db, row.id, row.report, REPLACED)
    return len(rows)


def waiting(
    db: Connection, instellingsnummer: str | None = None, kind: str | None = deliveries.CLASSES
) -> tuple[Waiting, ...]:
    """Deliveries that a person can still decide about, the newest first; `kind` None: of every kind."""
    records = select(HeldPart.records).where(HeldPart.delivery == Delivery.id, HeldPart.part == 0)
    query = (
        select(Delivery, records.scalar_subquery().label("records"))
        .where(Delivery.state == DeliveryState.HELD)
        .order_by(Delivery.received_at.desc(), Delivery.id.desc())
    )
    if kind is not None:
        query = query.where(Delivery.kind == kind)
    if instellingsnummer is not None:
        query = query.where(Delivery.instellingsnummer == instellingsnummer)
    columns = [*Delivery.__table__.columns, query.selected_columns["records"]]
    rows = db.execute(query.with_only_columns(*columns)).mappings()
    return tuple(_waiting(row) for row in rows if row["records"] is not None)


def find(
    db: Connection,
    delivery: str,
    instellingsnummer: str | None = None,
    kind: str | None = deliveries.CLASSES,
) -> Waiting:
    """Raises NotFound `hold_gone`: decided, replaced, purged, of another school or kind, or never there."""
    found = next((one for one in waiting(db, instellingsnummer, kind) if one.id == delivery), None)
    if found is None:
        raise NotFound("hold_gone", GONE)
    return found


def records(db: Connection, instellingsnummer: str) -> int:
    """How many rows of klasinformatie of this school wait."""
    mine = (HeldPart.instellingsnummer == instellingsnummer, HeldPart.part == 0)
    of_classes = select(Delivery.id).where(Delivery.kind == deliveries.CLASSES)
    query = select(func.coalesce(func.sum(HeldPart.records), 0)).where(*mine)
    return int(db.execute(query.where(HeldPart.delivery.in_(of_classes))).scalar_one())


def load(db: Connection, keys: Keys, delivery: str) -> Kept:
    """The rows of classes again. Raises NotFound `hold_gone`."""
    return _read(unpack(db, keys, delivery))


def unpack(db: Connection, keys: Keys, delivery: str) -> Iterator[Any]:
    """The lines of `pack` again. Raises NotFound `hold_gone`."""
    query = select(HeldPart.sealed).where(HeldPart.delivery == delivery).order_by(HeldPart.part)
    opened = [keys.kept(PURPOSE, part.decode()) for part in db.execute(query).scalars()]
    if not opened or None in opened:
        raise NotFound("hold_gone", GONE)
    content = b"".join(base64.b64decode(part or "") for part in opened)
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        yield from (json.loads(line) for line in file)


def decline(
    house: House, delivery: str, *, instellingsnummer: str, by: str, kind: str = deliveries.CLASSES
) -> None:
    """What is there stays, and the rows are deleted. Raises NotFound `hold_gone`. Needs `audit.circumstances`."""
    now = house.clock.now()
    work = partial(_decline, delivery=delivery, school=instellingsnummer, by=by, kind=kind, now=now)
    house.database.retrying(work)


def _decline(db: Connection, *, delivery: str, school: str, by: str, kind: str, now: datetime) -> None:
    deliveries.one_at_a_time(db)
    find(db, delivery, school, kind)
    report = db.execute(select(Delivery.report).where(Delivery.id == delivery)).scalar_one()
    _end(db, delivery, report, DECLINED)
    decided(db, delivery, by, now)
    audit_feeds.hold_decided(db, instellingsnummer=school, delivery=delivery, decision=DECLINED)


def decided(db: Connection, delivery: str, by: str, now: datetime) -> None:
    """Remember who looked, and when; the rows are not needed any more."""
    values = {"decided_at": now, "decided_by": by[:100]}
    db.execute(update(Delivery).where(Delivery.id == delivery).values(values))
    db.execute(delete(HeldPart).where(HeldPart.delivery == delivery))


def _end(db: Connection, delivery: str, report: Mapping[str, Any], code: str) -> None:
    told = dict(report) | {"problems": [Problem(code=code).stored()], "problem_counts": {code: 1}}
    ended = {"state": DeliveryState.REFUSED, "report": told}
    db.execute(update(Delivery).where(Delivery.id == delivery).values(ended))
    db.execute(delete(HeldPart).where(HeldPart.delivery == delivery))


def _waiting(row: Mapping[Any, Any]) -> Waiting:
    return Waiting(
        id=row["id"],
        kind=row["kind"],
        instellingsnummer=row["instellingsnummer"],
        format=row["format"],
        received_at=row["received_at"],
        snapshot_at=row["snapshot_at"],
        codes=tuple(hold["code"] for hold in row["report"].get("holds", ())),
        records=row["records"],
    )


# ---------------------------------------------------------------- rows as text


def _lines(found: Reading, words: Mapping[str, Any]) -> Iterator[Any]:
    head = {"format": found.format, "sha256": found.sha256, "ignored": found.ignored, "words": dict(words)}
    told = [[one.code, one.line, one.column] for one in found.problems]
    refused = [[r.line, r.stamnummer, r.leerid_uuid, r.account_uuid] for r in found.refused_rows]
    yield head | {"problems": told, "refused": refused}
    for row in found.rows:
        yield [
            row.line,
            row.instellingsnummer,
            row.stamnummer,
            row.leerid_uuid,
            row.account_uuid,
            row.klas_id,
            row.klascode,
            row.klasnaam,
            row.soort.value,
            row.begindatum.isoformat() if row.begindatum else None,
            row.einddatum.isoformat() if row.einddatum else None,
        ]


def _read(lines: Iterable[Any]) -> Kept:
    head, *rows = lines
    found = Rows()
    for row in rows:
        found.add(_row(row))
    reading = Reading(
        rows=found,
        refused_rows=tuple(
            RefusedRow(line=line, stamnummer=stamnummer, leerid_uuid=leerid, account_uuid=account)
            for line, stamnummer, leerid, account in head["refused"]
        ),
        problems=tuple(
            Problem(code=code, line=line, column=column) for code, line, column in head["problems"]
        ),
        ignored=head["ignored"],
        format=head["format"],
        sha256=head["sha256"],
    )
    return Kept(reading=reading, words=head["words"])


def _row(cells: Sequence[Any]) -> Row:
    line, school, stamnummer, leerid_uuid, account_uuid, klas_id, code, naam, soort, begin, end = cells
    return Row(
        line=line,
        instellingsnummer=school,
        stamnummer=stamnummer,
        leerid_uuid=leerid_uuid,
        account_uuid=account_uuid,
        klas_id=klas_id,
        klascode=code,
        klasnaam=naam,
        soort=Soort(soort),
        begindatum=date.fromisoformat(begin) if begin else None,
        einddatum=date.fromisoformat(end) if end else None,
    )
