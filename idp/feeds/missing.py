"""Which schools had no delivery this night? Packages deliver before nine in the morning, by the clock of Brussels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import Connection, exists, func, or_, select

from idp.audit import feeds as audit_feeds
from idp.claims import consent
from idp.clock import BRUSSELS, day_of_law, midnight
from idp.context import House
from idp.feeds import deliveries
from idp.models import Agreement, Delivery, School, SchoolKind

BEFORE = time(9)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A school that shares and waits for its package."""

    instellingsnummer: str
    last: datetime | None
    """When something last came; None: never."""


def schools(db: Connection, now: datetime, instellingsnummer: str | None = None) -> tuple[Missing, ...]:
    """Schools that shared all night, have a package, and got nothing since midnight; nobody before nine."""
    if now.astimezone(BRUSSELS).time() < BEFORE:
        return ()
    today = day_of_law(now)
    began = midnight(today)
    of_classes = (Delivery.instellingsnummer == School.instellingsnummer, Delivery.kind == deliveries.CLASSES)
    came = exists().where(*of_classes, Delivery.received_at >= began)
    agreed = exists().where(
        Agreement.instellingsnummer == School.instellingsnummer,
        Agreement.given_at < began,
        or_(Agreement.stopped_at.is_(None), Agreement.stopped_at >= began),  # renewed since, or not stopped
    )
    last = select(func.max(Delivery.received_at)).where(*of_classes).scalar_subquery()
    query = (
        select(School.instellingsnummer, last.label("last"))
        .where(
            School.instellingsnummer.in_(consent.sharing_schools(today)),
            School.pakket.is_not(None),
            School.kind != SchoolKind.SANDBOX,
            agreed,
            ~came,
        )
        .order_by(School.instellingsnummer)
    )
    if instellingsnummer is not None:
        query = query.where(School.instellingsnummer == instellingsnummer)
    return tuple(Missing(**row) for row in db.execute(query).mappings())


def note(house: House) -> dict[str, int]:
    """Remember how many schools wait, for operators. Needs `audit.circumstances`."""
    with house.database.transaction() as db:
        count = len(schools(db, house.clock.now()))
        if count:
            audit_feeds.deliveries_missing(db, count=count)
    return {"schools": count}
