"""What would a delivery change, class by class, in words that a person can judge? Names are those of the school's own list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, select

from idp.claims.klasinformatie import DeliveredKlas
from idp.feeds.class_plan import Plan
from idp.feeds.matching import chunks
from idp.models import Enrolment, Soort

MOST_CLASSES = 60
MOST_NAMES = 40
"""In one list: more is a number."""


@dataclass(frozen=True, kw_only=True)
class People:
    """Some pupils of a class: how many, and the first of them by name."""

    count: int = 0
    names: tuple[str, ...] = field(default=(), repr=False)
    stamnummers: tuple[str, ...] = ()

    @property
    def others(self) -> int:
        return self.count - len(self.names)


@dataclass(frozen=True, kw_only=True)
class Klas:
    """A class that would change."""

    code: str
    naam: str
    soort: Soort
    before: int
    after: int
    leave: People
    come: People
    was: str | None
    """Its code and name until now, when they would change."""

    @property
    def emptied(self) -> bool:
        return self.before > 0 and self.after == 0


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Classes that would change, those that lose most first."""

    classes: tuple[Klas, ...]
    others: int
    """Changed classes that are not shown."""
    leave: int
    come: int
    stay: int


def difference(db: Connection, plan: Plan) -> Difference:
    """Between what stands and what a plan would make of it, by the classes that count today or later."""
    leave, come = _moves(plan)
    before, after = _sizes(plan, standing=True), _sizes(plan, standing=False)
    changed = []
    for klas_id in {*before, *after}:
        old, new = plan.standing.classes.get(klas_id), _delivered(plan).get(klas_id)
        was = f"{old.code} ({old.naam})" if old and new and _said(old) != _said(new) else None
        if klas_id in leave or klas_id in come or was:
            changed.append((klas_id, new or old, was))
    changed.sort(key=lambda one: (-len(leave.get(one[0], ())), -len(come.get(one[0], ())), one[1].code))  # type: ignore[union-attr]
    shown = changed[:MOST_CLASSES]
    wanted = {
        uuid
        for klas_id, _, _ in shown
        for some in (leave.get(klas_id, ()), come.get(klas_id, ()))
        for uuid in sorted(some)[: MOST_NAMES * 4]
    }
    known = _names(db, plan.instellingsnummer, wanted)
    classes = tuple(
        Klas(
            code=klas.code,
            naam=klas.naam,
            soort=klas.soort,
            before=before.get(klas_id, 0),
            after=after.get(klas_id, 0),
            leave=_people(leave.get(klas_id, set()), known),
            come=_people(come.get(klas_id, set()), known),
            was=was,
        )
        for klas_id, klas, was in shown
        if klas is not None
    )
    return Difference(
        classes=classes,
        others=len(changed) - len(shown),
        leave=plan.counts.get("end", 0),
        come=plan.counts.get("add", 0),
        stay=plan.counts.get("keep", 0),
    )


def _moves(plan: Plan) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Who leaves and who comes, by klas_id."""
    leave: dict[str, set[str]] = {}
    come: dict[str, set[str]] = {}
    for uuid in {*plan.standing.seats.pupils, *plan.memberships.pupils}:
        old = plan.standing.seats.klassen(uuid, plan.today)
        new = plan.memberships.klassen(uuid, plan.today)
        for klas_id in old - new:
            leave.setdefault(klas_id, set()).add(uuid)
        for klas_id in new - old:
            come.setdefault(klas_id, set()).add(uuid)
    return leave, come


def _sizes(plan: Plan, *, standing: bool) -> dict[str, int]:
    seats = plan.standing.seats if standing else plan.memberships
    sizes: dict[str, int] = {}
    for uuid in seats.pupils:
        for klas_id in seats.klassen(uuid, plan.today):
            sizes[klas_id] = sizes.get(klas_id, 0) + 1
    return sizes


def _delivered(plan: Plan) -> Mapping[str, DeliveredKlas]:
    return {klas.klas_id: klas for klas in plan.classes}


def _said(klas: DeliveredKlas) -> tuple[str, str]:
    return klas.code, klas.naam


def _names(db: Connection, school: str, wanted: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name and stamnummer at this school, by account_uuid; of the newest enrolment."""
    known: dict[str, tuple[date, str, str]] = {}
    columns = (
        Enrolment.account_uuid,
        Enrolment.voornaam,
        Enrolment.naam,
        Enrolment.stamnummer,
        Enrolment.begindatum,
    )
    for some in chunks(wanted):
        mine = (Enrolment.instellingsnummer == school, Enrolment.account_uuid.in_(some))
        for uuid, voornaam, naam, stamnummer, begin in db.execute(select(*columns).where(*mine)):
            if uuid not in known or known[uuid][0] < begin:
                known[uuid] = (begin, f"{voornaam} {naam}".strip(), stamnummer)
    return {uuid: (name, stamnummer) for uuid, (_, name, stamnummer) in known.items()}


def _people(some: set[str], known: Mapping[str, tuple[str, str]]) -> People:
    named = sorted((known[uuid] for uuid in some if uuid in known), key=lambda one: one[0].casefold())
    shown = named[:MOST_NAMES]
    return People(
        count=len(some),
        names=tuple(name for name, _ in shown),
        stamnummers=tuple(stamnummer for _, stamnummer in shown),
    )
