"""What do we still have to tell apps, and which process sees to what?"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Float, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import ID, Base, words


class ErrandState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class LogoutDelivery(Base):
    """An app must hear that a session ended (back-channel logout). Written in the transaction that ends it."""

    __tablename__ = "logout_delivery"
    sid: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), primary_key=True)
    sub: Mapped[str] = mapped_column(String(64))
    state: Mapped[ErrandState] = mapped_column(words(ErrandState), default=ErrandState.WAITING)
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    """Not before this moment; while somebody delivers it, when another may step in."""
    result: Mapped[str | None] = mapped_column(String(200))
    """What came of the last try."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    done_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "state", "next_at"), Index(None, "client_id", "created_at"))


class Lease(Base):
    """Work that one process does for all: whoever holds the row until it runs out."""

    __tablename__ = "lease"
    work: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(60))
    until: Mapped[datetime]
    reached: Mapped[datetime | None]
    """Up to which moment this work is done."""


class JobRecord(Base):
    """What is known of one job that an installation does by itself (idp/errands/jobs.py has the list)."""

    __tablename__ = "job"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    rhythm: Mapped[str] = mapped_column(String(60))
    """In words, for whoever shows it."""
    known_since: Mapped[datetime]
    """Before this moment nobody expected it to run."""
    expected_at: Mapped[datetime]
    """By its rhythm alone, it should have gone well soon after this moment."""
    begun_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    seconds: Mapped[float | None] = mapped_column(Float)
    reached: Mapped[datetime | None]
    """When the last run began that went well."""
    result: Mapped[dict[str, Any] | None]
    """Counts, of the last run that went well."""
    failures: Mapped[int] = mapped_column(default=0)
    """In a row, since it last went well."""
    failed_at: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(200))
    """What went wrong the last time, also when it goes well again."""
    machine: Mapped[str | None] = mapped_column(String(100))
