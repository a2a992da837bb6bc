"""Which list does an address name, and what is the answer? Collections, single lines, and lists inside something.

Plain values in and out: endpoints.py has the addresses, lists.py the pages. What we do not know (teachers, courses,
grading periods) is empty or made of what we do know; what nobody may have (parents, birth dates) is nowhere.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, literal, select

from idp.apps import App
from idp.audit import apps as audit_apps
from idp.claims import agreements, disclose
from idp.claims.catalogue import Gate
from idp.claims.disclose import Channel, OfMany
from idp.context import House
from idp.errors import NotAllowed, NotFound
from idp.models import RosterKind
from idp.rosters import export, lists, shapes, stock
from idp.rosters.asking import CHANGED, NAME, Ask, Term
from idp.rosters.lists import ENTRIES, Known, Page, Within
from idp.rosters.shapes import Item

KINDS = {
    "orgs": RosterKind.ORG,
    "schools": RosterKind.ORG,
    "users": RosterKind.USER,
    "students": RosterKind.USER,
    "classes": RosterKind.CLASS,
    "enrollments": RosterKind.ENROLLMENT,
}
MADE = {
    "academicSessions": "academicSessions",
    "terms": "academicSessions",
    "gradingPeriods": "academicSessions",
    "courses": "courses",
    "teachers": "users",
}
"""Lists that stand in no table, and the word around each."""
INSIDE = {
    "schools": frozenset({"classes", "courses", "enrollments", "students", "teachers", "terms"}),
    "classes": frozenset({"students", "teachers", "enrollments"}),
    "courses": frozenset({"classes"}),
    "terms": frozenset({"classes", "gradingPeriods"}),
    "students": frozenset({"classes"}),
    "users": frozenset({"classes"}),
    "teachers": frozenset({"classes"}),
}
"""What can be asked inside what."""
ABOUT_CLASSES = frozenset({"classes", "enrollments", "courses"})


class Closed(NotAllowed):
    """A gate is closed for a whole list. `code` is the gate, as in the ledger and in every explanation."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    word: str
    """Around the lines."""
    page: Page
    alone: bool = False


def word(collection: str) -> str:
    """The word around a list that is at this address. Raises NotFound."""
    kind = KINDS.get(collection)
    if kind is not None:
        return shapes.WORDS[kind]
    if collection in MADE:
        return MADE[collection]
    raise NotFound("unknown_list", f"there is no list {collection[:40]!r}")


def check(collection: str, *, inside: str | None = None) -> None:
    """Raises NotFound when there is no such list."""
    word(collection)
    if inside is not None and collection not in INSIDE.get(inside, ()):
        raise NotFound("unknown_list", f"there is no list {collection[:40]!r} inside {inside[:40]!r}")


