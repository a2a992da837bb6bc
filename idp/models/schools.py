"""Which schools, pupils, enrolments and classes do we know, and what arrived about them?"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base, words


class SchoolKind(StrEnum):
    REAL = "real"
    TEST = "test"
    """Synthetic pupils in the real formats."""
    SANDBOX = "sandbox"
    """Published secrets; can never hold a real pupil."""


def is_closed(kind: SchoolKind, pakket: str | None) -> bool:
    """A sandbox school of an installation: no package delivers to it, nobody works there. Those of a demo are open."""
    return kind is SchoolKind.SANDBOX and pakket is None


class School(Base):
    __tablename__ = "school"
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL, primary_key=True)
    naam: Mapped[str] = mapped_column(String(200))
    kind: Mapped[SchoolKind] = mapped_column(words(SchoolKind), default=SchoolKind.REAL)
    pakket: Mapped[str | None] = mapped_column(String(20))
    """The administrative package configured in Mijn Schoolsoftware."""
    created_at: Mapped[datetime]


class Pupil(Base):
    """A person, from the first school to the last. The identifiers never change."""

    __tablename__ = "pupil"
    account_uuid: Mapped[str] = mapped_column(ID, primary_key=True)
    leerid_uuid: Mapped[str | None] = mapped_column(ID, unique=True)
    """Given with the first account."""
    national_number_digest: Mapped[str | None] = mapped_column(DIGEST, unique=True)
    voornaam: Mapped[str | None] = mapped_column(String(400))
    """Official data: all of these are empty without a valid national number."""
    naam: Mapped[str | None] = mapped_column(String(400))
    geslacht: Mapped[str | None] = mapped_column(String(1))
    geboortedatum: Mapped[date | None]
    merged_into: Mapped[str | None] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    created_at: Mapped[datetime]


class Enrolment(Base):
    __tablename__ = "enrolment"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"))
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"))
    stamnummer: Mapped[str] = mapped_column(String(40))
    voornaam: Mapped[str] = mapped_column(String(400))
    naam: Mapped[str] = mapped_column(String(400))
    hoofdstructuur: Mapped[str] = mapped_column(String(3))
    administratieve_groep: Mapped[str] = mapped_column(String(200))
    administratieve_groep_code: Mapped[str] = mapped_column(String(20))
    leerjaar: Mapped[str | None] = mapped_column(String(20))
    vestigingsplaats: Mapped[str | None] = mapped_column(String(20))
    begindatum: Mapped[date]
    einddatum: Mapped[date]
    """Last day, included."""
    changed_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("instellingsnummer", "stamnummer", "begindatum"),
        CheckConstraint("einddatum >= begindatum", name="dates"),
        Index(None, "instellingsnummer", "einddatum"),
        Index(None, "account_uuid", "instellingsnummer", "einddatum"),
    )


class Soort(StrEnum):
    KLAS = "klas"
    SUBKLAS = "subklas"


class Klas(Base):
    """A class or subclass, as the school's package names it. `id` survives renaming."""

    __tablename__ = "klas"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"))
    klas_id: Mapped[str] = mapped_column(String(100))
    """The package's own, stable identifier."""
    code: Mapped[str] = mapped_column(String(60))
    naam: Mapped[str] = mapped_column(String(200))
    soort: Mapped[Soort] = mapped_column(words(Soort))
    changed_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("instellingsnummer", "klas_id"),)


class ClassMembership(Base):
    __tablename__ = "class_membership"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    klas: Mapped[str] = mapped_column(ForeignKey("klas.id", ondelete="CASCADE"), index=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"))
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL)
    begindatum: Mapped[date]
    einddatum: Mapped[date | None]
    replaced_at: Mapped[datetime | None] = mapped_column(index=True)
    """Set when a later delivery no longer has it: never released again, purged after a week."""
    __table_args__ = (Index(None, "account_uuid", "instellingsnummer"), Index(None, "instellingsnummer"))


class DeliveryState(StrEnum):
    RECEIVED = "received"
    """It is here and nobody looked at it yet; also what a process that died left behind."""
    CHECKED = "checked"
    HELD = "held"
    APPLIED = "applied"
    REFUSED = "refused"


class Delivery(Base):
    """One file of enrolments or classes that arrived, and what became of it."""

    __tablename__ = "delivery"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL, index=True)
    format: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(DIGEST)
    snapshot_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    state: Mapped[DeliveryState] = mapped_column(words(DeliveryState))
    report: Mapped[dict[str, Any]]
    decided_at: Mapped[datetime | None]
    """When a person looked at what was held …"""
    decided_by: Mapped[str | None] = mapped_column(String(100))
    """… and who: an actor, as audit writes it."""
