"""For whom is an app visible? Rules on a school, an administratieve groep, a (sub)klas, or one pupil.

The effective set is the union; there are no negative rules. School and group rules look at the pupil's enrolment at
that school, the active one or else the latest, whatever its dates: whether it covers today is a gate of its own.
Klas rules look at who sits in the class today.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    ScalarSelect,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import aliased

from idp import audit, entropy
from idp.apps import App
from idp.claims import agreements
from idp.clock import day_of_law
from idp.errors import Invalid, NotFound
from idp.models import (
    ID,
    AppPupil,
    ClassMembership,
    Enrolment,
    Klas,
    RuleKind,
    School,
    SchoolKind,
    VisibilityRule,
)
from idp.models import App as AppRow
from idp.prepared import Prepared


@dataclass(frozen=True, kw_only=True)
class Rule:
    id: str
    client_id: str
    instellingsnummer: str
    kind: RuleKind
    target: str
    """'' for a school, administratieve_groep_code, Klas.id, or account_uuid."""
    begindatum: date
    einddatum: date | None


_COLUMNS = tuple(getattr(VisibilityRule, name) for name in Rule.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True)
class SchoolChoice:
    """A school through which an app is visible for a pupil."""

    instellingsnummer: str
    naam: str
    chosen: bool = field(default=False, compare=False)
    """The pupil picked it for this app the last time."""
    met: bool = field(default=False, compare=False)
    """The app has a name for this pupil (pseudonym.py)."""


def admits(app: App, school_kind: SchoolKind | None) -> bool:
    """May this app meet pupils of such a school at all? Sandbox apps and real pupils never meet; nor does a disabled app."""
    if app.disabled or school_kind is None:
        return False
    if app.sandbox:
        return school_kind in {SchoolKind.SANDBOX, SchoolKind.TEST}
    return school_kind is not SchoolKind.SANDBOX


# ---------------------------------------------------------------- as SQL, for everyone who decides


def chosen_enrolment(account: Any, instellingsnummer: Any, today: Any) -> ScalarSelect[str]:
    """SQL: the id of the pupil's enrolment at a school that counts: an active one, else the latest."""
    one = aliased(Enrolment)
    return (
        select(one.id)
        .where(one.account_uuid == account, one.instellingsnummer == instellingsnummer)
        .order_by(
            case((active(one, today), 0), else_=1),
            one.einddatum.desc(),
            one.begindatum.desc(),
            one.id.desc(),
        )
        .limit(1)
        .correlate_except(one)
        .scalar_subquery()
    )


def active(enrolment: Any, today: Any) -> ColumnElement[bool]:
    """SQL: this enrolment covers today, its first and last day included."""
    return and_(enrolment.begindatum <= today, enrolment.einddatum >= today)


def current(membership: Any, today: Any) -> ColumnElement[bool]:
    """SQL: this class membership covers today, and no later delivery replaced it."""
    return and_(
        membership.replaced_at.is_(None),
        membership.begindatum <= today,
        or_(membership.einddatum.is_(None), membership.einddatum >= today),
    )


def seated(enrolment: Any, membership: Any, today: Any) -> ColumnElement[bool]:
    """SQL, to join on: this membership is of this enrolment's pupil and school, and they share a day from today on."""
    return and_(
        enrolment.account_uuid == membership.account_uuid,
        enrolment.instellingsnummer == membership.instellingsnummer,
        enrolment.einddatum >= today,
        membership.replaced_at.is_(None),
        membership.begindatum <= enrolment.einddatum,
        or_(
            membership.einddatum.is_(None),
            and_(membership.einddatum >= today, membership.einddatum >= enrolment.begindatum),
        ),
    )


