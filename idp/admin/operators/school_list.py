"""Which schools are there, how do they stand, and what may an operator change about one?

Name and package only: a school's kind never changes (a school for trying out can never hold a real pupil), and what a
school shares is the school's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from idp import apart, audit
from idp.admin.pupils.pupil_list import fold
from idp.audit import staff as audit_staff
from idp.claims import agreements
from idp.errors import Invalid, NotFound
from idp.feeds.schools import PACKAGES
from idp.models import Enrolment, RightKind, School, SchoolKind
from idp.models import Right as RightRow

MOST = 200
_NUMBER = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, kw_only=True)
class Line:
    instellingsnummer: str
    naam: str
    kind: SchoolKind
    pakket: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "instellingsnummer": self.instellingsnummer,
            "naam": self.naam,
            "kind": self.kind.value,
            "pakket": self.pakket,
        }


def counted(db: Connection) -> tuple[int, int]:
    """How many schools there are, and apart from them how many of the sandbox."""
    in_sandbox = func.count().filter(School.kind == SchoolKind.SANDBOX)
    every, invented = db.execute(select(func.count(), in_sandbox).select_from(School)).one()
    return every - invented, invented


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One school, as an operator sees it: numbers, and no names."""

    line: Line
    shares: bool
    pupils: int
    beheerders: int
    databeheerders: int

    def as_json(self) -> dict[str, Any]:
        return self.line.as_json() | {
            "shares": self.shares,
            "pupils": self.pupils,
            "beheerders": self.beheerders,
            "databeheerders": self.databeheerders,
        }


def search(
    db: Connection,
    *,
    words: str = "",
    kind: SchoolKind | None = None,
    pakket: str | None = None,
    after: str = "",
    most: int = 50,
) -> list[Line]:
    """Schools by instellingsnummer, those after `after`, whose name has these words or whose number begins with them.

    Capitals and accents make no difference, in either database.
    """
    wanted = select(School.instellingsnummer, School.naam, School.kind, School.pakket)
    if kind is not None:
        wanted = wanted.where(School.kind == kind)
    if pakket is not None:
        wanted = wanted.where(School.pakket == pakket)
    if after:
        wanted = wanted.where(School.instellingsnummer > after[:6])
    ordered, most = wanted.order_by(School.instellingsnummer), min(most, MOST + 1)
    if not words.strip():
        return [Line(**row) for row in db.execute(ordered.limit(most)).mappings()]
    asked = fold(words).split()
    named = (row for row in db.execute(ordered).mappings() if asked and _is_called(row, asked))
    return [Line(**row) for row in islice(named, most)]


def names(db: Connection, numbers: Collection[str]) -> dict[str, str]:
    """What these schools are called, by instellingsnummer."""
    rows = db.execute(
        select(School.instellingsnummer, School.naam).where(School.instellingsnummer.in_(numbers))
    )
    return {row.instellingsnummer: row.naam for row in rows}


def show(db: Connection, instellingsnummer: str, today: date) -> Shown:
    """Raises NotFound `school_unknown`."""
    line = _line(db, instellingsnummer)
    here = Enrolment.instellingsnummer == instellingsnummer
    active = (Enrolment.begindatum <= today) & (Enrolment.einddatum >= today)
    pupils = select(func.count(Enrolment.account_uuid.distinct())).where(here, active)
    held = {
        row[0]: row[1]
        for row in db.execute(
            select(RightRow.kind, func.count(RightRow.person_id.distinct()))
            .where(
                RightRow.instellingsnummer == instellingsnummer,
                RightRow.begindatum <= today,
                RightRow.einddatum >= today,
            )
            .group_by(RightRow.kind)
        )
    }
    return Shown(
        line=line,
        shares=agreements.shares_today(db, instellingsnummer, today),
        pupils=int(db.execute(pupils).scalar_one()),
        beheerders=held.get(RightKind.BEHEERDER, 0),
        databeheerders=held.get(RightKind.DATABEHEERDER, 0),
    )


def keep(
    db: Connection,
    instellingsnummer: str,
    *,
    naam: str,
    kind: SchoolKind | None = None,
    pakket: str | None = None,
    now: datetime,
) -> bool:
    """Make a school known (`kind` None: a real one), or change its name and package; True when it is new.

    Raises Invalid `school_refused`, `sandbox_made_apart`, `package_unknown`, `kind_is_frozen`.
    """
    naam = naam.strip()
    if not _NUMBER.fullmatch(instellingsnummer) or not 0 < len(naam) <= 200 or not naam.isprintable():
        raise Invalid("school_refused", "a school has six digits, and a name of 1 to 200 characters")
    if apart.is_reserved(instellingsnummer):
        raise Invalid(
            "sandbox_made_apart", "`idp sandbox create` makes the sandbox schools, and nothing else"
        )
    if pakket is not None and pakket not in PACKAGES:
        raise Invalid("package_unknown", f"one of: {', '.join(PACKAGES)}")
    where = School.instellingsnummer == instellingsnummer
    before = db.execute(select(School.kind, School.naam, School.pakket).where(where)).first()
    if before is None:
        if kind is SchoolKind.SANDBOX:
            raise Invalid(
                "sandbox_made_apart", "a sandbox school has a number of its own: `idp sandbox create`"
            )
        row = {"instellingsnummer": instellingsnummer, "naam": naam, "pakket": pakket, "created_at": now}
        db.execute(insert(School), row | {"kind": kind or SchoolKind.REAL})
        audit_staff.school_kept(db, instellingsnummer=instellingsnummer, fields=["new"])
        return True
    if kind is not None and kind is not before.kind:
        raise Invalid("kind_is_frozen", f"it is {before.kind.value}, from its first day")
    fields = [name for name, value in (("naam", naam), ("pakket", pakket)) if getattr(before, name) != value]
    if fields:
        db.execute(update(School).where(where).values(naam=naam, pakket=pakket))
        audit_staff.school_kept(db, instellingsnummer=instellingsnummer, fields=fields)
    return False


def require(db: Connection, instellingsnummer: str) -> None:
    """Raises NotFound `school_unknown`."""
    _line(db, instellingsnummer)


def actor() -> str:
    """Who makes something visible, as rules keep it."""
    return audit.actor()[:100]


def _is_called(row: Mapping[Any, Any], asked: Sequence[str]) -> bool:
    said, number = fold(row["naam"]), row["instellingsnummer"]
    return all(word in said or number.startswith(word) for word in asked)


def _line(db: Connection, instellingsnummer: str) -> Line:
    columns = select(School.instellingsnummer, School.naam, School.kind, School.pakket)
    row = db.execute(columns.where(School.instellingsnummer == instellingsnummer)).mappings().first()
    if row is None:
        raise NotFound("school_unknown", instellingsnummer[:6])
    return Line(**row)
