"""What does a school have in its hands just now? Work on accounts that somebody began, and papers to download."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import ID, SCHOOL, Base, words


class PaperworkKind(StrEnum):
    CREATE = "maak"
    RENEW = "vernieuw"
    CARD = "kaart"


class Paperwork(Base):
    """New accounts, secrets or cards: proposed, then done. What it says only the browser that began it can read."""

    __tablename__ = "paperwork"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    person_id: Mapped[str] = mapped_column(String(60), index=True)
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL)
    kind: Mapped[PaperworkKind] = mapped_column(words(PaperworkKind))
    count: Mapped[int]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted: the key is in a cookie, and nowhere here."""
    made_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    working_until: Mapped[datetime | None]
    """Some process is at it until then, and says so again while it is; None: nobody."""
    hashed: Mapped[int | None]
    """How many secrets are ready."""
    problem: Mapped[str | None] = mapped_column(String(60))
    """The code of why it could not be done."""
    drawn: Mapped[int | None]
    """How many cards and stickers are in the zip, once it is done; None: nobody draws it ahead."""
    file: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The zip, encrypted as `sealed` is."""
    file_by_klas: Mapped[bool | None]
    """Whether it says classes; it is not handed out when the school shares no more, or only since."""
