"""Who of the staff may do what today? Rights with a first and a last day, by the calendar of Brussels.

    operator                apps, schools, keys, audit; everywhere
    LeerID-beheerder        accounts, cards and apps of one school; appoints others there
    LeerID-databeheerder    only: share and stop sharing klasinformatie, at one school
    leerkracht              helps own pupils, until the school year ends
    leverancier             looks after the apps of one supplier, and asks for changes of them

A right is looked up each time, so a session never outlives it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update

from idp import audit, entropy
from idp.admin.makers import suppliers
from idp.audit import staff as audit_staff
from idp.clock import day_of_law, school_year_ends
from idp.errors import Invalid, NotAllowed, NotFound
from idp.feeds import directors
from idp.login.staff_setup import APPOINTED_BY_SCHOOL
from idp.models import Person as PersonRow
from idp.models import Right as RightRow
from idp.models import RightKind, School, SchoolKind, StaffAccount, is_closed

SANDBOX = "sandbox"
"""Where the rights come from that a sandbox needs to work as a school does; nobody signs in with those of an installation."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """A right that counts today."""

    id: str
    kind: RightKind
    instellingsnummer: str | None
    """None: everywhere (operators only)."""
    einddatum: date
    """Last day, included."""
    supplier: str | None = None
    """Whose apps (people of suppliers only)."""


def rights(db: Connection, person_id: str, today: date) -> tuple[Right, ...]:
    """Every right of this person that counts today, by school and kind."""
    rows = db.execute(
        select(RightRow.id, RightRow.kind, RightRow.instellingsnummer, RightRow.einddatum, RightRow.supplier)
        .where(
            RightRow.person_id == person_id,
            RightRow.begindatum <= today,
            RightRow.einddatum >= today,
        )
        .order_by(RightRow.instellingsnummer, RightRow.kind, RightRow.einddatum.desc())
    ).mappings()
    return tuple(Right(**row) for row in rows)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A right, and who holds it."""

    id: str
    person_id: str
    voornaam: str
    naam: str
    e_mail: str | None
    kind: RightKind
    instellingsnummer: str | None
    begindatum: date
    einddatum: date
    source: str
    supplier: str | None

    @property
    def name(self) -> str:
        return f"{self.voornaam} {self.naam}"


def holders(
    db: Connection,
    today: date,
    *,
    instellingsnummer: str | None = None,
    person_id: str | None = None,
    supplier: str | None = None,
) -> tuple[Holder, ...]:
    """Rights that count today or will, at one school, one supplier or everywhere, by name."""
    asked = all_holders().where(RightRow.einddatum >= today, RightRow.begindatum <= RightRow.einddatum)
    if instellingsnummer is not None:
        asked = asked.where(RightRow.instellingsnummer == instellingsnummer)
    if person_id is not None:
        asked = asked.where(RightRow.person_id == person_id)
    if supplier is not None:
        asked = asked.where(RightRow.supplier == supplier)
    ordered = asked.order_by(PersonRow.naam, PersonRow.voornaam, RightRow.kind, RightRow.id)
    return tuple(Holder(**row) for row in db.execute(ordered).mappings())


def all_holders() -> Select[*tuple[Any, ...]]:
    """SQL: every right with its person, to narrow down."""
    return select(
        RightRow.id,
        RightRow.person_id,
        PersonRow.voornaam,
        PersonRow.naam,
        PersonRow.e_mail,
        RightRow.kind,
        RightRow.instellingsnummer,
        RightRow.begindatum,
        RightRow.einddatum,
        RightRow.source,
        RightRow.supplier,
    ).join(PersonRow, PersonRow.person_id == RightRow.person_id)


def may(db: Connection, person_id: str, kind: RightKind, instellingsnummer: str | None, today: date) -> bool:
    """Has this person this very right, at this school, today? An operator is not a beheerder of every school."""
    return any(
        right.kind is kind and right.instellingsnummer == instellingsnummer
        for right in rights(db, person_id, today)
    )


def require(
    db: Connection, person_id: str, kind: RightKind, instellingsnummer: str | None, today: date
) -> None:
    """Raises NotAllowed `right_missing` unless `may`."""
    if not may(db, person_id, kind, instellingsnummer, today):
        raise NotAllowed("right_missing", f"{kind} at {instellingsnummer or 'everywhere'}")


