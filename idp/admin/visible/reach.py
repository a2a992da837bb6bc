"""How many pupils of a school does each app reach? Counted for a whole school at once, by the rules of claims/visibility.py.

Who counts: every pupil with an enrolment that runs today, and already those whose enrolment is known to begin later
(1 September): these on their first day. The roster is read in a few statements, however many pupils and apps there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, or_, select

from idp.claims.visibility import Rule
from idp.models import ClassMembership, Enrolment, Klas, RuleKind, Soort, VisibilityRule


@dataclass(frozen=True, kw_only=True, slots=True)
class Stay:
    """A pupil at the school, on a day: today, or the first day of what begins later."""

    account_uuid: str
    voornaam: str
    naam: str
    stamnummer: str
    group_code: str
    group: str
    day: date
    einddatum: date

    @property
    def name(self) -> str:
        return f"{self.voornaam} {self.naam}".strip() or self.stamnummer


@dataclass(frozen=True, kw_only=True, slots=True)
class Class:
    """A (sub)klas in which somebody sits."""

    id: str
    code: str
    naam: str
    soort: Soort


_Who = frozenset[str]
_NOBODY: _Who = frozenset()


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Who is at the school, and in which group and class, on each day that matters."""

    stays: tuple[Stay, ...]
    """By name."""
    classes: tuple[Class, ...]
    """Those of the school in which somebody sits; nothing when they were not asked for."""
    everyone: _Who
    _on: Mapping[date, _Who]
    _in_group: Mapping[tuple[date, str], _Who]
    _in_class: Mapping[tuple[date, str], _Who]

    def covered(self, rule: Rule) -> _Who:
        """The account_uuids for whom this rule makes its app visible."""
        found: set[str] = set()
        for day, there in self._on.items():
            if rule.begindatum > day or (rule.einddatum is not None and rule.einddatum < day):
                continue
            if rule.kind is RuleKind.SCHOOL:
                found |= there
            elif rule.kind is RuleKind.GROUP:
                found |= self._in_group.get((day, rule.target), _NOBODY)
            elif rule.kind is RuleKind.KLAS:
                found |= self._in_class.get((day, rule.target), _NOBODY)
            elif rule.target in there:
                found.add(rule.target)
        return frozenset(found)

    def groups(self) -> dict[str, str]:
        """Label by code of every administratieve groep, by label."""
        labels = {stay.group_code: stay.group for stay in self.stays}
        return dict(sorted(labels.items(), key=lambda item: (item[1].casefold(), item[0])))

    @property
    def days(self) -> tuple[date, ...]:
        """Every day that counts for somebody: today, and first days of what begins later."""
        return tuple(sorted(self._on))

    def there(self, days: Iterable[date]) -> _Who:
        """Who is at the school on one of these days."""
        return frozenset().union(*(self._on.get(day, _NOBODY) for day in days))

    def seated(self, days: Iterable[date]) -> _Who:
        """Who sits in some (sub)klas on one of these days."""
        asked = {*days}
        return frozenset().union(*(who for (day, _), who in self._in_class.items() if day in asked))

    def sits(self, kind: RuleKind, target: str, days: Iterable[date]) -> _Who:
        """Who is in this group or class on one of these days."""
        places = self._in_group if kind is RuleKind.GROUP else self._in_class
        return frozenset().union(*(places.get((day, target), _NOBODY) for day in days))

    def members(self, kind: RuleKind, target: str) -> _Who:
        """Everyone in this part of the school, whichever day counts for them."""
        places = self._in_group if kind is RuleKind.GROUP else self._in_class
        return frozenset().union(*(who for (_, name), who in places.items() if name == target))

    def of(self, account_uuid: str) -> tuple[Stay, ...]:
        """This pupil's own: now, and what begins later."""
        mine = (stay for stay in self.stays if stay.account_uuid == account_uuid)
        return tuple(sorted(mine, key=lambda stay: stay.day))

    def classes_of(self, account_uuid: str) -> tuple[Class, ...]:
        mine = {klas for (_, klas), who in self._in_class.items() if account_uuid in who}
        return tuple(klas for klas in self.classes if klas.id in mine)


