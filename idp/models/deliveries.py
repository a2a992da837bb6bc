"""Which programs bring and fetch data about schools, and which rows wait for a person?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base


class FeedClient(Base):
    """A program of a maker of packages, or of the one who sends the list of directors. It proves itself as apps do."""

    __tablename__ = "feed_client"
    client_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    naam: Mapped[str] = mapped_column(String(200))
    scope: Mapped[str] = mapped_column(String(40))
    pakket: Mapped[str | None] = mapped_column(String(20))
    """The package that it speaks for: it meets schools that named this one, and no others."""
    jwks: Mapped[dict[str, Any] | None]
    """Its public keys; None: it has secrets."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class FeedSecret(Base):
    """A secret of such a program, as a digest; two may live side by side during a change."""

    __tablename__ = "feed_secret"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(
        ForeignKey("feed_client.client_id", ondelete="CASCADE"), index=True
    )
    digest: Mapped[str] = mapped_column(DIGEST)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class HeldPart(Base):
    """Part of the rows of a delivery that waits for a person: what we need of it, sealed, for seven days at most."""

    __tablename__ = "held_part"
    delivery: Mapped[str] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL, index=True)
    records: Mapped[int]
    """Rows in all parts together; the same in each."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary())
    held_at: Mapped[datetime] = mapped_column(index=True)
