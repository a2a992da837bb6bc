"""Which schools share klasinformatie today, as SQL for everyone who decides?"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Date, Select, literal, select
from sqlalchemy.orm import aliased

from idp.models import Agreement, ProtocolText, School


def shares(instellingsnummer: Any, today: Any) -> ColumnElement[bool]:
    """SQL: this school has an agreement that nobody stopped, to a text that no newer one in force replaces."""
    agreed, newer = aliased(ProtocolText), aliased(ProtocolText)
    replacing = select(1).where(newer.in_force_from > agreed.in_force_from, newer.in_force_from <= today)
    return (
        select(1)
        .select_from(Agreement)
        .join(agreed, agreed.sha256 == Agreement.protocol_sha256)
        .where(Agreement.instellingsnummer == instellingsnummer, Agreement.stopped_at.is_(None))
        .where(~replacing.correlate_except(newer).exists())
        .correlate_except(Agreement, agreed)
        .exists()
    )


def sharing_schools(today: date) -> Select[Any]:
    """SQL: the instellingsnummers of all schools that share on this day."""
    return select(School.instellingsnummer).where(shares(School.instellingsnummer, literal(today, Date())))


def shares_today(db: Connection, instellingsnummer: str, today: date) -> bool:
    """Does this one share?"""
    one = sharing_schools(today).where(School.instellingsnummer == instellingsnummer)
    return db.execute(one).first() is not None
