"""Who of the staff may do what today? Rights with a first and a last day, by the calendar of Brussels.

    operator                apps, schools, keys, audit; everywhere
    LeerID-beheerder        accounts, cards and apps of one school; appoints others there
    LeerID-databeheerder    only: share and stop sharing klasinformatie, at one school
    leerkracht              helps own pupils, until the school year ends

A right is looked up each time, so a session never outlives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, insert, select, update

from idp import audit, entropy
from idp.clock import day_of_law, school_year_ends
from idp.errors import Invalid, NotAllowed, NotFound
from idp.models import Person as PersonRow
from idp.models import Right as RightRow
from idp.models import RightKind, School, SchoolKind

APPOINTED_BY_SCHOOL = frozenset({RightKind.BEHEERDER, RightKind.TEACHER})
"""What a LeerID-beheerder may give to others. A LeerID-databeheerder comes from the directeursopdracht."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """A right that counts today."""

    id: str
    kind: RightKind
    instellingsnummer: str | None
    """None: everywhere (operators only)."""
    einddatum: date
    """Last day, included."""


def rights(db: Connection, person_id: str, today: date) -> tuple[Right, ...]:
    """Every right of this person that counts today, by school and kind."""
    rows = db.execute(
        select(RightRow.id, RightRow.kind, RightRow.instellingsnummer, RightRow.einddatum)
        .where(
            RightRow.person_id == person_id,
            RightRow.begindatum <= today,
            RightRow.einddatum >= today,
        )
        .order_by(RightRow.instellingsnummer, RightRow.kind, RightRow.einddatum.desc())
    ).mappings()
    return tuple(Right(**row) for row in rows)


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
    """Make this person known, or bring names up to date; returns the person_id."""
    names = {"voornaam": voornaam, "naam": naam, "e_mail": e_mail}
    if not db.execute(update(PersonRow).where(PersonRow.person_id == person_id).values(names)).rowcount:
        db.execute(insert(PersonRow), names | {"person_id": person_id, "created_at": now})
    return person_id


def grant(
    db: Connection,
    *,
    person_id: str,
    kind: RightKind,
    instellingsnummer: str | None,
    einddatum: date | None = None,
    by: str | None = None,
    source: str = "cli",
    now: datetime,
) -> str:
    """Give a right from today on; returns its id. Without `einddatum` it lasts as long as the school year.

    `by` is the person who gives it, None the command line. Raises NotFound (`person_unknown`,
    `school_unknown`), Invalid (`right_needs_school`, `right_is_everywhere`, `dates_reversed`,
    `right_comes_from_assignment`: a databeheerder of a real school) and NotAllowed (`right_missing`,
    `right_for_oneself`).
    """
    today = day_of_law(now)
    last = min(einddatum or date.max, school_year_ends(today)) if kind is RightKind.TEACHER else einddatum
    last = last or school_year_ends(today)
    if last < today:
        raise Invalid("dates_reversed")
    if db.execute(select(PersonRow.person_id).where(PersonRow.person_id == person_id)).first() is None:
        raise NotFound("person_unknown", person_id)
    _check_place(db, kind, instellingsnummer)
    if by == person_id:
        raise NotAllowed("right_for_oneself")
    if by is not None:
        _check_giver(db, by, kind, instellingsnummer, today)
    right_id = entropy.row_id()
    db.execute(
        insert(RightRow),
        {
            "id": right_id,
            "person_id": person_id,
            "kind": kind,
            "instellingsnummer": instellingsnummer,
            "begindatum": today,
            "einddatum": last,
            "source": source,
            "granted_at": now,
        },
    )
    audit.right_given(db, person_id=person_id, right=kind, instellingsnummer=instellingsnummer)
    return right_id


def _check_place(db: Connection, kind: RightKind, instellingsnummer: str | None) -> None:
    if kind is RightKind.OPERATOR:
        if instellingsnummer is not None:
            raise Invalid("right_is_everywhere")
        return
    if instellingsnummer is None:
        raise Invalid("right_needs_school")
    where = School.instellingsnummer == instellingsnummer
    school_kind = db.execute(select(School.kind).where(where)).scalar()
    if school_kind is None:
        raise NotFound("school_unknown", instellingsnummer)
    if kind is RightKind.DATABEHEERDER and school_kind is SchoolKind.REAL:
        raise Invalid("right_comes_from_assignment")


def _check_giver(
    db: Connection, by: str, kind: RightKind, instellingsnummer: str | None, today: date
) -> None:
    """Nobody gives what is not theirs to give."""
    if kind in APPOINTED_BY_SCHOOL and may(db, by, RightKind.BEHEERDER, instellingsnummer, today):
        return
    require(db, by, RightKind.OPERATOR, None, today)
