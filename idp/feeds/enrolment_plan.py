"""What does a file of enrolments change? A plan per school, made by comparing; nothing is written here.

A file is a full snapshot of every school that has a usable row in it (or, with `delta`, only additions and
changes). What a snapshot no longer names ends; what it names in a refused row stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from idp import models
from idp.config import Settings
from idp.feeds.enrolment_rows import Reading, Row
from idp.feeds.matching import Known, Merge, People, chunks
from idp.feeds.problems import Problem, RowRefused, Weight
from idp.keys import Keys
from idp.models import Enrolment, School, SchoolKind

SUMMER = ((6, 15), (9, 30))
"""Between these days (month, day) enrolments end by the hundreds, and nobody needs to look."""
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
Period = Mapping[str, Any]


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

    def sentence(self) -> str:
        """The counts, for the command line."""
        counts = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.counts.items() if n)
        return f"{self.instellingsnummer}: {counts or 'nothing'}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a file changes; what `--dry-run` prints and a person confirms."""

    reading: Reading = field(repr=False)
    today: date
    delta: bool
    schools: tuple[SchoolPlan, ...]
    problems: tuple[Problem, ...]
    """Of rows that belong to no school we know."""

    @property
    def refused(self) -> Problem | None:
        return self.reading.refused

    @property
    def held(self) -> tuple[str, ...]:
        """Schools that wait for a person."""
        return tuple(school.instellingsnummer for school in self.schools if school.holds)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong with the file, by line."""
        every = [*self.problems, *(problem for school in self.schools for problem in school.problems)]
        return tuple(sorted(every, key=lambda problem: problem.line or 0))

    def sentences(self) -> Iterator[str]:
        """What the command line prints: no names, no numbers of people."""
        if self.refused:
            yield f"refused ({self.refused.code}): {self.refused.sentence}"
            return
        for school in self.schools:
            yield school.sentence()
            for hold in school.holds:
                yield f"{school.instellingsnummer}: held ({hold.code}): {hold.sentence}"
        for problem in self.all_problems:
            yield f"{problem.weight} {problem.code}: {problem.sentence}"


def plan(
    db: Connection,
    found: Reading,
    *,
    today: date,
    now: datetime,
    settings: Settings,
    keys: Keys,
    delta: bool = False,
) -> Plan:
    """Compare a file with what is there. Changes nothing."""
    if found.refused:
        return Plan(reading=found, today=today, delta=delta, schools=(), problems=found.problems)
    kinds = _kinds(
        db, {*found.schools, *(r.instellingsnummer for r in found.refused_rows if r.instellingsnummer)}
    )
    lines = {r.line: r.instellingsnummer for r in found.refused_rows}
    lines |= {row.line: row.instellingsnummer for rows in found.schools.values() for row in rows}
    of_school: dict[str | None, list[Problem]] = {}
    for problem in found.problems:
        school = lines.get(problem.line or 0)
        of_school.setdefault(school if school in kinds and school in found.schools else None, []).append(
            problem
        )
    strangers = of_school.pop(None, [])
    for number, rows in found.schools.items():
        if number not in kinds:
            strangers += [
                Problem(code="unknown_school", line=row.line, column="instellingsnummer") for row in rows
            ]
    people = People(keys.national_number, now)
    schools = tuple(
        plan_school(
            db,
            found,
            number,
            kind=kinds[number],
            people=people,
            today=today,
            settings=settings,
            delta=delta,
            problems=of_school.get(number, ()),
        )
        for number in found.schools
        if number in kinds
    )
    return Plan(
        reading=found,
        today=today,
        delta=delta,
        schools=schools,
        problems=tuple(sorted(strangers, key=lambda problem: problem.line or 0)),
    )


def plan_school(
    db: Connection,
    found: Reading,
    number: str,
    *,
    kind: SchoolKind,
    people: People,
    today: date,
    settings: Settings,
    delta: bool,
    problems: Iterable[Problem] = (),
) -> SchoolPlan:
    """The same for one school of the file, as it is now in the database."""
    rows = found.schools[number]
    there = _enrolments(db, number)
    by_stamnummer: dict[str, list[Period]] = {}
    for period in there:
        by_stamnummer.setdefault(period["stamnummer"], []).append(period)
    people.meet(db, rows, {period["account_uuid"] for period in there})
    told = [problem for problem in problems if problem.code not in _PLANNED]
    named = {r.stamnummer for r in found.refused_rows if r.instellingsnummer == number}
    usable: list[tuple[Row, str]] = []
    holders = {stamnummer: some[-1]["account_uuid"] for stamnummer, some in by_stamnummer.items()}
    for row in sorted(rows, key=lambda row: (row.stamnummer not in by_stamnummer, row.line)):
        here = by_stamnummer.get(row.stamnummer, [])
        try:
            if kind is SchoolKind.SANDBOX and row.numbered:
                raise RowRefused("sandbox_school")  # noqa: TRY301 - one place for every refusal
            pupil = people.match(row, holders.get(row.stamnummer))
        except RowRefused as fault:
            told.append(Problem(code=fault.code, line=row.line, column=fault.column))
            named.add(row.stamnummer)
            continue
        if here and not row.numbered and _another_name(row, here[-1]):
            told.append(Problem(code="other_name", line=row.line, column="naam"))
        usable.append((row, holders.setdefault(row.stamnummer, pupil.account_uuid)))
    matched = _matched([row for row, _ in usable], by_stamnummer)
    add = [Add(account_uuid=people.final(uuid), row=row) for row, uuid in usable if row.line not in matched]
    change = [
        Change(id=matched[row.line]["id"], row=row)
        for row, _ in usable
        if row.line in matched and _differs(row, matched[row.line])
    ]
    gone = _gone(there, {period["id"] for period in matched.values()}, today) if not delta else []
    unclear = any(
        r.instellingsnummer is None or (r.instellingsnummer == number and r.stamnummer is None)
        for r in found.refused_rows
    )
    missing = len(gone)
    gone = [period for period in gone if not unclear and period["stamnummer"] not in named]
    lost = _lost(there, gone, change, today)
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


_PLANNED = frozenset({"number_conflict", "sandbox_school", "other_name"})
"""Problems that only a plan can see: made anew each time."""


def _kinds(db: Connection, numbers: set[str]) -> dict[str, SchoolKind]:
    found: dict[str, SchoolKind] = {}
    for some in chunks(numbers):
        query = select(School.instellingsnummer, School.kind).where(School.instellingsnummer.in_(some))
        found |= {row.instellingsnummer: row.kind for row in db.execute(query)}
    return found


def _enrolments(db: Connection, number: str) -> Sequence[Period]:
    """Every enrolment at a school, also those that ended: a stamnummer is never another pupil's."""
    table: Any = models.Enrolment.__table__
    query = select(table).where(Enrolment.instellingsnummer == number).order_by(Enrolment.begindatum)
    return [dict(row) for row in db.execute(query).mappings()]


