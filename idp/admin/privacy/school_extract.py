"""What were apps told about pupils of this school, and what was done in its name? The school's own extract.

The ledger is told by app and pupil, with days and names of claims: when a child signed in is nobody's business. The audit
trail holds what bears the school's number, without addresses; beside it the digests and anchors that it hangs on.

A year of a large school is hundreds of thousands of rows. So the ledger is asked some pupils at a time, by the pupils of the
school (an index answers; the ledger of a whole country is not looked through), and the file leaves piece by piece.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, and_, case, func, or_, select, union

from idp.admin.operators import school_list
from idp.admin.records import anchors, sealing
from idp.claims.disclose import Channel
from idp.clock import day_of_law
from idp.context import House
from idp.models import App, AuditEvent, Enrolment, Pupil, Release

PUPILS = 100
"""Pupils of whom the ledger is asked at a time."""
PAGE = 500
"""Acts that are read at a time."""
_HOW = orjson.OPT_UTC_Z
BY_LIST = (Channel.ROSTER.value, Channel.EXPORT.value)


@dataclass(frozen=True, kw_only=True)
class Told:
    """One app, and what it was told about pupils of the school."""

    client_id: str
    name: str
    pupils: int
    listed: int
    """How many of them stood in a list or a file that the app fetched."""
    claims: tuple[str, ...]
    first: date


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One app and one pupil."""

    client_id: str
    account_uuid: str
    claims: frozenset[str]
    first: datetime
    listed: bool


def told(db: Connection, instellingsnummer: str, since: datetime) -> list[Told]:
    """By app, the most pupils first."""
    pupils: Counter[str] = Counter()
    listed: Counter[str] = Counter()
    claims: dict[str, set[str]] = defaultdict(set)
    first: dict[str, datetime] = {}
    for some in _by_pupils(_pupils(db, instellingsnummer)):
        for line in _lines(db, instellingsnummer, some, since):
            pupils[line.client_id] += 1
            listed[line.client_id] += line.listed
            claims[line.client_id] |= line.claims
            first[line.client_id] = min(line.first, first.get(line.client_id, line.first))
    names = _names(db)
    lines = [
        Told(
            client_id=one,
            name=names.get(one, one),
            pupils=count,
            listed=listed[one],
            claims=tuple(sorted(claims[one])),
            first=day_of_law(first[one]),
        )
        for one, count in pupils.items()
    ]
    return sorted(lines, key=lambda line: (-line.pupils, line.name))


def pieces(house: House, instellingsnummer: str) -> Iterator[bytes]:
    """Everything of this school that is kept, as one JSON document that leaves piece by piece: nothing is gathered.

    Raises NotFound `school_unknown` at the first piece.
    """
    with house.database.reading() as db:
        school_list.require(db, instellingsnummer)
        names, everybody = _names(db), _pupils(db, instellingsnummer)
    head = {"school": instellingsnummer, "made_at": house.clock.now(), "by": house.settings.issuer}
    yield orjson.dumps(head, option=_HOW)[:-1] + b',\n"told": ['
    yield from _listed(_told_lines(house, instellingsnummer, everybody, names))
    yield b'],\n"audit_trail": ['
    yield from _listed(_acts(house, instellingsnummer))
    with house.database.reading() as db:
        stated = [one.jws for one in anchors.all_of(db, house)]
    yield b'],\n"anchors": ' + orjson.dumps(stated)
    yield b',\n"anchor_keys": ' + orjson.dumps(anchors.public_keys(house)) + b"}\n"


def _listed(pages: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """Items of a list of JSON, one a line, a page of them at a time."""
    between = b"\n"
    for page in pages:
        lines = [orjson.dumps(one, option=_HOW) for one in page]
        if lines:
            yield between + b",\n".join(lines)
            between = b",\n"


def _told_lines(
    house: House, instellingsnummer: str, everybody: list[str], names: dict[str, str]
) -> Iterator[list[dict[str, Any]]]:
    for some in _by_pupils(everybody):
        with house.database.reading() as db:
            found = _lines(db, instellingsnummer, some)
        yield [
            {
                "client_id": line.client_id,
                "name": names.get(line.client_id),
                "account_uuid": line.account_uuid,
                "first_on": day_of_law(line.first),
                "claims": sorted(line.claims),
            }
            for line in found
        ]


def _acts(house: House, instellingsnummer: str) -> Iterator[list[dict[str, Any]]]:
    """The school's part of the audit trail, oldest first."""
    table = sealing.table_of(AuditEvent)
    mine = select(table).where(table.c.instellingsnummer == instellingsnummer)
    mine, last = mine.order_by(table.c.at, table.c.id).limit(PAGE), None
    while True:
        page = mine
        if last is not None:
            later = or_(table.c.at > last["at"], and_(table.c.at == last["at"], table.c.id > last["id"]))
            page = mine.where(table.c.at >= last["at"], later)
        with house.database.reading() as db:
            rows = db.execute(page).mappings().all()
        yield [_act(row) for row in rows]
        if len(rows) < PAGE:
            return
        last = rows[-1]


def _act(row: Any) -> dict[str, Any]:
    """An event without the address it came from; its digest is the one in our seal, so that it can be held against it."""
    kept = {name: value for name, value in row.items() if name not in {"source", "request_id", "mark"}}
    return kept | {"digest": sealing.digest(AuditEvent.__tablename__, row).hex()}


def _pupils(db: Connection, instellingsnummer: str) -> list[str]:
    """Everybody who was ever enrolled here, under every identifier that the ledger may know."""
    here = select(Enrolment.account_uuid).where(Enrolment.instellingsnummer == instellingsnummer)
    merged = select(Pupil.account_uuid).where(Pupil.merged_into.in_(here))
    return sorted(db.execute(union(here, merged)).scalars())


def _by_pupils(everybody: list[str]) -> Iterator[list[str]]:
    return (everybody[at : at + PUPILS] for at in range(0, len(everybody), PUPILS))


def _lines(
    db: Connection, instellingsnummer: str, some: list[str], since: datetime | None = None
) -> list[_Line]:
    """What each app was told about each of these, by pupil and app. The database groups what is alike."""
    of = Release
    columns = (of.account_uuid, of.client_id, of.claims)
    by_list = func.max(case((of.channel.in_(BY_LIST), 1), else_=0)).label("by_list")
    query = (
        select(*columns, func.min(of.at).label("first"), by_list)
        .where(of.account_uuid.in_(some), of.instellingsnummer == instellingsnummer)
        .group_by(*columns)
    )
    if since is not None:
        query = query.where(of.at >= since)
    claims: dict[tuple[str, str], set[str]] = defaultdict(set)
    first: dict[tuple[str, str], datetime] = {}
    listed: set[tuple[str, str]] = set()
    for row in db.execute(query):
        key = row.account_uuid, row.client_id
        if row.by_list:
            listed.add(key)
        claims[key] |= {name for name, word in row.claims.items() if word == "released"}
        first[key] = min(row.first, first.get(key, row.first))
    return [
        _Line(
            account_uuid=who,
            client_id=app,
            claims=frozenset(claims[who, app]),
            first=first[who, app],
            listed=(who, app) in listed,
        )
        for who, app in sorted(claims)
    ]


def _names(db: Connection) -> dict[str, str]:
    return {row.client_id: row.client_name for row in db.execute(select(App.client_id, App.client_name))}
