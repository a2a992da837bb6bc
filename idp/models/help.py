"""How do we help somebody who forgot the secret? Codes from the school, an e-mail address, links, and letters to send."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.apps import RuleKind
from idp.models.base import DIGEST, ID, SCHOOL, Base, words
from idp.models.errands import ErrandState


class HelpCode(Base):
    """Somebody of the school let a pupil in for today. Code and link are known by keyed digests; the secret stays."""

    __tablename__ = "help_code"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL)
    code_digest: Mapped[str] = mapped_column(DIGEST)
    link_digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    given_by: Mapped[str] = mapped_column(String(60))
    """The person_id of who gave it."""
    given_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(default=0)
    """Codes that were typed for this pupil since; after a few only the link works."""
    used_at: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "uq_help_code_open",
            "account_uuid",
            unique=True,
            sqlite_where=text("used_at IS NULL AND voided_at IS NULL"),
            postgresql_where=text("used_at IS NULL AND voided_at IS NULL"),
        ),
    )


class RightScope(Base):
    """For whom a teacher's right counts: an administratieve groep, a (sub)klas, or one pupil. Without a row: for nobody."""

    __tablename__ = "right_scope"
    right_id: Mapped[str] = mapped_column(ForeignKey("staff_right.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[RuleKind] = mapped_column(words(RuleKind), primary_key=True)
    target: Mapped[str] = mapped_column(String(60), primary_key=True)
    """administratieve_groep_code, Klas.id, or account_uuid."""


class AccountEmail(Base):
    """The e-mail address of a pupil with an advanced account: for a forgotten password, and for nobody else."""

    __tablename__ = "account_email"
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), primary_key=True)
    address: Mapped[str | None] = mapped_column(String(254))
    """The one that was confirmed."""
    confirmed_at: Mapped[datetime | None]
    pending: Mapped[str | None] = mapped_column(String(254))
    """The one that still has to be."""
    asked_at: Mapped[datetime | None] = mapped_column(index=True)
    """When `pending` was typed."""


class LinkKind(StrEnum):
    CONFIRM = "confirm"
    RESET = "reset"


class MailLink(Base):
    """A link that was mailed, by its digest: good once, for what it was mailed for."""

    __tablename__ = "mail_link"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    kind: Mapped[LinkKind] = mapped_column(words(LinkKind))
    address: Mapped[str] = mapped_column(String(254))
    """Where it went: worth nothing once the pupil has another address."""
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class LetterKind(StrEnum):
    CONFIRM = "confirm"
    RESET = "reset"
    ADDRESS_CHANGED = "address_changed"
    PASSWORD_CHANGED = "password_changed"


class Letter(Base):
    """A mail that must still go out, or went. It holds no link: that is made when the letter is sent."""

    __tablename__ = "letter"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    kind: Mapped[LetterKind] = mapped_column(words(LetterKind))
    account_uuid: Mapped[str | None] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    """None: somebody forgot the password of a name that is not there. Such a letter is never sent."""
    address: Mapped[str | None] = mapped_column(String(254))
    """Where to, when that is not the pupil's address of the moment of sending; gone once it was sent."""
    language: Mapped[str] = mapped_column(String(5))
    state: Mapped[ErrandState] = mapped_column(words(ErrandState), default=ErrandState.WAITING)
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    result: Mapped[str | None] = mapped_column(String(200))
    """What came of the last try: a code and no more, since servers quote addresses."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    done_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "state", "next_at"),)
