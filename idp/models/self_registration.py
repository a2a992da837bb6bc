"""Which apps may register themselves, and which did?"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import ID, Base


class InitialAccessToken(Base):
    """With this an app may register itself at /register (RFC 7591 section 3), so often, and with no more than this."""

    __tablename__ = "initial_access_token"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    label: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(500))
    """The most that an app registered with it may ask for."""
    pkce_exempt_until: Mapped[date | None]
    visible_in_sandbox: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Apps registered with it are sandbox apps, visible for every sandbox school."""
    uses: Mapped[int]
    used: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(100))


class SelfRegistration(Base):
    """An app that registered itself, and the token with which it looks after its own registration (RFC 7592)."""

    __tablename__ = "self_registration"
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    initial_token: Mapped[str] = mapped_column(ForeignKey("initial_access_token.id"), index=True)
    created_at: Mapped[datetime]
