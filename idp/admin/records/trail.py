"""What did people do at this school, to whom, when, and who saw which pupil? The trail as the school itself may read it.

Only what was done for this school: the sign-ins of pupils are nobody's business here, and what another school does stays
there. Lines are found by the index on school and time; the next page begins where the last one ended.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from idp import audit
from idp.admin.printing import workbook
from idp.audit import accounts as audit_accounts
from idp.clock import BRUSSELS, day_of_law, midnight
from idp.context import House
from idp.login import staff_accounts
from idp.models import App, AuditEvent, Enrolment, Person, Right, RuleKind

PAGE = 50
MOST = 20_000
"""Lines of one export; a school that wants more asks for a shorter period."""
BATCH = 500


class Topic(StrEnum):
    """What a line is about."""

    SEEN = "gezien"
    ACCOUNTS = "accounts"
    PAPERS = "papieren"
    HELP = "hulp"
    APPS = "apps"
    SHARING = "delen"
    PEOPLE = "personen"
    DEVICES = "toestellen"
    DATA = "gegevens"


TOPICS: dict[str, Topic] = {
    "pupil_seen": Topic.SEEN,
    "pupils_listed": Topic.SEEN,
    "pupil_exported": Topic.SEEN,
    "trail_exported": Topic.SEEN,
    "extract_given": Topic.SEEN,
    "school_extract_given": Topic.SEEN,
    "breach_reported": Topic.SEEN,
    "account_created": Topic.ACCOUNTS,
    "secret_renewed": Topic.ACCOUNTS,
    "username_changed": Topic.ACCOUNTS,
    "account_blocked": Topic.ACCOUNTS,
    "account_unblocked": Topic.ACCOUNTS,
    "words_first": Topic.ACCOUNTS,
    "card_alone_allowed": Topic.ACCOUNTS,
    "card_alone_stopped": Topic.ACCOUNTS,
    "card_issued": Topic.PAPERS,
    "card_voided": Topic.PAPERS,
    "cards_printed": Topic.PAPERS,
    "papers_fetched": Topic.PAPERS,
    "help_given": Topic.HELP,
    "sign_in_needs_help": Topic.HELP,
    "sign_in_released": Topic.HELP,
    "app_made_visible": Topic.APPS,
    "app_made_invisible": Topic.APPS,
    "sharing_given": Topic.SHARING,
    "sharing_stopped": Topic.SHARING,
    "package_named": Topic.SHARING,
    "right_given": Topic.PEOPLE,
    "right_stopped": Topic.PEOPLE,
    "right_narrowed": Topic.PEOPLE,
    "staff_refused": Topic.PEOPLE,
    "device_code_given": Topic.DEVICES,
    "device_enrolled": Topic.DEVICES,
    "device_renamed": Topic.DEVICES,
    "device_revoked": Topic.DEVICES,
    "everyone_signed_out": Topic.DEVICES,
    "enrolments_imported": Topic.DATA,
    "classes_imported": Topic.DATA,
    "delivery_held": Topic.DATA,
    "delivery_refused": Topic.DATA,
    "hold_decided": Topic.DATA,
    "identifiers_fetched": Topic.DATA,
    "roster_exported": Topic.DATA,
    "school_kept": Topic.DATA,
    "sandbox_changed": Topic.DATA,
}
"""Every event that a school may see; each has a sentence on the page."""
ON_AN_ACCOUNT = frozenset(event for event, topic in TOPICS.items() if topic is Topic.ACCOUNTS) | {
    "card_issued",
    "card_voided",
    "help_given",
}
"""What a school does to an account. What the pupil does is not in here."""
LATEST = 30
"""Lines about one pupil."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody wants to read."""

    person_id: str = ""
    account_uuid: str = ""
    topic: Topic | None = None
    first: date | None = None
    last: date | None = None
    before: str = ""
    """The id of the last line of the page before."""


@dataclass(frozen=True, kw_only=True)
class Line:
    id: str
    at: datetime
    event: str
    who: str
    """A person of the school by name; else `system`, `operator`, `app` or `elsewhere`."""
    pupil: str
    """By name, when it is about a pupil of this school; a former pupil by stamnummer only."""
    account_uuid: str
    person: str
    """By name, when it is about a member of staff."""
    app: str
    """By name, when it is about an app."""
    refused: bool
    count: int | None
    kind: str
    """Of a secret, a right, a rule or a decision, or the route that was refused."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a school did to the account of a pupil: a day, and a name for whoever is of the school that reads."""

    event: str
    kind: str
    """Of a secret, where there is one."""
    who: str
    """Empty: not a person of this school."""
    day: date


@dataclass(frozen=True, kw_only=True)
class Found:
    lines: tuple[Line, ...]
    older: str
    """What `before` is on the next page; empty on the last."""


