"""How does a school stand with klasinformatie? What it agreed to and when, its package, what arrived, what is left.

The decision itself is claims/consent.py's; this page puts together what people at the school see of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, distinct, func, or_, select, update

from idp.audit import staff as audit_staff
from idp.claims import consent, visibility
from idp.clock import midnight
from idp.errors import Invalid, NotAllowed, NotFound
from idp.feeds import class_plan, classes, deliveries, held
from idp.login import staff_accounts
from idp.models import (
    Agreement,
    ClassMembership,
    Delivery,
    DeliveryState,
    Enrolment,
    ProtocolText,
    RuleKind,
    School,
    VisibilityRule,
    is_closed,
)

PACKAGES: Mapping[str, str] = {
    "wisa": "Wisa",
    "informat": "Informat",
    "broekx": "Broekx (OneRoster)",
    "oneroster": "OneRoster",
    "leersleutel": "Leersleutel",
}
"""Every package that a school can have, with its name for people."""
OFFERED = ("wisa", "informat", "broekx")
"""What a LeerID-beheerder can name; the others are the operator's."""
GONE_WITHIN = timedelta(hours=24)
"""After stopping everything of klasinformatie is deleted (admin/privacy/retention.py)."""
_SHOWN = 10
_MOST_PAST = 50


@dataclass(frozen=True, kw_only=True)
class Given:
    """An agreement, standing or of the past."""

    version: str
    sha256: str
    given_by: str
    given_at: datetime
    stopped_at: datetime | None
    stopped_by: str | None
    """A name; None: nobody stopped it, or the operator did."""
    reference: str | None
    """Of the school's written notice; `renewed` when a newer text took its place."""

    @property
    def renewed(self) -> bool:
        return self.reference == consent.RENEWED


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A file of the package, and what became of it."""

    id: str
    received_at: datetime
    snapshot_at: datetime | None
    format: str
    state: DeliveryState
    waits: bool
    """A person can still decide about it."""
    counts: Mapping[str, int]
    rows: Mapping[str, int]
    """Codes of rows that could not be used, and how many of each."""
    because: tuple[str, ...]
    """Codes: why it was refused or is held."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """All of it for one school."""

    state: consent.Sharing
    given: Given | None
    """The agreement that nobody stopped."""
    past: tuple[Given, ...]
    pakket: str | None
    records: int
    """Rows that say who sits in which class."""
    gone_by: datetime | None
    """When the rows are gone, if the school does not share and there are any."""
    arrived: tuple[Arrived, ...]

    @property
    def package(self) -> str | None:
        return PACKAGES.get(self.pakket or "", self.pakket)

    @property
    def next_text(self) -> consent.Text | None:
        """A text that the school could agree to now: the newest in force, or the one that is announced."""
        agreed, upcoming = self.state.agreed, self.state.upcoming
        if not self.state.shares or agreed is None:
            return self.state.newest
        return upcoming if upcoming and upcoming.in_force_from > agreed.in_force_from else None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What stopping does, in numbers."""

    rules: int
    apps: int
    pupils: int
    """Who sits in those classes, or will by what is known."""
    records: int


def standing(db: Connection, instellingsnummer: str, today: date) -> Standing:
    """Raises NotFound `school_unknown`."""
    row = db.execute(select(School.pakket).where(School.instellingsnummer == instellingsnummer)).first()
    if row is None:
        raise NotFound("school_unknown")
    state = consent.state(db, instellingsnummer, today)
    every = _agreements(db, instellingsnummer)
    given = next((one for one in every if one.stopped_at is None), None)
    past = tuple(one for one in every if one.stopped_at is not None)
    records = _records(db, instellingsnummer)
    ended = None
    if given is not None and state.lapses_on is not None:
        ended = midnight(state.lapses_on)
    elif given is None and past:
        ended = max(one.stopped_at for one in past if one.stopped_at)
    return Standing(
        state=state,
        given=given,
        past=past,
        pakket=row.pakket,
        records=records,
        gone_by=ended + GONE_WITHIN if ended and records and not state.shares else None,
        arrived=_arrived(db, instellingsnummer, shares=state.shares),
    )


def ending(db: Connection, instellingsnummer: str, today: date) -> Ending:
    """What would stopping today turn and delete?"""
    rule, member = VisibilityRule, ClassMembership
    mine = and_(
        rule.instellingsnummer == instellingsnummer,
        rule.kind == RuleKind.KLAS,
        or_(rule.einddatum.is_(None), rule.einddatum >= today),
    )
    about = db.execute(
        select(func.count().label("rules"), func.count(distinct(rule.client_id)).label("apps")).where(mine)
    ).one()
    covered = (
        select(func.count(distinct(member.account_uuid)))
        .join(rule, and_(visibility.names(rule.target, member.klas), mine))
        .join(Enrolment, visibility.seated(Enrolment, member, today))
        .where(
            member.instellingsnummer == instellingsnummer,
            or_(
                rule.einddatum.is_(None),
                and_(rule.einddatum >= member.begindatum, rule.einddatum >= Enrolment.begindatum),
            ),
        )
    )
    return Ending(
        rules=about.rules,
        apps=about.apps,
        pupils=db.execute(covered).scalar_one(),
        records=_records(db, instellingsnummer),
    )


