"""How do members of staff sign in, and where are they signed in now?"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base


class StaffAccount(Base):
    """A person who set up a way to sign in here. Without a password only a passkey opens it."""

    __tablename__ = "staff_account"
    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"), primary_key=True)
    user_handle: Mapped[str] = mapped_column(ID, unique=True)
    """What passkeys know this person by: random, and nothing else."""
    secret_hash: Mapped[str | None] = mapped_column(String(200))
    pepper_id: Mapped[str | None] = mapped_column(String(40))
    secret_set_at: Mapped[datetime | None]
    totp_secret: Mapped[str | None] = mapped_column(String(400))
    """Sealed with a key that is not in the database."""
    totp_set_at: Mapped[datetime | None]
    totp_last_step: Mapped[int] = mapped_column(default=0)
    """The last step of 30 seconds of which a code was taken: that one and those before it are spent."""
    created_at: Mapped[datetime]


class Passkey(Base):
    """A public key on a device or in a password manager of this person (WebAuthn)."""

    __tablename__ = "passkey"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("staff_account.person_id"), index=True)
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    label: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]


class RecoveryCode(Base):
    """A code on paper that stands in for the second factor, once."""

    __tablename__ = "recovery_code"
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("staff_account.person_id"), index=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class StaffLink(Base):
    """An invitation: whoever opens it in time sets up how this person signs in, once."""

    __tablename__ = "staff_link"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"), index=True)
    made_by: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class UsedChallenge(Base):
    """A question to a passkey that was answered: the answer is good once."""

    __tablename__ = "used_challenge"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class StaffSession(Base):
    """A person signed in on one browser; the cookie is known by its digest only."""

    __tablename__ = "staff_session"
    sid: Mapped[str] = mapped_column(ID, primary_key=True)
    cookie_digest: Mapped[bytes] = mapped_column(unique=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"))
    amr: Mapped[list[str]]
    auth_time: Mapped[datetime]
    proven_at: Mapped[datetime]
    """When this person last proved to be there: what changes a way to sign in asks for it anew."""
    device: Mapped[str] = mapped_column(String(60))
    """Which kind of browser and system, in a few words, for the person's own list."""
    chosen_school: Mapped[str | None] = mapped_column(SCHOOL)
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None] = mapped_column(String(40))
    __table_args__ = (Index(None, "person_id", "ended_at"),)
