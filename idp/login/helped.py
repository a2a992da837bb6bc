"""Who helped this pupil? Acts of the school on an account, from the audit trail: which, on which day, in which role.

A pupil sees the role of who did it, never the name, and a day, never an hour. Whoever adds an event that helps or
resets adds a line to `ACTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from idp import audit
from idp.clock import day_of_law
from idp.models import AuditEvent, Right, RightKind, School, SecretKind

SHOWN = timedelta(days=365)
MOST = 20


class Act(StrEnum):
    CODE = "code"
    """A code to come in with; the secret stayed."""
    PICTURES = "pictures"
    PASSWORD = "password"
    USERNAME = "username"
    CARD_ALONE = "card_alone"
    """From now on a card is enough."""
    CARD_NOT_ALONE = "card_not_alone"


class Helper(StrEnum):
    TEACHER = "teacher"
    BEHEERDER = "beheerder"
    SCHOOL = "school"
    """Somebody of the school, or in its name."""


@dataclass(frozen=True, kw_only=True)
class Helped:
    act: Act
    by: Helper
    school: str | None
    day: date


def _renewed(details: Mapping[str, Any]) -> Act:
    return Act.PICTURES if details.get("kind") == SecretKind.PICTURE else Act.PASSWORD


ACTS: dict[str, Callable[[Mapping[str, Any]], Act]] = {
    "help_given": lambda _details: Act.CODE,
    "secret_renewed": _renewed,
    "username_changed": lambda _details: Act.USERNAME,
    "card_alone_allowed": lambda _details: Act.CARD_ALONE,
    "card_alone_stopped": lambda _details: Act.CARD_NOT_ALONE,
}
"""Event of the audit trail → what the pupil reads."""


def acts(db: Connection, account_uuid: str, now: datetime) -> list[Helped]:
    """The latest first, of the last year."""
    rows = db.execute(
        select(
            AuditEvent.event,
            AuditEvent.at,
            AuditEvent.actor,
            AuditEvent.details,
            AuditEvent.instellingsnummer,
            School.naam.label("school"),
        )
        .outerjoin(School, School.instellingsnummer == AuditEvent.instellingsnummer)
        .where(
            AuditEvent.object == audit.pupil(account_uuid),
            AuditEvent.event.in_(ACTS),
            AuditEvent.at > now - SHOWN,
        )
        .order_by(AuditEvent.at.desc(), AuditEvent.id)
        .limit(MOST)
    ).all()
    return [
        Helped(
            act=ACTS[row.event](row.details),
            by=_helper(db, row.actor, row.instellingsnummer, day_of_law(row.at)),
            school=row.school,
            day=day_of_law(row.at),
        )
        for row in rows
    ]


def _helper(db: Connection, actor: str, instellingsnummer: str | None, day: date) -> Helper:
    """In which role: the rights that this person had there on that day."""
    kind, _, person_id = actor.partition(":")
    if kind != "person":
        return Helper.SCHOOL
    kinds = {
        *db.scalars(
            select(Right.kind).where(
                Right.person_id == person_id,
                Right.instellingsnummer == instellingsnummer,
                Right.begindatum <= day,
                Right.einddatum >= day,
            )
        )
    }
    if RightKind.TEACHER in kinds:
        return Helper.TEACHER
    return Helper.BEHEERDER if RightKind.BEHEERDER in kinds else Helper.SCHOOL
