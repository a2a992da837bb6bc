"""What has an app seen in its rosters, so that we can say what changed and what went? Names and classes are not here."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import DIGEST, ID, SCHOOL, Base, words


class RosterKind(StrEnum):
    ORG = "org"
    USER = "user"
    CLASS = "class"
    ENROLLMENT = "enrollment"


class RosterEntry(Base):
    """One line of an app's rosters at one school: a keyed identifier, a keyed digest of what it said, and since when.

    It decides nothing: a line is released only if every gate is open when it is read. One whose gate closed is a
    tombstone: the identifier stays for a while, so that the app hears that it went.
    """

    __tablename__ = "roster_entry"
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[RosterKind] = mapped_column(words(RosterKind), primary_key=True)
    sourced_id: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    """What the app calls it: `sub`, `ov_klassen[].id`, a digest of both, or the instellingsnummer."""
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL, primary_key=True)
    ref: Mapped[str | None] = mapped_column(ID)
    """The row it stands for: Pupil, Klas or ClassMembership. None: a school, or gone."""
    digest: Mapped[str] = mapped_column(String(32))
    """Keyed, of what the app would be told."""
    changed_at: Mapped[datetime]
    """When that last changed, or when it went."""
    gone: Mapped[bool]
    __table_args__ = (
        Index(None, "client_id", "instellingsnummer", "kind"),
        Index(None, "changed_at"),
    )


class RosterStock(Base):
    """When the entries of an app at a school were last compared with how things are."""

    __tablename__ = "roster_stock"
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), primary_key=True)
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL, primary_key=True)
    round: Mapped[int]
    """Goes up with every comparison: of two at the same time, one counts."""
    taken_at: Mapped[datetime]
    asked_at: Mapped[datetime] = mapped_column(index=True)
    """When the app last asked."""