def covers(client_id: Any, enrolment: Any, account_text: Any, today: Any) -> ColumnElement[bool]:
    """SQL: a rule of the enrolment's school makes this app visible for its pupil. `account_text` is the account_uuid."""
    member = aliased(ClassMembership)

    def a_rule(kind: RuleKind, *conditions: Any) -> ColumnElement[bool]:
        rule = aliased(VisibilityRule)
        matching = select(1).where(
            rule.client_id == client_id,
            rule.instellingsnummer == enrolment.instellingsnummer,
            rule.kind == kind,
            _live(rule, today),
            *(condition(rule) for condition in conditions),
        )
        return matching.correlate_except(rule).exists()

    def sits_in(klas: Any) -> ColumnElement[bool]:
        sitting = select(1).where(
            member.account_uuid == enrolment.account_uuid,
            member.instellingsnummer == enrolment.instellingsnummer,
            names(klas, member.klas),
            current(member, today),
        )
        return sitting.correlate_except(member).exists()

    some = or_(
        a_rule(RuleKind.SCHOOL),
        a_rule(RuleKind.GROUP, lambda rule: rule.target == enrolment.administratieve_groep_code),
        a_rule(RuleKind.PUPIL, lambda rule: rule.target == account_text),
        and_(
            active(enrolment, today),
            a_rule(RuleKind.KLAS, lambda rule: sits_in(rule.target)),
        ),
    )
    # an OR that is a value SQLite works out to its end; in a CASE it stops at the first that is true
    return case((some, true()), else_=false())


def _live(rule: Any, today: Any) -> ColumnElement[bool]:
    return and_(rule.begindatum <= today, or_(rule.einddatum.is_(None), rule.einddatum >= today))


def names(target: Any, identifier: Any) -> ColumnElement[bool]:
    """SQL: a rule's target is this UUID. SQLite keeps UUIDs without dashes, PostgreSQL prints them with."""
    return func.replace(target, "-", "") == func.replace(cast(identifier, String), "-", "")


# ---------------------------------------------------------------- looking


def schools_for(db: Connection, app: App, account_uuid: str, today: date) -> tuple[SchoolChoice, ...]:
    """The schools where the pupil has an active enrolment and through which the app is visible today, by name."""
    given = {"account": account_uuid, "account_text": account_uuid, "client": app.client_id, "today": today}
    rows = _schools().rows(db, given)
    return tuple(
        SchoolChoice(instellingsnummer=school, naam=naam, chosen=school == chosen_school, met=sub is not None)
        for school, naam, kind, by_school, sub, chosen_school in rows
        if admits(app, kind) and (by_school or app.open_to_every_pupil)
    )


def visible_apps(db: Connection, account_uuid: str, today: date) -> tuple[str, ...]:
    """The client_ids of apps that a pupil may find on a page of tiles, by name of the app."""
    given = {"account": account_uuid, "account_text": account_uuid, "today": today}
    return tuple(dict.fromkeys(db.execute(_visible_apps(), given).scalars()))


def listing(
    db: Connection, *, instellingsnummer: str | None = None, client_id: str | None = None
) -> tuple[Rule, ...]:
    """The rules of a school, of an app, or of both, past and future ones included."""
    wanted = select(*_COLUMNS)
    if instellingsnummer is not None:
        wanted = wanted.where(VisibilityRule.instellingsnummer == instellingsnummer)
    if client_id is not None:
        wanted = wanted.where(VisibilityRule.client_id == client_id)
    ordered = wanted.order_by(VisibilityRule.client_id, VisibilityRule.kind, VisibilityRule.target)
    return tuple(Rule(**row) for row in db.execute(ordered).mappings())


def class_rules(db: Connection, instellingsnummer: str, today: date) -> int:
    """How many rules on classes a school has that have not ended."""
    mine = and_(
        VisibilityRule.instellingsnummer == instellingsnummer,
        VisibilityRule.kind == RuleKind.KLAS,
        or_(VisibilityRule.einddatum.is_(None), VisibilityRule.einddatum >= today),
    )
    return db.execute(select(func.count()).select_from(VisibilityRule).where(mine)).scalar_one()


def schools_with_class_rules(db: Connection) -> set[str]:
    """The instellingsnummers of schools that have rules on classes."""
    some = select(VisibilityRule.instellingsnummer).where(VisibilityRule.kind == RuleKind.KLAS)
    return set(db.execute(some.distinct()).scalars())


# ---------------------------------------------------------------- changing


