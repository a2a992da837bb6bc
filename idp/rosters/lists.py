"""What stands on this page of a list, now? Lines in the order of their sourcedId, each decided anew by the engine of the tokens.

Four statements a page, however long it is: how many there are, which ones, what is true of their pupils, and what apps
of the same sector call them. Nothing is told of a line whose gate closed since the last look: it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from idp.apps import App
from idp.claims import agreements, disclose, facts, pseudonym, visibility
from idp.claims.disclose import OfMany
from idp.context import House
from idp.models import ID, Account, ClassMembership, Enrolment, Klas, RosterEntry, RosterKind, School
from idp.rosters import shapes, stock
from idp.rosters.asking import ACTIVE, CHANGED, NAME, STATUS, Ask, Term
from idp.rosters.shapes import Item

ENTRIES = cast("Table", RosterEntry.__table__)
OF_CLASSES = frozenset({RosterKind.CLASS, RosterKind.ENROLLMENT})


@dataclass(frozen=True, kw_only=True)
class Within:
    """A list inside something: of a school, a class, a pupil, or a kind of class."""

    school: str | None = None
    klas: str | None = None
    """Klas.id; `klas_name` is what the app calls it."""
    klas_name: str | None = None
    pupil: str | None = None
    """account_uuid"""
    soort: str | None = None
    one: str | None = None
    """This sourcedId only."""


@dataclass(frozen=True, kw_only=True)
class Page:
    items: list[Item]
    total: int
    told: list[OfMany]
    """About whom something is told: for the ledger."""
    last: str | None
    """The sourcedId with which the page ended, told or not."""
    more: bool


@dataclass(frozen=True, kw_only=True)
class Known:
    """A line that an app asks for by its sourcedId."""

    instellingsnummer: str
    ref: str | None
    gone: bool


def known(db: Connection, app: App, kind: RosterKind, sourced_id: str) -> list[Known]:
    """What we have under this name: nothing, one line, or a pupil's line of each school."""
    mine = and_(
        ENTRIES.c.client_id == app.client_id, ENTRIES.c.kind == kind, ENTRIES.c.sourced_id == sourced_id
    )
    columns = (ENTRIES.c.instellingsnummer, ENTRIES.c.ref, ENTRIES.c.gone)
    rows = db.execute(select(*columns).where(mine).order_by(ENTRIES.c.gone, ENTRIES.c.instellingsnummer))
    return [Known(**row) for row in rows.mappings()]


def page(
    db: Connection,
    house: House,
    app: App,
    kind: RosterKind,
    *,
    ask: Ask,
    within: Within,
    base: str,
    today: date,
) -> Page:
    """One page. The caller has taken stock, and records what is told before it answers."""
    every = _every(app, kind, ask, within, today).subquery()
    total = db.execute(select(func.count()).select_from(every)).scalar_one()
    names = db.execute(_ordered(every, ask).limit(ask.limit + 1)).all()
    more = len(names) > ask.limit
    shown = names[: ask.limit]
    standing = [row.sourced_id for row in shown if not row.gone]
    read = _READ[kind](db, house, app, _Of(ask=ask, within=within, names=standing, base=base, today=today))
    items = []
    told: list[OfMany] = []
    for row in shown:
        if row.gone:
            items.append(shapes.dressed({"sourcedId": row.sourced_id}, gone=True, changed_at=row.changed))
        elif row.sourced_id in read:
            item, about = read[row.sourced_id]
            items.append(shapes.dressed(item, gone=False, changed_at=row.changed))
            told += about
    return Page(
        items=[shapes.some(item, ask.fields) for item in items],
        total=total,
        told=told,
        last=shown[-1].sourced_id if shown else None,
        more=more,
    )


# ---------------------------------------------------------------- which ones


def _every(app: App, kind: RosterKind, ask: Ask, within: Within, today: date) -> Select[Any]:
    """SQL: every line of the list by its name, when it last changed, and whether it is gone (everywhere)."""
    lines = ENTRIES.c
    changed = func.max(lines.changed_at).label("changed")
    gone = func.min(case((lines.gone.is_(True), 1), else_=0)).label("gone")
    wanted = select(lines.sourced_id, changed, gone).where(
        lines.client_id == app.client_id, lines.kind == kind, *_inside(kind, within, today)
    )
    if not ask.tombstones:
        wanted = wanted.where(lines.gone.is_(False))
    if kind in OF_CLASSES:
        day = literal(today)
        wanted = wanted.where(or_(lines.gone.is_(True), agreements.shares(lines.instellingsnummer, day)))
    wanted = wanted.group_by(lines.sourced_id)
    terms = [_condition(term, changed, gone) for term in ask.terms]
    if terms:
        wanted = wanted.having(or_(*terms) if ask.either else and_(*terms))
    return wanted