def read(db: Connection, instellingsnummer: str, asked: Asked) -> Found:
    """One page, the latest first."""
    of = AuditEvent
    known = select(of.at, of.id).where(of.id == asked.before, of.instellingsnummer == instellingsnummer)
    after = db.execute(known).first() if asked.before else None
    rows = db.execute(
        _statement(instellingsnummer, asked, (after.at, after.id) if after else None).limit(PAGE + 1)
    ).all()
    shown = rows[:PAGE]
    older = str(shown[-1].id) if len(rows) > PAGE else ""
    return Found(lines=_named(db, instellingsnummer, shown), older=older)


def people(db: Connection, instellingsnummer: str) -> tuple[tuple[str, str], ...]:
    """(person_id, name) of everyone who has or had a right at this school and is still known by name."""
    rows = db.execute(
        select(Person.person_id, Person.voornaam, Person.naam)
        .where(
            Person.person_id.in_(select(Right.person_id).where(Right.instellingsnummer == instellingsnummer)),
            Person.naam != "",
        )
        .order_by(Person.naam, Person.voornaam, Person.person_id)
    )
    return tuple((row.person_id, f"{row.voornaam} {row.naam}") for row in rows)


def pupil_name(db: Connection, instellingsnummer: str, account_uuid: str) -> str:
    """Of a pupil who is or was enrolled here; empty for anybody else."""
    return _pupils(db, instellingsnummer, [account_uuid]).get(account_uuid, "") if account_uuid else ""


def acts(db: Connection, instellingsnummer: str, account_uuid: str) -> tuple[Act, ...]:
    """What schools did to the account of this pupil, the latest first; what another school did without a name."""
    of = AuditEvent
    rows = db.execute(
        select(*_COLUMNS)
        .where(of.object == audit.pupil(account_uuid), of.event.in_(ON_AN_ACCOUNT))
        .order_by(of.at.desc(), of.id.desc())
        .limit(LATEST)
    ).all()
    ours = {row.actor for row in rows if row.instellingsnummer == instellingsnummer}
    names = _staff(db, ours)
    return tuple(
        Act(
            event=row.event,
            kind=str(row.details.get("kind", "")),
            who=names.get(row.actor, "") if row.instellingsnummer == instellingsnummer else "",
            day=day_of_law(row.at),
        )
        for row in rows
    )


def saw(house: House, *, person_id: str, instellingsnummer: str, account_uuid: str) -> None:
    """A member of staff looked at data of this pupil: one line a day, whatever page it was on."""
    _once_a_day(house, audit.pupil(account_uuid), "pupil_seen", person_id, instellingsnummer)


def listed(house: House, *, person_id: str, instellingsnummer: str) -> None:
    """A member of staff looked at a list of pupils of the school: one line a day."""
    _once_a_day(house, f"school:{instellingsnummer}", "pupils_listed", person_id, instellingsnummer)


def export(
    house: House,
    instellingsnummer: str,
    asked: Asked,
    headings: Sequence[str],
    cells: Callable[[Line], Sequence[str]],
) -> bytes:
    """The same as a file for Excel (UTF-8 with a mark, semicolons), in which nothing is ever a formula. Audited."""
    text, written, after = io.StringIO(), 0, None
    out = csv.writer(text, delimiter=";", lineterminator="\r\n")
    out.writerow(headings)
    while written < MOST:
        with house.database.reading() as db:
            rows = db.execute(_statement(instellingsnummer, asked, after).limit(BATCH)).all()
            lines = _named(db, instellingsnummer, rows)
        out.writerows([_plain(one) for one in cells(line)] for line in lines)
        written += len(lines)
        if len(lines) < BATCH:
            break
        after = (lines[-1].at, lines[-1].id)
    with house.database.transaction() as db:
        audit_accounts.trail_exported(db, instellingsnummer=instellingsnummer, count=written)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


# ---------------------------------------------------------------- inside


def _statement(instellingsnummer: str, asked: Asked, after: tuple[datetime, str] | None) -> Any:
    of = AuditEvent
    wanted: list[ColumnElement[bool]] = [
        of.instellingsnummer == instellingsnummer,
        ~of.actor.startswith("pupil:", autoescape=True),
    ]
    if asked.person_id:
        wanted.append(of.actor == audit.person(asked.person_id))
    if asked.account_uuid:
        wanted.append(of.object == audit.pupil(asked.account_uuid))
    if asked.topic:
        wanted.append(of.event.in_([event for event, topic in TOPICS.items() if topic is asked.topic]))
    if asked.first:
        wanted.append(of.at >= midnight(asked.first))
    if asked.last and asked.last < date.max:
        wanted.append(of.at < midnight(asked.last + timedelta(days=1)))
    if after:
        at, last = after
        wanted.append((of.at < at) | ((of.at == at) & (of.id < last)))
    return select(*_COLUMNS).where(*wanted).order_by(of.at.desc(), of.id.desc())


