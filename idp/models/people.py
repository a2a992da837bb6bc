"""Who works at a school, and what did the school agree to?"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, Base, words


class RightKind(StrEnum):
    BEHEERDER = "leerid-beheerder"
    DATABEHEERDER = "leerid-databeheerder"
    TEACHER = "leerkracht"
    OPERATOR = "operator"
    SUPPLIER = "leverancier"


class Person(Base):
    """A member of staff or an operator."""

    __tablename__ = "person"
    person_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    voornaam: Mapped[str] = mapped_column(String(200))
    naam: Mapped[str] = mapped_column(String(200))
    e_mail: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime]


class Right(Base):
    """What a person may do, at which school (none: everywhere), from which day through which."""

    __tablename__ = "staff_right"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"), index=True)
    kind: Mapped[RightKind] = mapped_column(words(RightKind))
    instellingsnummer: Mapped[str | None] = mapped_column(ForeignKey("school.instellingsnummer"), index=True)
    supplier: Mapped[str | None] = mapped_column(String(40), index=True)
    """Supplier.supplier_id: whose apps this person looks after (RightKind.SUPPLIER only)."""
    begindatum: Mapped[date]
    einddatum: Mapped[date]
    source: Mapped[str] = mapped_column(String(40))
    granted_at: Mapped[datetime]


class ProtocolText(Base):
    """A text that schools agree to. `sha256` of its bytes is its name for ever."""

    __tablename__ = "protocol_text"
    sha256: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    version: Mapped[str] = mapped_column(String(40), unique=True)
    body: Mapped[str] = mapped_column(Text)
    names_teachers: Mapped[bool] = mapped_column(default=False)
    published_at: Mapped[datetime]
    in_force_from: Mapped[date]
    """Before this day the older text still counts; from it on, an agreement to the older one has lapsed."""


class Agreement(Base):
    """A school agreed to share klasinformatie. The row is the evidence: it is closed, never changed."""

    __tablename__ = "agreement"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"))
    protocol_sha256: Mapped[str] = mapped_column(ForeignKey("protocol_text.sha256"))
    given_by: Mapped[str] = mapped_column(ForeignKey("person.person_id"))
    given_as: Mapped[RightKind] = mapped_column(words(RightKind))
    given_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    stopped_by: Mapped[str | None] = mapped_column(String(60))
    stop_reference: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        Index(
            "uq_agreement_open",
            "instellingsnummer",
            unique=True,
            sqlite_where=text("stopped_at IS NULL"),
            postgresql_where=text("stopped_at IS NULL"),
        ),
    )