def _condition(term: Term, changed: Any, gone: Any) -> ColumnElement[bool]:
    column: Any
    value: str | int | datetime
    if term.field == STATUS:
        column, value = gone, 0 if term.value == ACTIVE else 1
    elif term.field == CHANGED:
        column, value = changed, term.value
    else:
        column, value = ENTRIES.c.sourced_id, term.value
    column = getattr(column, "element", column)
    compared: Mapping[str, Callable[[], ColumnElement[bool]]] = {
        "=": lambda: column == value,
        "!=": lambda: column != value,
        ">": lambda: column > value,
        ">=": lambda: column >= value,
        "<": lambda: column < value,
        "<=": lambda: column <= value,
    }
    return compared[term.operator]()


def _inside(kind: RosterKind, within: Within, today: date) -> list[ColumnElement[bool]]:
    """SQL: only the lines of what the list is inside of."""
    lines, found = ENTRIES.c, []
    if within.one is not None:
        found.append(lines.sourced_id == within.one)
    if within.school is not None:
        found.append(lines.instellingsnummer == within.school)
    if within.soort is not None:
        of_kind = select(1).where(Klas.id == lines.ref, Klas.soort == within.soort)
        found.append(of_kind.correlate_except(Klas).exists())
    if within.klas is None and within.pupil is None:
        return found
    seat = aliased(ClassMembership)
    sits = [visibility.current(seat, today)]
    if within.klas is not None:
        sits.append(seat.klas == literal(within.klas, ID))
    if within.pupil is not None:
        sits.append(seat.account_uuid == literal(within.pupil, ID))
    sits.append(
        {
            RosterKind.USER: seat.account_uuid == lines.ref,
            RosterKind.CLASS: seat.klas == lines.ref,
            RosterKind.ENROLLMENT: seat.id == lines.ref,
        }[kind]
    )
    found.append(select(1).where(*sits).correlate_except(seat).exists())
    return found


def _ordered(every: Any, ask: Ask) -> Select[Any]:
    column = {STATUS: every.c.gone, CHANGED: every.c.changed, NAME: every.c.sourced_id}[ask.sort]
    wanted = select(every).order_by(column.desc() if ask.descending else column, every.c.sourced_id)
    if ask.after is not None:
        return wanted.where(every.c.sourced_id > ask.after)
    return wanted.offset(ask.offset)


# ---------------------------------------------------------------- what may be told of them


@dataclass(frozen=True, kw_only=True)
class _Of:
    ask: Ask
    within: Within
    names: Sequence[str]
    base: str
    today: date


Read = dict[str, tuple[Item, list[OfMany]]]
"""By sourcedId: the line, and about whom it tells something."""


def _lines_of(app: App, kind: RosterKind, names: Sequence[str]) -> ColumnElement[bool]:
    return and_(
        ENTRIES.c.client_id == app.client_id,
        ENTRIES.c.kind == kind,
        ENTRIES.c.gone.is_(False),
        ENTRIES.c.sourced_id.in_(names),
    )


def _decided(
    db: Connection,
    house: House,
    app: App,
    *,
    among: Select[*tuple[Any, ...]],
    wanted: frozenset[str],
    today: date,
) -> list[OfMany]:
    many = disclose.disclose_each(db, keys=house.keys, app=app, among=among, wanted=wanted, today=today)
    return [one for one in many if stock.listed(one)]


