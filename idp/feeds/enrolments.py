"""Who goes to which school? Read a file of enrolments, plan what it changes, apply it school by school.

    found = enrolments.read(path)
    with house.database.reading() as db:
        plan = enrolments.plan(db, found, today=…, now=…, settings=…, keys=…)
    outcome = enrolments.apply(house, plan)

A school is one transaction: all of it, or nothing. Inside it the school is planned again on what is there at
that moment, so that an import that was broken off, or that meets another one, is simply started once more. A school
that is held waits, its rows sealed, until an operator decides (`decide`) or a newer file of it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from idp import audit, audit_feeds, entropy
from idp.claims import pseudonym
from idp.context import House
from idp.feeds import deliveries, held, held_enrolments, problems
from idp.feeds.enrolment_plan import FIELDS, Plan, SchoolPlan, plan, plan_school
from idp.feeds.enrolment_rows import Reading, Row, read
from idp.feeds.matching import Known, Merge, People
from idp.models import ClassMembership, DeliveryState, Enrolment, Pupil, School

__all__ = ["Outcome", "Plan", "Reading", "Row", "SchoolPlan", "apply", "decide", "plan", "read"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an import did."""

    state: DeliveryState
    """Of the file: refused, held (at least one school waits), or applied."""
    schools: Mapping[str, DeliveryState] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of the schools that were applied, together."""


def silent(_done: int, _of: int) -> None:
    """Nobody is watching."""


def apply(
    house: House,
    plan: Plan,
    *,
    accept_holds: bool = False,
    progress: Callable[[int, int], object] = silent,
) -> Outcome:
    """Execute a plan, one transaction per school; a school that is held waits unless holds are accepted.

    `progress` hears how many schools are done, of how many. Idempotent: the same plan again changes nothing. Needs `audit.circumstances`.
    """
    if plan.refused:
        _refused(house, plan)
        return Outcome(state=DeliveryState.REFUSED)
    states: dict[str, DeliveryState] = {}
    totals: dict[str, int] = {}
    for number, one in enumerate(plan.schools):
        progress(number, len(plan.schools))
        waits = bool(one.holds) and not accept_holds
        kept = held_enrolments.sealed(house.keys, plan, one.instellingsnummer) if waits else None
        work = partial(
            _apply_school, house=house, plan=plan, planned=one, accept_holds=accept_holds, sealed=kept
        )
        done, state = house.database.retrying(work)
        states[one.instellingsnummer] = state
        for name, count in done.counts.items() if state is DeliveryState.APPLIED else ():
            totals[name] = totals.get(name, 0) + count
    waits = DeliveryState.HELD in states.values()
    if plan.problems:
        with house.database.transaction() as db:
            _record(db, house, plan, None, DeliveryState.APPLIED if states else DeliveryState.REFUSED)
    if not states:
        return Outcome(state=DeliveryState.REFUSED)
    state = DeliveryState.HELD if waits else DeliveryState.APPLIED
    return Outcome(state=state, schools=states, counts=totals)


def decide(house: House, delivery: str, *, by: str) -> SchoolPlan:
    """Apply a snapshot that was held: somebody (an actor) looked. Returns what was done; needs `audit.circumstances`.

    Raises NotFound `hold_gone` when it no longer waits.
    """
    with house.database.reading() as db:
        plan = held_enrolments.load(house, db, delivery)
    (one,) = plan.schools
    work = partial(
        _apply_school,
        house=house,
        plan=plan,
        planned=one,
        accept_holds=True,
        delivery=delivery,
        decided_by=by,
    )
    done, _state = house.database.retrying(work)
    return done


def _refused(house: House, plan: Plan) -> None:
    assert plan.refused is not None
    with house.database.transaction() as db:
        delivery = _record(db, house, plan, None, DeliveryState.REFUSED)
        audit.delivery_refused(db, instellingsnummer=None, delivery=delivery, because=plan.refused.code)


def _apply_school(
    db: Connection,
    *,
    house: House,
    plan: Plan,
    planned: SchoolPlan,
    accept_holds: bool,
    sealed: held.Sealed | None = None,
    delivery: str | None = None,
    decided_by: str | None = None,
) -> tuple[SchoolPlan, DeliveryState]:
    """One school: what was planned for it in the end, and what became of it."""
    deliveries.one_at_a_time(db)
    number, now = planned.instellingsnummer, house.clock.now()
    if delivery is not None:
        held.find(db, delivery, number, deliveries.ENROLMENTS)
    school = db.execute(select(School.kind).where(School.instellingsnummer == number)).scalar_one()
    fresh = plan_school(
        db,
        plan.reading,
        number,
        kind=school,
        people=People(house.keys.national_number, now),
        today=plan.today,
        settings=house.settings,
        delta=plan.delta,
        problems=planned.problems,
    )
    state = DeliveryState.HELD if fresh.holds and not accept_holds else DeliveryState.APPLIED
    delivery = _record(db, house, plan, fresh, state, delivery=delivery)
    held.replace_older(db, instellingsnummer=number, delivery=delivery, kind=deliveries.ENROLMENTS)
    if state is DeliveryState.HELD:
        because = [hold.code for hold in fresh.holds]
        what = sealed or held_enrolments.sealed(house.keys, plan, number)
        held.keep(db, delivery=delivery, instellingsnummer=number, what=what, now=now)
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
    plan: Plan,
    school: SchoolPlan | None,
    state: DeliveryState,
    *,
    delivery: str | None = None,
) -> str:
    report: dict[str, Any] = problems.stored(school.problems if school else plan.problems)
    if school is not None:
        report |= {"counts": school.counts, "delta": plan.delta}
        report |= {"holds": [{"code": hold.code, "sentence": hold.sentence} for hold in school.holds]}
    return deliveries.record(
        db,
        delivery=delivery,
        kind=deliveries.ENROLMENTS,
        form=plan.reading.format,
        sha256=plan.reading.sha256,
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
