"""LIFE-02, LIFE-09, ROLE-01: from 15 August to 30 September, day by day, with deliveries, directors and decisions as they come.

Every night the packages deliver and what is old is tidied; every morning the same promises are looked at, for every pupil, app and
school; at noon people decide. What should be true is told by the calendar at the top, not by the code under test.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from idp import audit
from idp.admin.privacy import retention
from idp.admin.pupils import pupil_list
from idp.admin.visible import assigning, succession
from idp.claims import consent, disclose, pseudonym, visibility
from idp.clock import BRUSSELS
from idp.errors import NotAllowed
from idp.feeds import classes, directors
from idp.models import ClassMembership, DeliveryState, Enrolment, Klas, Right, RuleKind, School
from tests import make, make_feeds

A, B = "999001", "999002"
BEGIN, END = date(2027, 8, 15), date(2027, 9, 30)
TURN, MONDAY = date(2027, 9, 1), date(2027, 9, 6)
KNOWN, CARRIED, RENAMED, MOVED = date(2027, 8, 20), date(2027, 9, 2), date(2027, 9, 15), date(2027, 9, 16)
A_STOPS, A_AGAIN, B_AGREES, B_STOPS = (date(2027, 9, day) for day in (20, 27, 10, 24))
OLD, NEW = (date(2026, 9, 1), date(2027, 8, 31)), (date(2027, 9, 1), date(2028, 8, 31))
STAYING = range(1, 7)
MOVES, LEAVES, BOTH, COMES, LATER = 7, 8, 10, 11, 12
EVERYBODY = (*STAYING, MOVES, LEAVES, BOTH, COMES, LATER)
HEAD = "instellingsnummer;persoon_id;voornaam;naam;e_mail;aanstelling;begindatum;einddatum\n"


def stays(pupil: int, day: date) -> dict[str, list[tuple[date, date]]]:
    """Enrolments by school, as far as they are known on this day."""
    coming = [NEW] if day >= KNOWN else []
    if pupil in STAYING:
        return {A: [OLD, *coming]}
    if pupil == BOTH:
        return {A: [OLD, *coming], B: [OLD, *coming]}
    if pupil == MOVES:
        return {A: [OLD], B: coming}
    if pupil == LEAVES:
        return {A: [OLD]}
    if pupil == COMES:
        return {A: coming}
    moved = day >= MOVED
    return {
        A: [OLD, *([(NEW[0], MOVED - timedelta(days=1))] if moved else coming)],
        B: [(MOVED, NEW[1])] if moved else [],
    }


def enrolled(pupil: int, school: str, day: date) -> bool:
    return any(begin <= day <= end for begin, end in stays(pupil, day).get(school, ()))


def shares(school: str, day: date) -> bool:
    """In the morning: what was decided at noon counts from the next one."""
    if school == A:
        return day <= A_STOPS or day > A_AGAIN
    return B_AGREES < day <= B_STOPS


def seat(pupil: int, school: str, day: date) -> tuple[str, str] | None:
    """(klas_id, code) in the package on this day."""
    if not enrolled(pupil, school, day):
        return None
    if school == B:
        return "b-2b", "2B"
    if day < TURN:
        return "a-1a-26", "1A"
    if pupil == COMES:
        return "a-1a-27", "1A"
    return "a-2a-27", "2A1" if day >= RENAMED else "2A"


class Calendar:
    def __init__(self, house: Any) -> None:
        self.house = house
        self.ways_out: list[Any] = []
        self.at(BEGIN - timedelta(days=1), 12)
        make_feeds.schools(house, A, B)
        self.enrol(BEGIN, EVERYBODY)
        with house.database.transaction() as db:
            db.execute(update(School).values(pakket="leersleutel"))
            self.text = make.protocol(db)
            self.apps = {
                name: make.app(db, name, client_name=name) for name in ("klas", "school", "group", "one")
            }
        self.uuids: dict[int, str] = {}
        self.subs: dict[tuple[int, str], str] = {}
        self.meet()
        self.list_directors("2026-09-01;2027-08-31")
        self.give(A, "d-a")
        self.deliver(A, BEGIN)
        with house.database.transaction() as db:
            (klas,) = db.execute(select(Klas.id)).scalars()
            self.old_klas = klas
            words = {"begindatum": OLD[0]}
            make.rule(db, "klas", A, kind=RuleKind.KLAS, target=klas, **words)
            for school in (A, B):
                make.rule(db, "school", school, **words)
            make.rule(db, "group", A, kind=RuleKind.GROUP, target="L2", **words)
            make.rule(db, "one", A, kind=RuleKind.PUPIL, target=self.uuids[LEAVES], **words)

    def at(self, day: date, hour: int) -> None:
        """On to this hour in Brussels; what happens now is noted at this moment."""
        moment = datetime(day.year, day.month, day.day, hour, tzinfo=BRUSSELS)
        self.house.clock.move(seconds=(moment - self.house.clock.now()).total_seconds())

    def acting(self) -> Any:
        these = audit.Circumstances(now=self.house.clock.now(), actor="system", source="test")
        return audit.circumstances(these)

    # ------------------------------------------------------------ what arrives

    def enrol(self, day: date, pupils: Any) -> None:
        rows = [
            make_feeds.row(
                f"{pupil}",
                instellingsnummer=school,
                number=pupil,
                administratieve_groep="x",
                administratieve_groep_code="L2" if begin >= TURN and pupil != COMES else "L1",
                begindatum=begin.isoformat(),
                einddatum=end.isoformat(),
            )
            for pupil in pupils
            for school, known in stays(pupil, day).items()
            for begin, end in known
        ]
        made = make_feeds.bring(self.house, make_feeds.file(*rows), delta=True, accept_holds=True)
        assert made.state is DeliveryState.APPLIED, made.plan.problems

    def meet(self) -> None:
        """Everyone who is new gets an account."""
        with self.house.database.transaction() as db:
            for number, uuid in db.execute(
                select(Enrolment.stamnummer, Enrolment.account_uuid).distinct()
            ).all():
                known = self.uuids.setdefault(int(number), uuid)
                assert known == uuid, "one person, whatever school"
                if (int(number), "klas") not in self.subs:
                    make.account(db, uuid)
                    for name, app in self.apps.items():
                        self.subs[int(number), name] = pseudonym.remember(
                            db, self.house.keys, app, uuid, self.house.clock.now()
                        )

    def deliver(self, school: str, day: date) -> None:
        """The whole school, as its package knows it this night."""
        rows = []
        for pupil in EVERYBODY:
            sits = seat(pupil, school, day)
            if sits is None:
                continue
            begin, end = next(one for one in stays(pupil, day)[school] if one[0] <= day <= one[1])
            words = {"stamnummer": f"{pupil}", "klas_id": sits[0], "klascode": sits[1], "klasnaam": sits[1]}
            rows.append(words | {"soort": "klas", "begindatum": str(begin), "einddatum": str(end)})
        found = classes.read("leersleutel", json.dumps(rows).encode(), settings=self.house.settings)
        with self.house.database.reading() as db:
            planned = classes.plan(
                db,
                found,
                instellingsnummer=school,
                today=self.house.clock.today(),
                settings=self.house.settings,
            )
        with self.acting():
            made = classes.apply(self.house, planned, accept_holds=True)
        assert (made.state is DeliveryState.APPLIED) is shares(school, day), made.plan

    def list_directors(self, dates: str) -> None:
        lines = [f"{A};d-a;Ann;Peeters;;tijdelijk;{dates}", f"{B};d-b;Bart;Maes;;vast;2019-09-01;"]
        with self.acting():
            directors.take_in(self.house, (HEAD + "\n".join(lines) + "\n").encode())

    # ------------------------------------------------------------ what people decide

    def words(self, school: str, person: str) -> dict[str, Any]:
        today, now = self.house.clock.today(), self.house.clock.now()
        return {"instellingsnummer": school, "person_id": person, "now": now, "today": today}

    def give(self, school: str, person: str) -> None:
        with self.acting(), self.house.database.transaction() as db:
            consent.give(db, protocol_sha256=self.text, **self.words(school, person))

    def stop(self, school: str, person: str) -> None:
        """Nobody loses an app by it, today or at any day that is known."""
        before = self.visible_to_all()
        with self.acting(), self.house.database.transaction() as db:
            consent.stop(db, **self.words(school, person))
        assert self.visible_to_all() == before

    def carry_over(self) -> None:
        with self.acting(), self.house.database.transaction() as db:
            (lost,) = succession.look(db, assigning.desk(db, A, self.house.clock.today()))
            assert (lost.target, lost.label, lost.likely.place.label) == (self.old_klas, "1A", "1A")
            pairs = [((lost.kind, lost.target), lost.likely.place.target)]
            words = {"instellingsnummer": A, "by": "person:x", "now": self.house.clock.now()}
            assert succession.carry_over(db, pairs=pairs, **words) == 1

    # ------------------------------------------------------------ what is seen

    def visible_to_all(self) -> dict[tuple[int, str], set[str]]:
        today = self.house.clock.today()
        with self.house.database.reading() as db:
            return {
                (pupil, name): {one.instellingsnummer for one in visibility.schools_for(db, app, uuid, today)}
                for pupil, uuid in self.uuids.items()
                for name, app in self.apps.items()
            }

    def look(self, day: date) -> int:
        """Every promise, for everybody; returns how many classes were released."""
        house, released = self.house, 0
        reach = self.visible_to_all()
        with house.database.reading() as db:
            for (pupil, name), schools in reach.items():
                for school in (A, B):
                    told = disclose.disclose(
                        db,
                        keys=house.keys,
                        app=self.apps[name],
                        account_uuid=self.uuids[pupil],
                        instellingsnummer=school,
                        scope=make.ALL_SCOPES,
                        asked=None,
                        channel=disclose.Channel.USERINFO,
                        now=house.clock.now(),
                        today=day,
                        record=False,
                    )
                    where = (day, pupil, name, school)
                    sits = seat(pupil, school, day) if shares(school, day) and school in schools else None
                    codes = [klas["code"] for klas in told.claims.get("ov_klassen", ())]
                    assert codes == ([sits[1]] if sits else []), where
                    assert told.answers[0].claim == "sub"
                    assert told.claims.get("sub", self.subs[pupil, name]) == self.subs[pupil, name], where
                    assert not schools or any(enrolled(pupil, one, day) for one in (A, B)), where
                    released += len(codes)
            self._tabs(db, day)
        sits = {pupil for pupil in self.uuids if seat(pupil, A, day) == ("a-1a-26", "1A")}
        after = {COMES} if day > CARRIED else set()
        assert {pupil for pupil in self.uuids if reach[pupil, "klas"]} == (sits or after), day
        assert all(reach[pupil, "school"] for pupil in self.uuids if enrolled(pupil, A, day)), day
        return released

    def _tabs(self, db: Any, day: date) -> None:
        """LeerID-beheer has this year's pupils, Applicatiebeheer those who come on 1 September as well."""
        number = {uuid: pupil for pupil, uuid in self.uuids.items()}
        for school in (A, B):
            listed = pupil_list.everyone(db, school, day, pupil_list.Asked())
            assert {number[one.account_uuid] for one in listed} == {
                pupil for pupil in EVERYBODY if enrolled(pupil, school, day)
            }, day
            assert any(one.klassen for one in listed) is (shares(school, day) and bool(listed)), day
            here = assigning.desk(db, school, day)
            coming = {p for p in EVERYBODY if any(end >= day for _, end in stays(p, day).get(school, ()))}
            assert {number[uuid] for uuid in here.people.everyone} == coming, day
            if not shares(school, day):
                assert here.people.classes == (), day

    def rows(self, school: str) -> int:
        with self.house.database.reading() as db:
            mine = ClassMembership.instellingsnummer == school
            return db.execute(select(func.count()).select_from(ClassMembership).where(mine)).scalar_one()


