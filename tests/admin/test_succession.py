"""When the year turns, rules on groups and classes that empty are listed with their likely successor, and one click carries on."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import event, select, update

from idp import models
from idp.admin.visible import assigning, succession
from idp.admin.visible.succession import Because
from idp.claims import visibility
from idp.errors import NotFound
from idp.models import ClassMembership, Enrolment, RightKind, RuleKind, VisibilityRule
from tests import make, make_staff
from tests.admin.test_pages_apps import post
from tests.make_browser import path

AUGUST, FIRST, LAST = date(2027, 8, 20), date(2027, 9, 1), date(2028, 8, 31)
PATH = "/schoolloket/applicatiebeheer/jaarwissel"


class School:
    """Pupils of 1A (group L1) go to class 2A (group L2) on 1 September; the package gives every class a new identifier."""

    def __init__(self, house: Any) -> None:
        self.house = house
        with house.database.transaction() as db:
            self.number = make.school(db)
            make.agreement(db, self.number)
            self.apps = [make.app(db, client_name=f"App {n}") for n in range(2)]
            self.old = make.klas(db, self.number, "1A")
            self.new, self.same = make.klas(db, self.number, "2A"), make.klas(db, self.number, "1a")
            self.sub = make.klas(db, self.number, "1A", soort=models.Soort.SUBKLAS)
            self.pupils = [make.pupil(db) for _ in range(4)]
            self.fresh = [make.pupil(db) for _ in range(4)]
            for pupil in self.pupils:
                self.at(db, pupil, "L1", "eerste leerjaar")
                make.membership(db, self.old, pupil, einddatum=make.YEAR_ENDS)
                self.at(db, pupil, "L2", "tweede leerjaar", coming=True)
                make.membership(db, self.new, pupil, begindatum=FIRST)
            for pupil in self.fresh:
                self.at(db, pupil, "N1", "1ste leerjaar", coming=True)
                make.membership(db, self.same, pupil, begindatum=FIRST)
                make.membership(db, self.sub, pupil, begindatum=FIRST)

    def at(self, db: Any, pupil: str, code: str, label: str, *, coming: bool = False) -> None:
        words = {"administratieve_groep_code": code, "administratieve_groep": label}
        dates = {"begindatum": FIRST, "einddatum": LAST} if coming else {}
        make.enrolment(db, pupil, self.number, **words, **dates)

    def rule(self, kind: str, target: str, app: int = 0, **columns: Any) -> None:
        with self.house.database.transaction() as db:
            words = {"kind": RuleKind(kind), "target": target} | columns
            make.rule(db, self.apps[app].client_id, self.number, **words)

    def look(self, day: date = AUGUST) -> tuple[succession.Lost, ...]:
        with self.house.database.reading() as db:
            here = assigning.desk(db, self.number, day)
            found = succession.look(db, here)
        assert len(found) == succession.count(here)
        return found

    def rules(self) -> set[tuple[str, date, date | None]]:
        with self.house.database.reading() as db:
            return {
                (one.target, one.begindatum, one.einddatum)
                for one in visibility.listing(db, instellingsnummer=self.number)
            }

    def carry(self, kind: str, target: str, to: str, day: date = AUGUST) -> int:
        self.house.clock.move(days=(day - self.house.clock.today()).days)
        with self.house.database.transaction() as db:
            pairs = [((RuleKind(kind), target), to)]
            words = {"instellingsnummer": self.number, "by": "person:x", "now": self.house.clock.now()}
            return succession.carry_over(db, pairs=pairs, **words)


@pytest.fixture
def school(house):
    return School(house)


def test_in_august_a_class_that_empties_is_listed_with_the_one_of_the_same_name_first(school):
    school.rule("klas", school.old)
    (lost,) = school.look()
    assert (lost.label, lost.turns_on) == ("1A", FIRST)
    assert [(one.place.label, one.because) for one in lost.successors] == [
        ("1a", Because.SAME_NAME),
        ("2A", Because.SAME_PUPILS),
    ]
    assert (lost.successors[1].shared, lost.successors[1].of) == (4, 4)
    assert lost.likely.place.target == school.same
    assert {place.target for place in lost.places} == {school.new, school.same}, "a subclass is none"


def test_a_name_that_follows_is_a_hint_and_never_chosen_beforehand(school):
    with school.house.database.transaction() as db:
        db.execute(update(ClassMembership).where(ClassMembership.klas == school.new).values(klas=school.sub))
        db.execute(update(models.Klas).where(models.Klas.id == school.same).values(code="2A"))
    school.rule("klas", school.old)
    (lost,) = school.look()
    assert [one.because for one in lost.successors] == [Because.NEXT_NAME]
    assert lost.likely is None


def test_a_group_that_gets_another_code_is_found_by_its_pupils_and_by_its_name(school):
    school.rule("group", "L1")
    (lost,) = school.look()
    assert [(one.place.target, one.because) for one in lost.successors] == [("L2", Because.SAME_PUPILS)]
    assert succession.next_name("eerste leerjaar") == succession._plain("2de leerjaar")
    assert succession.next_name("kleuters") == ""


def test_what_keeps_its_pupils_or_ends_in_time_needs_nobody(school):
    school.rule("klas", school.same, begindatum=FIRST)
    school.rule("klas", school.old, einddatum=date(2027, 8, 31))
    school.rule("group", "L2")
    school.rule("school", "")
    school.rule("pupil", school.pupils[0])
    assert school.look() == ()


def test_while_little_is_known_of_the_coming_year_nothing_is_said_to_empty(school):
    school.rule("klas", school.old)
    school.rule("group", "L1")
    with school.house.database.transaction() as db:
        db.execute(
            update(ClassMembership).where(ClassMembership.begindatum == FIRST).values(replaced_at=make.NOW)
        )
    assert [lost.kind for lost in school.look()] == [RuleKind.GROUP]
    with school.house.database.transaction() as db:
        db.execute(
            update(Enrolment)
            .where(Enrolment.begindatum == FIRST, Enrolment.account_uuid != school.fresh[0])
            .values(begindatum=date(2026, 9, 1), einddatum=date(2026, 9, 2), stamnummer=Enrolment.id)
        )
    assert school.look() == ()


def test_carrying_over_in_august_lets_the_old_rule_count_until_its_last_day(school):
    school.rule("klas", school.old)
    school.rule("klas", school.old, app=1, einddatum=date(2027, 12, 31))
    assert school.carry("klas", school.old, school.same) == 1
    assert school.rules() == {
        (school.old, make.YEAR_BEGINS, date(2027, 8, 31)),
        (school.same, FIRST, None),
        (school.same, FIRST, date(2027, 12, 31)),
    }
    assert school.look() == ()
    assert school.carry("klas", school.old, school.same) == 0, "a second tap changes nothing"
    with school.house.database.reading() as db:
        for day, who in ((AUGUST, school.pupils[0]), (FIRST, school.fresh[0])):
            assert visibility.schools_for(db, school.apps[0], who, day)
        assert not visibility.schools_for(db, school.apps[0], school.pupils[0], FIRST)


def test_in_september_what_is_empty_is_taken_over_from_today(school):
    school.rule("klas", school.old)
    today = date(2027, 9, 6)
    (lost,) = school.look(today)
    assert lost.turns_on is None
    assert [one.because for one in lost.successors] == [Because.SAME_NAME, Because.SAME_PUPILS]
    assert school.carry("klas", school.old, school.new, today) == 1
    assert school.rules() == {(school.new, today, None)}


def test_a_class_that_was_never_delivered_again_is_not_called_lost(school):
    """The night of 1 September: nothing arrived yet, so nobody sits anywhere."""
    school.rule("klas", school.old)
    with school.house.database.transaction() as db:
        db.execute(update(ClassMembership).values(replaced_at=make.NOW))
    assert school.look(FIRST) == ()


def test_a_school_that_does_not_share_sees_nothing_of_classes(school):
    school.rule("klas", school.old)
    school.rule("group", "L1")
    with school.house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=make.NOW, stopped_by="person:x"))
    assert [lost.kind for lost in school.look()] == [RuleKind.GROUP]


def test_IDOR_a_place_that_is_not_offered_is_refused_and_nothing_changes(school):
    school.rule("klas", school.old)
    with school.house.database.transaction() as db:
        other = make.klas(db, make.school(db), "1A")
    before = school.rules()
    for wrong in (other, school.sub, school.old, "", "x"):
        with pytest.raises(NotFound):
            school.carry("klas", school.old, wrong)
    assert school.rules() == before


def test_a_beheerder_confirms_with_one_click_or_lets_go(client, house, school, stopped):
    school.rule("klas", school.old)
    school.rule("group", "L1", app=1)
    stopped.move(days=(AUGUST - make.TODAY).days)
    made = make_staff.staff(house, school=school.number)
    make_staff.begin(client, house, made)
    overview = client.get("/schoolloket/applicatiebeheer").text
    assert "2 groepen of klassen met regels zijn of worden leeg." in overview
    page = client.get(PATH).text
    for words in (
        "leeg vanaf 1 september 2027",
        "1a heet hetzelfde.",
        "In tweede leerjaar zitten 4 van de 4",
    ):
        assert words in page
    assert "Neem de 2 waarschijnlijke opvolgers over" in page
    assert path(post(client, PATH, doe="weg", wat="groep", van="L1", school=school.number)) == PATH
    for _ in range(2):
        assert path(post(client, PATH, doe="alle", school=school.number)) == PATH
    assert {target for target, _, end in school.rules() if end is None} == {school.same}
    assert "Alles is in orde" in client.get(PATH).text
    assert "worden leeg" not in client.get("/schoolloket/applicatiebeheer").text
    assert post(client, PATH, doe="neem", wat="school", van="").status_code == 400
    assert post(client, PATH, doe="", wat="klas", van=school.old).status_code == 400


def test_IDOR_a_beheerder_of_another_school_carries_nothing_over(client, house, school):
    school.rule("klas", school.old)
    make_staff.begin(client, house, make_staff.staff(house))
    before = school.rules()
    post(client, PATH, doe="neem", wat="klas", van=school.old, naar=school.new)
    post(client, PATH, doe="weg", wat="klas", van=school.old)
    assert school.rules() == before
    make_staff.begin(client, house, make_staff.staff(house, RightKind.DATABEHEERDER, school=school.number))
    assert client.get(PATH).status_code == 403


def test_a_school_with_many_rules_asks_no_more_of_the_database(house, school):
    def statements() -> int:
        seen: list[str] = []

        def note(*said: Any) -> None:
            seen.append(said[2])

        event.listen(house.database.engine, "before_cursor_execute", note)
        with house.database.reading() as db:
            succession.look(db, assigning.desk(db, school.number, AUGUST))
        event.remove(house.database.engine, "before_cursor_execute", note)
        return len(seen)

    school.rule("klas", school.old)
    school.rule("group", "L1")
    few = statements()
    with house.database.transaction() as db:
        for number in range(30):
            klas = make.klas(db, school.number, f"{number}Z")
            pupil = make.pupil(db)
            make.enrolment(db, pupil, school.number)
            make.membership(db, klas, pupil, einddatum=make.YEAR_ENDS)
            school.at(db, pupil, "L2", "tweede leerjaar", coming=True)
            make.membership(db, school.new, pupil, begindatum=FIRST)
            make.rule(db, school.apps[0].client_id, school.number, kind=RuleKind.KLAS, target=klas)
        assert len(db.execute(select(VisibilityRule.id)).all()) == 32
    assert statements() == few
