"""Which devices did a school make its own, and how may one become so?"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base


class DeviceKind(StrEnum):
    """As much as we keep of what a browser says about itself."""

    PHONE = "phone"
    TABLET = "tablet"
    COMPUTER = "computer"
    OTHER = "other"


class ClassDevice(Base):
    """A browser of a school, which pupils share. Its cookie is known by digest, and replaced now and then."""

    __tablename__ = "class_device"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"), index=True)
    label: Mapped[str] = mapped_column(String(60))
    group_code: Mapped[str | None] = mapped_column(String(20))
    """The administratieve groep that it mostly stands with; only to find it in the list."""
    cookie_digest: Mapped[bytes] = mapped_column(unique=True)
    previous_digest: Mapped[bytes | None] = mapped_column(unique=True)
    """The cookie before, good until the new one was seen: an answer may get lost on its way."""
    renewed_at: Mapped[datetime]
    enrolled_at: Mapped[datetime]
    enrolled_by: Mapped[str] = mapped_column(String(60))
    """The person_id of who gave it its code."""
    einddatum: Mapped[date]
    """Last day, included."""
    revoked_at: Mapped[datetime | None]


class DeviceCode(Base):
    """A code that makes one browser a class device. Gone when it was used."""

    __tablename__ = "device_code"
    code_digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL)
    label: Mapped[str] = mapped_column(String(60))
    group_code: Mapped[str | None] = mapped_column(String(20))
    given_by: Mapped[str] = mapped_column(String(60))
    expires_at: Mapped[datetime] = mapped_column(index=True)
