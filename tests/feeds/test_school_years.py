"""Do the days of a school year turn as they should, whatever arrives in whatever order? Hypothesis walks through two years.

Files of enrolments, nightly deliveries of classes, agreements, new protocol texts and apps that are shown come as schools and
packages send them; nights pass with their jobs. After each step everything that somebody can see of a pupil (an app, a
school, whoever asks why) is compared with a small model of the rules (tests/make_years.py). CI walks the same few rows every
time; `WALKS=100 pytest tests/feeds/test_school_years.py` walks that many longer ones, new ones every time.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, func, insert, select

from idp import apps, audit, clock, config, context, models
from idp.admin.accounts import bulk
from idp.admin.pupils import pupil_list
from idp.admin.visible import assigning, explaining
from idp.claims import consent, visibility
from idp.errands import jobs
from idp.errors import Invalid
from idp.feeds import classes, enrolments
from idp.oidc import clients
from tests import make, make_feeds
from tests.conftest import CHEAP
from tests.make_tokens import SECRET, Bench
from tests.make_years import A_DAY, Identity, Known, Line, Rule, School, Seat, official

WALKS = int(os.environ.get("WALKS", "0"))
PROFILE = settings(
    max_examples=WALKS or 3,
    stateful_step_count=60 if WALKS else 12,
    derandomize=not WALKS,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
BEGINS = datetime(2026, 6, 20, 8, 0, tzinfo=clock.BRUSSELS)
TURNS = (
    (2, 28), (2, 29), (3, 29), (6, 14), (6, 30), (8, 14), (8, 15), (8, 31), (9, 1), (10, 1), (10, 25), (12, 31),
)  # fmt: skip
"""Days around which something turns: of the calendar, the clocks, the summer, the cards, the year."""
HOURS = ((0, 0), (0, 3), (2, 30), (9, 0), (23, 59))
GROUPS, KLASSEN = ("G1", "G2"), ("kA", "kB", "kC")
NIGHTLY = ("agreements", "purge", "rosters", "missing-deliveries", "missing-directors")
APPS = ("rekenbuur", "leesbuur", "toetsen")
schools, people, yes = st.integers(0, 2), st.integers(1, 6), st.booleans()


EVENTS: dict[str, dict[str, Any]] = {
    "a_pupil_comes": {
        "school": schools,
        "who": people,
        "numbered": yes,
        "begins": st.sampled_from(["now", "before", "next year"]),
    },
    "a_pupil_changes": {
        "school": schools,
        "pick": st.integers(0, 5),
        "what": st.sampled_from(
            [
                "leaves",
                "leaves soon",
                "group",
                "name",
                "year",
                "number",
                "stam",
                "stam of another",
                "vanishes",
            ]
        ),
    },
    "the_coming_year_is_written": {"school": schools, "other_group": yes},
    "a_class_changes": {
        "school": schools,
        "pick": st.integers(0, 5),
        "klas": st.sampled_from(KLASSEN),
        "what": st.sampled_from(["moves", "joins", "none", "tomorrow", "dated"]),
    },
    "the_list_arrives": {
        "school": schools,
        "order": yes,
        "without": st.one_of(st.none(), st.none(), st.integers(0, 9)),
        "bad": st.one_of(st.none(), st.none(), st.integers(0, 9)),
        "decided": yes,
    },
    "classes_arrive": {"school": schools, "decided": yes, "extra": yes},
    "a_director_decides": {"school": schools, "on": st.sampled_from([True, True, False]), "ahead": yes},
    "a_new_text_is_published": {"days": st.sampled_from([30, 45])},
    "an_app_is_shown": {
        "school": schools,
        "app": st.sampled_from(APPS),
        "kind": st.sampled_from(["school", "group", "klas", "klas", "pupil", "pupil"]),
        "pick": st.integers(0, 9),
        "when": st.sampled_from(["now", "now", "next year", "this week"]),
    },
    "an_app_is_hidden": {"school": schools, "pick": st.integers(0, 9)},
    "accounts_are_made": {"school": schools},
    "days_pass": {"days": st.sampled_from([1, 1, 1, 7, 30]), "at": st.sampled_from(HOURS)},
    "it_becomes": {"turn": st.sampled_from(TURNS), "at": st.sampled_from(HOURS)},
    "the_night_works": {},
}
"""What can happen, and how."""
OFTEN = (
    "the_list_arrives",
    "classes_arrive",
    "days_pass",
    "it_becomes",
    "the_night_works",
    "a_pupil_changes",
    "the_coming_year_is_written",
)
HAPPENS = st.one_of(
    *(st.tuples(st.just(name), st.fixed_dictionaries(EVENTS[name])) for name in (*EVENTS, *OFTEN))
)
"""In one strategy: as rules, most walks would go without most of them."""


@pytest.fixture
def machine(database_url, tmp_path, key_folder):
    """How to begin again on an empty house: a class of machines."""
    words = {"hold_ended_least": 2, "keys": key_folder} | CHEAP
    read = config.read({}, data=tmp_path, database_url=database_url, **words)
    return type("Walk", (Years,), {"settings_of_house": read})


def test_every_day_of_two_years_is_as_it_should_be(machine):
    run_state_machine_as_test(machine, settings=PROFILE)


class Years(RuleBasedStateMachine):
    """Every rule lets one thing happen, and says in the model what should have come of it."""

    settings_of_house: config.Settings

    def __init__(self) -> None:
        super().__init__()
        self.ways_out = ExitStack()
        self.clock = clock.Stopped(BEGINS)
        self.house = context.open_house(self.settings_of_house, clock=self.clock)
        self.ways_out.callback(self.house.database.close)
        with self.house.database.transaction() as db:
            for table in reversed(models.Base.metadata.sorted_tables):
                db.execute(delete(table))
            db.execute(insert(models.RegistryVersion), {"id": 1, "version": 1})
        self.known = Known()
        self.releases: Counter[datetime] = Counter()
        self.turn = 0
        self.stams = 0
        self.versions = 0
        with audit.circumstances(self._circumstances()):
            self.bench = Bench(self.house)
            self._settle()
            jobs.announce(self.house)

    def teardown(self) -> None:
        self.ways_out.close()

    def _circumstances(self) -> audit.Circumstances:
        return audit.Circumstances(now=self.clock.now(), actor="system", source="test")

    def _settle(self) -> None:
        with self.house.database.transaction() as db:
            for naam in ("De Wijzer", "De Toren", "De Brug"):
                number = make.school(db, naam=naam, pakket="leersleutel")
                person = make.person(db)
                make.right(db, person, number, begindatum=date(2026, 1, 1), einddatum=date(2036, 1, 1))
                self.known.schools.append(School(number=number, naam=naam, director=person))
            for name, opened in zip(APPS, (False, False, True), strict=True):
                scope = make.ALL_SCOPES.replace("ov_klas ", "") if name == "leesbuur" else make.ALL_SCOPES
                words = {"scope": scope, "open_to_every_pupil": opened, "claims_in_id_token": True}
                make.app(db, name, secrets=(clients.digest(SECRET),), **words)
                self.known.apps[name] = frozenset(scope.split()), opened
            self._publish(db, self.today)

    def _publish(self, db: Any, day: date) -> None:
        self.versions += 1
        words = {"version": f"v{self.versions}", "body": f"# Tekst {self.versions}\n", "names_teachers": True}
        words |= {"in_force_from": day, "notice_days": 30, "now": self.clock.now()}
        consent.publish_protocol(db, **words)
        self.known.texts.append(day)

    @property
    def today(self) -> date:
        return clock.day_of_law(self.clock.now())

    @property
    def year_ends(self) -> date:
        return date(self.today.year + (self.today.month >= 9), 8, 31)

    @initialize(shares=st.integers(0, 2), numbered=yes)
    def a_year_is_under_way(self, shares: int, numbered: bool) -> None:
        """Pupils at each school, with accounts and classes; some schools share, and show an app."""
        for school in (0, 1, 2):
            for who in range(1 + 2 * school, 5 + 2 * school):
                self.a_pupil_comes(school=school, who=who % 6 + 1, numbered=numbered, begins="before")
            self.the_list_arrives(school=school, order=True, without=None, bad=None, decided=True)
            if school >= shares:
                self.a_director_decides(school=school, on=True)
            self.classes_arrive(school=school, decided=True, extra=False)
            self.accounts_are_made(school=school)
            words = {"pick": school, "when": "now", "school": school}
            self.an_app_is_shown(app="rekenbuur", kind=("school", "group", "klas")[school], **words)

    @rule(event=HAPPENS)
    def there_is(self, event: tuple[str, dict[str, Any]]) -> None:
        name, words = event
        getattr(self, name)(**words)

    # ================================================================ what a school writes in its package

    def a_pupil_comes(self, school: int, who: int, numbered: bool, begins: str) -> None:
        """New, back again, at a second school, or for the coming year; with another stamnummer, or the one of before."""
        at = self.known.schools[school]
        begin = {"now": self.today, "before": self.today - timedelta(days=20)}.get(begins)
        begin = begin or self.year_ends + A_DAY
        end = date(begin.year + (begin.month >= 9), 8, 31)
        mine = [line for some in at.roll.values() for line in some if line.who == who]
        if any(line.end >= begin and line.begin <= end for line in mine):
            return
        before = [stam for stam, some in at.roll.items() if any(line.who == who for line in some)]
        self.stams += not before
        stam = before[-1] if before else f"{self.stams:05}"
        numbered = numbered or any(line.numbered for line in mine)
        new = Line(
            stam=stam,
            who=who,
            numbered=numbered,
            voornaam=f"Naam{who}",
            group=GROUPS[who % 2],
            leerjaar="3",
            begin=begin,
            end=end,
        )
        at.roll.setdefault(stam, []).append(new)
        at.seating.setdefault(stam, [(KLASSEN[who % 3], None, None)])

    def a_pupil_changes(self, school: int, pick: int, what: str) -> None:
        at = self.known.schools[school]
        if not at.roll:
            return
        stam = sorted(at.roll)[pick % len(at.roll)]
        last = at.roll[stam][-1]
        match what:
            case "leaves" if last.begin < self.today <= last.end:
                at.roll[stam][-1] = replace(last, end=self.today - A_DAY)
            case "leaves soon" if last.begin <= self.today and self.today + timedelta(days=9) < last.end:
                at.roll[stam][-1] = replace(last, end=self.today + timedelta(days=9))
            case "group" if last.begin < self.today < last.end:
                other = replace(last, group=GROUPS[last.group == GROUPS[0]], begin=self.today)
                at.roll[stam][-1:] = [replace(last, end=self.today - A_DAY), other]
            case "name":
                at.roll[stam] = [replace(line, voornaam=f"{line.voornaam[:9]}x") for line in at.roll[stam]]
            case "year":
                at.roll[stam][-1] = replace(last, leerjaar=str(int(last.leerjaar) % 6 + 1))
            case "number":
                for school_of in self.known.schools:
                    for one, some in school_of.roll.items():
                        if some[-1].who == last.who:
                            school_of.roll[one] = [replace(line, numbered=True) for line in some]
            case "stam" if last.on(self.today):
                self.stams += 1
                new = f"{self.stams:05}"
                at.roll[new] = [replace(line, stam=new) for line in at.roll.pop(stam)]
                at.seating[new] = at.seating.pop(stam)
            case "stam of another" if len(at.roll) > 1 and last.end < self.today:
                del at.roll[stam]
                giver = sorted(at.roll)[pick % len(at.roll)]
                at.roll[stam] = [replace(line, stam=stam) for line in at.roll.pop(giver)]
                at.seating[stam] = at.seating.pop(giver)
            case "vanishes":
                del at.roll[stam]
                at.seating.pop(stam, None)

    def the_coming_year_is_written(self, school: int, other_group: bool) -> None:
        """Who is there until the year ends goes on."""
        at, ends = self.known.schools[school], self.year_ends
        for some in at.roll.values():
            last = some[-1]
            new = replace(last, begin=ends + A_DAY, end=ends.replace(year=ends.year + 1))
            if last.end == ends and not any(new.beside(line) for line in some):
                group = GROUPS[last.group == GROUPS[0]] if other_group else last.group
                some.append(replace(new, group=group))

    def a_class_changes(self, school: int, pick: int, klas: str, what: str) -> None:
        at = self.known.schools[school]
        if not at.seating:
            return
        stam = sorted(at.seating)[pick % len(at.seating)]
        mine = [one for one in at.seating[stam] if one[0] != klas]
        match what:
            case "moves":
                at.seating[stam] = [(klas, None, None)]
            case "joins":
                at.seating[stam] = [*mine, (klas, None, None)]
            case "none":
                at.seating[stam] = []
            case "tomorrow":
                at.seating[stam] = [*mine, (klas, self.today + A_DAY, None)]
            case "dated":
                at.seating[stam] = [*mine, (klas, self.today, self.today + timedelta(days=5))]

    # ================================================================ what arrives

    def the_list_arrives(
        self, school: int, order: bool, without: int | None, bad: int | None, decided: bool
    ) -> None:
        """A whole list of a school, sorted one way or the other; once in a while a pupil is lacking, or in a broken row."""
        at, today = self.known.schools[school], self.today
        lines = sorted((line for some in at.roll.values() for line in some), key=lambda one: one.stam)
        if without is not None and lines:
            lines = [one for one in lines if one.stam != lines[without % len(lines)].stam]
        spared = {lines[bad % len(lines)].stam} if bad is not None and lines else set()
        usable = [one for one in lines if one.stam not in spared]
        if not usable:
            return
        rows = [self._row(at, one, bad=one.stam in spared) for one in lines]
        rows += rows[:1] if not spared else []
        file = make_feeds.file(*(reversed(rows) if order else rows))
        before = {stam: [(p.of, p.line) for p in some] for stam, some in at.periods.items()}
        with audit.circumstances(self._circumstances()):
            done = enrolments.apply(self.house, enrolments.read(file))
            state = done.schools[at.number]
            if state == "held":
                assert not date(today.year, 6, 15) <= today <= date(today.year, 9, 30)
                if not decided:
                    return
                waiting = select(models.HeldPart.delivery).where(
                    models.HeldPart.instellingsnummer == at.number,
                    models.HeldPart.delivery == models.Delivery.id,
                    models.Delivery.kind == "enrolments",
                )
                with self.house.database.reading() as db:
                    (delivery,) = db.execute(waiting).scalars().all()
                enrolments.decide(self.house, str(delivery), by="operator:test")
        at.imported([*reversed(usable)] if order else usable, spared, today, self.known)
        self._recognise(at)
        after = {
            (one.of.final, one.line.stam)
            for some in at.periods.values()
            for one in some
            if one.line.on(today)
        }
        lost = [
            line
            for some in before.values()
            for of, line in some
            if line.on(today) and (of.final, line.stam) not in after
        ]
        summer = (6, 15) <= (today.month, today.day) <= (9, 30)
        assert summer or len(lost) < 2 or state == "held", "a list that ends so much waits for a person"

    def _row(self, at: School, one: Line, *, bad: bool) -> dict[str, str]:
        words: dict[str, Any] = {"number": one.who} if one.numbered else {}
        row = make_feeds.row(one.stam, **words)
        row |= {"instellingsnummer": at.number, "voornaam": one.voornaam, "naam": "Peeters"}
        row |= {"administratieve_groep": f"groep {one.group}", "administratieve_groep_code": one.group}
        row |= {"leerjaar": one.leerjaar, "begindatum": f"{one.begin}", "einddatum": f"{one.end}"}
        row |= {"officiele_voornaam": official(one)} if one.numbered else {}
        return row | ({"begindatum": "2026-02-30"} if bad else {})

    def _recognise(self, at: School) -> None:
        """Which identifiers did it give? Once given they stay, and of two who are one the survivor keeps its own."""
        here = models.Enrolment
        pupil = models.Pupil
        with self.house.database.reading() as db:
            rows = db.execute(
                select(here.stamnummer, here.account_uuid, here.begindatum, here.einddatum).where(
                    here.instellingsnummer == at.number
                )
            ).all()
            into = dict(db.execute(select(pupil.account_uuid, pupil.merged_into)).all())
        found = sorted((r.stamnummer, r.begindatum, r.einddatum) for r in rows)
        expected = sorted(
            (p.line.stam, p.line.begin, p.line.end) for some in at.periods.values() for p in some
        )
        assert found == expected, (
            [x for x in found if x not in expected],
            [x for x in expected if x not in found],
        )
        by_stam = {r.stamnummer: r.account_uuid for r in rows}
        for stam, periods in at.periods.items():
            one = periods[0].of.final
            one.uuid = one.uuid or by_stam[stam]
        for gone, stays in self.known.merges:
            if gone.uuid:
                self._settle_merge(gone, stays, into)
        self.known.merges.clear()
        for stam, periods in at.periods.items():
            assert periods[0].of.final.uuid == by_stam[stam], "a pupil keeps the identifier"
        uuids = [one.uuid for one in self.known.everybody()]
        assert len(uuids) == len({*uuids}), "nobody has the identifier of another"

    def _settle_merge(self, gone: Identity, stays: Identity, into: dict[str, str | None]) -> None:
        if into.get(stays.uuid) == gone.uuid:
            assert gone.account == stays.account, "who has an account survives"
            stays.into, gone.into = gone, None
            gone.number, gone.official = stays.number, stays.official
            gone, stays = stays, gone
        assert into[gone.uuid] == stays.uuid
        stays.history += [gone.uuid, *gone.history]
        stays.subs = gone.subs | stays.subs

    def classes_arrive(self, school: int, decided: bool, extra: bool) -> None:
        """The nightly delivery: of pupils that are known here, and perhaps of one who is not yet."""
        at, today = self.known.schools[school], self.today
        rows, seats = [], []
        for stam, some in sorted(at.seating.items()):
            if stam not in at.periods:
                continue
            for klas, begin, end in some:
                rows.append(_seat_row(stam, klas, begin, end))
                of = at.periods[stam][-1].of.final
                first = begin or self._began(at, of)
                seats.append(Seat(of=of, klas=klas, begin=first, end=end))
        if extra:
            rows.append(_seat_row("nobody", "kA", None, None))
        if not rows or len({(id(one.of), one.klas) for one in seats}) < len(seats):
            return
        body = json.dumps(rows).encode()
        with audit.circumstances(self._circumstances()):
            with self.house.database.reading() as db:
                words = {"instellingsnummer": at.number, "today": today, "settings": self.house.settings}
                found = classes.read("leersleutel", body, settings=self.house.settings)
                planned = classes.plan(db, found, operator=True, **words)
            done = classes.apply(self.house, planned)
            if not self.known.shares(at, today):
                assert done.state == "refused"
                return
            assert done.state in {"applied", "held"}
            if done.state == "held":
                assert any(seat.on(today) for seat in at.seats) or any(at.seats)
                if not decided:
                    return
                with self.house.database.reading() as db:
                    planned = classes.held_plan(self.house, done.delivery, at.number)
                classes.apply(self.house, planned, delivery=done.delivery, decided_by="operator:test")
        at.seats = seats

    def _began(self, at: School, who: Identity) -> date:
        """The first day of the enrolment of now; or else of the next one, or the last."""
        lines = sorted(at.lines_of(who), key=lambda one: one.begin)
        ahead = [one for one in lines if one.end >= self.today]
        return (ahead[0] if ahead else lines[-1]).begin

    # ================================================================ what schools and operators decide

    def a_director_decides(self, school: int, on: bool, ahead: bool = False) -> None:
        at, now = self.known.schools[school], self.clock.now()
        words = {"instellingsnummer": at.number, "person_id": at.director, "now": now, "today": self.today}
        with (
            audit.circumstances(self._circumstances()),
            self.house.database.transaction() as db,
        ):
            if not on:
                stopped = consent.stop(db, **words)
                assert stopped.was_agreed == (at.agreed is not None)
                if at.agreed is not None:
                    at.settle(self.today)
                at.agreed = None
                return
            announced = self.known.texts[-1] > self.today
            newest = len(self.known.texts) - 1 - (announced and not ahead)
            text = consent.texts(db)[newest].sha256
            if announced and ahead and not self.known.shares(at, self.today):
                with pytest.raises(Invalid, match="protocol_not_yet"):
                    consent.give(db, protocol_sha256=text, **words)
            elif at.agreed is not None and at.agreed >= newest:
                with pytest.raises(Invalid, match="already_shares"):
                    consent.give(db, protocol_sha256=text, **words)
            else:
                consent.give(db, protocol_sha256=text, **words)
                at.agreed = newest

    def a_new_text_is_published(self, days: int) -> None:
        if self.known.texts[-1] > self.today or len(self.known.texts) > 3:
            return
        with audit.circumstances(self._circumstances()), self.house.database.transaction() as db:
            self._publish(db, self.today + timedelta(days=days))

    def an_app_is_shown(self, school: int, app: str, kind: str, pick: int, when: str) -> None:
        at = self.known.schools[school]
        begin = self.year_ends + A_DAY if when == "next year" else self.today
        end = self.today + timedelta(days=6) if when == "this week" else None
        choices: dict[str, list[Any]] = {"school": [None], "klas": [*KLASSEN]}
        choices["group"] = sorted({p.line.group for some in at.periods.values() for p in some})
        choices["pupil"] = sorted({p.of.final for s in at.periods.values() for p in s}, key=lambda i: i.uuid)
        if kind == "klas" and not self.known.shares(at, self.today):
            return
        if not choices[kind]:
            return
        target = choices[kind][pick % len(choices[kind])]
        word = {"school": "", "group": target, "pupil": target and getattr(target, "uuid", "")}.get(kind)
        with audit.circumstances(self._circumstances()), self.house.database.transaction() as db:
            if kind == "klas":
                mine = (models.Klas.instellingsnummer == at.number, models.Klas.klas_id == target)
                word = db.execute(select(models.Klas.id).where(*mine)).scalar()
            if word is None:
                return
            found = apps.load(db, app)
            assert found is not None
            visibility.add(
                db,
                app=found,
                instellingsnummer=at.number,
                kind=models.RuleKind(kind),
                target=word,
                begindatum=begin,
                einddatum=end,
                by="test",
                now=self.clock.now(),
            )
        for one in at.rules:
            same_target = one.target.final is target if kind == one.kind == "pupil" else one.target == target
            if (one.app, one.kind, one.begin) == (app, kind, begin) and same_target:
                one.end = end
                return
        at.rules.append(Rule(app=app, kind=kind, target=target, begin=begin, end=end))

    def an_app_is_hidden(self, school: int, pick: int) -> None:
        at = self.known.schools[school]
        if not at.rules:
            return
        gone = at.rules[pick % len(at.rules)]
        with audit.circumstances(self._circumstances()), self.house.database.transaction() as db:
            ids = {str(k): name for k, name in db.execute(select(models.Klas.id, models.Klas.klas_id)).all()}
            for one in visibility.listing(db, instellingsnummer=at.number, client_id=gone.app):
                target: Any = one.target or None
                target = ids[target] if one.kind == "klas" else target
                ours = gone.target.final.uuid if gone.kind == "pupil" else gone.target
                if (one.kind, target, one.begindatum) == (gone.kind, ours, gone.begin):
                    visibility.remove(db, instellingsnummer=at.number, rule_id=one.id)
        same = [
            one
            for one in at.rules
            if (one.app, one.kind, one.begin) == (gone.app, gone.kind, gone.begin)
            and (one.target.final is gone.target.final if one.kind == "pupil" else one.target == gone.target)
        ]
        at.rules = [one for one in at.rules if one not in same]

    def accounts_are_made(self, school: int) -> None:
        at = self.known.schools[school]
        with audit.circumstances(self._circumstances()):
            with self.house.database.reading() as db:
                proposed = bulk.propose(db, instellingsnummer=at.number, today=self.today)
            due = {
                who.uuid
                for who in self.known.everybody()
                if not who.account
                and any(one.begin <= self._cards_for() and one.end >= self.today for one in at.lines_of(who))
            }
            assert {one.account_uuid for one in proposed} == due
            made = bulk.create(self.house, proposed)
        assert {one.account_uuid for one in made} == due
        with self.house.database.reading() as db:
            leerids = dict(db.execute(select(models.Pupil.account_uuid, models.Pupil.leerid_uuid)).all())
        for who in self.known.everybody():
            if who.uuid in due:
                who.account, who.leerid = True, leerids[who.uuid]

    def _cards_for(self) -> date:
        """Cards for the first of September are made from 15 August on."""
        first = date(self.today.year, 9, 1)
        return first if date(self.today.year, 8, 15) <= self.today < first else self.today

    # ================================================================ time

    def days_pass(self, days: int, at: tuple[int, int]) -> None:
        self._until(self.today + timedelta(days=days), at)

    def it_becomes(self, turn: tuple[int, int], at: tuple[int, int]) -> None:
        """The next such day."""
        for year in (self.today.year, self.today.year + 1, self.today.year + 2, self.today.year + 3):
            try:
                day = date(year, *turn)
            except ValueError:
                continue
            if day > self.today:
                self._until(day, at)
                return

    def _until(self, day: date, at: tuple[int, int]) -> None:
        if day > date(2029, 1, 1):
            return
        self.clock.moment = datetime(day.year, day.month, day.day, *at, tzinfo=clock.BRUSSELS).astimezone(
            clock.UTC
        )

    def the_night_works(self) -> None:
        for name in NIGHTLY:
            done = jobs.run(self.house, jobs.BY_NAME[name], "test", whenever=True)
            assert done is not None, name
            assert done.failure is None, (name, done.failure)
        year_ago = self.today - timedelta(days=365)
        for at in self.known.schools:
            if not self.known.shares(at, self.today):
                at.settle(self.today)
                at.seats = []
            at.seats = [s for s in at.seats if any(x.end >= year_ago for x in at.lines_of(s.of.final))]

    # ================================================================ promises

    @invariant()
    def everybody_sees_the_same(self) -> None:
        """Who asks why, the list of a school, its page of apps and the tiles of a pupil."""
        today, known = self.today, self.known
        found = {name: self.house.apps.find(name) for name in APPS}
        with self.house.database.reading() as db:
            for at in known.schools:
                here = [who for who in known.everybody() if at.lines_of(who)]
                for who in here:
                    for name, app in found.items():
                        assert app is not None
                        told = explaining.of_pupil(db, self.house, app, who.uuid, instellingsnummer=at.number)
                        words = known.words(name, who, at, today)
                        assert {one.claim: one.word for one in told.answers} == words
                        assert told.active == known.active(who, today)
                        assert told.visible == known.visible(name, who, at, today)
                        self._values({a.claim: a.value for a in told.answers if a.released}, who, at)
                enrolled = {who.uuid for who in here if any(x.on(today) for x in at.lines_of(who))}
                listed = pupil_list.everyone(db, at.number, today, pupil_list.Asked())
                assert {line.account_uuid for line in listed} == enrolled
                for line in listed:
                    who = next(one for one in here if one.uuid == line.account_uuid)
                    shares = known.shares(at, today)
                    assert {*line.klassen} == (at.klassen(who, today) if shares else set())
                desk = assigning.desk(db, at.number, today)
                for name in APPS[:2]:
                    reached = {who.uuid for who in here if self._reaches(name, who, at)}
                    assert desk.reached(desk.app(name)) == reached
            for who in known.everybody():
                tiles = {n for n in APPS if any(s in self._choices(n, who) for s in known.schools)}
                assert {*visibility.visible_apps(db, who.uuid, today)} == tiles
                for name, app in found.items():
                    choices = visibility.schools_for(db, app, who.uuid, today)  # type: ignore[arg-type]
                    assert {one.instellingsnummer for one in choices} == {
                        one.number for one in self._choices(name, who)
                    }

    def _reaches(self, app: str, who: Identity, at: School) -> bool:
        """Today, or on the first day of what begins later; classes count while the school shares."""
        days = {max(self.today, one.begin) for one in at.lines_of(who) if one.end >= self.today}
        shares = self.known.shares(at, self.today)
        rules, at.rules = at.rules, [one for one in at.rules if shares or one.kind != "klas"]
        found = any(at.shows(app, who, day) for day in days)
        at.rules = rules
        return found

    def _choices(self, app: str, who: Identity) -> list[School]:
        return [
            at
            for at in self.known.schools
            if any(one.on(self.today) for one in at.lines_of(who))
            and self.known.visible(app, who, at, self.today)
        ]

    def _values(self, told: dict[str, Any], who: Identity, at: School) -> None:
        values = self.known.values(who, at, self.today)
        for name in {*told} & {*values}:
            assert told[name] == values[name], (name, told[name], values[name], who)
        if "ov_klassen" in told:
            assert {one["code"] for one in told["ov_klassen"]} == at.klassen(who, self.today)

    @invariant()
    def one_app_gets_what_is_due(self) -> None:
        """A sign-in of one of all pupils at one of the apps: its tokens say it; and the ledger has a line for each."""
        due = [
            (name, who, at)
            for name in APPS
            for who in self.known.everybody()
            for at in self._choices(name, who)
            if self.known.active(who, self.today)
        ]
        if due:
            self.turn += 1
            name, who, at = due[self.turn % len(due)]
            app = self.house.apps.find(name)
            assert app is not None
            story = make.Story(school=at.number, pupil=who.uuid, username="", klas="", app=app)
            scope = " ".join(one for one in make.ALL_SCOPES.split() if one in app.scopes)
            answer = self.bench.tokens(story, scope=scope)
            _, claims = self.bench.id_token(answer["id_token"])
            told = self.bench.userinfo(answer["access_token"]).json
            words = self.known.words(name, who, at, self.today)
            released = {claim for claim, word in words.items() if word == "released"}
            assert {*told} == released
            assert released <= {*claims}
            self._values(told, who, at)
            self._values({claim: claims[claim] for claim in released}, who, at)
            assert told["sub"] == claims["sub"] == who.subs.setdefault(name, told["sub"])
            self.releases[self.clock.now()] += 2
        now = self.clock.now()
        with self.house.database.reading() as db:
            lines = select(func.count()).select_from(models.Release).where(models.Release.at == now)
            assert db.execute(lines).scalar_one() == self.releases[now]


def _seat_row(stam: str, klas: str, begin: date | None, end: date | None) -> dict[str, Any]:
    row = {"stamnummer": stam, "klas_id": klas, "klascode": klas, "klasnaam": f"Klas {klas}"}
    row |= {"soort": "klas", "begindatum": begin and f"{begin}", "einddatum": end and f"{end}"}
    return row
