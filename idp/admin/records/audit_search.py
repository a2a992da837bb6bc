"""What does the audit trail say? Searched by who, what, when, and about whom; newest first, a page at a time.

Every question has a period, so that an answer costs what it shows and not what the trail holds.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from idp.errors import Invalid
from idp.models import AuditEvent

MOST = 200
USUAL = timedelta(days=30)
"""How far back a question without a beginning looks."""


@dataclass(frozen=True, kw_only=True)
class Event:
    id: str
    at: datetime
    event: str
    actor: str
    instellingsnummer: str | None
    object: str | None
    result: str
    source: str | None
    request_id: str | None
    details: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Event.__dataclass_fields__} | {
            "at": self.at.isoformat()
        }


@dataclass(frozen=True, kw_only=True)
class Question:
    """Empty words ask for nothing. `actor` and `about` are written as in the trail: `person:p-1`, `app:bingel`."""

    actor: str = ""
    event: str = ""
    about: str = ""
    instellingsnummer: str = ""
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    events: tuple[Event, ...]
    after: str | None
    """Leads to the next page; None: there is none."""


def search(
    db: Connection, question: Question, *, now: datetime, after: str | None = None, most: int = 50
) -> Page:
    """One page. Raises Invalid `cursor_unknown`."""
    row = AuditEvent
    given = (
        (question.actor, row.actor == question.actor),
        (question.event, row.event == question.event),
        (question.about, row.object == question.about),
        (question.instellingsnummer, row.instellingsnummer == question.instellingsnummer),
        (question.request_id, row.request_id == question.request_id),
        (question.until, row.at < question.until if question.until else None),
    )
    since = question.since or (question.until or now) - USUAL
    clauses = [clause for word, clause in given if word and clause is not None]
    if after:
        at, last = _read(after)
        clauses.append(or_(row.at < at, and_(row.at == at, row.id < last)))
    most = min(most, MOST)
    columns: list[Any] = [getattr(row, name) for name in Event.__dataclass_fields__]
    wanted = select(*columns).where(row.at >= since, *clauses).order_by(row.at.desc(), row.id.desc())
    found = [Event(**one) for one in db.execute(wanted.limit(most + 1)).mappings()]
    more = len(found) > most
    shown = tuple(found[:most])
    return Page(events=shown, after=_cursor(shown[-1]) if more else None)


def names(db: Connection, *, since: datetime) -> list[str]:
    """Every kind of event that happened since."""
    wanted = select(AuditEvent.event).where(AuditEvent.at >= since).distinct().order_by(AuditEvent.event)
    return [*db.execute(wanted).scalars()]


def _cursor(event: Event) -> str:
    return base64.urlsafe_b64encode(f"{event.at.isoformat()} {event.id}".encode()).decode()


def _read(cursor: str) -> tuple[datetime, str]:
    try:
        at, _, last = base64.urlsafe_b64decode(cursor[:200].encode()).decode().partition(" ")
        moment, row = datetime.fromisoformat(at), str(uuid.UUID(last))
    except (ValueError, binascii.Error):
        moment, row = None, ""
    if moment is None or moment.tzinfo is None:
        raise Invalid("cursor_unknown", "take the one of the page before, unchanged")
    return moment, row