def _matched(rows: list[Row], there: Mapping[str, list[Period]]) -> dict[int, Period]:
    """The period that a row is about, by line: one that begins the same day, else one that overlaps."""
    matched: dict[int, Period] = {}
    taken: set[str] = set()
    for same_begin in (True, False):
        for row in rows:
            if row.line in matched:
                continue
            for period in there.get(row.stamnummer, ()):
                fits = period["begindatum"] == row.begindatum if same_begin else _overlaps(row, period)
                if fits and period["id"] not in taken:
                    matched[row.line] = period
                    taken.add(period["id"])
                    break
    return matched


def _gone(there: Sequence[Period], matched: set[str], today: date) -> list[Period]:
    """Running and coming enrolments that the snapshot no longer has."""
    return [period for period in there if period["einddatum"] >= today and period["id"] not in matched]


def _lost(there: Sequence[Period], gone: list[Period], change: list[Change], today: date) -> int:
    """How many enrolments are active today and would not be after this."""
    ended = {period["id"] for period in gone}
    ended |= {c.id for c in change if not c.row.begindatum <= today <= c.row.einddatum}
    return sum(1 for period in there if _covers(period, today) and period["id"] in ended)


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


def _overlaps(row: Row, period: Period) -> bool:
    return bool(row.begindatum <= period["einddatum"] and period["begindatum"] <= row.einddatum)


def _differs(row: Row, period: Period) -> bool:
    return any(getattr(row, name) != period[name] for name in FIELDS)


def _another_name(row: Row, period: Period) -> bool:
    voornaam, naam = str(period["voornaam"]), str(period["naam"])
    return row.voornaam.casefold() != voornaam.casefold() and row.naam.casefold() != naam.casefold()
