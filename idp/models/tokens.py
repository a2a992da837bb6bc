"""What did we hand to apps, until when is it good, and which keys signed it?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base


class Grant(Base):
    """One sign-in at one app, for one school: what a code began and all tokens after it belong to."""

    __tablename__ = "grant_"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"))
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL)
    sid: Mapped[str] = mapped_column(ForeignKey("session.sid"), index=True)
    scope: Mapped[str] = mapped_column(String(500))
    asked: Mapped[dict[str, Any] | None]
    """The `claims` parameter, for those scopes."""
    auth_time: Mapped[datetime]
    amr: Mapped[list[str]]
    acr: Mapped[str] = mapped_column(String(100))
    offline: Mapped[bool]
    """Has refresh tokens, and so outlives its session."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """The absolute end of everything that comes of it."""
    revoked_at: Mapped[datetime | None]
    revoked_because: Mapped[str | None] = mapped_column(String(40))
    habits: Mapped[int | None]
    """How the app asked, in bits (oidc/habits.py)."""
    __table_args__ = (Index(None, "client_id", "created_at"),)


class AuthorizationCode(Base):
    __tablename__ = "authorization_code"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grant_.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(String(100))
    redirect_uri: Mapped[str] = mapped_column(String(2000))
    nonce: Mapped[str | None] = mapped_column(String(1000))
    code_challenge: Mapped[str | None] = mapped_column(String(128))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]


class AccessToken(Base):
    __tablename__ = "access_token"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("grant_.id", ondelete="CASCADE"), index=True)
    """None: the app itself (client_credentials)."""
    client_id: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(500))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class RefreshToken(Base):
    """One link of a chain. Its successor is derived from it, so that a repeated refresh gets the same one."""

    __tablename__ = "refresh_token"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grant_.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(String(100))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    rotated_at: Mapped[datetime | None]


class UsedAssertion(Base):
    """A client assertion that was accepted: its `jti` is good once."""

    __tablename__ = "used_assertion"
    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    jti_digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PushedRequest(Base):
    """An authorization request that is kept here, so that an address only has to name it (RFC 9126 and its kin)."""

    __tablename__ = "pushed_request"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), index=True)
    parameters: Mapped[dict[str, Any]]
    """Checked, by name, in the one spelling that we know."""
    pushed: Mapped[bool]
    """The app brought it to /par itself; otherwise it came through a browser: in a form, or signed."""
    created_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    """A browser came with it; from then on there is time to sign in."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None] = mapped_column(ID)
    """The session in which it led to a code."""


class SigningKey(Base):
    """A signing key's public half and its life; the private half is a file (idp/keys.py)."""

    __tablename__ = "signing_key"
    kid: Mapped[str] = mapped_column(String(60), primary_key=True)
    alg: Mapped[str] = mapped_column(String(10))
    public_jwk: Mapped[dict[str, Any]]
    announced_at: Mapped[datetime]
    signs_from: Mapped[datetime]
    retires_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]
