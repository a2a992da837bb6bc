"""What happens to a delivery from the moment it is here? Received, checked, and then applied, held or refused.

Each step is remembered, so that a school sees where its delivery is, also when a process died halfway. The gates are
looked at before anything is read (a school that does not share gets nothing of it on a disk), and again in the
transaction that writes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from idp import audit
from idp.context import House
from idp.feeds import cells, class_plan, classes, deliveries, problems, reading
from idp.feeds.problems import Problem
from idp.models import DeliveryState

STRANGERS = frozenset({"school_not_known", "wrong_package"})


def shut(
    house: House, *, form: str, instellingsnummer: str, snapshot_at: datetime | None, package: str | None
) -> Problem | None:
    """Why this package may not deliver for this school now, before anything is read. `package`: as for `take`."""
    if form not in classes.ADAPTERS:
        return Problem(code="unknown_format")
    with house.database.reading() as db:
        return class_plan.refusal(
            db,
            form,
            instellingsnummer,
            today=house.clock.today(),
            snapshot_at=snapshot_at,
            operator=package is None,
            package=package,
        )


def turn_away(
    house: House,
    because: Problem,
    *,
    form: str,
    instellingsnummer: str,
    snapshot_at: datetime | None = None,
    delivery: str | None = None,
) -> str:
    """Remember a delivery of which nothing is kept; returns its id. Needs `audit.circumstances`.

    What a stranger sent is no delivery of the school: it would hide that its own package sent nothing. What was decided
    about this `delivery` stays so, whatever broke afterwards.
    """
    theirs = instellingsnummer if because.code not in STRANGERS else None
    with house.database.transaction() as db:
        if delivery is not None and not deliveries.is_open(db, delivery):
            return delivery
        delivery = deliveries.record(
            db,
            delivery=delivery,
            kind=deliveries.CLASSES,
            form=form[:20],
            sha256="",
            state=DeliveryState.REFUSED,
            report=problems.stored([because]),
            now=house.clock.now(),
            instellingsnummer=theirs,
            snapshot_at=snapshot_at,
        )
        audit.delivery_refused(
            db, instellingsnummer=instellingsnummer, delivery=delivery, because=because.code
        )
    return delivery


def begin(house: House, *, form: str, instellingsnummer: str, snapshot_at: datetime | None) -> str:
    """A delivery is arriving; returns its id."""
    with house.database.transaction() as db:
        return deliveries.receive(
            db,
            kind=deliveries.CLASSES,
            form=form,
            now=house.clock.now(),
            instellingsnummer=instellingsnummer,
            snapshot_at=snapshot_at,
        )


def take(
    house: House,
    source: reading.Source,
    *,
    delivery: str,
    form: str,
    instellingsnummer: str,
    snapshot_at: datetime | None,
    package: str | None = None,
) -> classes.Outcome:
    """Read, plan and apply what arrived under this id. Needs `audit.circumstances`.

    `package`: the one whose program brought it; None: it lay in the folder of this format and school.
    """
    found = classes.read(form, source, settings=house.settings)
    with house.database.reading() as db:
        planned = classes.plan(
            db,
            found,
            instellingsnummer=instellingsnummer,
            today=house.clock.today(),
            settings=house.settings,
            snapshot_at=snapshot_at,
            operator=package is None,
            package=package,
        )
    with house.database.transaction() as db:
        deliveries.checked(db, delivery)
    return classes.apply(house, planned, delivery=delivery)


def school_of(given: str) -> str | None:
    """Six digits, or None."""
    return cells.school_number(given)


def told(
    *, delivery: str, state: DeliveryState, form: str, school: str, report: dict[str, Any]
) -> dict[str, Any]:
    """The report that the maker of a delivery gets: states, counts, codes and line numbers; never what stood there."""
    listed = [Problem(code=one["code"], line=one["line"], column=one.get("column")) for one in _told(report)]
    reasons = [hold["code"] for hold in report.get("holds", ())]
    if state is DeliveryState.REFUSED:
        reasons = [one.code for one in listed if one.weight is problems.Weight.FILE]
    return {
        "delivery": delivery,
        "instellingsnummer": school,
        "format": form,
        "state": state.value,
        "reasons": reasons,
        "counts": report.get("counts", {}),
        "problem_counts": report.get("problem_counts", {}),
        "problems": [one.stored() | {"weight": one.weight.value, "sentence": one.sentence} for one in listed],
    }


def _told(report: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = report.get("problems", [])
    return found
