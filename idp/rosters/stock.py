"""What changed since an app last asked? Its lists at a school, as they are now, compared with what it saw of them.

Taking stock decides nothing that is told: whoever reads a page decides again, line by line. It gives lines an order, a
moment of change, and a tombstone when they go. Of a line a keyed digest is kept, never what it said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

import orjson
from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp import entropy
from idp.apps import App
from idp.claims import disclose, pseudonym, visibility
from idp.claims.disclose import OfMany
from idp.clock import day_of_law
from idp.context import House
from idp.errors import Busy
from idp.models import (
    ClassMembership,
    Enrolment,
    Klas,
    RosterEntry,
    RosterKind,
    RosterStock,
    School,
    VisibilityRule,
)
from idp.rosters import again, shapes

TOMBSTONES = timedelta(days=100)
"""How long an app can hear that a line went; also how long we remember an app that no longer asks."""
SECONDS = 2.0
"""A request takes stock for this long; what is left over waits for the next one, or for the job."""

ENTRIES = cast("Table", RosterEntry.__table__)
STOCKS = cast("Table", RosterStock.__table__)
Line = tuple[RosterKind, str]
"""What kind, and its sourcedId."""
Said = tuple[str | None, str]
"""The row it stands for, and the digest of what it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A school whose lists an app reads, or read."""

    instellingsnummer: str
    round: int
    """0: never looked at."""
    taken_at: datetime | None = None


def refresh(
    house: House, app: App, *, school: str | None = None, now: datetime, seconds: float = SECONDS
) -> None:
    """Take stock of this school, or of all that the app has; those that wait longest first, and none that was looked at
    just now (`roster_fresh_seconds`): an app that asks without end, or for ids that it made up, is not a look each time.

    After looks that took long, only what was not looked at for an hour (again.looks_rest). Raises Busy when some have never
    been looked at and time is over: the next try gets further.
    """
    fresh = timedelta(seconds=house.settings.roster_fresh_seconds)
    with house.database.reading() as db:
        waiting = _stale(due(db, app, day_of_law(now), school=school), now - fresh)
    if waiting and fresh and again.looks_rest(house, app, now):
        waiting = _stale(waiting, now - again.RESTED)
    begun = house.clock.monotonic()
    try:
        _take_all(house, app, waiting, now=now, begun=begun, seconds=seconds)
    finally:
        if fresh:
            again.looked(house, app, house.clock.monotonic() - begun, now)


def _stale(schools: Iterable[Due], before: datetime) -> list[Due]:
    return [one for one in schools if one.taken_at is None or one.taken_at <= before]


def _take_all(
    house: House, app: App, waiting: list[Due], *, now: datetime, begun: float, seconds: float
) -> None:
    for place, one in enumerate(waiting):
        late = place > 0 and house.clock.monotonic() - begun > seconds
        if late and one.round:
            return
        if late:
            raise Busy("roster_being_made", "the lists of all schools are being drawn up", retry_after=5)
        take(house, app, one, now=now, asked=True)


def due(db: Connection, app: App, today: date, *, school: str | None = None) -> list[Due]:
    """The schools that made this app visible, and those of which it saw something; the new ones first."""
    shown = select(VisibilityRule.instellingsnummer).where(
        VisibilityRule.client_id == app.client_id,
        VisibilityRule.begindatum <= today,
        or_(VisibilityRule.einddatum.is_(None), VisibilityRule.einddatum >= today),
    )
    seen = select(STOCKS.c.instellingsnummer).where(STOCKS.c.client_id == app.client_id)
    if school is not None:
        shown = shown.where(VisibilityRule.instellingsnummer == school)
        seen = seen.where(STOCKS.c.instellingsnummer == school)
    known = and_(STOCKS.c.instellingsnummer == School.instellingsnummer, STOCKS.c.client_id == app.client_id)
    wanted = (
        select(School.instellingsnummer, STOCKS.c.round, STOCKS.c.taken_at)
        .outerjoin(STOCKS, known)
        .where(School.instellingsnummer.in_(shown.union(seen)))
        .order_by(STOCKS.c.taken_at.is_not(None), STOCKS.c.taken_at, School.instellingsnummer)
    )
    return [
        Due(instellingsnummer=number, round=count or 0, taken_at=taken_at)
        for number, count, taken_at in db.execute(wanted)
    ]


def take(house: House, app: App, school: Due, *, now: datetime, asked: bool) -> int:
    """Compare one school; returns how many lines came, changed or went. Of two at the same moment, one counts."""
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    mine = and_(ENTRIES.c.client_id == app.client_id, ENTRIES.c.instellingsnummer == school.instellingsnummer)
    columns = (ENTRIES.c.kind, ENTRIES.c.sourced_id, ENTRIES.c.ref, ENTRIES.c.digest, ENTRIES.c.gone)
    with house.database.reading() as db:
        is_now = _as_it_is(db, house, app, school.instellingsnummer, day_of_law(now))
        was = {(row.kind, row.sourced_id): row for row in db.execute(select(*columns).where(mine))}
    changes = [*_changes(is_now, was)]
    try:
        with house.database.transaction() as db:
            if not _counts(db, app, school, now, asked=asked):
                return 0
            _write(db, app, school.instellingsnummer, changes, now)
    except IntegrityError:
        return 0  # somebody else looked at the same moment
    return len(changes)


def entry_id(keys: Any, class_id: str, sub: str) -> str:
    """What an app calls "this pupil sits in this class": from what it calls both."""
    return entropy.keyed_digest(keys.pairwise, "enrollment", class_id, sub)


def listed(one: OfMany) -> bool:
    """May this pupil stand in the app's lists at this school? Only if the school itself made the app visible."""
    return one.by_school and one.disclosure.claims.keys() >= shapes.SKELETON