class Lists:
    """The lists of one app, at one moment."""

    def __init__(self, house: House, app: App, *, now: datetime, today: date) -> None:
        self.house, self.app, self.now, self.today = house, app, now, today
        self.base = house.settings.issuer + shapes.BASE

    def all(self, collection: str, ask: Ask) -> Answer:
        """A collection of everything that this app may know."""
        self._registered(collection)
        self._look(ask)
        return self._page(collection, ask, Within())

    def one(self, collection: str, sourced_id: str) -> Answer:
        """One line. Raises NotFound, and Closed for a class of a school that stopped."""
        self._registered(collection)
        if collection in MADE:
            found = self._page(collection, replace(_EVERYTHING, terms=(_named(sourced_id),)), Within())
        else:
            self._known(KINDS[collection], sourced_id)
            found = self._page(collection, Ask(limit=1), Within(one=sourced_id))
        if not found.page.items:
            raise _nowhere(collection)
        return replace(found, alone=True)

    def inside(self, collection: str, ask: Ask, around: Sequence[tuple[str, str]]) -> Answer:
        """A list inside a school, a class, a pupil … `around` names them from the outside in."""
        about = any(name in ABOUT_CLASSES for name in (collection, *(name for name, _ in around)))
        self._registered("classes" if about else collection)
        within = Within()
        for name, sourced_id in around:
            within = self._enter(name, sourced_id, within, ask)
        if within.school is not None and about:
            self._shared(within.school)
        if not any(name == "schools" for name, _ in around):
            self._look(ask)
        return self._page(collection, ask, within)

    def file(self, school: str | None) -> export.File:
        """All of it as OneRoster's CSV files, written down already. Raises Wrong, Closed, NotFound and Busy."""
        self._registered("users")
        if school is not None:
            self._look(Ask(), school=school)
            self._known(RosterKind.ORG, school, look=False)
        made = export.make(self.house, self.app, now=self.now, today=self.today, school=school)
        record(self.house, self.app, made.told, Channel.EXPORT, now=self.now)
        with self.house.database.transaction() as db:
            for number in sorted(made.schools):
                pupils = {one.account_uuid for one in made.told if one.instellingsnummer == number}
                audit_apps.roster_exported(
                    db, client_id=self.app.client_id, instellingsnummer=number, pupils=len(pupils)
                )
        return made

    # ------------------------------------------------------------ what it is inside of

    def _enter(self, name: str, sourced_id: str, within: Within, ask: Ask) -> Within:
        if name == "schools":
            if ask.first:
                self._look(ask, school=sourced_id)
            self._known(RosterKind.ORG, sourced_id, look=False)
            return replace(within, school=sourced_id)
        if name == "classes":
            found = self._known(RosterKind.CLASS, sourced_id)
            if within.school not in {None, found.instellingsnummer}:
                raise _nowhere(name)
            return replace(within, school=found.instellingsnummer, klas=found.ref, klas_name=sourced_id)
        if name in {"users", "students"}:
            return replace(within, pupil=self._known(RosterKind.USER, sourced_id).ref)
        if name == "courses":
            number, _, soort = sourced_id.partition("-")
            self._known(RosterKind.ORG, number)
            if soort not in shapes.COURSES:
                raise _nowhere(name)
            return replace(within, school=number, soort=soort)
        if name == "terms" and sourced_id == shapes.sessions("", self.today)[1]["sourcedId"]:
            return within
        raise _nowhere(name)

    def _known(self, kind: RosterKind, sourced_id: str, *, look: bool = True) -> Known:
        """The line by this name, after another look when there is none. Raises NotFound and Closed."""
        with self.house.database.reading() as db:
            found = lists.known(db, self.app, kind, sourced_id)
        if look and (not found or found[0].gone):
            self._look(Ask())
            with self.house.database.reading() as db:
                found = lists.known(db, self.app, kind, sourced_id)
        if not found:
            raise _nowhere(kind)
        if kind in lists.OF_CLASSES:
            self._shared(found[0].instellingsnummer)
        if found[0].gone:
            raise _nowhere(kind)
        return found[0]

    # ------------------------------------------------------------ gates of whole lists

    def _registered(self, collection: str) -> None:
        """Raises Closed when the registration does not reach so far."""
        if not shapes.reads_lists(self.app):
            raise Closed(Gate.NOT_REGISTERED, "lists need the scopes openid and ov_leerling")
        if collection in ABOUT_CLASSES and not shapes.reads_classes(self.app):
            raise Closed(Gate.NOT_REGISTERED, "classes need the scope ov_klas")

    def _shared(self, school: str) -> None:
        """Raises Closed."""
        with self.house.database.reading() as db:
            if not agreements.shares_today(db, school, self.today):
                raise Closed(Gate.SCHOOL_DOES_NOT_SHARE, f"school {school} does not share klasinformatie")

    # ------------------------------------------------------------ pages

    def _look(self, ask: Ask, *, school: str | None = None) -> None:
        if ask.first:
            stock.refresh(self.house, self.app, school=school, now=self.now)

    def _page(self, collection: str, ask: Ask, within: Within) -> Answer:
        with self.house.database.reading() as db:
            if collection in MADE:
                return Answer(word=MADE[collection], page=_cut(self._made(db, collection, within), ask))
            kind = KINDS[collection]
            found = lists.page(
                db, self.house, self.app, kind, ask=ask, within=within, base=self.base, today=self.today
            )
        return Answer(word=shapes.WORDS[kind], page=found)

    def _made(self, db: Connection, collection: str, within: Within) -> list[Item]:
        year, term = shapes.sessions(self.base, self.today)
        if collection == "courses":
            return [
                shapes.course(self.base, number, soort, self.today)
                for number in self._sharing(db, within)
                for soort in shapes.COURSES
            ]
        return {"academicSessions": [year, term], "terms": [term]}.get(collection, [])

    def _sharing(self, db: Connection, within: Within) -> list[str]:
        """The schools of this app that share klasinformatie."""
        lines = ENTRIES.c
        mine = select(lines.sourced_id).where(
            lines.client_id == self.app.client_id,
            lines.kind == RosterKind.ORG,
            lines.gone.is_(False),
            agreements.shares(lines.instellingsnummer, literal(self.today)),
        )
        if within.school is not None:
            mine = mine.where(lines.instellingsnummer == within.school)
        return [*db.execute(mine.order_by(lines.sourced_id)).scalars()]


def record(house: House, app: App, told: Sequence[OfMany], channel: Channel, *, now: datetime) -> None:
    """Write down what is about to be told."""
    if told:
        with house.database.transaction() as db:
            disclose.record_each(db, app=app, told=told, channel=channel, now=now)


# ---------------------------------------------------------------- small pieces

_EVERYTHING = Ask(limit=1_000)


def _named(sourced_id: str) -> Term:
    return Term(field=NAME, operator="=", value=sourced_id)


def _nowhere(what: str) -> NotFound:
    return NotFound("unknown_line", f"{what}: there is nothing by this sourcedId that this app may know of")


def _cut(items: list[Item], ask: Ask) -> Page:
    """The same asking, of a list that is in memory."""
    fits = any if ask.either else all
    found = [item for item in items if not ask.terms or fits(_holds(term, item) for term in ask.terms)]
    found.sort(key=lambda item: (str(item[ask.sort]), item[NAME]), reverse=ask.descending)
    rest = found[ask.offset :] if ask.after is None else [item for item in found if item[NAME] > ask.after]
    shown = rest[: ask.limit]
    return Page(
        items=[shapes.some(item, ask.fields) for item in shown],
        total=len(found),
        told=[],
        last=shown[-1][NAME] if shown else None,
        more=len(rest) > len(shown),
    )


def _holds(term: Term, item: Item) -> bool:
    value: Any = datetime.fromisoformat(item[CHANGED]) if term.field == CHANGED else item[term.field]
    given: Any = term.value
    return bool(_COMPARED[term.operator](value, given))


_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
