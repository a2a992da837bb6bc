"""How far are schools with a protocol text? How many real schools agreed to it, and which that share have not yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Connection, func, select

from idp.claims import agreements, consent
from idp.models import Agreement, ProtocolText, School, SchoolKind

MOST = 200


@dataclass(frozen=True, kw_only=True)
class Name:
    instellingsnummer: str
    naam: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Numbers of real schools, and of each list the first ones by number."""

    agreed: int
    waiting: int
    """They share under an older text, and have to agree to this one to go on."""
    silent: int
    """They share nothing."""
    agreed_first: tuple[Name, ...]
    waiting_first: tuple[Name, ...]


def counts(db: Connection) -> dict[str, int]:
    """How many real schools have a standing agreement to each text, by its sha256."""
    rows = db.execute(
        select(Agreement.protocol_sha256, func.count())
        .join(School, School.instellingsnummer == Agreement.instellingsnummer)
        .where(Agreement.stopped_at.is_(None), School.kind == SchoolKind.REAL)
        .group_by(Agreement.protocol_sha256)
    )
    return {row[0]: row[1] for row in rows}


def of_text(db: Connection, text: consent.Text, today: date) -> Progress:
    """Real schools only: those for trying out need no chasing."""
    real = School.kind == SchoolKind.REAL
    mine = select(Agreement.instellingsnummer).where(
        Agreement.protocol_sha256 == text.sha256, Agreement.stopped_at.is_(None)
    )
    agreed = (real, School.instellingsnummer.in_(mine))
    older = select(ProtocolText.sha256).where(ProtocolText.in_force_from < text.in_force_from)
    theirs = select(Agreement.instellingsnummer).where(
        Agreement.stopped_at.is_(None), Agreement.protocol_sha256.in_(older)
    )
    waiting = (real, School.instellingsnummer.in_(theirs))
    sharing = (real, School.instellingsnummer.in_(agreements.sharing_schools(today)))
    every, shares = _count(db, real), _count(db, *sharing)
    return Progress(
        agreed=_count(db, *agreed),
        waiting=_count(db, *waiting),
        silent=every - shares,
        agreed_first=_first(db, *agreed),
        waiting_first=_first(db, *waiting),
    )


def _count(db: Connection, *where: ColumnElement[bool]) -> int:
    return int(db.execute(select(func.count()).select_from(School).where(*where)).scalar_one())


def _first(db: Connection, *where: ColumnElement[bool]) -> tuple[Name, ...]:
    columns = select(School.instellingsnummer, School.naam).where(*where)
    rows = db.execute(columns.order_by(School.instellingsnummer).limit(MOST))
    return tuple(Name(**row) for row in rows.mappings())
