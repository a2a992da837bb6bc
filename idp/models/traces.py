"""What happened: the ledger of releases and the audit trail."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base


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
    mark: Mapped[str | None] = mapped_column(String(60))
    """Keyed, over all other columns (idp/marks.py); empty: written by a version that made none."""
    __table_args__ = (Index(None, "account_uuid", "at"),)


class AuditEvent(Base):
    """Who did what to whom, when. Written by idp/audit only, never changed."""

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
    mark: Mapped[str | None] = mapped_column(String(60))
    __table_args__ = (
        Index(None, "instellingsnummer", "at"),
        Index(None, "object", "at"),
        Index(None, "actor", "at"),
        Index(None, "event", "at"),
    )


class Seal(Base):
    """A run of rows of the trail or the ledger that can no longer change unseen: one link of a chain."""

    __tablename__ = "seal"
    trail: Mapped[str] = mapped_column(String(20), primary_key=True)
    """The table of its rows."""
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_id: Mapped[str] = mapped_column(ID)
    last_id: Mapped[str] = mapped_column(ID)
    count: Mapped[int]
    late: Mapped[bool]
    """Rows between others that had been sealed before these were committed."""
    through: Mapped[datetime]
    """The newest moment in it: decides when it may go."""
    sealed_at: Mapped[datetime]
    unmarked: Mapped[int]
    """How many rows had no mark when they were sealed."""
    rows_sha256: Mapped[str] = mapped_column(DIGEST)
    """Of `SealedRows.rows`."""
    previous: Mapped[str] = mapped_column(DIGEST)
    """The `hash` of the seal before this one; zeros before the first."""
    hash: Mapped[str] = mapped_column(DIGEST)


class SealedRows(Base):
    """Which rows a seal covers: for each of them 16 bytes of identifier and 16 of digest."""

    __tablename__ = "sealed_rows"
    trail: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rows: Mapped[bytes] = mapped_column(LargeBinary())


class Anchor(Base):
    """A signed statement about the chains, once a day and at every purge. Never changed, never deleted."""

    __tablename__ = "anchor"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime]
    statement: Mapped[str] = mapped_column(Text)
    """A compact JWS (EdDSA) over JSON that admin/records/sealing.py describes."""


class Patrol(Base):
    """How far the nightly look at a trail is (admin/records/patrol.py): which seals it saw, and what was not as it was."""

    __tablename__ = "patrol"
    trail: Mapped[str] = mapped_column(String(20), primary_key=True)
    newest: Mapped[int]
    """The newest seal that was looked at, and the hash that it had."""
    newest_hash: Mapped[str] = mapped_column(DIGEST)
    old: Mapped[int]
    """The last one that the walk through the older seals came by."""
    old_hash: Mapped[str] = mapped_column(DIGEST)
    until: Mapped[int]
    """Where this walk ends."""
    begun_at: Mapped[datetime]
    whole_at: Mapped[datetime | None]
    night: Mapped[date | None]
    troubles: Mapped[dict[str, Any]]
    mark: Mapped[str | None] = mapped_column(String(60))
    """Keyed, over all other columns: who has the database alone cannot say that all was looked at."""


class Turn(Base):
    """Work that only one may do at a time: whoever locks the row has the turn until its transaction ends."""

    __tablename__ = "turn"
    work: Mapped[str] = mapped_column(String(40), primary_key=True)
