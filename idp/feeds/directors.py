"""Who directs which school? The weekly list of sent *directeursopdrachten* makes LeerID-databeheerders.

A right runs through the end date of the assignment, or of an explicit end row. Who is missing without an end is
reported, not removed: the end date of the assignment is the end date of the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert, select, update

from idp import audit, entropy
from idp.audit import feeds as audit_feeds
from idp.audit import staff as audit_staff
from idp.context import House
from idp.feeds import deliveries, lists, periods, problems, reading
from idp.feeds.cells import Cells
from idp.feeds.problems import Problem, RowRefused, Weight
from idp.models import DeliveryState, Person, Right, RightKind, School, SchoolKind

COLUMNS = reading.Columns(
    required=frozenset(
        {
            "instellingsnummer",
            "persoon_id",
            "voornaam",
            "naam",
            "e_mail",
            "aanstelling",
            "begindatum",
            "einddatum",
        }
    )
)
VAST, TIJDELIJK = "vast", "tijdelijk"
MAXIMUM_VALIDITY = timedelta(days=3652)
"""A permanent appointment has no end; its right does, ten years after it was last renewed."""
RENEWED_BEFORE = timedelta(days=365)
"""… and while the director stays on the list, it is renewed in its last year."""
SOURCE = "directeursopdracht"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    line: int
    instellingsnummer: str
    persoon_id: str
    voornaam: str = field(repr=False)
    naam: str = field(repr=False)
    e_mail: str | None = field(repr=False)
    begindatum: date
    einddatum: date | None
    """None: permanent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    row: Row
    einddatum: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    id: str
    begindatum: date
    einddatum: date


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a list of directors changes."""

    reading: lists.Listed[Row] = field(repr=False)
    today: date
    persons: tuple[Row, ...] = field(default=(), repr=False)
    """New people, and people whose name or address changed."""
    give: tuple[Given, ...] = ()
    change: tuple[Changed, ...] = ()
    keep: int = 0
    missing: tuple[tuple[str, str], ...] = ()
    """Running rights (instellingsnummer, person_id) that the list does not have: for the operator to look at."""
    stopped: tuple[tuple[str, str, date], ...] = ()
    """Who has no right at a school any more, and had one until that day."""
    revived: tuple[tuple[str, str], ...] = ()
    """Whose right at a school had ended, and runs again."""
    problems: tuple[Problem, ...] = ()

    @property
    def refused(self) -> Problem | None:
        return self.reading.refused

    @property
    def counts(self) -> dict[str, int]:
        counts = {"give": len(self.give), "change": len(self.change), "keep": self.keep}
        counts |= {"persons": len(self.persons), "missing": len(self.missing)}
        return counts | {"refused": sum(1 for problem in self.problems if problem.weight is Weight.ROW)}

    def sentences(self) -> Iterator[str]:
        """What the command line prints: person ids, no names."""
        if self.refused:
            yield f"refused ({self.refused.code}): {self.refused.sentence}"
            return
        yield "directors: " + ", ".join(f"{name} {count}" for name, count in self.counts.items() if count)
        for school, person in self.missing:
            yield f"{school}: {person} has a running right and is not in the file; it stays until its end date"
        for problem in self.problems:
            yield f"{problem.weight} {problem.code}: {problem.sentence}"


def read(source: reading.Source) -> lists.Listed[Row]:
    """Read a list of directors. Never raises for what is in it."""
    return lists.read(source, COLUMNS, _row)


def plan(db: Connection, found: lists.Listed[Row], *, today: date) -> Plan:
    """Compare with the rights that are there."""
    if found.refused:
        return Plan(reading=found, today=today, problems=found.problems)
    kinds = {
        row.instellingsnummer: row.kind for row in db.execute(select(School.instellingsnummer, School.kind))
    }
    people = {
        p.person_id: p
        for p in db.execute(select(Person.person_id, Person.voornaam, Person.naam, Person.e_mail))
    }
    columns = (Right.id, Right.person_id, Right.instellingsnummer, Right.begindatum, Right.einddatum)
    ours = (Right.kind == RightKind.DATABEHEERDER, Right.source == SOURCE)
    there: dict[tuple[str, str], list[Any]] = {}
    for held in db.execute(select(*columns).where(*ours).order_by(Right.begindatum)):
        there.setdefault((held.instellingsnummer or "", held.person_id), []).append(held)
    told = list(found.problems)
    persons: dict[str, Row] = {}
    give: list[Given] = []
    change: list[Changed] = []
    keep = 0
    seen: set[tuple[str, str, date]] = set()
    usable: list[Row] = []
    for row in found.rows:
        key = (row.instellingsnummer, row.persoon_id)
        if (kind := kinds.get(row.instellingsnummer)) in {None, SchoolKind.SANDBOX}:
            code = "unknown_school" if kind is None else "sandbox_school"
            told.append(Problem(code=code, line=row.line, column="instellingsnummer"))
            continue
        if (*key, row.begindatum) in seen:
            told.append(Problem(code="director_twice", line=row.line))
            continue
        seen.add((*key, row.begindatum))
        usable.append(row)
    assigned = _assigned(usable, there, today)
    for row in usable:
        known: Any = people.get(row.persoon_id)
        forgotten = (
            known is not None and not known.naam and row.einddatum is not None and row.einddatum < today
        )
        told_now = (row.voornaam, row.naam, row.e_mail)
        if not forgotten and (known is None or (known.voornaam, known.naam, known.e_mail) != told_now):
            persons[row.persoon_id] = row
        right = assigned.get(row.line)
        until = _until(row, right, today)
        if right is None:
            give.append(Given(row=row, einddatum=until))
        elif (right.begindatum, right.einddatum) != (row.begindatum, until):
            change.append(Changed(id=right.id, begindatum=row.begindatum, einddatum=until))
        else:
            keep += 1
    ends = {right.id: (key, right.einddatum) for key, rights in there.items() for right in rights}
    had = {key for key, end in ends.values() if end >= today}
    moved = {one.id: (ends[one.id][0], one.einddatum) for one in change}
    runs = {key for key, end in (ends | moved).values() if end >= today}
    new = {(one.row.instellingsnummer, one.row.persoon_id) for one in give if one.einddatum >= today}
    lost = had - runs - new - _by_hand(db, today)
    stopped = [(*key, max(end for one, end in ends.values() if one == key)) for key in lost]
    named = {(school, person) for school, person, _ in seen}
    missing = [
        key for key, rights in there.items() if key not in named and any(r.einddatum >= today for r in rights)
    ]
    return Plan(
        reading=found,
        today=today,
        persons=tuple(persons.values()),
        give=tuple(give),
        change=tuple(change),
        keep=keep,
        missing=tuple(sorted(missing)),
        stopped=tuple(sorted(stopped)),
        revived=tuple(sorted(runs - had - new)),
        problems=tuple(sorted(told, key=lambda problem: problem.line or 0)),
    )


def take_in(house: House, source: reading.Source) -> Plan:
    """Read a list, plan and apply it; returns what was done. Needs `audit.circumstances`."""
    found = read(source)
    with house.database.reading() as db:
        planned = plan(db, found, today=house.clock.today())
    return apply(house, planned)


def apply(house: House, planned: Plan) -> Plan:
    """Execute in one transaction; returns what was done. The same list again changes nothing."""
    return house.database.retrying(partial(_apply, house=house, planned=planned))


def _apply(db: Connection, *, house: House, planned: Plan) -> Plan:
    deliveries.one_at_a_time(db)
    fresh, now = plan(db, planned.reading, today=planned.today), house.clock.now()
    there = set(db.execute(select(Person.person_id)).scalars())
    for row in fresh.persons:
        values = {"voornaam": row.voornaam, "naam": row.naam, "e_mail": row.e_mail}
        if row.persoon_id in there:
            same = Person.person_id == row.persoon_id
            db.execute(update(Person).where(same).values(**values))
        else:
            db.execute(insert(Person), values | {"person_id": row.persoon_id, "created_at": now})
    for one in fresh.give:
        right: dict[str, Any] = {
            "id": entropy.row_id(),
            "person_id": one.row.persoon_id,
            "kind": RightKind.DATABEHEERDER,
        }
        right |= {"instellingsnummer": one.row.instellingsnummer, "begindatum": one.row.begindatum}
        db.execute(insert(Right), right | {"einddatum": one.einddatum, "source": SOURCE, "granted_at": now})
        audit.right_given(
            db,
            person_id=one.row.persoon_id,
            right=RightKind.DATABEHEERDER,
            instellingsnummer=one.row.instellingsnummer,
        )
    for other in fresh.change:
        days = {"begindatum": other.begindatum, "einddatum": other.einddatum}
        db.execute(update(Right).where(Right.id == other.id).values(**days))
    of_directors: dict[str, Any] = {"right": RightKind.DATABEHEERDER}
    for school, person, until in fresh.stopped:
        about = of_directors | {"person_id": person, "instellingsnummer": school}
        audit_staff.right_stopped(db, **about, until=until.isoformat())
    for school, person in fresh.revived:
        audit.right_given(db, **of_directors, person_id=person, instellingsnummer=school)
    delivery = deliveries.record(
        db,
        kind=deliveries.DIRECTORS,
        form=fresh.reading.format,
        sha256=fresh.reading.sha256,
        state=DeliveryState.REFUSED if fresh.refused else DeliveryState.APPLIED,
        report=problems.stored(fresh.problems) | {"counts": fresh.counts},
        now=now,
    )
    if fresh.refused:
        because = fresh.refused.code
        audit.delivery_refused(db, instellingsnummer=None, delivery=delivery, because=because)
    else:
        audit_feeds.directors_imported(db, delivery=delivery, counts=fresh.counts)
    return fresh


def _by_hand(db: Connection, today: date) -> set[tuple[str, str]]:
    """Who has the right at a school today, whatever the list says: it was given there by hand."""
    given = (Right.kind == RightKind.DATABEHEERDER, Right.source != SOURCE)
    runs = (Right.begindatum <= today, Right.einddatum >= today)
    query = select(Right.instellingsnummer, Right.person_id).where(*given, *runs)
    return {(one.instellingsnummer or "", one.person_id) for one in db.execute(query)}


def _assigned(rows: list[Row], there: Mapping[tuple[str, str], Sequence[Any]], today: date) -> dict[int, Any]:
    """The right that each assignment gave before, by line: one of the same begin, else one with days in common."""

    def whose(row: Row) -> tuple[str, str]:
        return row.instellingsnummer, row.persoon_id

    return periods.matched(rows, there, whose, (_same_begin, partial(_moved, today=today)))


def _same_begin(row: Row, right: Any) -> bool:
    return bool(row.begindatum == right.begindatum)


def _moved(row: Row, right: Any, *, today: date) -> bool:
    """An assignment that begins on another day than was told, and takes no right away that runs today."""
    until = row.einddatum or max(today, right.einddatum)
    overlaps = row.begindatum <= right.einddatum and right.begindatum <= until
    return bool(overlaps and not right.begindatum <= today < row.begindatum)


def _until(row: Row, right: Any, today: date) -> date:
    if row.einddatum is not None:
        return row.einddatum
    renewed: date = max(today, row.begindatum) + MAXIMUM_VALIDITY
    if right is None or not today + RENEWED_BEFORE < right.einddatum <= renewed:
        return renewed
    until: date = right.einddatum
    return until


def _row(cells: Cells, line: int) -> Row:
    permanent = cells.word("aanstelling", (VAST, TIJDELIJK)) == VAST
    begin, end = cells.required_day("begindatum"), cells.day("einddatum")
    if end is None and not permanent:
        raise RowRefused("missing_value", "einddatum")
    if end is not None and end < begin:
        raise RowRefused("dates_reversed", "einddatum")
    return Row(
        line=line,
        instellingsnummer=cells.school(),
        persoon_id=cells.required("persoon_id", 60),
        voornaam=cells.required("voornaam", 200),
        naam=cells.required("naam", 200),
        e_mail=cells.text("e_mail", 254),
        begindatum=begin,
        einddatum=end,
    )