def roster(db: Connection, instellingsnummer: str, today: date, *, classes: bool) -> Roster:
    """Everyone of one school. Without `classes` (a school that does not share) nobody sits in one."""
    stays = _chosen(db, instellingsnummer, today)
    on: dict[date, set[str]] = defaultdict(set)
    groups: dict[tuple[date, str], set[str]] = defaultdict(set)
    for stay in stays:
        on[stay.day].add(stay.account_uuid)
        groups[stay.day, stay.group_code].add(stay.account_uuid)
    seats: dict[tuple[date, str], set[str]] = defaultdict(set)
    there = _classes(db, instellingsnummer) if classes else ()
    if there:
        _seat(db, instellingsnummer, today, on, seats)
    filled = {klas for _, klas in seats}
    return Roster(
        stays=stays,
        classes=tuple(klas for klas in there if klas.id in filled),
        everyone=frozenset(stay.account_uuid for stay in stays),
        _on=_frozen(on),
        _in_group=_frozen(groups),
        _in_class=_frozen(seats),
    )


def rules(db: Connection, instellingsnummer: str, today: date) -> dict[str, list[Rule]]:
    """The rules of a school that have not ended, by client_id."""
    names = tuple(Rule.__dataclass_fields__)
    rule = VisibilityRule
    wanted = (
        select(*(getattr(rule, name) for name in names))
        .where(rule.instellingsnummer == instellingsnummer)
        .where(or_(rule.einddatum.is_(None), rule.einddatum >= today))
        .order_by(rule.kind, rule.begindatum, rule.target, rule.id)
    )
    found: dict[str, list[Rule]] = defaultdict(list)
    for row in db.execute(wanted).mappings():
        found[row["client_id"]].append(Rule(**row))
    return found


def reached(people: Roster, mine: Iterable[Rule]) -> _Who:
    """Everyone for whom one of these rules counts."""
    return frozenset().union(*(people.covered(rule) for rule in mine))


def _chosen(db: Connection, instellingsnummer: str, today: date) -> tuple[Stay, ...]:
    """One stay for a pupil and a day: of two enrolments that run side by side the one that ends last."""
    one = Enrolment
    columns = (
        one.account_uuid,
        one.voornaam,
        one.naam,
        one.stamnummer,
        one.administratieve_groep_code.label("group_code"),
        one.administratieve_groep.label("group"),
        one.begindatum,
        one.einddatum,
    )
    mine = select(*columns).where(one.instellingsnummer == instellingsnummer, one.einddatum >= today)
    found: dict[tuple[str, date], Stay] = {}
    ordered = mine.order_by(one.einddatum.desc(), one.begindatum.desc(), one.id.desc())
    for row in db.execute(ordered).mappings():
        words = dict(row)
        day = max(today, words.pop("begindatum"))
        found.setdefault((words["account_uuid"], day), Stay(**words, day=day))
    by_name = sorted(found.values(), key=lambda stay: (stay.naam.casefold(), stay.voornaam.casefold()))
    return tuple(by_name)


def _classes(db: Connection, instellingsnummer: str) -> tuple[Class, ...]:
    wanted = select(Klas.id, Klas.code, Klas.naam, Klas.soort).where(
        Klas.instellingsnummer == instellingsnummer
    )
    found = (Class(**row) for row in db.execute(wanted).mappings())
    return tuple(sorted(found, key=lambda klas: (klas.soort, klas.code.casefold(), klas.id)))


def _seat(
    db: Connection,
    instellingsnummer: str,
    today: date,
    on: Mapping[date, set[str]],
    seats: dict[tuple[date, str], set[str]],
) -> None:
    """Who sits in which class on the day that counts for them."""
    member = ClassMembership
    wanted = select(member.klas, member.account_uuid, member.begindatum, member.einddatum).where(
        member.instellingsnummer == instellingsnummer,
        member.replaced_at.is_(None),
        or_(member.einddatum.is_(None), member.einddatum >= today),
    )
    for klas, account_uuid, begin, end in db.execute(wanted):
        for day, there in on.items():
            if begin <= day and (end is None or end >= day) and account_uuid in there:
                seats[day, klas].add(account_uuid)


def _frozen(sets: Mapping[Any, set[str]]) -> dict[Any, _Who]:
    return {key: frozenset(who) for key, who in sets.items()}
