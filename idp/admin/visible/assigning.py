"""Which app for whom, as a school sees it and changes it? By app, by administratieve groep or (sub)klas, and by pupil.

Who gets what is decided in claims/visibility.py; numbers come from reach.py. Everything here is about one school: an
app that it cannot have, or a rule, group, class or pupil of another one, is not there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Connection, select

from idp import apps
from idp.admin.pupils import pupil_list
from idp.admin.visible import reach
from idp.apps import App
from idp.claims import agreements, visibility
from idp.claims.visibility import Rule
from idp.clock import day_of_law
from idp.errors import Invalid, NotFound
from idp.models import App as AppRow
from idp.models import RuleKind, School, SchoolKind, VisibilityRule

T = TypeVar("T")
ON_A_PAGE = 50
MOST_AT_ONCE = 200
"""Rules in one go."""


@dataclass(frozen=True, kw_only=True)
class Part(Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    page: int
    pages: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What every view of one school starts from."""

    instellingsnummer: str
    today: date
    shares: bool
    apps: tuple[App, ...]
    """Those that the school can give, by name."""
    people: reach.Roster
    rules: dict[str, list[Rule]]

    def app(self, client_id: str) -> App:
        """Raises NotFound for what is no app, or none that this school can have."""
        found = next((one for one in self.apps if one.client_id == client_id), None)
        if found is None:
            raise NotFound("not_found")
        return found

    def reached(self, app: App) -> frozenset[str]:
        if app.open_to_every_pupil:
            return self.people.everyone
        return reach.reached(self.people, self.rules.get(app.client_id, ()))

    def groups_of(self, app: App) -> frozenset[str]:
        """Codes of the administratieve groepen that have the app as a whole, by a rule on the group or the school."""
        mine = self.rules.get(app.client_id, ())
        every = frozenset(self.people.groups())
        if app.open_to_every_pupil or any(rule.kind is RuleKind.SCHOOL for rule in mine):
            return every
        return every & {rule.target for rule in mine if rule.kind is RuleKind.GROUP}


@dataclass(frozen=True, kw_only=True)
class Line:
    """An app in the overview."""

    app: App
    groups: int
    pupils: int


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A rule with words for its target, and how many it covers."""

    rule: Rule
    label: str
    pupils: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An app for a group, a class or a pupil."""

    app: App
    own: tuple[Rule, ...]
    """The rules on exactly this group, class or pupil."""
    others: tuple[Shown, ...]
    """Other rules by which it reaches somebody here."""
    pupils: int
    """How many it reaches here."""


# ---------------------------------------------------------------- looking


def desk(db: Connection, instellingsnummer: str, today: date) -> Desk:
    """In a fixed number of statements, however large the school is. Raises NotFound `school_unknown`."""
    kind = db.execute(select(School.kind).where(School.instellingsnummer == instellingsnummer)).scalar()
    if kind is None:
        raise NotFound("school_unknown")
    shares = agreements.shares_today(db, instellingsnummer, today)
    return Desk(
        instellingsnummer=instellingsnummer,
        today=today,
        shares=shares,
        apps=_offered(db, kind),
        people=reach.roster(db, instellingsnummer, today, classes=shares),
        rules=reach.rules(db, instellingsnummer, today),
    )


def overview(here: Desk, *, words: str = "", page: int = 1) -> Part[Line]:
    """The apps whose name has these words in it, with the two counts."""
    wanted = part([app for app in here.apps if has(app.client_name, words)], page)
    lines = [
        Line(app=app, groups=len(here.groups_of(app)), pupils=len(here.reached(app))) for app in wanted.items
    ]
    return Part(items=lines, page=wanted.page, pages=wanted.pages, total=wanted.total)