@pytest.fixture
def calendar(house):
    return Calendar(house)


def test_LIFE_09_the_promises_hold_every_day_from_15_august_to_30_september(calendar):
    decides: dict[date, Callable[[], Any]] = {
        CARRIED: calendar.carry_over,
        B_AGREES: lambda: calendar.give(B, "d-b"),
        A_STOPS: lambda: calendar.stop(A, "d-a"),
        B_STOPS: lambda: calendar.stop(B, "d-b"),
        A_AGAIN: lambda: calendar.give(A, "d-a"),
    }
    released, day = {}, BEGIN
    while day <= END:
        calendar.at(day, 1)
        if day in {KNOWN, MOVED}:
            calendar.enrol(day, EVERYBODY if day == KNOWN else [LATER])
            calendar.meet()
        for school in (A, B):
            calendar.deliver(school, day)
        with calendar.acting():
            retention.tidy(calendar.house, calendar.house.clock.now())
            if day.weekday() == 0:
                calendar.list_directors("2027-09-01;2028-08-31" if day >= MONDAY else "2026-09-01;2027-08-31")
        for school in (A, B):
            assert shares(school, day) or not calendar.rows(school), "gone within 24 hours of stopping"
        calendar.at(day, 10)
        released[day] = calendar.look(day)
        calendar.at(day, 12)
        if TURN <= day < MONDAY:
            with pytest.raises(NotAllowed):
                calendar.stop(A, "d-a")
        decides.get(day, lambda: None)()
        day += timedelta(days=1)
    assert released[BEGIN] > 0
    assert released[TURN] > 0
    assert released[B_STOPS] > 0
    assert released[B_STOPS + timedelta(days=1)] == 0
    assert released[END] > 0
    with calendar.house.database.reading() as db:
        mine = select(func.count()).select_from(Right).where(Right.person_id == "d-a")
        assert db.execute(mine).scalar_one() == 2, "the right of last year, and the one of this Monday"
