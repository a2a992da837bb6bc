"""May this member of staff come in here, now? Each route of `Door.STAFF` names the rights that open it.

    @blueprint.get("/schoolloket/…")
    @web.door(web.Door.STAFF)
    @staff_door.needs(RightKind.BEHEERDER)
    def a_view() -> Response:
        desk = staff_door.here()

Rights are looked up at every request, by the calendar of Brussels. One of the named rights, at the school that was
chosen, is enough; an operator's right counts everywhere that names it, and nowhere else. `needs(*ANY)` takes any right.
Like login/staff_sessions.py this file knows Flask: it is the door of every staff page, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Response, g, request
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import MultiDict

from idp import audit, context, web
from idp.admin.staff import access
from idp.audit import staff as audit_staff
from idp.errors import Invalid, NotAllowed
from idp.login import pages_staff, staff_sessions
from idp.models import RightKind, School, SchoolKind

View = TypeVar("View", bound=Callable[..., Any])
ANY = tuple(RightKind)
Typed = MultiDict[str, str]
"""What somebody typed in a form, for its page to show again."""
LONGEST_KEPT, MOST_KEPT = 1_000, 40
"""Signs of one field, and values of one name, that are kept of a form."""
SECRET_FIELDS = frozenset({"password", "code", "answer", "question", "begun", "csrf_token"})


@dataclass(frozen=True, kw_only=True)
class Place:
    """A school where this person has a right."""

    instellingsnummer: str
    naam: str


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Who works here, where, and with which rights: the view behind the door asks `here()`."""

    who: staff_sessions.SignedIn
    places: tuple[Place, ...]
    """Every school with a right of this person, by name; schools for trying out come last."""
    place: Place | None
    """The chosen one; None for an operator without school."""
    kinds: frozenset[RightKind]
    """Rights that count here: at the chosen school, and everywhere."""
    suppliers: frozenset[str] = frozenset()
    """Whose apps this person looks after."""

    @property
    def person_id(self) -> str:
        return self.who.person_id

    @property
    def instellingsnummer(self) -> str:
        """The chosen school. Only for views that need a right at a school."""
        assert self.place is not None, "this view opens to a right at a school"
        return self.place.instellingsnummer

    def has(self, *kinds: RightKind) -> bool:
        return bool(self.kinds & {*kinds})


def needs(*kinds: RightKind) -> Callable[[View], View]:
    """Name the rights of which one opens this route. Put it under `web.door(web.Door.STAFF)`."""

    def mark(view: View) -> View:
        view.needs = frozenset(kinds)  # type: ignore[attr-defined]
        return view

    return mark


def prepare(app: Flask) -> None:
    """Hang the door in this Flask app."""
    app.extensions[web.STAFF_DOOR] = _enter


def here() -> Desk:
    """The desk of the person whom the door let in."""
    desk: Desk = g.desk
    return desk


def whoever() -> Desk | None:
    """The desk of whoever is signed in, for a page that says no; None when nobody is, or the database does not say."""
    if "desk" not in g:
        try:
            who = staff_sessions.current()
            with context.house().database.reading() as db:
                g.desk = desk_of(db, who) if who else None
        except SQLAlchemyError:
            g.desk = None
    found: Desk | None = g.desk
    return found


def is_fresh(minutes: int | None = None) -> bool:
    """Did this person prove lately to be there?"""
    house = context.house()
    age = house.clock.now() - here().who.proven_at
    return age.total_seconds() <= 60 * (minutes or house.settings.staff_fresh_minutes)


def needs_fresh(minutes: int | None = None, back: str | None = None) -> Response | None:
    """To the page that asks for proof, when this person proved too long ago to be there; else None.

    `back` is where the work goes on; `minutes` is what too long means here (staff_fresh_minutes).
    """
    if is_fresh(minutes):
        return None
    if back is None:
        back = request.path if request.method in web.SAFE else "/personeel/mijn-gegevens"
    return web.see_other(pages_staff.with_way_back("/personeel/bevestigen", back))


def needs_fresh_first(
    page: Callable[..., Response],
    *fields: str,
    back: str,
    which: tuple[str, ...] = ("wat",),
    longest: int = LONGEST_KEPT,
    minutes: int | None = None,
) -> Response | None:
    """The same for a form in which something is typed: its page with that in it, and the proof in a tab of its own.

    Nothing is done by itself afterwards: the person reads it once more, and presses the button. `fields` are what is kept,
    and never those of a secret; `which` tells forms of one page apart. `page` takes `given`, `prove_first` and `status`.
    Where nothing was typed, there is nothing to keep.
    """
    if is_fresh(minutes):
        return None
    if not any(request.form.get(name) for name in fields):
        return needs_fresh(minutes, back)
    return page(given=kept(*which, *fields, longest=longest), prove_first=True, status=403)


def kept(*fields: str, longest: int = LONGEST_KEPT) -> Typed:
    """What was typed in these fields, for a page that shows its form again: no more than our own forms hold."""
    assert not SECRET_FIELDS & {*fields}, "a secret is typed anew"
    return MultiDict(
        (name, value[:longest]) for name in fields for value in request.form.getlist(name)[:MOST_KEPT]
    )


def desk_of(db: Connection, who: staff_sessions.SignedIn) -> Desk:
    """Rights of today, and the school that was chosen; the first one when nothing (or no longer that) was."""
    today = context.house().clock.today()
    rights = access.rights(db, who.person_id, today)
    numbers = {right.instellingsnummer for right in rights if right.instellingsnummer}
    rows = db.execute(
        select(School.instellingsnummer, School.naam)
        .where(School.instellingsnummer.in_(numbers))
        .order_by(School.kind == SchoolKind.TEST, School.naam, School.instellingsnummer)
    ).mappings()
    places = tuple(Place(**row) for row in rows)
    place = next((one for one in places if one.instellingsnummer == who.chosen_school), None)
    place = place or (places[0] if places else None)
    at = {None, place.instellingsnummer if place else None}
    kinds = frozenset(right.kind for right in rights if right.instellingsnummer in at)
    theirs = frozenset(right.supplier for right in rights if right.supplier)
    return Desk(who=who, places=places, place=place, kinds=kinds, suppliers=theirs)


def _enter(view: Any) -> Response | None:
    """Let in, answer instead of the view, or raise NotAllowed."""
    who = staff_sessions.current()
    if who is None:
        back = request.full_path.rstrip("?") if request.method in web.SAFE else staff_sessions.HOME
        return web.see_other(pages_staff.with_way_back(staff_sessions.SIGN_IN, back))
    house = context.house()
    context.acting(audit.person(who.person_id))
    with house.database.reading() as db:
        desk = desk_of(db, who)
    g.desk = desk
    if not desk.kinds:
        raise NotAllowed("staff_without_rights")
    if not desk.kinds & view.needs:
        with house.database.transaction() as db:
            audit_staff.staff_refused(
                db,
                person_id=who.person_id,
                instellingsnummer=desk.place.instellingsnummer if desk.place else None,
                route=str(request.url_rule),
            )
        raise NotAllowed("right_missing")
    meant = request.form.get("school") if request.method not in web.SAFE else None
    if meant and (desk.place is None or meant != desk.place.instellingsnummer):
        raise Invalid("school_changed")
    return None