_COLUMNS = (
    AuditEvent.id,
    AuditEvent.at,
    AuditEvent.event,
    AuditEvent.actor,
    AuditEvent.object,
    AuditEvent.instellingsnummer,
    AuditEvent.result,
    AuditEvent.details,
)


def _named(db: Connection, instellingsnummer: str, rows: Iterable[Any]) -> tuple[Line, ...]:
    rows = [*rows]
    about = {row.object or "" for row in rows}
    pupils = _pupils(db, instellingsnummer, [uuid for row in rows if (uuid := _pupil_of(row))])
    names = _staff(db, about | {row.actor for row in rows}) | _apps(db, about)
    return tuple(_line(row, pupils, names) for row in rows)


def _pupil_of(row: Any) -> str:
    """The pupil whom an event is about, or for whom alone an app became visible."""
    if row.event in _ON_A_RULE and row.details.get("kind") == RuleKind.PUPIL:
        return str(row.details.get("target", ""))
    about = row.object or ""
    return about.removeprefix("pupil:") if about.startswith("pupil:") else ""


_ON_A_RULE = ("app_made_visible", "app_made_invisible")


def _apps(db: Connection, among: set[str]) -> dict[str, str]:
    """Names by object, of those that are apps."""
    ids = [one.removeprefix("app:") for one in among if one.startswith("app:")]
    rows = db.execute(select(App.client_id, App.client_name).where(App.client_id.in_(ids))) if ids else ()
    return {audit.app(row.client_id): row.client_name for row in rows}


def _staff(db: Connection, among: set[str]) -> dict[str, str]:
    """Names by actor or object, of those who are members of staff."""
    ids = {one.removeprefix("person:") for one in among if one.startswith("person:")}
    return {audit.person(one): name for one, name in staff_accounts.names(db, ids).items()}


def _line(row: Any, pupils: dict[str, str], names: dict[str, str]) -> Line:
    about, uuid = row.object or "", _pupil_of(row)
    count = row.details.get("count")
    return Line(
        id=row.id,
        at=row.at,
        event=row.event,
        who=names.get(row.actor) or row.actor.partition(":")[0],
        pupil=pupils.get(uuid, ""),
        account_uuid=uuid if uuid in pupils else "",
        person=names.get(about, "") if about != row.actor and about.startswith("person:") else "",
        app=names.get(about, "") if about.startswith("app:") else "",
        refused=row.result == "refused",
        count=count if isinstance(count, int) else None,
        kind=next((str(row.details[word]) for word in _KINDS if row.details.get(word)), ""),
    )


_KINDS = ("kind", "right", "route", "decision")
"""Details that say which of several things happened."""


def _pupils(db: Connection, instellingsnummer: str, account_uuids: list[str]) -> dict[str, str]:
    rows = db.execute(
        select(Enrolment.account_uuid, Enrolment.voornaam, Enrolment.naam)
        .where(Enrolment.instellingsnummer == instellingsnummer, Enrolment.account_uuid.in_(account_uuids))
        .order_by(Enrolment.begindatum)
    )
    return {row.account_uuid: f"{row.voornaam} {row.naam}" for row in rows}


def _once_a_day(house: House, about: str, event: str, person_id: str, instellingsnummer: str) -> None:
    today = midnight(house.clock.today())
    known = (
        select(AuditEvent.id)
        .where(
            AuditEvent.object == about,
            AuditEvent.at >= today,
            AuditEvent.event == event,
            AuditEvent.actor == audit.person(person_id),
            AuditEvent.instellingsnummer == instellingsnummer,
        )
        .limit(1)
    )
    with house.database.reading() as db:
        if db.execute(known).first():
            return
    with house.database.transaction() as db:
        if event == "pupil_seen":
            audit_accounts.pupil_seen(
                db, account_uuid=about.removeprefix("pupil:"), instellingsnummer=instellingsnummer
            )
        else:
            audit_accounts.pupils_listed(db, instellingsnummer=instellingsnummer)


def _plain(value: str) -> str:
    """A cell that a program for tables might run begins with an apostrophe (CWE-1236)."""
    shown = workbook.cell(value)
    return f"'{shown}" if shown[:1] in workbook.STEERING and shown else shown


def moment(value: datetime) -> str:
    """`2026-11-23 10:00:05`, by the clock of Brussels: what sorts in a table."""
    return value.astimezone(BRUSSELS).strftime("%Y-%m-%d %H:%M:%S")
