"""What is kept of the enrolments of a school that wait for a person, and what would they change?

The rows are sealed like those of classes (idp/feeds/held.py). National numbers are not among them, not even sealed: their
keyed digests find the pupil just as well. Operators decide; the school itself has nothing to do with this list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from idp import entropy
from idp.context import House
from idp.feeds import deliveries, enrolment_plan, held
from idp.feeds.enrolment_plan import FIELDS, Plan, SchoolPlan
from idp.feeds.enrolment_rows import Official, Reading, RefusedRow, Row
from idp.feeds.problems import Problem
from idp.keys import Keys
from idp.models import Enrolment

DAYS = ("begindatum", "einddatum")
MOST_GROUPS = 60


def sealed(keys: Keys, plan: Plan, number: str) -> held.Sealed:
    """One school's part of a file, packed and encrypted."""
    rows = plan.reading.schools[number]
    return held.pack(keys, _lines(keys, plan, number), len(rows))


def load(house: House, db: Connection, delivery: str) -> Plan:
    """What a held snapshot would change now. Raises NotFound `hold_gone`."""
    waiting = held.find(db, delivery, kind=deliveries.ENROLMENTS)
    found, delta = _read(held.unpack(db, house.keys, delivery), waiting.instellingsnummer)
    return enrolment_plan.plan(
        db,
        found,
        today=house.clock.today(),
        now=house.clock.now(),
        settings=house.settings,
        keys=house.keys,
        delta=delta,
    )


# ---------------------------------------------------------------- in words


@dataclass(frozen=True, kw_only=True)
class Group:
    """An administratieve groep (with its name) whose pupils would change, by stamnummer."""

    name: str
    before: int
    after: int
    leave: tuple[str, ...]
    come: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Groups that would change, those that lose most first."""

    groups: tuple[Group, ...]
    others: int
    """Changed groups that are not shown."""


def difference(db: Connection, school: SchoolPlan, today: date) -> Difference:
    """Who is enrolled today, and who would be."""
    columns = (Enrolment.id, Enrolment.stamnummer, Enrolment.administratieve_groep)
    query = select(*columns, Enrolment.begindatum, Enrolment.einddatum)
    gone = {*school.remove, *(end.id for end in school.end)}
    changes = {change.id: change.row for change in school.change}
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    for there in db.execute(query.where(Enrolment.instellingsnummer == school.instellingsnummer)):
        _seat(before, there, today)
        if there.id not in gone:
            _seat(after, changes.get(there.id, there), today)
    for add in school.add:
        _seat(after, add.row, today)
    changed = [
        Group(
            name=name,
            before=len(old := before.get(name, set())),
            after=len(new := after.get(name, set())),
            leave=tuple(sorted(old - new)),
            come=tuple(sorted(new - old)),
        )
        for name in {*before, *after}
        if before.get(name) != after.get(name)
    ]
    changed.sort(key=lambda one: (-len(one.leave), one.name))
    return Difference(groups=tuple(changed[:MOST_GROUPS]), others=max(0, len(changed) - MOST_GROUPS))


def _seat(seats: dict[str, set[str]], one: Any, today: date) -> None:
    if one.begindatum <= today <= one.einddatum:
        seats.setdefault(one.administratieve_groep, set()).add(one.stamnummer)


# ---------------------------------------------------------------- rows as text


def _lines(keys: Keys, plan: Plan, number: str) -> Iterator[Any]:
    found = plan.reading
    refused = [one for one in found.refused_rows if one.instellingsnummer in {number, None}]
    lines = {row.line for row in found.schools[number]} | {one.line for one in refused}
    yield {
        "format": found.format,
        "sha256": found.sha256,
        "delta": plan.delta,
        "refused": [[one.line, one.instellingsnummer, one.stamnummer] for one in refused],
        "problems": [[one.code, one.line, one.column] for one in found.problems if one.line in lines],
    }
    for row in found.schools[number]:
        yield _kept(keys, row)


def _kept(keys: Keys, row: Row) -> dict[str, Any]:
    digest = partial(entropy.keyed_digest, keys.national_number)
    kept: dict[str, Any] = {name: getattr(row, name) for name in FIELDS}
    kept |= {name: kept[name].isoformat() for name in DAYS}
    kept |= {"line": row.line, "stamnummer": row.stamnummer}
    kept["digests"] = [*row.digests, *map(digest, row.numbers)]
    if row.official is not None:
        born = row.official.geboortedatum
        said = {field.name: getattr(row.official, field.name) for field in fields(Official)}
        kept["official"] = said | {"geboortedatum": born.isoformat() if born else None}
    return kept


def _read(lines: Iterable[Any], number: str) -> tuple[Reading, bool]:
    head, *rows = lines
    reading = Reading(
        schools={number: tuple(_row(cells, number) for cells in rows)},
        refused_rows=tuple(
            RefusedRow(line=line, instellingsnummer=school, stamnummer=stamnummer)
            for line, school, stamnummer in head["refused"]
        ),
        problems=tuple(
            Problem(code=code, line=line, column=column) for code, line, column in head["problems"]
        ),
        refused=None,
        records=len(rows) + len(head["refused"]),
        format=head["format"],
        sha256=head["sha256"],
    )
    return reading, head["delta"]


def _row(cells: Mapping[str, Any], number: str) -> Row:
    words = {name: cells[name] for name in ("line", "stamnummer", *FIELDS) if name not in DAYS}
    row = Row(
        instellingsnummer=number,
        numbers=(),
        digests=tuple(cells["digests"]),
        official=None,
        begindatum=date.fromisoformat(cells["begindatum"]),
        einddatum=date.fromisoformat(cells["einddatum"]),
        **words,
    )
    said = cells.get("official")
    if said is None:
        return row
    born = date.fromisoformat(said["geboortedatum"]) if said["geboortedatum"] else None
    return replace(row, official=Official(**said | {"geboortedatum": born}))