def add(
    db: Connection,
    *,
    app: App,
    instellingsnummer: str,
    kind: RuleKind,
    target: str = "",
    begindatum: date,
    einddatum: date | None = None,
    by: str,
    now: datetime,
) -> str:
    """Make an app visible; returns the id of the rule. The same rule again only gets the new end date.

    `by` is the actor as audit writes it. Raises NotFound (`school_unknown`, `target_unknown`) and Invalid
    (`app_not_for_school`, `dates_reversed`; `school_does_not_share` for a rule on a class).
    """
    mine = select(School.kind).where(School.instellingsnummer == instellingsnummer)
    school_kind = db.execute(mine).scalar()
    if school_kind is None:
        raise NotFound("school_unknown")
    if not admits(app, school_kind):
        raise Invalid("app_not_for_school")
    if einddatum is not None and einddatum < begindatum:
        raise Invalid("dates_reversed")
    target = _check_target(db, instellingsnummer, kind, target, day_of_law(now))
    rule = _keep(db, (app.client_id, instellingsnummer, kind, target, begindatum), einddatum, by, now)
    audit.app_made_visible(
        db, client_id=app.client_id, instellingsnummer=instellingsnummer, kind=kind, target=target
    )
    return rule


def remove(db: Connection, *, instellingsnummer: str, rule_id: str) -> None:
    """Take a rule of this school away; it counts no more from the next look. Raises NotFound `rule_unknown`."""
    mine = and_(VisibilityRule.id == rule_id, VisibilityRule.instellingsnummer == instellingsnummer)
    columns = (VisibilityRule.client_id, VisibilityRule.kind, VisibilityRule.target)
    row = db.execute(select(*columns).where(mine)).mappings().first()
    if row is None:
        raise NotFound("rule_unknown")
    db.execute(delete(VisibilityRule).where(mine))
    audit.app_made_invisible(db, instellingsnummer=instellingsnummer, **row)


def turn_class_rules(db: Connection, instellingsnummer: str, today: date) -> int:
    """Turn every rule on a class into rules on the pupils it covers today, with the same dates, and on those of whom it
    is known that they will sit there later, from that day.

    Returns how many rules on classes there were. Nobody loses an app by it.
    """
    mine = and_(VisibilityRule.instellingsnummer == instellingsnummer, VisibilityRule.kind == RuleKind.KLAS)
    columns = (*_COLUMNS, VisibilityRule.created_by, VisibilityRule.created_at)
    rules = db.execute(select(*columns).where(mine)).mappings().all()
    for rule in rules:
        if rule["einddatum"] is not None and rule["einddatum"] < today:
            continue
        for account_uuid, first in _sitting_in(db, rule["target"], today).items():
            begin = rule["begindatum"] if first <= today else max(first, rule["begindatum"])
            if rule["einddatum"] is not None and rule["einddatum"] < begin:
                continue
            key = (rule["client_id"], instellingsnummer, RuleKind.PUPIL, account_uuid, begin)
            _keep(db, key, rule["einddatum"], rule["created_by"], rule["created_at"], longest=True)
    db.execute(delete(VisibilityRule).where(mine))
    return len(rules)


def later(one: date | None, other: date | None) -> date | None:
    """The later of two end dates; None never ends."""
    return None if one is None or other is None else max(one, other)


# ---------------------------------------------------------------- small pieces


@cache
def _schools() -> Prepared:
    account, account_text, client, today = _given()
    mine = (
        select(
            School.instellingsnummer,
            School.naam,
            School.kind,
            covers(client, Enrolment, account_text, today).label("by_school"),
            AppPupil.sub,
            AppPupil.chosen_school,
        )
        .select_from(Enrolment)
        .join(School, School.instellingsnummer == Enrolment.instellingsnummer)
        .outerjoin(AppPupil, and_(AppPupil.account_uuid == account, AppPupil.client_id == client))
    )
    return Prepared(
        mine.where(
            Enrolment.account_uuid == account,
            active(Enrolment, today),
            Enrolment.id == chosen_enrolment(account, School.instellingsnummer, today),
        ).order_by(School.naam, School.instellingsnummer)
    )


