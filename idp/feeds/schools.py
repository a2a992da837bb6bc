"""Which schools are there, and which administrative package does each have? `instellingsnummer;naam;pakket`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection, bindparam, insert, select, update

from idp import apart
from idp.context import House
from idp.feeds import deliveries, lists, problems, reading
from idp.feeds.cells import Cells
from idp.feeds.matching import chunks
from idp.feeds.problems import Problem, Weight
from idp.models import DeliveryState, School, SchoolKind

PACKAGES = ("wisa", "informat", "broekx", "oneroster", "leersleutel")
COLUMNS = reading.Columns(required=frozenset({"instellingsnummer", "naam"}), optional=frozenset({"pakket"}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    line: int
    instellingsnummer: str
    naam: str
    pakket: str | None
    """None: not named (yet); a package that is known stays."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a list of schools changes. A school that is not in it stays as it is."""

    reading: lists.Listed[Row] = field(repr=False)
    kind: SchoolKind
    add: tuple[Row, ...] = ()
    change: tuple[Row, ...] = ()
    keep: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def refused(self) -> Problem | None:
        return self.reading.refused

    @property
    def counts(self) -> dict[str, int]:
        refused = sum(1 for problem in self.problems if problem.weight is Weight.ROW)
        return {"add": len(self.add), "change": len(self.change), "keep": self.keep, "refused": refused}

    def sentences(self) -> Iterator[str]:
        """What the command line prints."""
        if self.refused:
            yield f"refused ({self.refused.code}): {self.refused.sentence}"
            return
        yield "schools: " + ", ".join(f"{name} {count}" for name, count in self.counts.items() if count)
        for problem in self.problems:
            yield f"{problem.weight} {problem.code}: {problem.sentence}"


def read(source: reading.Source) -> lists.Listed[Row]:
    """Read a list of schools. Never raises for what is in it."""
    return lists.read(source, COLUMNS, _row)


def plan(db: Connection, found: lists.Listed[Row], *, kind: SchoolKind = SchoolKind.REAL) -> Plan:
    """Compare with the schools that are there. `kind` counts for new schools: it never changes afterwards."""
    if found.refused:
        return Plan(reading=found, kind=kind, problems=found.problems)
    there: dict[str, tuple[str, str | None]] = {}
    columns = (School.instellingsnummer, School.naam, School.pakket)
    for some in chunks({row.instellingsnummer for row in found.rows}):
        query = select(*columns).where(School.instellingsnummer.in_(some))
        there |= {number: (naam, pakket) for number, naam, pakket in db.execute(query)}
    add, change, keep = [], [], 0
    told, seen = list(found.problems), set()
    for row in found.rows:
        if row.instellingsnummer in seen:
            told.append(Problem(code="school_twice", line=row.line, column="instellingsnummer"))
            continue
        seen.add(row.instellingsnummer)
        if apart.is_reserved(row.instellingsnummer):
            told.append(Problem(code="reserved_number", line=row.line, column="instellingsnummer"))
            continue
        known = there.get(row.instellingsnummer)
        if known is None:
            add.append(row)
        elif known != (row.naam, row.pakket or known[1]):
            change.append(row)
        else:
            keep += 1
    return Plan(
        reading=found,
        kind=kind,
        add=tuple(add),
        change=tuple(change),
        keep=keep,
        problems=tuple(sorted(told, key=lambda problem: problem.line or 0)),
    )


def apply(house: House, planned: Plan) -> Plan:
    """Execute in one transaction; returns what was done. The same list again changes nothing."""
    return house.database.retrying(partial(_apply, house=house, planned=planned))


def _apply(db: Connection, *, house: House, planned: Plan) -> Plan:
    deliveries.one_at_a_time(db)
    fresh, now = plan(db, planned.reading, kind=planned.kind), house.clock.now()
    for row in fresh.add:
        values = {"instellingsnummer": row.instellingsnummer, "naam": row.naam, "pakket": row.pakket}
        db.execute(insert(School), values | {"kind": fresh.kind, "created_at": now})
    by_number = School.instellingsnummer == bindparam("this")
    for row in fresh.change:
        named = {"naam": row.naam} | ({"pakket": row.pakket} if row.pakket else {})
        db.execute(update(School).where(by_number).values(**named), {"this": row.instellingsnummer})
    deliveries.record(
        db,
        kind=deliveries.SCHOOLS,
        form=fresh.reading.format,
        sha256=fresh.reading.sha256,
        state=DeliveryState.REFUSED if fresh.refused else DeliveryState.APPLIED,
        report=problems.stored(fresh.problems) | {"counts": fresh.counts},
        now=now,
    )
    return fresh


def _row(cells: Cells, line: int) -> Row:
    return Row(
        line=line,
        instellingsnummer=cells.school(),
        naam=cells.required("naam", 200),
        pakket=cells.word("pakket", PACKAGES, required=False),
    )