def rules_of(here: Desk, app: App, page: int = 1) -> Part[Shown]:
    """The rules of this app that have not ended: on the school, groups, classes, pupils."""
    order = list(RuleKind)
    names = _labels(here)
    shown = [
        Shown(rule=rule, label=names(rule), pupils=len(here.people.covered(rule)))
        for rule in here.rules.get(app.client_id, ())
    ]
    shown.sort(key=lambda one: (order.index(one.rule.kind), one.label.casefold(), one.rule.begindatum))
    return part(shown, page)


def choices(here: Desk, kind: RuleKind, target: str, *, words: str = "", page: int = 1) -> Part[Choice]:
    """Every app, and how it stands for this group, class or pupil."""
    members = frozenset({target}) if kind is RuleKind.PUPIL else here.people.members(kind, target)
    names = _labels(here)
    wanted = part([app for app in here.apps if has(app.client_name, words)], page)
    found = []
    for app in wanted.items:
        mine = here.rules.get(app.client_id, ())
        own = tuple(rule for rule in mine if (rule.kind, rule.target) == (kind, target))
        others = tuple(
            Shown(rule=rule, label=names(rule), pupils=len(members & here.people.covered(rule)))
            for rule in mine
            if rule not in own and members & here.people.covered(rule)
        )
        found.append(Choice(app=app, own=own, others=others, pupils=len(members & here.reached(app))))
    return Part(items=found, page=wanted.page, pages=wanted.pages, total=wanted.total)


def pupils(here: Desk, *, words: str = "", page: int = 1) -> Part[tuple[reach.Stay, ...]]:
    """The pupils whose name or stamnummer has these words in it, each with what is now and what begins later."""
    by_pupil: dict[str, list[reach.Stay]] = {}
    for stay in here.people.stays:
        by_pupil.setdefault(stay.account_uuid, []).append(stay)
    means = pupil_list.finder(words[:100])
    found = [
        tuple(sorted(stays, key=lambda stay: stay.day))
        for stays in by_pupil.values()
        if means(stays[0].voornaam, stays[0].naam, stays[0].stamnummer)
    ]
    return part(found, page)


