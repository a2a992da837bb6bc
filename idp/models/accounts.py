"""How do pupils sign in, and what do we remember of tries?"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base, words
from idp.models.devices import DeviceKind


class AccountType(StrEnum):
    BASIC = "basis"
    ADVANCED = "gevorderd"


class SecretKind(StrEnum):
    PICTURE = "picture"
    BASIC = "basic"
    TEMPORARY = "temporary"
    OWN = "own"


class Account(Base):
    """A LeerID: the way a pupil signs in."""

    __tablename__ = "account"
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), primary_key=True)
    username: Mapped[str] = mapped_column(String(50), unique=True)
    type: Mapped[AccountType] = mapped_column(words(AccountType))
    secret_kind: Mapped[SecretKind] = mapped_column(words(SecretKind))
    secret_hash: Mapped[str] = mapped_column(String(200))
    pepper_id: Mapped[str] = mapped_column(String(40))
    secret_set_at: Mapped[datetime]
    secret_expires_at: Mapped[datetime | None]
    blocked_at: Mapped[datetime | None]
    last_sign_in_on: Mapped[date | None]
    """A day, never a moment: nobody sees when a child signed in."""
    created_at: Mapped[datetime]


class RetiredUsername(Base):
    """A user name that was somebody's: not given to anyone else within the retention period."""

    __tablename__ = "retired_username"
    username: Mapped[str] = mapped_column(String(50), primary_key=True)
    account_uuid: Mapped[str] = mapped_column(ID)
    retired_at: Mapped[datetime]


class Card(Base):
    __tablename__ = "card"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("account.account_uuid"), index=True)
    label: Mapped[str] = mapped_column(String(40))
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL)
    """The school that made it: it works on the days on which the pupil is enrolled there. None: on any day."""
    token_digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]


class Support(Base):
    """What one pupil needs at one school, to sign in, that others do not. Gone with the enrolment there."""

    __tablename__ = "support"
    account_uuid: Mapped[str] = mapped_column(
        ForeignKey("account.account_uuid", ondelete="CASCADE"), primary_key=True
    )
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL, primary_key=True)
    typed: Mapped[bool] = mapped_column(default=False)
    """Words to type come first, pictures second."""
    card_alone_since: Mapped[datetime | None]
    """A card that this school makes from this moment on is enough to sign in. None: no card is."""
    card_alone_until: Mapped[date | None]
    """The last day of it."""
    card_alone_anywhere: Mapped[bool] = mapped_column(default=False)
    """Also on devices that are none of the school."""
    decided_by: Mapped[str | None] = mapped_column(String(60))
    """person_id of the LeerID-beheerder who decided that a card is enough."""


class Session(Base):
    """Someone signed in on one browser. `sid` is what apps hear; the cookie is known by its digest only."""

    __tablename__ = "session"
    __table_args__ = (Index(None, "account_uuid", "ended_at"),)
    sid: Mapped[str] = mapped_column(ID, primary_key=True)
    cookie_digest: Mapped[bytes] = mapped_column(unique=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"))
    auth_time: Mapped[datetime]
    amr: Mapped[list[str]]
    acr: Mapped[str] = mapped_column(String(100))
    must_change: Mapped[bool]
    """Only the page for a new password is open until the temporary one is changed."""
    shared: Mapped[bool] = mapped_column(default=False)
    device: Mapped[DeviceKind] = mapped_column(
        words(DeviceKind), default=DeviceKind.OTHER, server_default="other"
    )
    """What the pupil recognises it by; nothing else of what a browser says is kept."""
    class_device: Mapped[str | None] = mapped_column(ID, index=True)
    """The device of a school on which it began. No foreign key: the device may be forgotten first."""
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None] = mapped_column(String(40))


class Marker(Base):
    """A fresh sign-in that one authorization request may use, once (prompt=login, max_age)."""

    __tablename__ = "marker"
    sid: Mapped[str] = mapped_column(ForeignKey("session.sid", ondelete="CASCADE"), primary_key=True)
    request_digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(index=True)


class Throttle(Base):
    """A counter of wrong tries; `key` names what is counted as a keyed digest, never in clear."""

    __tablename__ = "throttle"
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    count: Mapped[int]
    since: Mapped[datetime]
    closed_until: Mapped[datetime | None]
    level: Mapped[int] = mapped_column(default=0)
    """How often it closed in a row: the wait doubles."""
    changed_at: Mapped[datetime] = mapped_column(index=True)


class WrongSecret(Base):
    """A wrong secret, as a keyed digest for a day, so that the same mistake twice counts once."""

    __tablename__ = "wrong_secret"
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    tried_at: Mapped[datetime] = mapped_column(index=True)
