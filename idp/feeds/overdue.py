"""Did the weekly list of directors come? It is due on Mondays; on the ninth day without one somebody must ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, exists, func, select

from idp.audit import feeds as audit_feeds
from idp.context import House
from idp.feeds import deliveries
from idp.models import Delivery, DeliveryState, School, SchoolKind

log = structlog.get_logger(__name__)
AFTER = timedelta(days=8)
"""A list of last Monday that came early, and a Monday after it on which nothing came by night."""


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """It is late."""

    last: datetime | None
    """When the last good one came; None: never."""
    days: int
    """Since then; 0 when none ever came."""


def directors(db: Connection, now: datetime) -> Overdue | None:
    """None while all is well, and where there is no real school whose director could be on it."""
    lists = (Delivery.kind == deliveries.DIRECTORS, Delivery.state == DeliveryState.APPLIED)
    last = db.execute(select(func.max(Delivery.received_at)).where(*lists)).scalar()
    if last is not None:
        return Overdue(last=last, days=(now - last).days) if now - last >= AFTER else None
    real = db.execute(select(exists().where(School.kind == SchoolKind.REAL))).scalar()
    return Overdue(last=None, days=0) if real else None


def note(house: House) -> dict[str, int]:
    """Say it, for operators. Needs `audit.circumstances`."""
    with house.database.transaction() as db:
        late = directors(db, house.clock.now())
        if late is not None:
            audit_feeds.directors_missing(db, days=late.days)
    if late is None:
        return {}
    log.warning("directors_missing", days=late.days)
    return {"missing": 1, "days": late.days}
