"""What is true on a day of a school year? A small second telling of the rules on what arrives, for tests/feeds/test_school_years.py.

It shares no code with the product. A pupil is an `Identity`: who the files say that it is; what a school told is a list of
periods and seats; who sees what on a day follows from those and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from tests.make_reference import KLASINFORMATIE, OF_THE_PERSON, SCOPES

A_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of a school's list: what the school holds for true."""

    stam: str
    who: int
    numbered: bool
    voornaam: str
    group: str
    leerjaar: str
    begin: date
    end: date

    def on(self, day: date) -> bool:
        return self.begin <= day <= self.end

    def beside(self, other: Line) -> bool:
        return self.begin <= other.end and other.begin <= self.end


@dataclass(eq=False, kw_only=True)
class Identity:
    number: int | None = None
    official: str | None = None
    uuid: str = ""
    account: bool = False
    leerid: str = ""
    history: list[str] = field(default_factory=list)
    subs: dict[str, str] = field(default_factory=dict)
    """By app, as the app was told."""
    into: Identity | None = None

    @property
    def final(self) -> Identity:
        return self.into.final if self.into else self


@dataclass(eq=False, kw_only=True)
class Period:
    """An enrolment as the file that was applied last left it."""

    of: Identity
    line: Line


@dataclass(eq=False, kw_only=True)
class Seat:
    of: Identity
    klas: str
    begin: date
    end: date | None

    def on(self, day: date) -> bool:
        return self.begin <= day and (self.end is None or self.end >= day)


@dataclass(eq=False, kw_only=True)
class Rule:
    app: str
    kind: str
    target: Any
    """A group, a class, an identity, or nothing."""
    begin: date
    end: date | None
    id: str = ""

    def lives(self, day: date) -> bool:
        return self.begin <= day and (self.end is None or self.end >= day)


@dataclass(eq=False, kw_only=True)
class School:
    number: str
    naam: str
    director: str
    roll: dict[str, list[Line]] = field(default_factory=dict)
    """What the school holds for true, by stamnummer."""
    seating: dict[str, list[tuple[str, date | None, date | None]]] = field(default_factory=dict)
    """The same of its classes."""
    periods: dict[str, list[Period]] = field(default_factory=dict)
    seats: list[Seat] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    agreed: int | None = None
    """To which text."""

    # ------------------------------------------------------------ what arrives

    def imported(self, lines: list[Line], spared: set[str], today: date, known: Known) -> set[str]:
        """A whole list was applied; returns the stamnummers whose rows named somebody else."""
        refused = set()
        told: dict[str, list[Line]] = {}
        for line in sorted(lines, key=lambda one: one.stam not in self.periods):
            here = self.periods[line.stam][-1].of.final if line.stam in self.periods else None
            there = known.by_number(line.who) if line.numbered else None
            if here and here.number is not None and line.numbered and here.number != line.who:
                refused.add(line.stam)
                continue
            one = here or there or Identity()
            if here and there and here is not there:
                one = known.merged(here, there)
            if line.numbered:
                one.number, one.official = line.who, official(line)
                known.numbered[line.who] = one
            told.setdefault(line.stam, []).append(line)
            for period in self.periods.setdefault(line.stam, []):
                period.of = period.of.final
            if not any(period.of is one for period in self.periods[line.stam]):
                self.periods[line.stam].append(Period(of=one, line=line))
        for stam, periods in self.periods.items():
            if stam in spared | refused:
                continue
            rows, one = told.get(stam, []), periods[-1].of.final
            kept = [p.line for p in periods if not any(p.line.beside(row) for row in rows)]
            kept = [self._ended(line, today) if line.end >= today else line for line in kept]
            stays = [*(line for line in kept if line is not None), *rows]
            self.periods[stam] = [Period(of=one, line=line) for line in sorted(stays, key=lambda x: x.begin)]
        for stam in [stam for stam, some in self.periods.items() if not some]:
            del self.periods[stam]
        return refused

    def _ended(self, line: Line, today: date) -> Line | None:
        if line.begin >= today:
            return None
        return replace(line, end=today - A_DAY)

    # ------------------------------------------------------------ what follows

    def lines_of(self, who: Identity) -> list[Line]:
        return [p.line for some in self.periods.values() for p in some if p.of.final is who]

    def chosen(self, who: Identity, day: date) -> Line | None:
        """The enrolment that counts: one of today, else the last."""
        every = self.lines_of(who)
        return max(every, key=lambda one: (one.on(day), one.end, one.begin), default=None)

    def klassen(self, who: Identity, day: date) -> set[str]:
        return {seat.klas for seat in self.seats if seat.of.final is who and seat.on(day)}

    def shows(self, app: str, who: Identity, day: date) -> bool:
        line = self.chosen(who, day)
        return line is not None and any(
            rule.app == app and rule.lives(day) and self._covers(rule, who, line, day) for rule in self.rules
        )

    def _covers(self, rule: Rule, who: Identity, line: Line, day: date) -> bool:
        match rule.kind:
            case "school":
                return True
            case "group":
                return bool(rule.target == line.group)
            case "pupil":
                return rule.target.final is who
        return line.on(day) and rule.target in self.klassen(who, day)

    def settle(self, today: date) -> None:
        """It shares no more: rules on classes become rules on who sits there, or will."""
        for rule in [one for one in self.rules if one.kind == "klas"]:
            self.rules.remove(rule)
            if rule.end is not None and rule.end < today:
                continue
            for who, first in self._sitting(rule.target, today).items():
                begin = rule.begin if first <= today else max(first, rule.begin)
                if rule.end is None or rule.end >= begin:
                    self.rules.append(Rule(app=rule.app, kind="pupil", target=who, begin=begin, end=rule.end))

    def _sitting(self, klas: str, today: date) -> dict[Identity, date]:
        found: dict[Identity, date] = {}
        for seat in self.seats:
            who = seat.of.final
            for line in self.lines_of(who) if seat.klas == klas else ():
                last = min(line.end, seat.end or line.end)
                first = max(seat.begin, line.begin)
                if first <= last and last >= today:
                    found[who] = min(first, found.get(who, first))
        return found