def meet(
    db: Connection, *, person_id: str, voornaam: str, naam: str, e_mail: str | None = None, now: datetime
) -> str:
    """Make this person known, or bring names up to date (an address that is not said stays); returns the person_id."""
    names = {"voornaam": voornaam, "naam": naam} | ({"e_mail": e_mail} if e_mail else {})
    if not db.execute(update(PersonRow).where(PersonRow.person_id == person_id).values(names)).rowcount:
        db.execute(insert(PersonRow), {"e_mail": None, "person_id": person_id, "created_at": now} | names)
    return person_id


def grant(
    db: Connection,
    *,
    person_id: str,
    kind: RightKind,
    instellingsnummer: str | None,
    supplier: str | None = None,
    einddatum: date | None = None,
    by: str | None = None,
    source: str = "cli",
    now: datetime,
) -> str:
    """Give a right from today on; returns its id. Without `einddatum` it lasts as long as the school year.

    Who has it already has it once, until the later of the two days and from whoever said that day; what an assignment
    gave ends with that.
    `by` is the person who gives it, None the command line. Raises NotFound (`person_unknown`,
    `school_unknown`, `supplier_unknown`), Invalid (`right_needs_school`, `right_needs_supplier`, `right_is_everywhere`, `dates_reversed`,
    `right_comes_from_assignment`: a databeheerder of a real school) and NotAllowed (`right_missing`,
    `right_for_oneself`, `sandbox_school`, `operator_begins_anew`).
    """
    today = day_of_law(now)
    last = min(einddatum or date.max, school_year_ends(today)) if kind is RightKind.TEACHER else einddatum
    last = last or school_year_ends(today)
    if last < today:
        raise Invalid("dates_reversed")
    require_person(db, person_id)
    _check_place(db, kind, instellingsnummer, supplier, ours=source == SANDBOX)
    if by == person_id:
        raise NotAllowed("right_for_oneself")
    if by is not None:
        _check_giver(db, by, kind, instellingsnummer, today)
    if kind is RightKind.OPERATOR and source != SANDBOX:
        _check_beginning(db, person_id)
    same = (*_same(person_id, kind, instellingsnummer, supplier), RightRow.source != directors.SOURCE)
    running = (RightRow.begindatum <= today, RightRow.einddatum >= today)
    standing = db.execute(
        select(RightRow.id, RightRow.einddatum)
        .where(*same, *running)
        .order_by(RightRow.einddatum.desc(), RightRow.id)
        .limit(1)
    ).first()
    if standing is not None:
        right_id = str(standing.id)
        if last > standing.einddatum:
            longer = {"einddatum": last, "source": source, "granted_at": now}
            db.execute(update(RightRow).where(RightRow.id == right_id).values(longer))
    else:
        right_id = entropy.row_id()
        given = {"id": right_id, "person_id": person_id, "kind": kind, "source": source, "granted_at": now}
        given |= {"instellingsnummer": instellingsnummer, "supplier": supplier}
        db.execute(insert(RightRow), given | {"begindatum": today, "einddatum": last})
    audit.right_given(db, person_id=person_id, right=kind, instellingsnummer=instellingsnummer)
    return right_id


def stop(
    db: Connection, *, right_id: str, by: str | None, today: date, instellingsnummer: str | None = None
) -> Holder:
    """End a right at once, and the same right from elsewhere; returns what it was. `by` is the person, None the command line.

    A LeerID-beheerder stops at the own school what a LeerID-beheerder may give, and never an own right: so one always
    stays. Raises NotFound `right_unknown` (also for a right at another school) and NotAllowed (`right_missing`,
    `right_for_oneself`).
    """
    if instellingsnummer is not None:  # two who would stop each other take turns
        where = School.instellingsnummer == instellingsnummer
        db.execute(select(School.instellingsnummer).where(where).with_for_update())
    elif by is not None:
        running = (RightRow.kind == RightKind.OPERATOR, RightRow.einddatum >= today)
        db.execute(select(RightRow.id).where(*running).order_by(RightRow.id).with_for_update())
    right_id = _row_id(right_id)
    row = (
        db.execute(all_holders().where(RightRow.id == right_id, RightRow.einddatum >= today))
        .mappings()
        .first()
    )
    if row is None or (by is not None and row["instellingsnummer"] != instellingsnummer):
        raise NotFound("right_unknown", right_id)
    held = Holder(**row)
    if by is not None:
        if held.person_id == by:
            raise NotAllowed("right_for_oneself")
        _check_giver(db, by, held.kind, held.instellingsnummer, today)
    same = _same(held.person_id, held.kind, held.instellingsnummer, held.supplier)
    ended = update(RightRow).where(*same, RightRow.einddatum >= today)
    db.execute(ended.values(einddatum=today - timedelta(days=1)))
    audit_staff.right_stopped(
        db,
        person_id=held.person_id,
        right=held.kind,
        instellingsnummer=held.instellingsnummer,
        until=held.einddatum.isoformat(),
    )
    return held


