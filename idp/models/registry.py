"""How did each registration come to be what it is, who asked for what, and which programs of operators may come in?"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import ID, Base, words

ACTOR = String(120)
"""As in the audit trail: `person:ID`, `app:ID`, `operator:cli`, `operator-token:ID` …"""


class AppChange(StrEnum):
    """What happened to an app."""

    REGISTERED = "registered"
    CHANGED = "changed"
    SECRET_RENEWED = "secret_renewed"
    SECRET_ENDED = "secret_ended"
    DISABLED = "disabled"
    ENABLED = "enabled"
    REMOVED = "removed"


class AppVersion(Base):
    """A registration as it was after a change. Rows are only added; a secret is never in one."""

    __tablename__ = "app_version"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"))
    number: Mapped[int]
    """1, 2, 3 … of this app; the newest is `app.version`."""
    at: Mapped[datetime] = mapped_column(index=True)
    by: Mapped[str] = mapped_column(ACTOR)
    approved_by: Mapped[str | None] = mapped_column(ACTOR)
    """The second operator, when the change waited for one."""
    what: Mapped[AppChange] = mapped_column(words(AppChange))
    fields: Mapped[list[str]]
    """Names of what differs from the version before."""
    snapshot: Mapped[dict[str, Any]]
    """The whole registration, and `sandbox` and `supplier` beside it."""
    __table_args__ = (UniqueConstraint("client_id", "number"), Index(None, "by", "at"))


class RequestState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class AppRequest(Base):
    """A change that somebody else must approve: of a supplier, or of one operator of two."""

    __tablename__ = "app_request"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(String(100))
    """Of an app that may not exist yet."""
    supplier: Mapped[str | None] = mapped_column(ForeignKey("supplier.supplier_id"), index=True)
    """Whose request it is; None: of an operator."""
    changes: Mapped[dict[str, Any]]
    """Field → {"before": …, "after": …}; null stands for absent."""
    widens: Mapped[list[str]]
    """Fields with which the app could do more than now."""
    reason: Mapped[str] = mapped_column(String(1000))
    requested_by: Mapped[str] = mapped_column(ACTOR)
    requested_at: Mapped[datetime]
    state: Mapped[RequestState] = mapped_column(words(RequestState))
    decided_by: Mapped[str | None] = mapped_column(ACTOR)
    decided_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(String(1000))
    """What the one who decided said about it."""
    __table_args__ = (Index(None, "state", "requested_at"), Index(None, "client_id", "requested_at"))


class Supplier(Base):
    """Who makes apps: a company or organisation that the operator knows. An app belongs to one, or to none."""

    __tablename__ = "supplier"
    supplier_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    naam: Mapped[str] = mapped_column(String(200))
    contact: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class OperatorToken(Base):
    """With this a program of the operator uses the REST API: so long, and for these things only."""

    __tablename__ = "operator_token"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    label: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(200))
    created_by: Mapped[str] = mapped_column(ACTOR)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_on: Mapped[date | None]