def forget(house: House, now: datetime) -> int:
    """Take away old tombstones, and everything of apps that have not asked for so long. Returns how many entries."""
    before = now - TOMBSTONES
    count = 0
    with house.database.transaction() as db:
        silent = db.execute(
            select(STOCKS.c.client_id, STOCKS.c.instellingsnummer).where(STOCKS.c.asked_at < before)
        ).all()
    for client_id, school in silent:
        with house.database.transaction() as db:
            for table in (ENTRIES, STOCKS):
                mine = and_(table.c.client_id == client_id, table.c.instellingsnummer == school)
                count += db.execute(delete(table).where(mine)).rowcount
    with house.database.transaction() as db:
        old = and_(ENTRIES.c.gone.is_(True), ENTRIES.c.changed_at < before)
        return count + db.execute(delete(ENTRIES).where(old)).rowcount


def take_all(house: House) -> dict[str, int]:
    """The nightly work: every app that reads lists, every school; then old tombstones."""
    now = house.clock.now()
    with house.database.reading() as db:
        names = db.execute(select(STOCKS.c.client_id).distinct()).scalars().all()
    schools = changes = 0
    for name in names:
        app = house.apps.find(name)
        if app is None:
            continue
        with house.database.reading() as db:
            waiting = due(db, app, day_of_law(now))
        for one in waiting:
            schools += 1
            changes += take(house, app, one, now=now, asked=False)
    return {"schools": schools, "changes": changes, "forgotten": forget(house, now)}


# ---------------------------------------------------------------- as it is now


def _as_it_is(db: Connection, house: House, app: App, school: str, today: date) -> dict[Line, Said]:
    """Every line that this app would be told of this school."""
    if app.disabled or not shapes.reads_lists(app):
        return {}
    wanted = shapes.of_users(app) | (shapes.OF_CLASSES if shapes.reads_classes(app) else frozenset())
    here = (
        select(Enrolment.account_uuid, Enrolment.instellingsnummer)
        .where(Enrolment.instellingsnummer == school, visibility.active(Enrolment, today))
        .distinct()
    )
    many = disclose.disclose_each(db, keys=house.keys, app=app, among=here, wanted=wanted, today=today)
    told = [one for one in many if listed(one)]
    if not told:
        return {}
    naam = db.execute(select(School.naam).where(School.instellingsnummer == school)).scalar_one()
    lines: dict[Line, Said] = {(RosterKind.ORG, school): (None, _digest(house, shapes.org(school, naam)))}
    seats = _seats(db, house, app, school, today) if shapes.reads_classes(app) else {}
    for one in told:
        lines |= _lines(house, one, seats)
    return lines


