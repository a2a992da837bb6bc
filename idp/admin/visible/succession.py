"""Which rules name a group or class that empties when the year turns, and what likely takes its place?

Nothing is carried over by itself: a LeerID-beheerder confirms. What is suggested is plain and always the same: the group
or class that has the same name; the one in which most of its pupils sit; and, as no more than a hint, the one whose name
follows (1A, 2A). A rule on a class that keeps its identifier in the package needs nobody: it covers who sits there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select

from idp.admin.pupils.pupil_list import fold
from idp.admin.visible import assigning
from idp.claims.visibility import Rule
from idp.clock import day_of_law
from idp.errors import NotFound
from idp.models import ClassMembership, Enrolment, Klas, RuleKind, Soort

LOOK_BACK = timedelta(days=200)
"""How long ago somebody must have been in a group to tell where it went."""
_ORDINALS = ("eerste", "tweede", "derde", "vierde", "vijfde", "zesde", "zevende")
Target = tuple[RuleKind, str]


class Because(StrEnum):
    """Why this one may be the successor, the best reason first."""

    SAME_NAME = "same_name"
    SAME_PUPILS = "same_pupils"
    NEXT_NAME = "next_name"


LIKELY = frozenset({Because.SAME_NAME, Because.SAME_PUPILS})
"""Reasons that are good enough to be chosen beforehand; a person still confirms."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A group or class with pupils in it, from the day that counts on."""

    target: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Successor:
    """A place that may be meant."""

    place: Place
    because: Because
    shared: int
    """Pupils of the old one who sit there, of `of` who are still at the school."""
    of: int


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A group or class that rules name, and in which nobody sits (or will)."""

    kind: RuleKind
    target: str
    label: str
    turns_on: date | None
    """From this day on nobody is there; None: nobody is there today."""
    rules: tuple[Rule, ...]
    successors: tuple[Successor, ...]
    places: tuple[Place, ...]
    """Everything that can be chosen instead."""

    @property
    def likely(self) -> Successor | None:
        first = next(iter(self.successors), None)
        return first if first is not None and first.because in LIKELY else None


def count(here: assigning.Desk) -> int:
    """How many groups and classes are lost, without another look at the database."""
    return len(_lost(here))


def look(db: Connection, here: assigning.Desk) -> tuple[Lost, ...]:
    """All of them, classes and groups, by name; in four more statements at most."""
    lost = _lost(here)
    names, kinds = _names(db, here.instellingsnummer, lost)
    before = _before(db, here, lost)
    found = []
    for (kind, target), (turns_on, rules) in lost.items():
        days = _later(here) if turns_on else here.people.days
        places = _places(here, kind, days, kinds.get(target), not_this=target)
        label = names.get((kind, target), "")
        was = before.get((kind, target), frozenset()) & here.people.there(days)
        shared = {one.target: len(was & here.people.sits(kind, one.target, days)) for one in places}
        found.append(
            Lost(
                kind=kind,
                target=target,
                label=label,
                turns_on=turns_on,
                rules=tuple(rules),
                successors=tuple(_suggest(label, places, shared, len(was))),
                places=places,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.kind, fold(one.label), one.target)))


def carry_over(
    db: Connection,
    *,
    instellingsnummer: str,
    pairs: Iterable[tuple[Target, str]],
    by: str,
    now: datetime,
) -> int:
    """Let every rule on each old target go on for the chosen one; returns how many targets that were still lost.

    The old rules end the day before the year turns, or now when nobody is there any more. A target that is not lost
    (any more) is left alone: a second tap changes nothing. Raises NotFound for a place that cannot be chosen.
    """
    done = 0
    for lost, chosen in _still(db, instellingsnummer, dict(pairs), now):
        if chosen not in {place.target for place in lost.places}:
            raise NotFound("target_unknown")
        by_end: dict[tuple[date, date | None], list[str]] = defaultdict(list)
        for rule in lost.rules:
            begin = max(lost.turns_on or day_of_law(now), rule.begindatum)
            by_end[begin, rule.einddatum].append(rule.client_id)
        for (begin, end), client_ids in by_end.items():
            for start in range(0, len(client_ids), assigning.MOST_AT_ONCE):
                assigning.show(
                    db,
                    instellingsnummer=instellingsnummer,
                    client_ids=client_ids[start : start + assigning.MOST_AT_ONCE],
                    targets=[(lost.kind, chosen)],
                    begindatum=begin,
                    einddatum=end,
                    by=by,
                    now=now,
                )
        _end(db, instellingsnummer, lost, by, now)
        done += 1
    return done


def let_go(
    db: Connection, *, instellingsnummer: str, targets: Iterable[Target], by: str, now: datetime
) -> int:
    """The rules on these end, without a successor. Returns how many targets that were still lost."""
    found = _still(db, instellingsnummer, dict.fromkeys(targets, ""), now)
    for lost, _ in found:
        _end(db, instellingsnummer, lost, by, now)
    return len(found)


# ---------------------------------------------------------------- which are lost


def _lost(here: assigning.Desk) -> dict[Target, tuple[date | None, list[Rule]]]:
    offered = {app.client_id for app in here.apps}
    people, later = here.people, _later(here)
    known = {RuleKind.GROUP: _is_known(here, RuleKind.GROUP), RuleKind.KLAS: _is_known(here, RuleKind.KLAS)}
    some_class = bool(people.seated(people.days))
    found: dict[Target, tuple[date | None, list[Rule]]] = {}
    for client_id, rules in sorted(here.rules.items()):
        for rule in rules:
            if client_id not in offered or rule.kind not in known:
                continue
            if rule.kind is RuleKind.KLAS and not (here.shares and some_class):
                continue
            if people.sits(rule.kind, rule.target, later):
                continue
            turns_on = None
            if people.sits(rule.kind, rule.target, [here.today]):
                turns_on = _turn(here)
                if turns_on is None or not known[rule.kind]:
                    continue
                if rule.einddatum is not None and rule.einddatum < turns_on:
                    continue
            found.setdefault((rule.kind, rule.target), (turns_on, []))[1].append(rule)
    return found


def _later(here: assigning.Desk) -> tuple[date, ...]:
    return tuple(day for day in here.people.days if day > here.today)


def _turn(here: assigning.Desk) -> date | None:
    """The day on which most of those begin who begin later: 1 September."""
    people = here.people
    return max(_later(here), key=lambda day: (len(people.there([day])), -day.toordinal()), default=None)


def _is_known(here: assigning.Desk, kind: RuleKind) -> bool:
    """Is enough known of the coming year to say what empties? Half of what is there today."""
    who = here.people.there if kind is RuleKind.GROUP else here.people.seated
    return 2 * len(who(_later(here))) >= len(who([here.today]))


# ---------------------------------------------------------------- what may take its place


def _suggest(label: str, places: Sequence[Place], shared: Mapping[str, int], of: int) -> Iterator[Successor]:
    """In the order of how good the reason is; `shared` by target, of so many who are still at the school."""

    def successor(place: Place, because: Because) -> Successor:
        return Successor(place=place, because=because, shared=shared[place.target], of=of)

    said = set()
    most = max(places, key=lambda one: shared[one.target], default=None)
    for place in places:
        if label and fold(place.label) == fold(label):
            said.add(place.target)
            yield successor(place, Because.SAME_NAME)
    if most is not None and most.target not in said and 0 < of <= 2 * shared[most.target]:
        said.add(most.target)
        yield successor(most, Because.SAME_PUPILS)
    follows = next_name(label)
    for place in places:
        if place.target not in said and follows and _plain(place.label) == follows:
            yield successor(place, Because.NEXT_NAME)


def next_name(label: str) -> str:
    """What a group or class would be called a year on, for comparing; nothing when its name has no number."""
    plain = _plain(label)
    number = re.search(r"[0-9]+", plain)
    if number is None:
        return ""
    return f"{plain[: number.start()]}{int(number[0]) + 1}{plain[number.end() :]}"


def _plain(label: str) -> str:
    """Without capitals, accents and signs; `derde leerjaar` and `3de leerjaar` are one."""
    words = []
    for word in fold(label).split():
        ordinal = re.fullmatch(r"([0-9]+)(?:ste|de|e)", word)
        if ordinal:
            words.append(ordinal[1])
        elif word in _ORDINALS:
            words.append(str(_ORDINALS.index(word) + 1))
        else:
            words.append(word)
    return " ".join(words)


def _places(
    here: assigning.Desk, kind: RuleKind, days: Iterable[date], soort: Soort | None, *, not_this: str
) -> tuple[Place, ...]:
    asked = tuple(days)
    if kind is RuleKind.GROUP:
        every = [Place(target=code, label=label) for code, label in here.people.groups().items()]
    else:
        every = [
            Place(target=one.id, label=one.code)
            for one in here.people.classes
            if soort is None or one.soort is soort
        ]
    return tuple(one for one in every if one.target != not_this and here.people.sits(kind, one.target, asked))


# ---------------------------------------------------------------- what was there


def _of(lost: Iterable[Target], kind: RuleKind) -> list[str]:
    return sorted(target for one, target in lost if one is kind)


def _names(
    db: Connection, instellingsnummer: str, lost: Iterable[Target]
) -> tuple[dict[Target, str], dict[str, Soort]]:
    """What they are called, and what kind a class is, also when nobody sits there any more."""
    names: dict[Target, str] = {}
    kinds: dict[str, Soort] = {}
    if groups := _of(lost, RuleKind.GROUP):
        label = (Enrolment.administratieve_groep_code, Enrolment.administratieve_groep)
        rows = select(*label).where(
            Enrolment.instellingsnummer == instellingsnummer,
            Enrolment.administratieve_groep_code.in_(groups),
        )
        for code, text in db.execute(rows.order_by(Enrolment.einddatum)):
            names[RuleKind.GROUP, code] = text
    if classes := _of(lost, RuleKind.KLAS):
        columns = (Klas.id, Klas.code, Klas.soort)
        mine = select(*columns).where(Klas.instellingsnummer == instellingsnummer, Klas.id.in_(classes))
        for one, code, soort in db.execute(mine):
            names[RuleKind.KLAS, one], kinds[one] = code, soort
    return names, kinds


def _before(
    db: Connection, here: assigning.Desk, lost: Mapping[Target, tuple[date | None, list[Rule]]]
) -> dict[Target, frozenset[str]]:
    """Who was there: today's when the year still has to turn, else those of lately."""
    found: dict[Target, set[str]] = defaultdict(set)
    empty = []
    for (kind, target), (turns_on, _) in lost.items():
        if turns_on is None:
            empty.append((kind, target))
        else:
            found[kind, target] |= here.people.sits(kind, target, [here.today])
    if groups := _of(empty, RuleKind.GROUP):
        lately = select(Enrolment.administratieve_groep_code, Enrolment.account_uuid).where(
            Enrolment.instellingsnummer == here.instellingsnummer,
            Enrolment.administratieve_groep_code.in_(groups),
            Enrolment.einddatum >= here.today - LOOK_BACK,
        )
        for code, account_uuid in db.execute(lately):
            found[RuleKind.GROUP, code].add(account_uuid)
    if classes := _of(empty, RuleKind.KLAS):
        sat = select(ClassMembership.klas, ClassMembership.account_uuid).where(
            ClassMembership.instellingsnummer == here.instellingsnummer, ClassMembership.klas.in_(classes)
        )
        for klas, account_uuid in db.execute(sat):
            found[RuleKind.KLAS, klas].add(account_uuid)
    return {target: frozenset(who) for target, who in found.items()}


# ---------------------------------------------------------------- changing


def _still(
    db: Connection, instellingsnummer: str, wanted: Mapping[Target, str], now: datetime
) -> list[tuple[Lost, str]]:
    """Those of the wanted ones that are lost at this moment, behind the lock of the school."""
    assigning.lock(db, instellingsnummer)
    here = assigning.desk(db, instellingsnummer, day_of_law(now))
    return [(one, wanted[one.kind, one.target]) for one in look(db, here) if (one.kind, one.target) in wanted]


def _end(db: Connection, instellingsnummer: str, lost: Lost, by: str, now: datetime) -> None:
    for rule in lost.rules:
        last = lost.turns_on - timedelta(days=1) if lost.turns_on else None
        if last is None or rule.begindatum > last:
            assigning.stop(db, instellingsnummer=instellingsnummer, rule_id=rule.id)
        else:
            assigning.end_on(
                db, instellingsnummer=instellingsnummer, rule_id=rule.id, einddatum=last, by=by, now=now
            )
