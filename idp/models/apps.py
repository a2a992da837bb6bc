"""Which apps are registered, and for whom is each visible?"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base, words


class App(Base):
    """A relying party. What decides something is a column; the whole registration is in `registration`."""

    __tablename__ = "app"
    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    client_name: Mapped[str] = mapped_column(String(200))
    registration: Mapped[dict[str, Any]]
    """RFC 7591 metadata plus our own fields, as validated and exported (idp/apps.py reads it)."""
    sector: Mapped[str] = mapped_column(String(253))
    """Frozen at registration: pairwise subjects hang on it."""
    sandbox: Mapped[bool] = mapped_column(default=False)
    """Admits pupils of sandbox and test schools, and no others."""
    disabled_at: Mapped[datetime | None]
    """It may do nothing any more."""
    paused_at: Mapped[datetime | None]
    """With `disabled_at`: an operator closed it and may open it again; without, it is removed for good."""
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    """Goes up with every change: the number of its newest AppVersion (0: none was kept yet)."""
    supplier: Mapped[str | None] = mapped_column(String(40), index=True)
    """Supplier.supplier_id: who makes it."""
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class AppSecret(Base):
    """A client secret, as a digest; two may live side by side while an app changes over."""

    __tablename__ = "app_secret"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(DIGEST)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class AppLogo(Base):
    """The logo of an app as our own host shows it, or why there is none. A row says that it was tried."""

    __tablename__ = "app_logo"
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(String(2000))
    """The logo_uri it came from, or `file`."""
    fetched_at: Mapped[datetime]
    sha256: Mapped[str | None] = mapped_column(DIGEST, index=True)
    """Of the image, in hexadecimal: its address hangs on it. Apps may have the same."""
    image: Mapped[bytes | None] = mapped_column(LargeBinary())
    """A PNG that we drew ourselves (admin/apps/logo_pictures.py)."""
    problem: Mapped[str | None] = mapped_column(String(200))
    """Why the newest try gave no picture, for the operator."""


class RegistryVersion(Base):
    """One row: goes up with every change of an app, so that workers drop what they cached."""

    __tablename__ = "registry_version"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]


class RuleKind(StrEnum):
    SCHOOL = "school"
    GROUP = "group"
    KLAS = "klas"
    PUPIL = "pupil"


class VisibilityRule(Base):
    """An app is visible for: a school, an administratieve groep, a (sub)klas, or one pupil."""

    __tablename__ = "visibility_rule"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"))
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"))
    kind: Mapped[RuleKind] = mapped_column(words(RuleKind))
    target: Mapped[str] = mapped_column(String(60), default="")
    """'' for a school, administratieve_groep_code, Klas.id, or account_uuid."""
    begindatum: Mapped[date]
    einddatum: Mapped[date | None]
    created_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("client_id", "instellingsnummer", "kind", "target", "begindatum"),
        Index(None, "instellingsnummer", "kind", "target"),
    )


class AppPupil(Base):
    """What an app calls a pupil, from the first meeting until nobody could be met again, and the school chosen for it."""

    __tablename__ = "app_pupil"
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), primary_key=True)
    sub: Mapped[str] = mapped_column(String(64))
    chosen_school: Mapped[str | None] = mapped_column(SCHOOL)
    first_seen_at: Mapped[datetime]
