"""What may the maker of an app see and try in the sandbox schools? Pupils with published secrets, a class that changes.

Only schools of the kind SANDBOX exist here: every function looks at the kind itself, whoever calls. What happens
goes through the same functions as at real schools, so an app meets exactly what it will meet there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from idp import apart, audit
from idp.admin.sandbox.sandbox_people import BY_STAMNUMMER, Invented
from idp.audit import apps as audit_apps
from idp.claims import agreements, consent, klasinformatie
from idp.claims.klasinformatie import DeliveredKlas
from idp.claims.seating import DeliveredMembership
from idp.claims.visibility import active
from idp.context import House
from idp.errors import NotFound
from idp.login import sandbox_secrets
from idp.models import (
    Account,
    Agreement,
    ClassMembership,
    Enrolment,
    Klas,
    Pupil,
    School,
    SchoolKind,
    SecretKind,
)

MOST = 200
"""Pupils on the page."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class SandboxPupil:
    account_uuid: str
    stamnummer: str
    username: str
    naam: str
    secret: str | None
    """None: it is not the published one now, or was never published."""
    put_back: bool
    """The pupil chose another secret: the published one can be given back."""
    kind: SecretKind
    schools: tuple[str, ...]
    klassen: tuple[str, ...]
    """Codes, today; an app gets them only while the school shares."""
    later: tuple[str, ...]
    """Codes of classes that begin after today."""
    official: bool
    """The government has official data about this pupil."""

    @property
    def long(self) -> bool:
        return len(self.naam) > 40


@dataclass(frozen=True, kw_only=True)
class SandboxSchool:
    instellingsnummer: str
    naam: str
    shares: bool
    waiting: int
    """Pupils who change class after today."""
    changed: int
    """Pupils whose class has changed, who can go back."""


@dataclass(frozen=True, kw_only=True)
class _Seat:
    account_uuid: str
    klas: DeliveredKlas
    begindatum: date
    einddatum: date | None

    def delivered(self) -> DeliveredMembership:
        return DeliveredMembership(
            klas_id=self.klas.klas_id,
            account_uuid=self.account_uuid,
            begindatum=self.begindatum,
            einddatum=self.einddatum,
        )


def schools(db: Connection, today: date) -> list[SandboxSchool]:
    """All of them, by number."""
    mine = select(School.instellingsnummer, School.naam).where(School.kind == SchoolKind.SANDBOX)
    return [
        SandboxSchool(
            instellingsnummer=row.instellingsnummer,
            naam=row.naam,
            shares=agreements.shares_today(db, row.instellingsnummer, today),
            waiting=len(_turns(seats := _seats(db, row.instellingsnummer), today, back=False)),
            changed=len(_turns(seats, today, back=True)),
        )
        for row in db.execute(mine.order_by(School.instellingsnummer))
    ]


def pupils(db: Connection, house: House, today: date) -> list[SandboxPupil]:
    """Who has an account and goes to a sandbox school today, by name."""
    columns = (Account.account_uuid, Account.username, Account.secret_kind, Pupil.naam.label("official"))
    wanted = (
        select(*columns, Enrolment.voornaam, Enrolment.naam, Enrolment.stamnummer, School.instellingsnummer)
        .join(Enrolment, Enrolment.account_uuid == Account.account_uuid)
        .join(Pupil, Pupil.account_uuid == Account.account_uuid)
        .join(School, School.instellingsnummer == Enrolment.instellingsnummer)
        .where(School.kind == SchoolKind.SANDBOX, active(Enrolment, today))
        .order_by(Account.username, School.instellingsnummer)
        .limit(MOST)
    )
    found: dict[str, SandboxPupil] = {}
    seats: dict[str, list[_Seat]] = {}
    for row in db.execute(wanted):
        school = row.instellingsnummer
        if school not in seats:
            seats[school] = _seats(db, school)
        mine = [one for one in seats[school] if one.account_uuid == row.account_uuid]
        ours = house.settings.demo or apart.is_invented(row.account_uuid)
        one = BY_STAMNUMMER.get(row.stamnummer) if ours else None
        as_published = one is not None and one.kind is row.secret_kind
        before = found.get(row.account_uuid) or SandboxPupil(
            account_uuid=row.account_uuid,
            stamnummer=row.stamnummer,
            username=row.username,
            naam=f"{row.voornaam} {row.naam}",
            secret=_secret(house, one) if one is not None and as_published else None,
            put_back=one is not None and not as_published and not house.settings.demo,
            kind=row.secret_kind,
            schools=(),
            klassen=(),
            later=(),
            official=row.official is not None,
        )
        found[row.account_uuid] = replace(
            before,
            schools=(*before.schools, school),
            klassen=_once(*before.klassen, *_codes(one for one in mine if _covers(one, today))),
            later=_once(*before.later, *_codes(one for one in mine if one.begindatum > today)),
        )
    return [*found.values()]


def counted(found: Iterable[SandboxPupil]) -> dict[str, int]:
    """How many of these go to each school."""
    return dict(Counter(school for one in found for school in one.schools))


def find(db: Connection, house: House, username: str, today: date) -> SandboxPupil:
    """Raises NotFound `pupil_unknown`: also for everybody who goes to a school of another kind."""
    for one in pupils(db, house, today):
        if one.username == username:
            return one
    raise NotFound("pupil_unknown")


