"""Who goes to which school? Read a file of enrolments, plan what it changes, apply it school by school.

    found = enrolments.read(path)
    with house.database.reading() as db:
        plan = enrolments.plan(db, found, today=…, now=…, settings=…, keys=…)
    outcome = enrolments.apply(house, plan)

A school is one transaction: all of it, or nothing. Inside it the school is planned again on what is there at
that moment, so that an import that was broken off, or that meets another one, is simply started once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from idp import audit, entropy
from idp.claims import pseudonym
from idp.context import House
from idp.feeds import deliveries, problems
from idp.feeds.enrolment_plan import FIELDS, Plan, SchoolPlan, plan, plan_school
from idp.feeds.enrolment_rows import Reading, Row, read
from idp.feeds.matching import Known, Merge, People
from idp.models import ClassMembership, DeliveryState, Enrolment, Pupil, School

__all__ = ["Outcome", "Plan", "Reading", "Row", "SchoolPlan", "apply", "plan", "read"]


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
        work = partial(_apply_school, house=house, plan=plan, planned=one, accept_holds=accept_holds)
        done, held = house.database.retrying(work)
        states[one.instellingsnummer] = DeliveryState.HELD if held else DeliveryState.APPLIED
        for name, count in {} if held else done.counts.items():
            totals[name] = totals.get(name, 0) + count
    waits = DeliveryState.HELD in states.values()
    if plan.problems:
        with house.database.transaction() as db:
            _record(db, house, plan, None, DeliveryState.APPLIED if states else DeliveryState.REFUSED)
    if not states:
        return Outcome(state=DeliveryState.REFUSED)
    state = DeliveryState.HELD if waits else DeliveryState.APPLIED
    return Outcome(state=state, schools=states, counts=totals)


def _refused(house: House, plan: Plan) -> None:
    assert plan.refused is not None
    with house.database.transaction() as db:
        delivery = _record(db, house, plan, None, DeliveryState.REFUSED)
        audit.delivery_refused(db, instellingsnummer=None, delivery=delivery, because=plan.refused.code)


def _apply_school(
    db: Connection, *, house: House, plan: Plan, planned: SchoolPlan, accept_holds: bool
) -> tuple[SchoolPlan, bool]:
    """One school, and whether it is held."""
    deliveries.one_at_a_time(db)
    number, now = planned.instellingsnummer, house.clock.now()
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
    held = bool(fresh.holds) and not accept_holds
    delivery = _record(db, house, plan, fresh, DeliveryState.HELD if held else DeliveryState.APPLIED)
    if held:
        because = [hold.code for hold in fresh.holds]
        audit.delivery_held(db, instellingsnummer=number, delivery=delivery, because=because)
        return fresh, held
    _write_pupils(db, fresh, house)
    _write_enrolments(db, fresh, house)
    audit.enrolments_imported(db, instellingsnummer=number, delivery=delivery, counts=fresh.counts)
    return fresh, held


def _record(db: Connection, house: House, plan: Plan, school: SchoolPlan | None, state: DeliveryState) -> str:
    report: dict[str, Any] = problems.stored(school.problems if school else plan.problems)
    if school is not None:
        report |= {"counts": school.counts, "delta": plan.delta}
        report |= {"holds": [{"code": hold.code, "sentence": hold.sentence} for hold in school.holds]}
    return deliveries.record(
        db,
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
