"""What stands around every page of the Schoolloket? Tabs for what exists and what this person may do, and the school."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Flask, Response, current_app, make_response, render_template, request
from flask_babel import LazyString, format_date, format_datetime, format_decimal, lazy_gettext

from idp import context, sentences, web, wording
from idp.admin import staff_door
from idp.admin.staff_door import Desk
from idp.clock import BRUSSELS, day_of_law
from idp.models import RightKind

_ = lazy_gettext
HOME = "/schoolloket"
OPERATOR = "/beheer"


@dataclass(frozen=True, kw_only=True)
class Item:
    """A page that a tab leads to."""

    name: LazyString
    path: str
    """Also the beginning of the addresses under it."""
    opens_to: frozenset[RightKind]
    exactly: bool = False
    """What lies under its address belongs to other items."""
    beside: str = ""
    """One more address that belongs to it."""


@dataclass(frozen=True, kw_only=True)
class Tab:
    name: LazyString
    icon: str
    items: tuple[Item, ...]


_BEHEER = frozenset({RightKind.BEHEERDER})
_DATA = frozenset({RightKind.DATABEHEERDER})
_OPERATOR = frozenset({RightKind.OPERATOR})
_SUPPLIER = frozenset({RightKind.SUPPLIER})
TABS = (
    Tab(
        name=_("LeerID-beheer"),
        icon="id-card",
        items=(
            Item(
                name=_("Leerlingen"),
                path=f"{HOME}/leerid-beheer",
                opens_to=_BEHEER | {RightKind.TEACHER},
            ),
            Item(name=_("Nieuw schooljaar"), path=f"{HOME}/nieuw-schooljaar", opens_to=_BEHEER),
            Item(name=_("Help een leerling"), path=f"{HOME}/hulp", opens_to=_BEHEER | {RightKind.TEACHER}),
            Item(
                name=_("Iedereen klaar"),
                path=f"{HOME}/iedereen-klaar",
                opens_to=_BEHEER | {RightKind.TEACHER},
            ),
            Item(name=_("Toestellen"), path=f"{HOME}/toestellen", opens_to=_BEHEER | {RightKind.TEACHER}),
        ),
    ),
    Tab(
        name=_("Applicatiebeheer"),
        icon="monitor-smartphone",
        items=(Item(name=_("Applicaties"), path=f"{HOME}/applicatiebeheer", opens_to=_BEHEER),),
    ),
    Tab(
        name=_("Schoolinstellingen"),
        icon="school",
        items=(
            Item(name=_("Klasinformatie delen"), path=f"{HOME}/klasinformatie", opens_to=_DATA | _BEHEER),
            Item(name=_("Wat apps kregen"), path=f"{HOME}/verstrekkingen", opens_to=_DATA | _BEHEER),
            Item(name=_("Personen en rechten"), path=f"{HOME}/personen", opens_to=_BEHEER),
            Item(name=_("Logboek"), path=f"{HOME}/logboek", opens_to=_BEHEER),
        ),
    ),
    Tab(
        name=_("Beheer"),
        icon="key-round",
        items=(
            Item(name=_("Overzicht"), path=OPERATOR, opens_to=_OPERATOR, exactly=True),
            Item(
                name=_("Apps"),
                path=f"{OPERATOR}/apps",
                opens_to=_OPERATOR,
                beside=f"{OPERATOR}/nieuwe-app",
            ),
            Item(name=_("Leveranciers"), path=f"{OPERATOR}/leveranciers", opens_to=_OPERATOR),
            Item(name=_("Wijzigingen"), path=f"{OPERATOR}/wijzigingen", opens_to=_OPERATOR),
            Item(name=_("Registraties als bestand"), path=f"{OPERATOR}/bestand", opens_to=_OPERATOR),
            Item(name=_("Scholen"), path=f"{OPERATOR}/scholen", opens_to=_OPERATOR),
            Item(name=_("Zandbak"), path=f"{OPERATOR}/zandbak", opens_to=_OPERATOR),
            Item(name=_("Pakketten"), path=f"{OPERATOR}/pakketten", opens_to=_OPERATOR),
            Item(name=_("Leveringen"), path=f"{OPERATOR}/leveringen", opens_to=_OPERATOR),
            Item(name=_("Protocol"), path=f"{OPERATOR}/protocol", opens_to=_OPERATOR),
            Item(name=_("Rechten"), path=f"{OPERATOR}/rechten", opens_to=_OPERATOR),
            Item(name=_("Tokens"), path=f"{OPERATOR}/tokens", opens_to=_OPERATOR),
            Item(name=_("Systeem"), path=f"{OPERATOR}/systeem", opens_to=_OPERATOR),
            Item(name=_("Gezondheid"), path=f"{OPERATOR}/gezondheid", opens_to=_OPERATOR),
            Item(name=_("Wie moet wachten"), path=f"{OPERATOR}/wachten", opens_to=_OPERATOR),
            Item(name=_("Uitleg"), path="/beheer/uitleg", opens_to=_OPERATOR),
            Item(name=_("Datalek"), path="/beheer/datalek", opens_to=_OPERATOR),
            Item(name=_("Verwerkingen"), path="/beheer/verwerkingen", opens_to=_OPERATOR),
            Item(name=_("Audit"), path=f"{OPERATOR}/audit", opens_to=_OPERATOR),
        ),
    ),
    Tab(
        name=_("Mijn apps"),
        icon="monitor-smartphone",
        items=(
            Item(name=_("Mijn apps"), path="/leverancier", opens_to=_SUPPLIER),
            Item(name=_("Zandbak"), path="/zandbak", opens_to=_SUPPLIER),
        ),
    ),
)
"""Whoever builds a page gives it one of these addresses, or adds a line. Only what has a route is shown."""


UNFOLDED = 4
"""So many pages of a tab stand side by side on a phone, in two rows."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A tab, or a page of a tab, as a link."""

    name: LazyString
    path: str
    now: bool
    icon: str = ""
    items: tuple[Shown, ...] = ()

    @property
    def folds(self) -> bool:
        """Would its pages take more than two rows on a phone? Then they fold out."""
        return len(self.items) > UNFOLDED

    @property
    def folds_on_a_tablet(self) -> bool:
        return len(self.items) > 2 * UNFOLDED


