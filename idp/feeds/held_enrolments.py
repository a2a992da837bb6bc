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
from idp.feeds.enrolment_plan import FIELDS, SchoolPlan
from idp.feeds.enrolment_rows import Official, RefusedRow, Row, SchoolRows
from idp.feeds.matching import People
from idp.feeds.problems import Problem
from idp.keys import Keys
from idp.models import Enrolment

DAYS = ("begindatum", "einddatum")
MOST_GROUPS = 60


@dataclass(frozen=True, kw_only=True)
class File:
    """What is remembered of the file that rows came in."""

    form: str
    sha256: str
    delta: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a held snapshot would change now."""

    school: SchoolPlan
    of_no_school: tuple[Problem, ...]
    """What is wrong with rows of its file that may be about this school."""
    today: date

    def sentences(self) -> Iterator[str]:
        """What the command line prints: no names, no numbers of people."""
        yield from self.school.in_numbers().sentences()
        for problem in (*self.of_no_school, *self.school.problems):
            yield f"{problem.weight} {problem.code}: {problem.sentence}"


def sealed(keys: Keys, file: File, found: SchoolRows) -> held.Sealed:
    """One school's part of a file, packed and encrypted."""
    return held.pack(keys, _lines(keys, file, found), len(found.rows))


def kept(house: House, db: Connection, delivery: str) -> tuple[File, SchoolRows]:
    """The same part again. Raises NotFound `hold_gone`."""
    waiting = held.find(db, delivery, kind=deliveries.ENROLMENTS)
    return _read(held.unpack(db, house.keys, delivery), waiting.instellingsnummer)


def load(house: House, db: Connection, delivery: str) -> Plan:
    """What a held snapshot would change now. Raises NotFound `hold_gone`."""
    file, found = kept(house, db, delivery)
    number, today = found.instellingsnummer, house.clock.today()
    school = enrolment_plan.plan_school(
        db,
        found,
        kind=enrolment_plan.known(db, [number])[number],
        people=People(house.keys.national_number, house.clock.now()),
        today=today,
        settings=house.settings,
        delta=file.delta,
    )
    return Plan(school=school, of_no_school=found.of_no_school, today=today)


# ---------------------------------------------------------------- in words


@dataclass(frozen=True, kw_only=True)
class Group:
    """An administratieve groep (with its name) whose pupils would change, by stamnummer."""

    name: str
    before: int
    after: int
    leave: tuple[str, ...]
    come: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As the command line and REST tell it."""
        return {
            "group": self.name,
            "before": self.before,
            "after": self.after,
            "leave": [*self.leave],
            "come": [*self.come],
        }


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


def _lines(keys: Keys, file: File, found: SchoolRows) -> Iterator[Any]:
    number = found.instellingsnummer
    refused: list[Any] = [[one.line, number, one.stamnummer] for one in found.refused_rows]
    refused += [[one.line, None, None] for one in found.of_no_school]
    yield {
        "format": file.form,
        "sha256": file.sha256,
        "delta": file.delta,
        "refused": refused,
        "problems": [[one.code, one.line, one.column] for one in (*found.problems, *found.of_no_school)],
    }
    for row in found.rows:
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


def _read(lines: Iterable[Any], number: str) -> tuple[File, SchoolRows]:
    head, *rows = lines
    told = [Problem(code=code, line=line, column=column) for code, line, column in head["problems"]]
    nowhere = {line for line, school, _stamnummer in head["refused"] if school is None}
    found = SchoolRows(
        instellingsnummer=number,
        rows=tuple(_row(cells, number) for cells in rows),
        refused_rows=tuple(
            RefusedRow(line=line, stamnummer=stamnummer)
            for line, school, stamnummer in head["refused"]
            if school is not None
        ),
        problems=tuple(one for one in told if one.line not in nowhere),
        of_no_school=tuple(one for one in told if one.line in nowhere),
    )
    return File(form=head["format"], sha256=head["sha256"], delta=head["delta"]), found


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
