"""What does a file of enrolments change? A plan per school, made by comparing; nothing is written here.

A file is a full snapshot of every school that has a usable row in it (or, with `delta`, only additions and
changes). What a snapshot no longer names ends; what it names in a refused row stays as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from idp import models
from idp.config import Settings
from idp.feeds import periods
from idp.feeds.enrolment_rows import Reading, RefusedRow, Row, SchoolRows
from idp.feeds.matching import Known, Merge, People, chunks
from idp.feeds.problems import Problem, RowRefused, Weight
from idp.models import Enrolment, School, SchoolKind

SUMMER = ((6, 15), (9, 30))
"""Between these days (month, day) enrolments end by the hundreds, and nobody needs to look."""
PAUSE = timedelta(days=7)
"""Between two groups of a pupil who changes from one to the other: a weekend, and a little more."""
FIELDS = (
    "voornaam",
    "naam",
    "hoofdstructuur",
    "administratieve_groep",
    "administratieve_groep_code",
    "leerjaar",
    "vestigingsplaats",
    "begindatum",
    "einddatum",
)
MOST_STRAYS = 1_000
"""More rows of schools that are not there are no slip."""
Period = Mapping[str, Any]
Name = tuple[str, str]
Strays = Mapping[str, Mapping[Name, int]]
"""Stamnummer → name → line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Why a person must look first."""

    code: str
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Add:
    account_uuid: str
    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    id: str
    row: Row


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    id: str
    einddatum: date


@dataclass(frozen=True, kw_only=True)
class SchoolPlan:
    """What the file changes at one school."""

    instellingsnummer: str
    pupils: tuple[Known, ...] = ()
    """New pupils."""
    pupils_changed: tuple[Known, ...] = ()
    merges: tuple[Merge, ...] = ()
    add: tuple[Add, ...] = ()
    change: tuple[Change, ...] = ()
    end: tuple[End, ...] = ()
    remove: tuple[str, ...] = ()
    """Enrolments that had not begun."""
    keep: int = 0
    spared: int = 0
    """Enrolments that are not in a usable row, and stay because a refused row may be about them."""
    refused: int = 0
    holds: tuple[Hold, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Numbers for the audit, the report and the screen."""
        return {
            "new_pupils": len(self.pupils),
            "merged_pupils": len(self.merges),
            "changed_pupils": len(self.pupils_changed),
            "add": len(self.add),
            "change": len(self.change),
            "end": len(self.end) + len(self.remove),
            "keep": self.keep,
            "spared": self.spared,
            "refused": self.refused,
        }

    def in_numbers(self) -> SchoolCounts:
        return SchoolCounts(instellingsnummer=self.instellingsnummer, counts=self.counts, holds=self.holds)


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolCounts:
    """A plan of a school in numbers: what is kept of it when the next school is looked at."""

    instellingsnummer: str
    counts: Mapping[str, int]
    holds: tuple[Hold, ...]

    def sentences(self) -> Iterator[str]:
        """What the command line prints: no names, no numbers of people."""
        counts = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.counts.items() if n)
        yield f"{self.instellingsnummer}: {counts or 'nothing'}"
        for hold in self.holds:
            yield f"{self.instellingsnummer}: held ({hold.code}): {hold.sentence}"


def each(
    db: Connection,
    found: Reading,
    *,
    today: date,
    settings: Settings,
    people: People,
    delta: bool = False,
) -> Iterator[SchoolPlan]:
    """Compare a file with what is there, school by school. Changes nothing, so `people` remembers what would have."""
    there = known(db, found.numbers)
    stray = strays(found, there)
    for number, kind in there.items():
        said = with_strays(db, found.school(number), stray)
        yield plan_school(db, said, kind=kind, people=people, today=today, settings=settings, delta=delta)


def strangers(found: Reading, schools: Collection[str]) -> Iterator[Problem]:
    """What is wrong with rows that belong to no school of these."""
    for number in (*found.others(), *(one for one in found.numbers if one not in schools)):
        said = found.school(number)
        yield from said.problems
        for row in said.rows:
            yield Problem(code="unknown_school", line=row.line, column="instellingsnummer")