def _lines(house: House, one: OfMany, seats: Mapping[tuple[str, str], tuple[str, str]]) -> dict[Line, Said]:
    claims = one.disclosure.claims
    sub = claims["sub"]
    lines: dict[Line, Said] = {
        (RosterKind.USER, sub): (one.account_uuid, _digest(house, shapes.user("", sub, [claims])))
    }
    for told in claims.get(shapes.CLASSES, ()):
        seat = seats.get((one.account_uuid, told["id"]))
        if seat is None:
            continue
        klas, membership = seat
        lines[(RosterKind.CLASS, told["id"])] = (klas, _digest(house, shapes.klas("", told)))
        sits = entry_id(house.keys, told["id"], sub)
        lines[(RosterKind.ENROLLMENT, sits)] = (membership, _digest(house, {"sourcedId": sits}))
    return lines


def _seats(
    db: Connection, house: House, app: App, school: str, today: date
) -> dict[tuple[str, str], tuple[str, str]]:
    """By pupil and by what the app calls the class: Klas.id and ClassMembership.id."""
    here = (
        select(ClassMembership.id, ClassMembership.account_uuid, ClassMembership.klas)
        .join(Klas, Klas.id == ClassMembership.klas)
        .where(ClassMembership.instellingsnummer == school, visibility.current(ClassMembership, today))
        .order_by(ClassMembership.id.desc())
    )
    names: dict[str, str] = {}
    found = {}
    for membership, account_uuid, klas in db.execute(here):
        name = names.get(klas) or names.setdefault(klas, pseudonym.klas_id(house.keys, app.sector, klas))
        found[(account_uuid, name)] = (klas, membership)
    return found


def _digest(house: House, item: Mapping[str, Any]) -> str:
    said = orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()
    return entropy.keyed_digest(house.keys.pairwise, "roster", said)[:32]


# ---------------------------------------------------------------- what changed


@dataclass(frozen=True, kw_only=True, slots=True)
class _Change:
    line: Line
    ref: str | None
    digest: str
    gone: bool
    new: bool
    silent: bool
    """Only the row it stands for is another one: the app sees no change."""


def _changes(is_now: Mapping[Line, Said], was: Mapping[Line, Any]) -> Iterable[_Change]:
    for line, (ref, digest) in is_now.items():
        old = was.get(line)
        if old is None:
            yield _Change(line=line, ref=ref, digest=digest, gone=False, new=True, silent=False)
        elif old.gone or old.digest != digest or old.ref != ref:
            silent = not old.gone and old.digest == digest
            yield _Change(line=line, ref=ref, digest=digest, gone=False, new=False, silent=silent)
    for line, old in was.items():
        if line not in is_now and not old.gone:
            yield _Change(line=line, ref=None, digest="", gone=True, new=False, silent=False)


def _counts(db: Connection, app: App, school: Due, now: datetime, *, asked: bool) -> bool:
    """Enter this look in the book; False when another one was entered since `school` was read."""
    key = {"client_id": app.client_id, "instellingsnummer": school.instellingsnummer}
    if not school.round:
        db.execute(insert(STOCKS), key | {"round": 1, "taken_at": now, "asked_at": now})
        return True
    mine = and_(
        STOCKS.c.client_id == app.client_id,
        STOCKS.c.instellingsnummer == school.instellingsnummer,
        STOCKS.c.round == school.round,
    )
    values: dict[str, Any] = {"round": school.round + 1, "taken_at": now}
    if asked:
        values["asked_at"] = now
    return db.execute(update(STOCKS).where(mine).values(values)).rowcount == 1


def _write(db: Connection, app: App, school: str, changes: list[_Change], now: datetime) -> None:
    said = {"client_id": app.client_id, "instellingsnummer": school}
    new = [
        said
        | {"kind": one.line[0], "sourced_id": one.line[1], "ref": one.ref, "digest": one.digest}
        | {"changed_at": now, "gone": False}
        for one in changes
        if one.new
    ]
    if new:
        db.execute(insert(ENTRIES), new)
    this = and_(
        ENTRIES.c.client_id == app.client_id,
        ENTRIES.c.instellingsnummer == school,
        ENTRIES.c.kind == bindparam("this_kind", type_=ENTRIES.c.kind.type),
        ENTRIES.c.sourced_id == bindparam("this_id"),
    )
    for silent in (False, True):
        rows = [
            {"this_kind": one.line[0], "this_id": one.line[1], "ref": one.ref}
            | ({} if silent else {"digest": one.digest, "gone": one.gone, "changed_at": now})
            for one in changes
            if not one.new and one.silent is silent
        ]
        if rows:
            values = {
                name: bindparam(name, type_=ENTRIES.c[name].type) for name in rows[0] if "this" not in name
            }
            db.execute(update(ENTRIES).where(this).values(values), rows)