@dataclass(kw_only=True)
class Known:
    schools: list[School] = field(default_factory=list)
    numbered: dict[int, Identity] = field(default_factory=dict)
    merges: list[tuple[Identity, Identity]] = field(default_factory=list)
    """Who became whom by the last file."""
    texts: list[date] = field(default_factory=list)
    """The day on which each comes into force."""
    apps: dict[str, tuple[frozenset[str], bool]] = field(default_factory=dict)
    """Scopes of each app, and is it open to every pupil?"""

    def by_number(self, number: int) -> Identity | None:
        found = self.numbered.get(number)
        return found.final if found else None

    def merged(self, one: Identity, other: Identity) -> Identity:
        """Who has an account survives; which of two with or without one, the product decides by age."""
        first, second = (one, other) if one.account or not other.account else (other, one)
        second.into = first
        self.merges.append((second, first))
        first.number = first.number if first.number is not None else second.number
        first.official = first.official or second.official
        return first

    def everybody(self) -> list[Identity]:
        found = [p.of.final for school in self.schools for some in school.periods.values() for p in some]
        return list(dict.fromkeys(found))

    def shares(self, school: School, day: date) -> bool:
        if school.agreed is None:
            return False
        return not any(self.texts[school.agreed] < one <= day for one in self.texts)

    def active(self, who: Identity, day: date) -> bool:
        lines = [line for school in self.schools for line in school.lines_of(who)]
        return who.account and any(line.on(day) for line in lines)

    def visible(self, app: str, who: Identity, school: School, day: date) -> bool:
        return bool(school.lines_of(who)) and (self.apps[app][1] or school.shows(app, who, day))

    def words(self, app: str, who: Identity, school: School, day: date) -> dict[str, str]:
        """Every claim with `released` or the first closed gate, for who asks all that is registered."""
        scopes, opened = self.apps[app]
        line = school.chosen(who, day)
        shown, enrolled = school.shows(app, who, day), line is not None and line.on(day)

        def word(claim: str) -> str:
            if SCOPES[claim] not in scopes:
                return "not_registered"
            if claim == "sub":
                return "released"
            if claim in KLASINFORMATIE and not self.shares(school, day):
                return "school_does_not_share"
            if not shown and (claim in KLASINFORMATIE or not opened):
                return "not_visible"
            if claim not in OF_THE_PERSON and not enrolled:
                return "not_enrolled"
            return "unknown" if claim == "ov_klassen" and not school.klassen(who, day) else "released"

        return {claim: word(claim) for claim in SCOPES}

    def values(self, who: Identity, school: School, day: date) -> dict[str, Any]:
        line = school.chosen(who, day)
        assert line is not None
        given = who.official or line.voornaam
        year = day.year if day.month >= 9 else day.year - 1
        return {
            "given_name": given,
            "family_name": "Peeters",
            "name": f"{given} Peeters",
            "ov_account_uuid": who.uuid,
            "ov_leerid_uuid": [who.leerid] if who.leerid else [],
            "ov_historiek_account_uuid": sorted(who.history),
            "ov_orgcode": school.number,
            "ov_orgnaam": school.naam,
            "ov_leerjaar": line.leerjaar,
            "ov_schooljaar": f"{year}-{year + 1}",
            "ov_administratieve_groep": f"groep {line.group}",
        }


def official(line: Line) -> str:
    """The register's name of a pupil: nothing that a school writes changes it."""
    return f"Officieel{line.who}"