def strays(found: Reading, schools: Collection[str]) -> Strays:
    """Who stands in rows of schools that are not there: when a number was mistyped, they are of another one."""
    lost: dict[str, dict[Name, int]] = {}
    rows = (row for number in found.numbers if number not in schools for row in found.school(number).rows)
    for row in islice(rows, MOST_STRAYS):
        lost.setdefault(row.stamnummer, {})[_called(row)] = row.line
    return lost


def with_strays(db: Connection, found: SchoolRows, stray: Strays) -> SchoolRows:
    """The same, with strays who are enrolled at this school by stamnummer and name as refused rows: nobody's ends by them."""
    mine: dict[str, RefusedRow] = {}
    columns = (Enrolment.stamnummer, Enrolment.voornaam, Enrolment.naam)
    here = Enrolment.instellingsnummer == found.instellingsnummer
    for some in chunks(stray):
        for one in db.execute(select(*columns).where(here, Enrolment.stamnummer.in_(some))):
            line = stray[one.stamnummer].get(_called(one))
            if line is not None:
                mine[one.stamnummer] = RefusedRow(line=line, stamnummer=one.stamnummer)
    return replace(found, refused_rows=(*found.refused_rows, *mine.values()))


def _called(one: Any) -> Name:
    return one.voornaam.casefold(), one.naam.casefold()


def plan_school(
    db: Connection,
    found: SchoolRows,
    *,
    kind: SchoolKind,
    people: People,
    today: date,
    settings: Settings,
    delta: bool,
) -> SchoolPlan:
    """The same for one school of the file, as it is now in the database."""
    number, rows = found.instellingsnummer, found.rows
    if kind is SchoolKind.SANDBOX:
        told = [Problem(code="sandbox_school", line=row.line) for row in rows]
        return SchoolPlan(instellingsnummer=number, refused=len(told), problems=tuple(told))
    there = _enrolments(db, number)
    by_stamnummer: dict[str, list[Period]] = {}
    for period in there:
        by_stamnummer.setdefault(period["stamnummer"], []).append(period)
    people.meet(db, rows, {period["account_uuid"] for period in there})
    told = list(found.problems)
    named = {refused.stamnummer for refused in found.refused_rows}
    usable: list[tuple[Row, str]] = []
    holders = {stamnummer: some[-1]["account_uuid"] for stamnummer, some in by_stamnummer.items()}
    for row in sorted(rows, key=lambda row: (row.stamnummer not in by_stamnummer, row.line)):
        here = by_stamnummer.get(row.stamnummer, [])
        try:
            pupil = people.match(row, holders.get(row.stamnummer))
        except RowRefused as fault:
            told.append(Problem(code=fault.code, line=row.line, column=fault.column))
            named.add(row.stamnummer)
            continue
        if here and not row.numbered and _another_name(row, here[-1]):
            told.append(Problem(code="other_name", line=row.line, column="naam"))
        usable.append((row, holders.setdefault(row.stamnummer, pupil.account_uuid)))
    fits = (_same_begin, _overlaps)
    matched = periods.matched([row for row, _ in usable], by_stamnummer, lambda row: row.stamnummer, fits)
    add = [Add(account_uuid=people.final(uuid), row=row) for row, uuid in usable if row.line not in matched]
    change = [
        Change(id=matched[row.line]["id"], row=row)
        for row, _ in usable
        if row.line in matched and _differs(row, matched[row.line])
    ]
    gone = _gone(there, {period["id"] for period in matched.values()}, today) if not delta else []
    unclear = bool(found.of_no_school) or None in named
    missing = len(gone)
    gone = [period for period in gone if not unclear and period["stamnummer"] not in named]
    lost = _lost(there, gone, change, [row for row, _ in usable], today)
    return SchoolPlan(
        instellingsnummer=number,
        pupils=tuple(people.created.values()),
        pupils_changed=tuple(people.changed.values()),
        merges=tuple(people.merges),
        add=tuple(add),
        change=tuple(change),
        end=tuple(
            End(id=period["id"], einddatum=today - timedelta(days=1))
            for period in gone
            if period["begindatum"] < today
        ),
        remove=tuple(period["id"] for period in gone if period["begindatum"] >= today),
        keep=len(matched) - len(change),
        spared=missing - len(gone),
        refused=sum(1 for problem in told if problem.weight is Weight.ROW),
        holds=tuple(_holds(lost, sum(_covers(period, today) for period in there), today, settings)),
        problems=tuple(sorted(told, key=lambda problem: problem.line or 0)),
    )


