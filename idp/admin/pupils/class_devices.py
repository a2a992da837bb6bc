"""Which devices are the school's, who may say so, and how is everyone done at once?

A LeerID-beheerder and a leerkracht of the school give codes, rename devices and take them back. *Iedereen klaar* ends
what pupils left open on them: a beheerder for the whole school, a group or a class; a teacher among the own pupils.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, false, func, or_, select, update

from idp.admin.pupils import helping
from idp.admin.staff import access
from idp.audit import devices as audit_devices
from idp.clock import day_of_law
from idp.context import House
from idp.errors import Invalid, NotAllowed, NotFound
from idp.login import devices, sessions
from idp.models import (
    ClassDevice,
    ClassMembership,
    Enrolment,
    RightKind,
    Session,
)

LONGEST_LABEL = 60
STAFF = frozenset({RightKind.BEHEERDER, RightKind.TEACHER})
EVERYONE_DONE = "everyone_done"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A device in the list of its school."""

    id: str
    label: str
    group_code: str | None
    enrolled_at: datetime
    enrolled_by: str
    einddatum: date
    revoked_at: datetime | None

    def counts(self, today: date) -> bool:
        return self.revoked_at is None and self.einddatum >= today


@dataclass(frozen=True, kw_only=True)
class GivenCode:
    code: str
    """In two halves; shown now, and never again."""
    address: str
    """Where it is typed."""
    link: str
    """The same with the code behind it, for a QR: what follows the # is never sent to anyone."""
    until: datetime


def give_code(
    house: House, *, instellingsnummer: str, label: str, by: str, group_code: str | None = None
) -> GivenCode:
    """A code for one device. Raises NotAllowed `right_missing`, Invalid `device_needs_label`, NotFound `group_unknown`."""
    code, now = devices.new_code(), house.clock.now()
    with house.database.transaction() as db:
        require(db, by, instellingsnummer, day_of_law(now))
        if group_code is not None:
            _check_group(db, instellingsnummer, group_code)
        until = devices.keep_code(
            db,
            house.keys,
            house.settings,
            code=code,
            instellingsnummer=instellingsnummer,
            label=_label(label),
            group_code=group_code,
            by=by,
            now=now,
        )
    address = f"{house.settings.issuer}/toestel"
    return GivenCode(code=devices.readable(code), address=address, link=f"{address}#{code}", until=until)


def listing(db: Connection, instellingsnummer: str) -> list[Listed]:
    """Every device of this school, by label; those that were taken back last."""
    rows = db.execute(
        select(
            ClassDevice.id,
            ClassDevice.label,
            ClassDevice.group_code,
            ClassDevice.enrolled_at,
            ClassDevice.enrolled_by,
            ClassDevice.einddatum,
            ClassDevice.revoked_at,
        )
        .where(ClassDevice.instellingsnummer == instellingsnummer)
        .order_by(ClassDevice.revoked_at.is_not(None), ClassDevice.label, ClassDevice.id)
    ).mappings()
    return [Listed(**row) for row in rows]


def rename(
    db: Connection, *, instellingsnummer: str, device_id: str, label: str, by: str, now: datetime
) -> None:
    """Raises NotAllowed `right_missing`, Invalid `device_needs_label`, NotFound `device_unknown`."""
    require(db, by, instellingsnummer, day_of_law(now))
    _change(db, instellingsnummer, device_id, {"label": _label(label)})
    audit_devices.device_renamed(db, device=device_id, instellingsnummer=instellingsnummer, by=by)


def revoke(db: Connection, *, instellingsnummer: str, device_id: str, by: str, now: datetime) -> int:
    """From this moment it is a stranger, and nobody is signed in on it any more; returns how many were.

    Raises NotAllowed `right_missing` and NotFound `device_unknown`.
    """
    require(db, by, instellingsnummer, day_of_law(now))
    _change(db, instellingsnummer, device_id, {"revoked_at": now})
    audit_devices.device_revoked(db, device=device_id, instellingsnummer=instellingsnummer, by=by)
    return sessions.end_on_devices(db, ClassDevice.id == device_id, "device_revoked", now)


