"""What happened: the ledger of releases and the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import ID, SCHOOL, Base


class Release(Base):
    """The ledger: what an app was told about a pupil. Claim names and reasons, never values."""

    __tablename__ = "release"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    channel: Mapped[str] = mapped_column(String(20))
    client_id: Mapped[str] = mapped_column(String(100))
    account_uuid: Mapped[str] = mapped_column(ID)
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL)
    claims: Mapped[dict[str, Any]]
    """Claim name → 'released' or the gate that closed it."""
    __table_args__ = (Index(None, "account_uuid", "at"),)


class AuditEvent(Base):
    """Who did what to whom, when. Written by idp/audit.py only, never changed."""

    __tablename__ = "audit_event"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    event: Mapped[str] = mapped_column(String(60))
    actor: Mapped[str] = mapped_column(String(120))
    """`pupil:UUID`, `person:ID`, `app:ID`, `system`, `operator:NAME` or `nobody`."""
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL)
    object: Mapped[str | None] = mapped_column(String(120))
    result: Mapped[str] = mapped_column(String(40))
    source: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(40))
    details: Mapped[dict[str, Any]]
    __table_args__ = (Index(None, "instellingsnummer", "at"), Index(None, "object", "at"))


class Turn(Base):
    """Work that only one may do at a time: whoever locks the row has the turn until its transaction ends."""

    __tablename__ = "turn"
    work: Mapped[str] = mapped_column(String(40), primary_key=True)
