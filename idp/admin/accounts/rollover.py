"""Who is new, who moved, who left, and who has no LeerID yet, when the year turns on 1 September?

One look at one school, in two statements. From 1 July it looks ahead at the coming 1 September, with what is known of
it by then; from that day on it looks back at it, until the next summer. Whoever has no LeerID, or no card of this school,
can get one from 15 August on (bulk.latest_begin): it works from the first day of the enrolment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, func, select
from sqlalchemy.orm import aliased

from idp.admin.accounts import bulk
from idp.admin.pupils import pupil_list
from idp.admin.pupils.pupil_list import State
from idp.clock import day_of_law, midnight
from idp.login import accounts, cards
from idp.models import Account, AccountType, Card, Enrolment, PaperworkKind

LOOKS_AHEAD_FROM = 7
"""The month in which a school begins to prepare."""
WAS_HERE = (6, 1)
"""Whoever left before this day, left during the year, and not with it."""


class Part(StrEnum):
    """The parts of the report, in the order of the work."""

    WITHOUT = "zonder"
    """Enrolled, and without a LeerID."""
    ARRIVED = "nieuw"
    """New at the school, with a LeerID that came along, and no card of this school yet."""
    GROWN = "secundair"
    """In secondary school, with the basic LeerID of primary school."""
    MOVED = "groep"
    """Stayed, in another administratieve groep, with the card of last year."""
    LEFT = "vertrokken"


DOES = {
    Part.WITHOUT: PaperworkKind.CREATE,
    Part.ARRIVED: PaperworkKind.CARD,
    Part.GROWN: PaperworkKind.RENEW,
    Part.MOVED: PaperworkKind.CARD,
}
"""What can be done for a whole part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A pupil in one part of the report."""

    account_uuid: str
    voornaam: str
    naam: str
    stamnummer: str
    group: str
    group_code: str
    before: str
    """The administratieve groep of last year; empty for who is new."""
    day: date
    """The first day at the school; of who left, the last one."""
    state: State
    goes_on: bool = False
    """Left, and is enrolled at another school: the LeerID works on."""
    ready: bool = True
    """Papers can be made today."""

    @property
    def name(self) -> str:
        return f"{self.voornaam} {self.naam}"


@dataclass(frozen=True, kw_only=True)
class Report:
    turns: date
    """The 1 September that it is about."""
    ahead: bool
    """That day is still to come."""
    new: int
    stayed: int
    parts: dict[Part, tuple[Line, ...]]

    @property
    def known(self) -> bool:
        """Does anybody come, or stay, at all? Before a package delivers the new year nobody does."""
        return bool(self.new + self.stayed)

    def groups(self, part: Part) -> dict[str, tuple[str, tuple[Line, ...]]]:
        """Of one part: (label, pupils) by code of the administratieve groep, by label."""
        found: dict[str, tuple[str, list[Line]]] = {}
        for line in self.parts[part]:
            found.setdefault(line.group_code, (line.group, []))[1].append(line)
        ordered = sorted(found.items(), key=lambda item: (pupil_list.fold(item[1][0]), item[0]))
        return {code: (label, tuple(lines)) for code, (label, lines) in ordered}


def turn(today: date) -> date:
    """The 1 September that counts now: the coming one from July on, else the last one."""
    return date(today.year - (today.month < LOOKS_AHEAD_FROM), 9, 1)


def papers_from(turns: date) -> date:
    """From this day on a school makes what is needed on the first day."""
    return date(turns.year, *bulk.NEXT_YEAR_FROM)


def report(db: Connection, instellingsnummer: str, now: datetime) -> Report:
    today = day_of_law(now)
    turns = turn(today)
    rows = _rows(db, instellingsnummer, turns, now)
    there = max(today, turns)
    before = _one_each(row for row in reversed(rows) if row.begindatum < turns)
    after = _one_each(row for row in rows if row.begindatum <= there <= row.einddatum)
    gone = [row for uuid, row in before.items() if uuid not in after]
    elsewhere = _elsewhere(db, instellingsnummer, there) if any(row.type for row in gone) else set()
    latest = bulk.latest_begin(today)
    lines: dict[Part, list[Line]] = {part: [] for part in Part}
    for uuid, row in after.items():
        old = before.get(uuid)
        for part in _parts(row, old, midnight(papers_from(turns))):
            lines[part].append(_line(row, old, day=row.begindatum, ready=row.begindatum <= latest))
    for row in gone:
        goes_on = row.account_uuid in elsewhere
        lines[Part.LEFT].append(_line(row, row, day=row.einddatum, goes_on=goes_on))
    new = sum(uuid not in before for uuid in after)
    return Report(
        turns=turns,
        ahead=today < turns,
        new=new,
        stayed=len(after) - new,
        parts={part: tuple(sorted(found, key=_by_name)) for part, found in lines.items()},
    )


def chosen(found: Report, part: Part, groups: Iterable[str]) -> tuple[str, ...]:
    """The account_uuids of this part, in these administratieve groepen, for whom papers can be made today."""
    wanted = set(groups)
    return tuple(one.account_uuid for one in found.parts[part] if one.group_code in wanted and one.ready)


# ---------------------------------------------------------------- inside


def _rows(db: Connection, instellingsnummer: str, turns: date, now: datetime) -> list[Any]:
    """Enrolments of the school from the end of last year on, the first that begins first."""
    card = (
        select(func.max(Card.created_at))
        .where(
            and_(Card.account_uuid == Enrolment.account_uuid, Card.instellingsnummer == instellingsnummer),
            cards.is_live(now),
        )
        .scalar_subquery()
    )
    return list(
        db.execute(
            select(
                Enrolment.account_uuid,
                Enrolment.voornaam,
                Enrolment.naam,
                Enrolment.stamnummer,
                Enrolment.hoofdstructuur,
                Enrolment.administratieve_groep.label("group"),
                Enrolment.administratieve_groep_code.label("group_code"),
                Enrolment.begindatum,
                Enrolment.einddatum,
                Account.type,
                Account.secret_kind,
                Account.blocked_at,
                Account.last_sign_in_on,
                card.label("card_made_at"),
            )
            .outerjoin(Account, Account.account_uuid == Enrolment.account_uuid)
            .where(
                Enrolment.instellingsnummer == instellingsnummer,
                Enrolment.einddatum >= date(turns.year, *WAS_HERE),
            )
            .order_by(Enrolment.begindatum, Enrolment.id)
            .limit(2 * pupil_list.MOST)
        )
    )


def _one_each(rows: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(row.account_uuid, row)
    return found


def _elsewhere(db: Connection, instellingsnummer: str, day: date) -> set[str]:
    """Pupils that this school knows and that are enrolled at another one on this day or later. No school is named."""
    here, there = Enrolment, aliased(Enrolment)
    mine = select(here.account_uuid).where(here.instellingsnummer == instellingsnummer)
    wanted = select(there.account_uuid).where(
        there.account_uuid.in_(mine), there.instellingsnummer != instellingsnummer, there.einddatum >= day
    )
    return set(db.execute(wanted).scalars())


def _parts(row: Any, old: Any | None, papers_since: datetime) -> Iterable[Part]:
    """Where a pupil of the new year stands: with whoever needs something, or nowhere."""
    if row.type is None:
        yield Part.WITHOUT
        return
    if row.type is AccountType.BASIC and row.hoofdstructuur in accounts.SECONDARY and _was_younger(old):
        yield Part.GROWN
    elif old is None:
        if row.card_made_at is None:
            yield Part.ARRIVED
    elif old.group_code != row.group_code and not (row.card_made_at and row.card_made_at >= papers_since):
        yield Part.MOVED


def _was_younger(old: Any | None) -> bool:
    """Came from primary school, here or elsewhere."""
    return old is None or old.hoofdstructuur not in accounts.SECONDARY


def _line(row: Any, old: Any | None, *, day: date, goes_on: bool = False, ready: bool = True) -> Line:
    return Line(
        account_uuid=row.account_uuid,
        voornaam=row.voornaam,
        naam=row.naam,
        stamnummer=row.stamnummer,
        group=row.group,
        group_code=row.group_code,
        before=old.group if old is not None else "",
        day=day,
        state=pupil_list.state_of(row),
        goes_on=goes_on,
        ready=ready,
    )


def _by_name(line: Line) -> tuple[str, str, str]:
    return (pupil_list.fold(line.naam), pupil_list.fold(line.voornaam), line.stamnummer)