def _users(db: Connection, house: House, app: App, of: _Of) -> Read:
    lines = ENTRIES.c
    among = select(lines.sourced_id, lines.instellingsnummer, lines.ref.label("account_uuid")).where(
        _lines_of(app, RosterKind.USER, of.names)
    )
    wanted = shapes.of_users(app, of.ask.fields)
    if of.within.klas_name is not None:
        wanted |= shapes.OF_CLASSES
    by_name: dict[str, list[OfMany]] = {}
    for one in _decided(db, house, app, among=among, wanted=wanted, today=of.today):
        if one.disclosure.claims["sub"] == one.row.of_sourced_id:
            by_name.setdefault(one.row.of_sourced_id, []).append(one)
    read: Read = {}
    for name, each in by_name.items():
        if of.within.klas_name is not None and not any(_klas(one, of.within.klas_name) for one in each):
            continue
        ordered = sorted(each, key=lambda one: one.instellingsnummer)
        told = [one.disclosure.claims for one in ordered]
        read[name] = shapes.user(of.base, name, told), ordered
    return read


def _classes(db: Connection, house: House, app: App, of: _Of) -> Read:
    """A class is told when it is of at least one pupil: of the one whose classes are asked, else of any who has the app."""
    lines = ENTRIES.c
    witness: Any = literal(of.within.pupil, ID)
    if of.within.pupil is None:
        witness = _witness(app, lines, of.today)
    among = select(lines.sourced_id, lines.instellingsnummer, witness.label("account_uuid")).where(
        _lines_of(app, RosterKind.CLASS, of.names)
    )
    wanted = shapes.OF_CLASSES
    read: Read = {}
    for one in _decided(db, house, app, among=among, wanted=wanted, today=of.today):
        told = _klas(one, one.row.of_sourced_id)
        if told is not None:
            about = [one] if of.within.pupil is not None else []
            read[one.row.of_sourced_id] = shapes.klas(of.base, told), about
    return read


def _witness(app: App, lines: Any, today: date) -> Any:
    """SQL: a pupil of this class for whom the app is visible."""
    seat, stay = aliased(ClassMembership), aliased(Enrolment)
    mine = (
        select(seat.account_uuid)
        .join(
            stay,
            and_(
                stay.account_uuid == seat.account_uuid,
                stay.instellingsnummer == seat.instellingsnummer,
                visibility.active(stay, literal(today)),
            ),
        )
        .join(Account, and_(Account.account_uuid == seat.account_uuid, Account.blocked_at.is_(None)))
        .where(
            seat.klas == lines.ref,
            seat.instellingsnummer == lines.instellingsnummer,
            visibility.current(seat, literal(today)),
            visibility.covers(
                literal(app.client_id, String()), stay, facts.text_of(seat.account_uuid), literal(today)
            ),
        )
        .limit(1)
    )
    return mine.correlate_except(seat, stay, Account).scalar_subquery()


def _enrollments(db: Connection, house: House, app: App, of: _Of) -> Read:
    lines = ENTRIES.c
    among = (
        select(lines.sourced_id, lines.instellingsnummer, ClassMembership.account_uuid, ClassMembership.klas)
        .join(ClassMembership, ClassMembership.id == lines.ref)
        .where(_lines_of(app, RosterKind.ENROLLMENT, of.names))
    )
    read: Read = {}
    for one in _decided(db, house, app, among=among, wanted=shapes.OF_CLASSES, today=of.today):
        sub, name = one.disclosure.claims["sub"], one.row.of_sourced_id
        told = _klas(one, pseudonym.klas_id(house.keys, app.sector, one.row.of_klas))
        if told is not None and stock.entry_id(house.keys, told["id"], sub) == name:
            read[name] = shapes.enrollment(of.base, name, sub, told), [one]
    return read


def _klas(one: OfMany, name: str) -> Mapping[str, Any] | None:
    """The class by this name, if it is released of this pupil."""
    return next((told for told in one.disclosure.claims.get(shapes.CLASSES, ()) if told["id"] == name), None)


def _orgs(db: Connection, house: House, app: App, of: _Of) -> Read:  # noqa: ARG001
    """Which schools made the app visible for somebody; nothing about a pupil."""
    here = select(School.instellingsnummer, School.naam).where(School.instellingsnummer.in_(of.names))
    return {number: (shapes.org(number, naam), []) for number, naam in db.execute(here)}


_READ: Mapping[RosterKind, Callable[[Connection, House, App, _Of], Read]] = {
    RosterKind.ORG: _orgs,
    RosterKind.USER: _users,
    RosterKind.CLASS: _classes,
    RosterKind.ENROLLMENT: _enrollments,
}