def tabs(desk: Desk) -> tuple[Shown, ...]:
    """The tabs that lead somewhere for this person at this school."""
    found = []
    for tab in TABS:
        items = tuple(
            Shown(name=item.name, path=item.path, now=_is_here(item))
            for item in tab.items
            if _opens(desk, item)
        )
        if items:
            now = any(item.now for item in items)
            found.append(Shown(name=tab.name, path=items[0].path, now=now, icon=tab.icon, items=items))
    return tuple(found)


def day(value: date) -> str:
    """`31 augustus 2027`, in the language of the page; of a moment, the day in Brussels."""
    if isinstance(value, datetime):
        value = day_of_law(value)
    return str(format_date(value, f"{wording.day_pattern(value)} y"))


def day_and_hour(moment: datetime) -> str:
    """`23 november 2026 om 10:00`, by the clock of Brussels."""
    local = moment.astimezone(BRUSSELS).replace(tzinfo=None)
    return str(format_datetime(local, f"{wording.day_pattern(local)} y, HH:mm", rebase=False))


def hour(moment: datetime) -> str:
    """`10:00`, by the clock of Brussels."""
    return moment.astimezone(BRUSSELS).strftime("%H:%M")


def prepare(app: Flask) -> None:
    """Teach the templates `|day`, `|day_and_hour`, `|hour` and `|number` (`4.012`); say no to staff in our own look."""
    app.extensions[web.STAFF_REFUSAL] = refusal
    app.jinja_env.filters.update(day=day, day_and_hour=day_and_hour, hour=hour, number=format_decimal)


def page(template: str, *, status: int = 200, **words: Any) -> Response:
    """A page of the Schoolloket: `admin/frame.html` around it, for the person behind the door."""
    desk = staff_door.here()
    return make_response(render_template(template, desk=desk, tabs=tabs(desk), **words), status)


def refusal(code: str, status: int, back: str | None) -> Response:
    """What went wrong, which right it takes, and where to go on; with the tabs of whoever is signed in.

    Nothing in it depends on whether a thing exists: the address counts only for which tab it belongs to.
    """
    desk = staff_door.whoever()
    shown = tabs(desk) if desk else ()
    needed = _needed(desk) if desk and code == "right_missing" else ()
    sentence, advice = sentences.at_work(_who_gives(needed) or code, status)
    again = request.full_path.rstrip("?") if status >= 500 and request.method in web.SAFE else None
    body = render_template(
        "admin/refusal.html" if desk else "admin/refusal_outside.html",
        desk=desk,
        tabs=shown,
        sentence=sentence,
        advice=advice,
        needed=[kind.value for kind in needed],
        at_a_school=bool({*needed} - _OPERATOR - _SUPPLIER),
        mine=[kind.value for kind in RightKind if desk and kind in desk.kinds],
        back=back,
        again=again,
        near=_near(shown),
        status=status,
        incident=context.request_id(),
    )
    return make_response(body, status)


def _needed(desk: Desk) -> tuple[RightKind, ...]:
    """The rights of which one opens the page at this address; none when it was refused for something else."""
    view: Any = current_app.view_functions.get(request.endpoint or "")
    needs: frozenset[RightKind] = getattr(view, "needs", frozenset())
    return () if needs & desk.kinds else tuple(kind for kind in RightKind if kind in needs)


def _who_gives(needed: tuple[RightKind, ...]) -> str:
    """The code of the sentence that says who gives one of these; none when a school itself does."""
    if needed and {*needed} <= {*_OPERATOR, *_SUPPLIER}:
        return "right_of_operators"
    return "right_of_directors" if {*needed} == _DATA else ""


def _near(shown: tuple[Shown, ...]) -> Shown | None:
    """The page to go back to: the list that this address lies under, or the first one of its tab."""
    pages = [item for tab in shown for item in tab.items]
    beginning = "/".join(request.path.split("/")[:2])
    beside = (item for item in pages if item.path == beginning or item.path.startswith(f"{beginning}/"))
    return next((item for item in pages if item.now), None) or next(beside, None)


def _opens(desk: Desk, item: Item) -> bool:
    """Does the address exist, and does one of its rights open it here? The route's own words decide."""
    for rule in current_app.url_map.iter_rules():
        if rule.rule == item.path and "GET" in (rule.methods or ()):
            view: Any = current_app.view_functions[rule.endpoint]
            return bool(desk.kinds & view.needs & item.opens_to)
    return False


def _is_here(item: Item) -> bool:
    return request.path in (item.path, item.beside) or (
        not item.exactly and request.path.startswith(f"{item.path}/")
    )