def known(db: Connection, numbers: Iterable[str]) -> dict[str, SchoolKind]:
    """The schools among these that there are, in order."""
    found: dict[str, SchoolKind] = {}
    for some in chunks(numbers):
        query = select(School.instellingsnummer, School.kind).where(School.instellingsnummer.in_(some))
        query = query.order_by(School.instellingsnummer)
        found |= {row.instellingsnummer: row.kind for row in db.execute(query)}
    return found


def _enrolments(db: Connection, number: str) -> Sequence[Period]:
    """Every enrolment at a school, also those that ended: a stamnummer is never another pupil's."""
    table: Any = models.Enrolment.__table__
    query = select(table).where(Enrolment.instellingsnummer == number).order_by(Enrolment.begindatum)
    return [dict(row) for row in db.execute(query).mappings()]


def _gone(there: Sequence[Period], matched: set[str], today: date) -> list[Period]:
    """Running and coming enrolments that the snapshot no longer has."""
    return [period for period in there if period["einddatum"] >= today and period["id"] not in matched]


def _lost(
    there: Sequence[Period], gone: list[Period], change: list[Change], rows: list[Row], today: date
) -> int:
    """How many enrolments are active today and would not be after this, or not until the day that was known."""
    said: dict[str, list[Row]] = {}
    for row in rows:
        said.setdefault(row.stamnummer, []).append(row)
    before = {period["id"]: period for period in there}
    ended = {period["id"] for period in gone}
    for one in change:
        runs = one.row.begindatum <= today <= one.row.einddatum
        if not runs or _cut_short(one.row, before[one.id], said[one.row.stamnummer]):
            ended.add(one.id)
    return sum(1 for period in there if _covers(period, today) and period["id"] in ended)


def _cut_short(row: Row, period: Period, rows: list[Row]) -> bool:
    """Would it end earlier, and is the pupil in no other group from then on?"""
    until = period["einddatum"]
    goes_on = (one.begindatum <= row.einddatum + PAUSE and one.einddatum >= until for one in rows)
    return row.einddatum < until and not any(goes_on)


def _holds(lost: int, active: int, today: date, settings: Settings) -> Iterator[Hold]:
    if SUMMER[0] <= (today.month, today.day) <= SUMMER[1]:
        return
    if lost >= settings.hold_ended_least and lost > settings.hold_ended_share * active:
        yield Hold(
            code="many_enrolments_end",
            sentence=f"{lost} of {active} active enrolments would end before their end date.",
        )


def _covers(period: Period, day: date) -> bool:
    return bool(period["begindatum"] <= day <= period["einddatum"])


def _same_begin(row: Row, period: Period) -> bool:
    return bool(row.begindatum == period["begindatum"])


def _overlaps(row: Row, period: Period) -> bool:
    return bool(row.begindatum <= period["einddatum"] and period["begindatum"] <= row.einddatum)


def _differs(row: Row, period: Period) -> bool:
    return any(getattr(row, name) != period[name] for name in FIELDS)


def _another_name(row: Row, period: Period) -> bool:
    voornaam, naam = str(period["voornaam"]), str(period["naam"])
    return row.voornaam.casefold() != voornaam.casefold() and row.naam.casefold() != naam.casefold()
