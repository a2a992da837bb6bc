"""Who goes to which school? Read a file of enrolments, plan what it changes, apply it school by school.

    found = enrolments.read(path)
    outcome = enrolments.look(house, found)    # what would it change?
    outcome = enrolments.apply(house, found)

A school is one transaction: all of it, or nothing. It is planned inside it, on what is there at that moment, so that an
import that was broken off, or that meets another one, is simply started once more. A school that is held waits, its rows
sealed, until an operator decides (`decide`) or a newer file of it arrives. Of a file as large as the country, one school
at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from idp import audit, entropy
from idp.audit import feeds as audit_feeds
from idp.claims import pseudonym
from idp.context import House
from idp.feeds import deliveries, enrolment_plan, held, held_enrolments, problems
from idp.feeds.aside import Place, Problems
from idp.feeds.enrolment_plan import FIELDS, SchoolCounts, SchoolPlan, plan_school
from idp.feeds.enrolment_rows import Reading, Row, SchoolRows, read
from idp.feeds.held_enrolments import File
from idp.feeds.matching import Known, Merge, People
from idp.feeds.problems import Problem
from idp.models import ClassMembership, DeliveryState, Enrolment, Pupil, School

__all__ = ["Outcome", "Reading", "Row", "SchoolPlan", "apply", "decide", "look", "read"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an import did, or would do."""

    state: DeliveryState
    """Of the file: refused, held (at least one school waits), applied; checked: it was only looked at."""
    refused: Problem | None = None
    """Why nothing of the file could be used."""
    schools: Mapping[str, DeliveryState] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of the schools that were applied, together."""
    planned: tuple[SchoolCounts, ...] = ()
    """What came of each school, or would."""
    problems: Iterable[Problem] = ()
    """Everything that is wrong with the file, by line."""

    def sentences(self) -> Iterator[str]:
        """What the command line prints: no names, no numbers of people."""
        if self.refused:
            yield f"refused ({self.refused.code}): {self.refused.sentence}"
            return
        for school in self.planned:
            yield from school.sentences()
        for problem in self.problems:
            yield f"{problem.weight} {problem.code}: {problem.sentence}"


def silent(_done: int, _of: int) -> None:
    """Nobody is watching."""


def look(house: House, found: Reading, *, delta: bool = False) -> Outcome:
    """What `apply` would do. Changes nothing; of pupils at two schools of the file it knows that they are one."""
    if found.refused:
        return Outcome(state=DeliveryState.REFUSED, refused=found.refused, problems=(found.refused,))
    place = Place()
    told, planned = Problems(place), []
    people = People(house.keys.national_number, house.clock.now(), place)
    words: dict[str, Any] = {"today": house.clock.today(), "settings": house.settings, "delta": delta}
    with house.database.reading() as db:
        for one in enrolment_plan.each(db, found, people=people, **words):
            planned.append(one.in_numbers())
            told.take(one.problems)
    told.take(enrolment_plan.strangers(found, {one.instellingsnummer for one in planned}))
    waits = any(one.holds for one in planned)
    state = DeliveryState.HELD if waits else DeliveryState.CHECKED
    return Outcome(state=state, planned=tuple(planned), problems=told)


def apply(
    house: House,
    found: Reading,
    *,
    delta: bool = False,
    accept_holds: bool = False,
    progress: Callable[[int, int], object] = silent,
) -> Outcome:
    """Carry out what a file says, one transaction per school; a school that is held waits unless holds are accepted.

    `delta`: what it does not name stays. `progress` hears how many schools are done, of how many. Idempotent: the same
    file again changes nothing. Needs `audit.circumstances`.
    """
    file = File(form=found.format, sha256=found.sha256, delta=delta)
    if found.refused:
        _refused(house, file, found.refused)
        return Outcome(state=DeliveryState.REFUSED, refused=found.refused, problems=(found.refused,))
    told, planned = Problems(), []
    states: dict[str, DeliveryState] = {}
    totals: dict[str, int] = {}
    with house.database.reading() as db:
        schools = enrolment_plan.known(db, found.numbers)
    stray = enrolment_plan.strays(found, schools)
    for done, number in enumerate(schools):
        progress(done, len(schools))
        with house.database.reading() as db:
            said = enrolment_plan.with_strays(db, found.school(number), stray)
        one, state = _school(house, file, said, accept_holds=accept_holds)
        states[number] = state
        planned.append(one.in_numbers())
        told.take(one.problems)
        for name, count in one.counts.items() if state is DeliveryState.APPLIED else ():
            totals[name] = totals.get(name, 0) + count
    strangers = Problems()
    strangers.take(enrolment_plan.strangers(found, schools))
    if strangers:
        with house.database.transaction() as db:
            state = DeliveryState.APPLIED if states else DeliveryState.REFUSED
            _record(db, house, file, None, state, told=strangers)
        told.take(strangers)
    state = DeliveryState.HELD if DeliveryState.HELD in states.values() else DeliveryState.APPLIED
    state = state if states else DeliveryState.REFUSED
    return Outcome(state=state, schools=states, counts=totals, planned=tuple(planned), problems=told)


def decide(house: House, delivery: str, *, by: str) -> SchoolPlan:
    """Apply a snapshot that was held: somebody (an actor) looked. Returns what was done; needs `audit.circumstances`.

    Raises NotFound `hold_gone` when it no longer waits.
    """
    with house.database.reading() as db:
        file, found = held_enrolments.kept(house, db, delivery)
    work = partial(
        _apply_school,
        house=house,
        file=file,
        found=found,
        accept_holds=True,
        delivery=delivery,
        decided_by=by,
    )
    done, _state = house.database.retrying(work)
    return done


def _refused(house: House, file: File, because: Problem) -> None:
    with house.database.transaction() as db:
        delivery = _record(db, house, file, None, DeliveryState.REFUSED, told=(because,))
        audit.delivery_refused(db, instellingsnummer=None, delivery=delivery, because=because.code)


def _school(
    house: House, file: File, found: SchoolRows, *, accept_holds: bool
) -> tuple[SchoolPlan, DeliveryState]:
    """One school, in a transaction of its own; in a second one when its rows must be sealed first."""
    work = partial(_apply_school, house=house, file=file, found=found, accept_holds=accept_holds)
    done, state = house.database.retrying(work)
    if state is None:
        sealed = held_enrolments.sealed(house.keys, file, found)
        done, state = house.database.retrying(partial(work, sealed=sealed))
    assert state is not None
    return done, state


def _apply_school(
    db: Connection,
    *,
    house: House,
    file: File,
    found: SchoolRows,
    accept_holds: bool,
    sealed: held.Sealed | None = None,
    delivery: str | None = None,
    decided_by: str | None = None,
) -> tuple[SchoolPlan, DeliveryState | None]:
    """One school: what was planned for it, and what became of it. None: nothing yet, for it must wait `sealed`."""
    deliveries.one_at_a_time(db)
    number, now = found.instellingsnummer, house.clock.now()
    if delivery is not None:
        held.find(db, delivery, number, deliveries.ENROLMENTS)
    school = db.execute(select(School.kind).where(School.instellingsnummer == number)).scalar_one()
    fresh = plan_school(
        db,
        found,
        kind=school,
        people=People(house.keys.national_number, now),
        today=house.clock.today(),
        settings=house.settings,
        delta=file.delta,
    )
    state = DeliveryState.HELD if fresh.holds and not accept_holds else DeliveryState.APPLIED
    if state is DeliveryState.HELD and sealed is None:
        return fresh, None
    delivery = _record(db, house, file, fresh, state, delivery=delivery, told=fresh.problems)
    held.replace_older(db, instellingsnummer=number, delivery=delivery, kind=deliveries.ENROLMENTS)
    if state is DeliveryState.HELD and sealed is not None:
        because = [hold.code for hold in fresh.holds]
        held.keep(db, delivery=delivery, instellingsnummer=number, what=sealed, now=now)
        audit.delivery_held(db, instellingsnummer=number, delivery=delivery, because=because)
        return fresh, state
    _write_pupils(db, fresh, house)
    _write_enrolments(db, fresh, house)
    audit.enrolments_imported(db, instellingsnummer=number, delivery=delivery, counts=fresh.counts)
    if decided_by is not None:
        held.decided(db, delivery, decided_by, now)
        audit_feeds.hold_decided(db, instellingsnummer=number, delivery=delivery, decision=state.value)
    return fresh, state


def _record(
    db: Connection,
    house: House,
    file: File,
    school: SchoolPlan | None,
    state: DeliveryState,
    *,
    told: Iterable[Problem],
    delivery: str | None = None,
) -> str:
    report: dict[str, Any] = problems.stored(told)
    if school is not None:
        report |= {"counts": school.counts, "delta": file.delta}
        report |= {"holds": [{"code": hold.code, "sentence": hold.sentence} for hold in school.holds]}
    return deliveries.record(
        db,
        delivery=delivery,
        kind=deliveries.ENROLMENTS,
        form=file.form,
        sha256=file.sha256,
        state=state,
        report=report,
        now=house.clock.now(),
        instellingsnummer=school.instellingsnummer if school else None,
    )


def _write_pupils(db: Connection, school: SchoolPlan, house: House) -> None:
    table = _table(Pupil)
    created = {"created_at": house.clock.now(), "leerid_uuid": None, "merged_into": None}
    _many(
        db, insert(table), [{"account_uuid": one.account_uuid} | _of(one) | created for one in school.pupils]
    )
    for merge in school.merges:
        _merge(db, merge, house.clock.now())
    changed = update(table).where(table.c.account_uuid == bindparam("b_account_uuid"))
    _many(db, changed, [{"b_account_uuid": one.account_uuid} | _of(one) for one in school.pupils_changed])


def _merge(db: Connection, merge: Merge, now: datetime) -> None:
    """Two pupils are one: identifiers by the rules of claims, and what each had at schools comes together."""
    pupil, seat = _table(Pupil), _table(ClassMembership)
    free = update(pupil).where(pupil.c.account_uuid == merge.merged).values(national_number_digest=None)
    db.execute(free)
    pseudonym.merge(db, surviving=merge.surviving, merged=merge.merged)
    to_survivor = {"account_uuid": merge.surviving}
    enrolment = _table(Enrolment)
    moved = to_survivor | {"changed_at": now}
    db.execute(update(enrolment).where(enrolment.c.account_uuid == merge.merged).values(moved))
    taken = select(seat.c.klas).where(seat.c.account_uuid == merge.surviving, seat.c.replaced_at.is_(None))
    theirs = seat.c.account_uuid == merge.merged
    twice = update(seat).where(theirs, seat.c.replaced_at.is_(None), seat.c.klas.in_(taken))
    db.execute(twice.values(replaced_at=now))
    db.execute(update(seat).where(theirs).values(to_survivor))


def _write_enrolments(db: Connection, school: SchoolPlan, house: House) -> None:
    table, now = _table(Enrolment), {"changed_at": house.clock.now()}
    by_id = table.c.id == bindparam("b_id")
    _many(db, delete(table).where(by_id), [{"b_id": gone} for gone in school.remove])
    ends = [{"b_id": end.id, "einddatum": end.einddatum} | now for end in school.end]
    _many(db, update(table).where(by_id), ends)
    _many(db, update(table).where(by_id), [{"b_id": one.id} | _cells(one.row) | now for one in school.change])
    rows = [
        {
            "id": entropy.row_id(),
            "account_uuid": one.account_uuid,
            "instellingsnummer": school.instellingsnummer,
            "stamnummer": one.row.stamnummer,
        }
        | _cells(one.row)
        | now
        for one in school.add
    ]
    _many(db, insert(table), rows)


def _of(pupil: Known) -> dict[str, Any]:
    official = pupil.official
    return {
        "national_number_digest": pupil.digest,
        "voornaam": official.voornaam,
        "naam": official.naam,
        "geslacht": official.geslacht,
        "geboortedatum": official.geboortedatum,
    }


def _cells(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}


def _table(model: type[Any]) -> Table:
    table: Table = model.__table__
    return table


def _many(db: Connection, statement: Any, values: list[dict[str, Any]]) -> None:
    if values:
        db.execute(statement, values)
