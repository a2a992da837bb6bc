"""Who of the staff may do what today?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from idp import audit, models
from idp.admin.staff import access
from idp.clock import day_of_law
from idp.errors import Invalid, NotAllowed, NotFound
from idp.login import staff_accounts, staff_setup
from idp.models import RightKind, SchoolKind
from tests import make, make_race

NOW, TODAY = make.NOW, make.TODAY


def granted(db, person, kind, school, **words):
    return access.grant(db, person_id=person, kind=kind, instellingsnummer=school, now=NOW, **words)


def test_a_right_counts_from_its_first_through_its_last_day(house):
    with house.database.transaction() as db:
        school, person = make.school(db), make.person(db)
        make.right(db, person, school, begindatum=date(2026, 11, 23), einddatum=date(2027, 8, 31))
    with house.database.reading() as db:
        for day, expected in (
            (date(2026, 11, 22), False),
            (date(2026, 11, 23), True),
            (date(2027, 8, 31), True),
            (date(2027, 9, 1), False),
        ):
            assert access.may(db, person, RightKind.DATABEHEERDER, school, day) is expected


def test_ROLE_01_a_right_ends_at_midnight_in_brussels(house):
    before, after = datetime(2027, 8, 31, 21, 59, tzinfo=UTC), datetime(2027, 8, 31, 22, 0, tzinfo=UTC)
    with house.database.transaction() as db:
        school, person = make.school(db), make.person(db)
        make.right(db, person, school, einddatum=date(2027, 8, 31))
        make.right(db, person, school, kind=RightKind.BEHEERDER, einddatum=date(2028, 8, 31))
        access.require(db, person, RightKind.DATABEHEERDER, school, day_of_law(before))
        with pytest.raises(NotAllowed, match="right_missing"):
            access.require(db, person, RightKind.DATABEHEERDER, school, day_of_law(after))
        access.require(db, person, RightKind.BEHEERDER, school, day_of_law(after))


def test_rights_at_one_school_say_nothing_about_another(house):
    with house.database.transaction() as db:
        here, there, person = make.school(db), make.school(db), make.person(db)
        make.right(db, person, here, kind=RightKind.BEHEERDER)
        assert access.may(db, person, RightKind.BEHEERDER, here, TODAY)
        assert not access.may(db, person, RightKind.BEHEERDER, there, TODAY)
        assert not access.may(db, person, RightKind.DATABEHEERDER, here, TODAY)
        assert not access.may(db, person, RightKind.OPERATOR, None, TODAY)
        assert [right.kind for right in access.rights(db, person, TODAY)] == [RightKind.BEHEERDER]


def test_an_operator_is_no_beheerder(house):
    with house.database.transaction() as db:
        school, person = make.school(db), make.person(db)
        granted(db, person, RightKind.OPERATOR, None)
        assert access.may(db, person, RightKind.OPERATOR, None, TODAY)
        assert not access.may(db, person, RightKind.BEHEERDER, school, TODAY)


def test_a_given_right_lasts_the_school_year_and_is_written_down(house):
    with house.database.transaction() as db:
        school, person = make.school(db), make.person(db)
        granted(db, person, RightKind.BEHEERDER, school)
        (right,) = access.rights(db, person, TODAY)
        assert right.einddatum == date(2027, 8, 31)
        event = db.execute(select(models.AuditEvent.event, models.AuditEvent.object)).one()
    assert event == ("right_given", f"person:{person}")


def test_a_right_that_is_given_twice_is_there_once_until_the_later_day(house):
    with house.database.transaction() as db:
        school, person = make.school(db), make.person(db)
        first = granted(db, person, RightKind.BEHEERDER, school, einddatum=date(2027, 1, 31))
        for day, until in ((date(2028, 8, 31), 2028), (TODAY, 2028), (None, 2028), (date(2029, 1, 1), 2029)):
            assert granted(db, person, RightKind.BEHEERDER, school, einddatum=day) == first
            (right,) = access.rights(db, person, TODAY)
            assert right.einddatum.year == until


def test_a_right_that_stops_does_not_go_on_because_it_was_given_twice(house):
    with house.database.transaction() as db:
        school, other, person = make.school(db), make.school(db), make.person(db)
        for where in (school, school, other):
            one = make.right(db, person, where, kind=RightKind.BEHEERDER)
        twice = access.holders(db, TODAY, instellingsnummer=school)
        make.right(db, person, school, kind=RightKind.TEACHER)
        access.stop(db, right_id=twice[0].id, by=None, today=TODAY)
        left = {(right.kind, right.instellingsnummer) for right in access.rights(db, person, TODAY)}
    assert left == {(RightKind.TEACHER, school), (RightKind.BEHEERDER, other)}
    assert one not in {right.id for right in twice}


def test_a_right_of_an_assignment_is_not_lengthened_by_hand(house):
    with house.database.transaction() as db:
        school, person = make.school(db, kind=SchoolKind.TEST), make.person(db)
        theirs = make.right(db, person, school, source="directeursopdracht")
        ours = granted(db, person, RightKind.DATABEHEERDER, school, einddatum=date(2029, 8, 31))
        assert ours != theirs
        ends = {right.id: right.einddatum for right in access.rights(db, person, TODAY)}
    assert ends == {theirs: date(2027, 8, 31), ours: date(2029, 8, 31)}


def test_a_right_that_is_given_again_is_from_whoever_lengthened_it(house):
    with house.database.transaction() as db:
        school, person = make.school(db), make.person(db)

        def given(by, year):
            granted(db, person, RightKind.BEHEERDER, school, einddatum=date(year, 8, 31), source=by)
            (one,) = access.holders(db, TODAY, person_id=person)
            return one.source, one.einddatum.year

        assert given("cli", 2027) == ("cli", 2027)
        assert given("person:d-7", 2029) == ("person:d-7", 2029)
        assert given("cli", 2028) == ("person:d-7", 2029)  # it changes nothing, so it is still theirs


def test_ROLE_05_nobody_becomes_an_operator_with_a_way_to_sign_in_that_a_school_began(house):
    """A beheerder may have opened the link for somebody else, and waits for that person to become more."""
    with house.database.transaction() as db:
        school, person = make.school(db), make.person(db)
        former, anew = make.person(db), make.person(db)
        granted(db, person, RightKind.TEACHER, school)
        for one in (former, anew):
            make.right(db, one, None, kind=RightKind.OPERATOR, einddatum=date(2026, 11, 1))
        staff_accounts.ensure(db, former, NOW - timedelta(days=60))
        for one in (person, anew):  # whose account began when no right of an operator ran any more
            staff_accounts.ensure(db, one, NOW)
            with pytest.raises(NotAllowed, match="operator_begins_anew"):
                granted(db, one, RightKind.OPERATOR, None)
        granted(db, former, RightKind.OPERATOR, None)
        staff_setup.forget(db, person, "operator", NOW)
        granted(db, person, RightKind.OPERATOR, None)
        assert access.may(db, person, RightKind.OPERATOR, None, TODAY)


def test_an_address_that_is_not_said_stays(house):
    with house.database.transaction() as db:
        person = make.person(db, e_mail="ann@school.example")
        access.meet(db, person_id=person, voornaam="Ann", naam="Claes", now=NOW)
        assert access.with_e_mail(db, "Ann@School.example") == (person,)


def test_a_teacher_never_keeps_a_right_into_the_next_year(house):
    with house.database.transaction() as db:
        school, person = make.school(db), make.person(db)
        granted(db, person, RightKind.TEACHER, school, einddatum=date(2030, 1, 1))
        (right,) = access.rights(db, person, TODAY)
    assert right.einddatum == date(2027, 8, 31)


@pytest.mark.parametrize(
    ("kind", "where", "words", "code"),
    [
        (RightKind.OPERATOR, "school", {}, "right_is_everywhere"),
        (RightKind.BEHEERDER, None, {}, "right_needs_school"),
        (RightKind.BEHEERDER, "school", {"einddatum": date(2026, 11, 22)}, "dates_reversed"),
        (RightKind.DATABEHEERDER, "real", {}, "right_comes_from_assignment"),
    ],
)
def test_what_cannot_be_given(house, kind, where, words, code):
    with house.database.transaction() as db:
        school = make.school(db, kind=SchoolKind.REAL if where == "real" else SchoolKind.TEST)
        with pytest.raises(Invalid, match=code):
            granted(db, make.person(db), kind, school if where else None, **words)


def test_unknown_people_and_schools_get_nothing(house):
    with house.database.transaction() as db:
        with pytest.raises(NotFound, match="person_unknown"):
            granted(db, "nobody", RightKind.OPERATOR, None)
        with pytest.raises(NotFound, match="school_unknown"):
            granted(db, make.person(db), RightKind.BEHEERDER, "000000")


def test_ROLE_05_nobody_gives_a_right_that_is_not_theirs_to_give(house):
    with house.database.transaction() as db:
        school, other = make.school(db), make.school(db)
        beheerder, person = make.person(db), make.person(db)
        make.right(db, beheerder, school, kind=RightKind.BEHEERDER)
        granted(db, person, RightKind.TEACHER, school, by=beheerder)
        for kind, where in (
            (RightKind.BEHEERDER, other),
            (RightKind.DATABEHEERDER, school),
            (RightKind.OPERATOR, None),
        ):
            with pytest.raises(NotAllowed, match="right_missing"):
                granted(db, person, kind, where, by=beheerder)
        with pytest.raises(NotAllowed, match="right_for_oneself"):
            granted(db, beheerder, RightKind.BEHEERDER, school, by=beheerder)


def test_meeting_somebody_again_brings_the_names_up_to_date(house):
    with house.database.transaction() as db:
        for naam in ("Maes", "Maes-Peeters"):
            access.meet(db, person_id="p-1", voornaam="Ann", naam=naam, now=NOW)
        assert db.execute(select(models.Person.naam)).scalars().all() == ["Maes-Peeters"]


def test_RACE_06_of_two_operators_who_stop_each_other_at_once_one_remains(house):
    with house.database.transaction() as db:
        one, two = make.person(db), make.person(db)
        held = {person: make.right(db, person, None, kind=RightKind.OPERATOR) for person in (one, two)}
    today = house.clock.today()
    at_it = threading.Event()

    def two_stops_one():
        circumstances = audit.Circumstances(now=house.clock.now(), actor=f"person:{two}")
        at_it.set()
        with audit.circumstances(circumstances), house.database.transaction() as db:
            access.stop(db, right_id=held[one], by=two, today=today)

    with ThreadPoolExecutor(1) as elsewhere:
        with house.database.transaction() as db:
            access.stop(db, right_id=held[two], by=one, today=today)
            late = elsewhere.submit(two_stops_one)
            assert at_it.wait(timeout=60)
            make_race.until_it_waits(house, late)
            assert not late.done(), "the other one was not told to wait"
        with pytest.raises(NotAllowed, match="right_missing"):
            late.result(timeout=60)
    with house.database.reading() as db:
        assert [who.person_id for who in access.holders(db, today)] == [one]
