"""What do we still have to tell apps, and which process sees to what?"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
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