def _row_id(text: str) -> str:
    """A right's id as the database knows it. Raises NotFound `right_unknown` for what is no id."""
    try:
        return str(uuid.UUID(text[:40]))
    except ValueError:
        raise NotFound("right_unknown", text[:40]) from None


def _same(
    person_id: str, kind: RightKind, instellingsnummer: str | None, supplier: str | None
) -> tuple[ColumnElement[bool], ...]:
    """SQL: this right of this person, whoever gave it."""
    where = (RightRow.instellingsnummer, instellingsnummer), (RightRow.supplier, supplier)
    places = [column.is_(None) if value is None else column == value for column, value in where]
    return RightRow.person_id == person_id, RightRow.kind == kind, *places


def _check_beginning(db: Connection, person_id: str) -> None:
    """Nobody becomes an operator with a way to sign in from before: the link that began it may have been a school's, and
    whoever handed it out may have used it. Raises NotAllowed.
    """
    known = select(StaffAccount.created_at).where(StaffAccount.person_id == person_id)
    begun = db.execute(known).scalar()
    if begun is None:
        return
    day = day_of_law(begun)
    was_one = select(RightRow.id).where(
        RightRow.person_id == person_id,
        RightRow.kind == RightKind.OPERATOR,
        RightRow.begindatum <= day,
        RightRow.einddatum >= day,
    )
    if db.execute(was_one.limit(1)).first() is None:
        raise NotAllowed(
            "operator_begins_anew", f"first `idp staff forget {person_id}`; afterwards invite them"
        )


def require_person(db: Connection, person_id: str) -> None:
    """Takes turns for this person. Raises NotFound `person_unknown`, also for who is no longer known by name (docs/retention.md)."""
    known = select(PersonRow.person_id).where(PersonRow.person_id == person_id, PersonRow.naam != "")
    if db.execute(known.with_for_update()).first() is None:
        raise NotFound("person_unknown", person_id)


def with_e_mail(db: Connection, e_mail: str) -> tuple[str, ...]:
    """The people who have this e-mail address, however it is written; two at most."""
    same = func.lower(PersonRow.e_mail) == e_mail.strip().lower()
    return tuple(db.execute(select(PersonRow.person_id).where(same).limit(2)).scalars())


def may_invite(db: Connection, person_id: str, instellingsnummer: str, today: date) -> bool:
    """May a LeerID-beheerder of this school send this person an invitation?

    Whoever holds the link can become that person. So it is only for who has nothing but rights that a
    LeerID-beheerder of this very school may give, and who cannot sign in yet.
    """
    held = holders(db, today, person_id=person_id)
    theirs = all(
        right.instellingsnummer == instellingsnummer and right.kind in APPOINTED_BY_SCHOOL for right in held
    )
    known = db.execute(select(StaffAccount.person_id).where(StaffAccount.person_id == person_id)).first()
    return bool(held) and theirs and known is None


def _check_place(
    db: Connection, kind: RightKind, instellingsnummer: str | None, supplier: str | None, *, ours: bool
) -> None:
    if (supplier is not None) is not (kind is RightKind.SUPPLIER):
        raise Invalid(
            "right_needs_supplier", "a supplier goes with the right `leverancier`, and with no other"
        )
    if kind in {RightKind.OPERATOR, RightKind.SUPPLIER}:
        if instellingsnummer is not None:
            raise Invalid("right_is_everywhere")
        if supplier is not None and not suppliers.exists(db, supplier):
            raise NotFound("supplier_unknown", supplier[:40])
        return
    if instellingsnummer is None:
        raise Invalid("right_needs_school")
    where = School.instellingsnummer == instellingsnummer
    school = db.execute(select(School.kind, School.pakket).where(where)).first()
    if school is None:
        raise NotFound("school_unknown", instellingsnummer)
    if is_closed(school.kind, school.pakket) and not ours:
        raise NotAllowed("sandbox_school", "nobody works at a sandbox school")
    if kind is RightKind.DATABEHEERDER and school.kind is SchoolKind.REAL:
        raise Invalid("right_comes_from_assignment")


def _check_giver(
    db: Connection, by: str, kind: RightKind, instellingsnummer: str | None, today: date
) -> None:
    """Nobody gives what is not theirs to give."""
    if kind in APPOINTED_BY_SCHOOL and may(db, by, RightKind.BEHEERDER, instellingsnummer, today):
        return
    require(db, by, RightKind.OPERATOR, None, today)