@cache
def _visible_apps() -> Select[Any]:
    account, account_text, _, today = _given()
    opened = AppRow.registration["open_to_every_pupil"].as_boolean()
    return (
        select(AppRow.client_id)
        .select_from(Enrolment)
        .join(School, School.instellingsnummer == Enrolment.instellingsnummer)
        .join(
            AppRow,
            or_(
                and_(AppRow.sandbox, School.kind != SchoolKind.REAL),
                and_(~AppRow.sandbox, School.kind != SchoolKind.SANDBOX),
            ),
        )
        .where(
            Enrolment.account_uuid == account,
            active(Enrolment, today),
            Enrolment.id == chosen_enrolment(account, School.instellingsnummer, today),
            AppRow.disabled_at.is_(None),
            or_(opened, covers(AppRow.client_id, Enrolment, account_text, today)),
        )
        .order_by(AppRow.client_name, AppRow.client_id)
    )


def _given() -> tuple[Any, Any, Any, Any]:
    return (
        bindparam("account", type_=ID),
        bindparam("account_text", type_=String()),
        bindparam("client", type_=String()),
        bindparam("today", type_=Date()),
    )


def _keep(
    db: Connection,
    key: tuple[str, str, RuleKind, str, date],
    einddatum: date | None,
    by: str,
    now: datetime,
    *,
    longest: bool = False,
) -> str:
    """Insert a rule, or give the one with this key its end date; with `longest` the later of both."""
    names = ("client_id", "instellingsnummer", "kind", "target", "begindatum")
    same = and_(*(getattr(VisibilityRule, name) == value for name, value in zip(names, key, strict=True)))
    found = db.execute(select(VisibilityRule.id, VisibilityRule.einddatum).where(same)).first()
    if found is None:
        row = dict(zip(names, key, strict=True)) | {"id": entropy.row_id(), "einddatum": einddatum}
        db.execute(insert(VisibilityRule), row | {"created_by": by, "created_at": now})
        return str(row["id"])
    rule_id, standing = found
    if longest:
        einddatum = later(standing, einddatum)
    db.execute(update(VisibilityRule).where(VisibilityRule.id == rule_id).values(einddatum=einddatum))
    return str(rule_id)


def _sitting_in(db: Connection, klas: str, today: date) -> dict[str, date]:
    """Who sits in this class, and who will: the first day of each, in the past for who is there today."""
    columns = (
        ClassMembership.account_uuid,
        ClassMembership.begindatum.label("sits"),
        Enrolment.begindatum.label("comes"),
    )
    mine = (
        select(*columns)
        .join(Enrolment, seated(Enrolment, ClassMembership, today))
        .where(ClassMembership.klas == klas)
        .order_by(ClassMembership.account_uuid)
    )
    found: dict[str, date] = {}
    for account_uuid, sits, comes in db.execute(mine):
        first = max(sits, comes)
        found[account_uuid] = min(first, found.get(account_uuid, first))
    return found


def _check_target(db: Connection, instellingsnummer: str, kind: RuleKind, target: str, today: date) -> str:
    """The target as it is kept. Raises NotFound `target_unknown`, Invalid `school_does_not_share`."""
    here = Enrolment.instellingsnummer == instellingsnummer
    wanted: Select[Any]
    if kind is RuleKind.SCHOOL:
        return ""
    if kind is RuleKind.GROUP:
        wanted = select(Enrolment.id).where(here, Enrolment.administratieve_groep_code == target)
    else:
        try:
            target = str(UUID(target))
        except ValueError:
            raise NotFound("target_unknown") from None
        wanted = select(Enrolment.id).where(here, Enrolment.account_uuid == target)
    if kind is RuleKind.KLAS:
        if not agreements.shares_today(db, instellingsnummer, today):
            raise Invalid("school_does_not_share")
        wanted = select(Klas.id).where(Klas.instellingsnummer == instellingsnummer, Klas.id == target)
    if db.execute(wanted.limit(1)).first() is None:
        raise NotFound("target_unknown")
    return target