def text(db: Connection, protocol_sha256: str) -> consent.Text:
    """A published text, whoever agreed to it. Raises NotFound `protocol_unknown`."""
    found = next((one for one in consent.texts(db) if one.sha256 == protocol_sha256), None)
    if found is None:
        raise NotFound("protocol_unknown")
    return found


def delivers(pakket: str) -> bool:
    """Do we read what this package delivers, today?"""
    return bool(class_plan.FORMATS_OF.get(pakket, frozenset({pakket})) & classes.ADAPTERS.keys())


def require_package(db: Connection, instellingsnummer: str) -> None:
    """Raises Invalid `package_missing`: without one there are no classes to share."""
    mine = select(School.pakket).where(School.instellingsnummer == instellingsnummer)
    if db.execute(mine).scalar() is None:
        raise Invalid("package_missing")


def name_package(db: Connection, *, instellingsnummer: str, pakket: str) -> None:
    """The school works with this package from now on; the same one again changes nothing.

    Raises Invalid `package_unknown`, NotAllowed `sandbox_school` and NotFound `school_unknown`.
    """
    if pakket not in OFFERED:
        raise Invalid("package_unknown")
    mine = School.instellingsnummer == instellingsnummer
    known = db.execute(select(School.pakket, School.kind).where(mine).with_for_update()).first()
    if known is None:
        raise NotFound("school_unknown")
    if is_closed(known.kind, known.pakket):
        raise NotAllowed("sandbox_school", "no package delivers to a sandbox school")
    if known.pakket == pakket:
        return
    db.execute(update(School).where(mine).values(pakket=pakket))
    audit_staff.package_named(db, instellingsnummer=instellingsnummer, package=pakket, before=known.pakket)


def _agreements(db: Connection, instellingsnummer: str) -> tuple[Given, ...]:
    """All of them with names, the newest first."""
    columns = (
        ProtocolText.version,
        ProtocolText.sha256,
        Agreement.given_by,
        Agreement.given_at,
        Agreement.stopped_at,
        Agreement.stopped_by,
        Agreement.stop_reference.label("reference"),
    )
    rows = (
        db.execute(
            select(*columns)
            .join(ProtocolText, ProtocolText.sha256 == Agreement.protocol_sha256)
            .where(Agreement.instellingsnummer == instellingsnummer)
            .order_by(Agreement.given_at.desc(), Agreement.id.desc())
            .limit(_MOST_PAST)
        )
        .mappings()
        .all()
    )
    ids = {row["given_by"] for row in rows} | {_person(row["stopped_by"]) for row in rows}
    names = staff_accounts.names(db, {one for one in ids if one})
    return tuple(_given(dict(row), names) for row in rows)


def _given(row: Mapping[str, Any], names: Mapping[str, str]) -> Given:
    by, ended = row["given_by"], _person(row["stopped_by"])
    return Given(
        **{**row, "given_by": names.get(by, by), "stopped_by": names.get(ended, ended) if ended else None}
    )


def _person(actor: str | None) -> str | None:
    """The person_id in an actor of the audit trail."""
    kind, _, name = (actor or "").partition(":")
    return name if kind == "person" else None


def _records(db: Connection, instellingsnummer: str) -> int:
    """Whatever is stored about who sits where, also rows that were replaced and rows that wait for a person."""
    mine = ClassMembership.instellingsnummer == instellingsnummer
    stored = db.execute(select(func.count()).select_from(ClassMembership).where(mine)).scalar_one()
    return stored + held.records(db, instellingsnummer)


def _arrived(db: Connection, instellingsnummer: str, *, shares: bool) -> tuple[Arrived, ...]:
    """A school that does not share decides about nothing: what waits is wiped with the rest."""
    waiting = {one.id for one in held.waiting(db, instellingsnummer)} if shares else set()
    columns = (
        Delivery.id,
        Delivery.received_at,
        Delivery.snapshot_at,
        Delivery.format,
        Delivery.state,
        Delivery.report,
    )
    mine = (Delivery.instellingsnummer == instellingsnummer, Delivery.kind == deliveries.CLASSES)
    newest = select(*columns).where(*mine).order_by(Delivery.received_at.desc(), Delivery.id.desc())
    return tuple(
        Arrived(
            id=row.id,
            waits=row.id in waiting,
            received_at=row.received_at,
            snapshot_at=row.snapshot_at,
            format=row.format,
            state=row.state,
            counts=row.report.get("counts", {}),
            rows=row.report.get("problem_counts", {}) if row.state is DeliveryState.APPLIED else {},
            because=_because(row.state, row.report),
        )
        for row in db.execute(newest.limit(_SHOWN))
    )


def _because(state: DeliveryState, report: Mapping[str, Any]) -> tuple[str, ...]:
    if state is DeliveryState.HELD:
        return tuple(hold["code"] for hold in report.get("holds", ()))
    if state is DeliveryState.REFUSED:
        return tuple(report.get("problem_counts", {}))
    return ()
