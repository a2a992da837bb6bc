"""Who sits in which class? Read what a school's package delivered, plan what it changes, apply it.

    found = classes.read("informat", path, settings=…)
    with house.database.reading() as db:
        plan = classes.plan(db, found, instellingsnummer=…, today=…, settings=…)
    outcome = classes.apply(house, plan)

A delivery is a full snapshot of one school. A school that does not share gets nothing stored, also when it
stopped between arrival and processing: the plan is made again inside the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from idp import audit
from idp.audit import feeds as audit_feeds
from idp.claims import klasinformatie
from idp.config import Settings
from idp.context import House
from idp.feeds import class_rows, deliveries, held, problems, reading
from idp.feeds.adapters import informat, leersleutel, oneroster, wisa
from idp.feeds.class_plan import Plan, plan
from idp.feeds.class_rows import Adapter, Reading, Row
from idp.models import DeliveryState, School

__all__ = ["ADAPTERS", "Outcome", "Plan", "Reading", "Row", "apply", "plan", "read"]

ADAPTERS: Mapping[str, Adapter] = {
    "informat": informat.read,
    "leersleutel": leersleutel.read,
    "oneroster": oneroster.read,
    "wisa": wisa.read,
}
"""Formats by name, as a school's package is named and as `--format` takes them."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a delivery."""

    state: DeliveryState
    plan: Plan
    """As it was executed, held or refused at the last moment."""
    delivery: str
    """Delivery.id"""


def read(form: str, source: reading.Source, *, settings: Settings) -> Reading:
    """Read a delivery in one of ADAPTERS' formats from bytes, a path or a stream. Never raises for what is in it."""
    if form not in ADAPTERS:
        refused = problems.Problem(code="unknown_format")
        return Reading(rows=(), problems=(refused,), refused=refused, format=form[:20], sha256="")
    return class_rows.read(form, source, settings, ADAPTERS[form])


def apply(
    house: House,
    planned: Plan,
    *,
    accept_holds: bool = False,
    delivery: str | None = None,
    decided_by: str | None = None,
) -> Outcome:
    """Execute a plan in one transaction, unless it is refused or held by now. Needs `audit.circumstances`.

    `delivery`: it was received before, under this id. `decided_by`: somebody looked at what was held (an actor); then
    raises NotFound `hold_gone` when it no longer waits.
    """
    accept_holds = accept_holds or decided_by is not None
    waits = planned.holds and not planned.refused and not accept_holds
    work = partial(
        _apply,
        house=house,
        planned=planned,
        accept_holds=accept_holds,
        delivery=delivery,
        decided_by=decided_by,
        sealed=_sealed(house, planned) if waits else None,
    )
    return house.database.retrying(work)


def held_plan(house: House, delivery: str, instellingsnummer: str) -> Plan:
    """What a held delivery would change now. Raises NotFound `hold_gone`."""
    with house.database.reading() as db:
        waiting = held.find(db, delivery, instellingsnummer)
        kept = held.load(db, house.keys, delivery)
        return plan(
            db,
            kept.reading,
            instellingsnummer=waiting.instellingsnummer,
            today=house.clock.today(),
            settings=house.settings,
            snapshot_at=waiting.snapshot_at,
            operator=bool(kept.words["operator"]),
            package=kept.words["package"],
        )


def _sealed(house: House, planned: Plan) -> held.Sealed:
    words = {"operator": planned.operator, "package": planned.package}
    return held.sealed(house.keys, planned.reading, words)


def _apply(
    db: Connection,
    *,
    house: House,
    planned: Plan,
    accept_holds: bool,
    delivery: str | None,
    decided_by: str | None,
    sealed: held.Sealed | None,
) -> Outcome:
    school, now = planned.instellingsnummer, house.clock.now()
    deliveries.one_at_a_time(db)
    db.execute(select(School.kind).where(School.instellingsnummer == school).with_for_update())
    if decided_by is not None:
        held.find(db, delivery or "", school)
    fresh = plan(
        db,
        planned.reading,
        instellingsnummer=school,
        today=house.clock.today(),
        settings=house.settings,
        snapshot_at=planned.snapshot_at,
        operator=planned.operator,
        package=planned.package,
    )
    if fresh.refused:
        state = DeliveryState.REFUSED
    elif fresh.holds and not accept_holds:
        state = DeliveryState.HELD
    else:
        state = DeliveryState.APPLIED
    delivery = deliveries.record(
        db,
        delivery=delivery,
        kind=deliveries.CLASSES,
        form=fresh.reading.format,
        sha256=fresh.reading.sha256,
        state=state,
        report=report(fresh),
        now=now,
        instellingsnummer=school if len(school) == 6 else None,
        snapshot_at=fresh.snapshot_at,
    )
    if fresh.refused:
        audit.delivery_refused(db, instellingsnummer=school, delivery=delivery, because=fresh.refused.code)
    elif state is DeliveryState.HELD:
        because = [hold.code for hold in fresh.holds]
        held.replace_older(db, instellingsnummer=school, delivery=delivery)
        what = sealed or _sealed(house, fresh)
        held.keep(db, delivery=delivery, instellingsnummer=school, what=what, now=now)
        audit.delivery_held(db, instellingsnummer=school, delivery=delivery, because=because)
    else:
        klasinformatie.replace(db, school, fresh.classes, fresh.memberships, now)
        held.replace_older(db, instellingsnummer=school, delivery=delivery)
        audit.classes_imported(db, instellingsnummer=school, delivery=delivery, counts=dict(fresh.counts))
    if decided_by is not None:
        held.decided(db, delivery, decided_by, now)
        audit_feeds.hold_decided(db, instellingsnummer=school, delivery=delivery, decision=state.value)
    return Outcome(state=state, plan=fresh, delivery=delivery)


def report(planned: Plan) -> dict[str, Any]:
    """What is kept and shown of a plan: counts, codes and line numbers."""
    kept: dict[str, Any] = problems.stored(planned.problems) | {"counts": dict(planned.counts)}
    return kept | {"holds": [{"code": hold.code, "sentence": hold.sentence} for hold in planned.holds]}
