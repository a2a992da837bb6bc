"""From when can a secret be used, and until when? What a school prints in August begins with the enrolment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from idp.clock import day_of_law, midnight
from idp.config import Settings
from idp.models import Enrolment, SecretKind

_AT_ONCE = 500


def first_moments(db: Connection, account_uuids: Iterable[str], now: datetime) -> dict[str, datetime]:
    """When each pupil who is enrolled nowhere yet can sign in for the first time; others are not in it."""
    today, many = day_of_law(now), [*account_uuids]
    found: dict[str, datetime] = {}
    for at in range(0, len(many), _AT_ONCE):
        rows = db.execute(
            select(Enrolment.account_uuid, func.min(Enrolment.begindatum).label("begins"))
            .where(Enrolment.account_uuid.in_(many[at : at + _AT_ONCE]), Enrolment.einddatum >= today)
            .group_by(Enrolment.account_uuid)
            .having(func.min(Enrolment.begindatum) > today)
        )
        found |= {row.account_uuid: midnight(row.begins) for row in rows}
    return found


def expiry(kind: SecretKind, usable: datetime, settings: Settings) -> datetime | None:
    """Only a temporary password ends by itself, so many days after it can be used for the first time."""
    days = timedelta(days=settings.temporary_password_days)
    return usable + days if kind is SecretKind.TEMPORARY else None