def stop_sharing(db: Connection, instellingsnummer: str, *, now: datetime, today: date) -> None:
    """As when a director stops; nothing when the school does not share."""
    _require(db, instellingsnummer)
    stopped = consent.stop_by_operator(
        db,
        instellingsnummer=instellingsnummer,
        operator=audit.actor(),
        reference="sandbox",
        now=now,
        today=today,
    )
    if stopped.was_agreed:
        audit_apps.sandbox_changed(
            db, instellingsnummer=instellingsnummer, change="sharing_stopped", pupils=0
        )


def share_again(db: Connection, instellingsnummer: str, *, now: datetime, today: date) -> None:
    """The person who agreed last agrees again, with the text in force; nothing when the school shares.

    Raises what consent.give raises, and NotFound `protocol_unknown` when nobody ever agreed.
    """
    _require(db, instellingsnummer)
    if agreements.shares_today(db, instellingsnummer, today):
        return
    newest = (
        select(Agreement.given_by)
        .where(Agreement.instellingsnummer == instellingsnummer)
        .order_by(Agreement.given_at.desc())
    )
    director = db.execute(newest.limit(1)).scalar()
    text = next((one for one in reversed(consent.texts(db)) if one.in_force_from <= today), None)
    if director is None or text is None:
        raise NotFound("protocol_unknown")
    consent.give_by_operator(
        db,
        instellingsnummer=instellingsnummer,
        person_id=director,
        protocol_sha256=text.sha256,
        now=now,
        today=today,
    )
    audit_apps.sandbox_changed(db, instellingsnummer=instellingsnummer, change="sharing_given", pupils=0)


def turn_classes(db: Connection, instellingsnummer: str, *, back: bool, now: datetime, today: date) -> int:
    """Let the class change that waits happen today, or wait again until tomorrow; returns for how many pupils.

    A delivery as a package makes it, so a school that does not share gets none: Raises NotAllowed
    `school_does_not_share`.
    """
    _require(db, instellingsnummer)
    seats = _seats(db, instellingsnummer)
    turns = _turns(seats, today, back=back)
    if not turns:
        return 0
    last = today if back else today - _DAY
    moved = [
        _moved(one, turns[one.account_uuid], last) if one.account_uuid in turns else one for one in seats
    ]
    klasinformatie.replace(
        db,
        instellingsnummer,
        [*dict.fromkeys(one.klas for one in moved)],
        [one.delivered() for one in moved],
        now,
    )
    change = "class_waits" if back else "class_changed"
    audit_apps.sandbox_changed(db, instellingsnummer=instellingsnummer, change=change, pupils=len(turns))
    return len(turns)


# ---------------------------------------------------------------- inside


def _secret(house: House, one: Invented) -> str:
    return sandbox_secrets.secret(house.keys, one.username, one.kind)


def _require(db: Connection, instellingsnummer: str) -> None:
    """A school of another kind does not exist here."""
    mine = select(School.kind).where(School.instellingsnummer == instellingsnummer)
    if db.execute(mine).scalar() is not SchoolKind.SANDBOX:
        raise NotFound("school_unknown", instellingsnummer[:20])


def _seats(db: Connection, instellingsnummer: str) -> list[_Seat]:
    """What the last delivery holds."""
    wanted = (
        select(
            ClassMembership.account_uuid,
            ClassMembership.begindatum,
            ClassMembership.einddatum,
            Klas.klas_id,
            Klas.code,
            Klas.naam,
            Klas.soort,
        )
        .join(Klas, Klas.id == ClassMembership.klas)
        .where(ClassMembership.instellingsnummer == instellingsnummer, ClassMembership.replaced_at.is_(None))
        .order_by(Klas.code)
    )
    return [
        _Seat(
            account_uuid=row.account_uuid,
            klas=DeliveredKlas(klas_id=row.klas_id, code=row.code, naam=row.naam, soort=row.soort),
            begindatum=row.begindatum,
            einddatum=row.einddatum,
        )
        for row in db.execute(wanted)
    ]


def _turns(seats: Iterable[_Seat], today: date, *, back: bool) -> dict[str, date]:
    """By pupil the last day in the old class: not over yet, or (back) over; a new class begins on the day after."""
    seats = [*seats]
    begins = {(one.account_uuid, one.begindatum) for one in seats}
    return {
        one.account_uuid: one.einddatum
        for one in seats
        if one.einddatum is not None
        and (one.einddatum < today) is back
        and (one.account_uuid, one.einddatum + _DAY) in begins
    }


def _moved(seat: _Seat, turn: date, last: date) -> _Seat:
    """The same seat, when the old class ends on `last` instead of `turn`."""
    if seat.einddatum == turn:
        return replace(seat, einddatum=last, begindatum=min(seat.begindatum, last))
    if seat.begindatum == turn + _DAY:
        return replace(seat, begindatum=last + _DAY)
    return seat


def _covers(seat: _Seat, today: date) -> bool:
    return seat.begindatum <= today and (seat.einddatum is None or seat.einddatum >= today)


def _codes(seats: Iterable[_Seat]) -> tuple[str, ...]:
    return tuple(one.klas.code for one in seats)


def _once(*codes: str) -> tuple[str, ...]:
    """In their order; two schools may have a class with the same code."""
    return tuple(dict.fromkeys(codes))
