"""Which identifiers does a package get of a school's pupils? Those who are enrolled now or later, and who left since.

Never a name: the package knows its pupils by stamnummer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, exists, or_, select

from idp.clock import day_of_law
from idp.models import Account, Enrolment, Pupil

MOST = 1_000


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some of the pupils, and where the next ones begin."""

    pupils: tuple[dict[str, Any], ...]
    next: str | None


def page(
    db: Connection,
    instellingsnummer: str,
    *,
    today: date,
    since: datetime | None = None,
    after: str | None = None,
    most: int = MOST,
) -> Page:
    """`since`: only what changed from then on (enrolments, identifiers), also of who left meanwhile."""
    ended = min(today, day_of_law(since)) if since else today
    wanted = [Enrolment.instellingsnummer == instellingsnummer, Enrolment.einddatum >= ended]
    if since is not None:
        account = exists().where(Account.account_uuid == Pupil.account_uuid, Account.created_at >= since)
        wanted.append(or_(Enrolment.changed_at >= since, account))
    if after is not None:
        wanted.append(Enrolment.id > after)
    columns = (
        Enrolment.id,
        Enrolment.stamnummer,
        Pupil.leerid_uuid,
        Pupil.account_uuid,
        Enrolment.begindatum,
        Enrolment.einddatum,
    )
    query = (
        select(*columns)
        .join(Pupil, Pupil.account_uuid == Enrolment.account_uuid)
        .where(and_(*wanted))
        .order_by(Enrolment.id)
        .limit(most + 1)
    )
    rows = db.execute(query).all()
    names = [column.key for column in columns[1:]]
    pupils = tuple(dict(zip(names, row[1:], strict=True)) for row in rows[:most])
    return Page(pupils=pupils, next=rows[most - 1].id if len(rows) > most else None)