def everyone_done(
    db: Connection,
    *,
    instellingsnummer: str,
    by: str,
    now: datetime,
    group_code: str | None = None,
    klas: str | None = None,
) -> int:
    """*Iedereen klaar*: end the sessions on the school's devices, of all or of one group or class (Klas.id).

    For a teacher all are the own pupils. Apps are told. Returns how many ended. Raises NotAllowed `right_missing`.
    """
    today = day_of_law(now)
    require(db, by, instellingsnummer, today)
    of = _sits_in(instellingsnummer, group_code, klas, today)
    if not access.may(db, by, RightKind.BEHEERDER, instellingsnummer, today):
        own = _own_pupils(db, by, instellingsnummer, today)
        of = own if of is None else and_(of, own)
    count = sessions.end_on_devices(
        db, ClassDevice.instellingsnummer == instellingsnummer, EVERYONE_DONE, now, of=of
    )
    audit_devices.everyone_signed_out(
        db, instellingsnummer=instellingsnummer, by=by, among=group_code or klas, count=count
    )
    return count


def require(db: Connection, person_id: str, instellingsnummer: str, today: date) -> None:
    """Raises NotAllowed `right_missing` unless this person works at the school."""
    if not any(access.may(db, person_id, kind, instellingsnummer, today) for kind in STAFF):
        raise NotAllowed("right_missing", f"staff at {instellingsnummer}")


def _sits_in(
    instellingsnummer: str, group_code: str | None, klas: str | None, today: date
) -> ColumnElement[bool] | None:
    """A condition on Session: of a pupil in this group, or in this class, today."""
    if klas is not None:
        members = select(ClassMembership.account_uuid).where(
            ClassMembership.klas == klas,
            ClassMembership.instellingsnummer == instellingsnummer,
            ClassMembership.replaced_at.is_(None),
            ClassMembership.begindatum <= today,
            or_(ClassMembership.einddatum.is_(None), ClassMembership.einddatum >= today),
        )
        return Session.account_uuid.in_(members.scalar_subquery())
    if group_code is not None:
        enrolled = select(Enrolment.account_uuid).where(
            Enrolment.instellingsnummer == instellingsnummer,
            Enrolment.administratieve_groep_code == group_code,
            Enrolment.begindatum <= today,
            Enrolment.einddatum >= today,
        )
        return Session.account_uuid.in_(enrolled.scalar_subquery())
    return None


def groups(db: Connection, person_id: str, instellingsnummer: str, today: date) -> list[tuple[str, str]]:
    """(code, name) of each administratieve groep in which this person has pupils today, by name."""
    mine = helping.enrolments(db, person_id, instellingsnummer, today)
    if mine is None:
        return []
    rows = db.execute(
        select(Enrolment.administratieve_groep_code, func.max(Enrolment.administratieve_groep).label("naam"))
        .where(mine)
        .group_by(Enrolment.administratieve_groep_code)
    ).all()
    return sorted(((row.administratieve_groep_code, row.naam) for row in rows), key=lambda pair: pair[1])


def _own_pupils(db: Connection, by: str, instellingsnummer: str, today: date) -> ColumnElement[bool]:
    """A condition on Session: of a pupil whom this person may help."""
    mine = helping.enrolments(db, by, instellingsnummer, today)
    if mine is None:
        return false()
    return Session.account_uuid.in_(select(Enrolment.account_uuid).where(mine).scalar_subquery())


def _check_group(db: Connection, instellingsnummer: str, group_code: str) -> None:
    there = select(Enrolment.id).where(
        Enrolment.instellingsnummer == instellingsnummer, Enrolment.administratieve_groep_code == group_code
    )
    if db.execute(there.limit(1)).first() is None:
        raise NotFound("group_unknown", group_code)


def _change(db: Connection, instellingsnummer: str, device_id: str, values: dict[str, Any]) -> None:
    done = db.execute(
        update(ClassDevice)
        .where(
            ClassDevice.id == device_id,
            ClassDevice.instellingsnummer == instellingsnummer,
            ClassDevice.revoked_at.is_(None),
        )
        .values(values)
    )
    if not done.rowcount:
        raise NotFound("device_unknown", device_id)


def _label(given: str) -> str:
    label = " ".join(given.split())
    if not label or len(label) > LONGEST_LABEL or not label.isprintable():
        raise Invalid("device_needs_label", f"1 to {LONGEST_LABEL} characters")
    return label