def part(items: Sequence[T], page: int) -> Part[T]:
    """This page of it; one that does not exist is the nearest that does."""
    pages = max(1, -(-len(items) // ON_A_PAGE))
    page = min(max(page, 1), pages)
    return Part(
        items=items[(page - 1) * ON_A_PAGE : page * ON_A_PAGE], page=page, pages=pages, total=len(items)
    )


def has(text: str, words: str) -> bool:
    """Are all these words somewhere in the text, whatever the capitals and accents?"""
    said = _folded(text)
    return all(word in said for word in _folded(words[:100]).split())


# ---------------------------------------------------------------- changing


def show(
    db: Connection,
    *,
    instellingsnummer: str,
    client_ids: Iterable[str],
    targets: Iterable[tuple[RuleKind, str]],
    begindatum: date,
    einddatum: date | None,
    by: str,
    now: datetime,
) -> int:
    """Make apps visible for parts of the school; returns how many rules were asked for. Again changes nothing.

    A rule that runs on the first day is lengthened, not repeated. Raises NotFound (an app, group, class or pupil that
    the school does not have) and Invalid (`rule_incomplete`, `dates_reversed`, `school_does_not_share`).
    """
    today = day_of_law(now)
    begindatum = max(begindatum, today)
    if einddatum is not None and einddatum < begindatum:
        raise Invalid("dates_reversed")
    wanted = [(client_id, *target) for client_id in dict.fromkeys(client_ids) for target in {*targets}]
    if not 0 < len(wanted) <= MOST_AT_ONCE:
        raise Invalid("rule_incomplete")
    kind_of_school = lock(db, instellingsnummer)
    offered = {app.client_id: app for app in _offered(db, kind_of_school)}
    standing = reach.rules(db, instellingsnummer, today)
    for client_id, kind, target in sorted(wanted):
        if client_id not in offered:
            raise NotFound("not_found")
        begin, end = _joined(standing.get(client_id, ()), kind, target, begindatum, einddatum)
        visibility.add(
            db,
            app=offered[client_id],
            instellingsnummer=instellingsnummer,
            kind=kind,
            target=target,
            begindatum=begin,
            einddatum=end,
            by=by,
            now=now,
        )
    return len(wanted)


def lock(db: Connection, instellingsnummer: str) -> SchoolKind:
    """Two people who change rules of one school do it one after the other."""
    mine = select(School.kind).where(School.instellingsnummer == instellingsnummer)
    return db.execute(mine.with_for_update()).scalar_one()


def end_on(
    db: Connection, *, instellingsnummer: str, rule_id: str, einddatum: date | None, by: str, now: datetime
) -> bool:
    """Give a rule of this school another last day (None: no end). False: there is no such rule (any more)."""
    today = day_of_law(now)
    if einddatum is not None and einddatum < today:
        raise Invalid("dates_reversed")
    rule = _rule(db, instellingsnummer, rule_id)
    if rule is None:
        return False
    app = apps.load(db, rule.client_id)
    assert app is not None
    visibility.add(
        db,
        app=app,
        instellingsnummer=instellingsnummer,
        kind=rule.kind,
        target=rule.target,
        begindatum=rule.begindatum,
        einddatum=einddatum,
        by=by,
        now=now,
    )
    return True


def stop(db: Connection, *, instellingsnummer: str, rule_id: str) -> bool:
    """A rule of this school counts no more from now on. False: there is no such rule (any more)."""
    rule = _rule(db, instellingsnummer, rule_id)
    if rule is None:
        return False
    visibility.remove(db, instellingsnummer=instellingsnummer, rule_id=rule.id)
    return True


# ---------------------------------------------------------------- small pieces


def _offered(db: Connection, kind: SchoolKind) -> tuple[App, ...]:
    """Every app that may meet pupils of such a school, by name; without secrets."""
    row = AppRow
    columns = (row.client_id, row.client_name, row.registration, row.sector, row.sandbox)
    found = []
    for one in db.execute(select(*columns).where(row.disabled_at.is_(None))).mappings():
        words = dict(one)
        app = apps.from_registration(words.pop("client_id"), words.pop("registration"), **words)
        if visibility.admits(app, kind):
            found.append(app)
    return tuple(sorted(found, key=lambda app: (_folded(app.client_name), app.client_id)))


def _rule(db: Connection, instellingsnummer: str, rule_id: str) -> Rule | None:
    try:
        known = str(UUID(rule_id[:40]))
    except ValueError:
        return None
    columns = (getattr(VisibilityRule, name) for name in Rule.__dataclass_fields__)
    mine = select(*columns).where(
        VisibilityRule.id == known, VisibilityRule.instellingsnummer == instellingsnummer
    )
    row = db.execute(mine).mappings().first()
    return Rule(**row) if row else None


def _joined(
    standing: Iterable[Rule], kind: RuleKind, target: str, begin: date, end: date | None
) -> tuple[date, date | None]:
    """The dates to keep: those of a rule that runs on the first day, lengthened."""
    for rule in standing:
        if (rule.kind, rule.target) != (kind, target) or rule.begindatum > begin:
            continue
        if rule.einddatum is None or rule.einddatum >= begin:
            return rule.begindatum, visibility.later(rule.einddatum, end)
    return begin, end


class _labels:  # noqa: N801 - used like a function
    """Words for the target of a rule; empty for what is not at the school any more."""

    def __init__(self, here: Desk) -> None:
        self._names = {
            RuleKind.SCHOOL: {"": ""},
            RuleKind.GROUP: here.people.groups(),
            RuleKind.KLAS: {klas.id: klas.code for klas in here.people.classes},
            RuleKind.PUPIL: {stay.account_uuid: stay.name for stay in here.people.stays},
        }

    def __call__(self, rule: Rule) -> str:
        return self._names[rule.kind].get(rule.target, "")


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in plain if not unicodedata.combining(one))
