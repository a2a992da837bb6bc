"""Numbers for a whole school are those of the decision for each pupil, whatever the rules are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.admin.visible import assigning, reach
from idp.claims import visibility
from idp.models import RuleKind
from tests import make

DAYS = [make.TODAY + timedelta(days=n) for n in (-3, -1, 0, 1, 40)]
NEXT_YEAR = date(2027, 9, 1)


def _rules(school, targets):
    first, last = st.sampled_from(DAYS), st.sampled_from([None, *DAYS])
    kinds = st.sampled_from(sorted(targets))
    return st.lists(st.tuples(kinds, first, last), min_size=1, max_size=5, unique_by=lambda one: one[:2])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_numbers_are_those_of_the_decisions(house, data):
    with house.database.transaction() as db:
        school, app = make.school(db), make.app(db)
        make.agreement(db, school)
        klas = make.klas(db, school)
        pupils = [make.pupil(db) for _ in range(5)]
        for number, pupil in enumerate(pupils):
            words = {"administratieve_groep_code": f"L{number % 2}"}
            make.enrolment(db, pupil, school, **words)
            if number % 3 == 0:
                make.membership(db, klas, pupil, begindatum=data.draw(st.sampled_from(DAYS)))
        targets = {("group", "L0"), ("group", "L1"), ("klas", klas), ("school", ""), ("pupil", pupils[1])}
        for (kind, target), first, last in data.draw(_rules(school, targets)):
            end = None if last is None else max(first, last)
            make.rule(
                db, app.client_id, school, kind=RuleKind(kind), target=target, begindatum=first, einddatum=end
            )
        here = assigning.desk(db, school, make.TODAY)
        allowed = {pupil for pupil in pupils if visibility.schools_for(db, app, pupil, make.TODAY)}
    assert here.reached(here.app(app.client_id)) == allowed


def test_who_begins_later_counts_already_in_the_group_to_come(house):
    with house.database.transaction() as db:
        school, app = make.school(db), make.app(db)
        stays, comes, goes = (make.pupil(db) for _ in range(3))
        for pupil in (stays, goes):
            make.enrolment(db, pupil, school)
        words = {"administratieve_groep": "vierde leerjaar", "administratieve_groep_code": "L4"}
        words |= {"begindatum": NEXT_YEAR, "einddatum": date(2028, 8, 31)}
        for pupil in (stays, comes):
            make.enrolment(db, pupil, school, **words)
        make.rule(db, app.client_id, school, kind=RuleKind.GROUP, target="L4", begindatum=NEXT_YEAR)
        here = assigning.desk(db, school, make.TODAY)
        later = assigning.desk(db, school, NEXT_YEAR)
    one = here.app(app.client_id)
    assert here.people.groups() == {"L3": "derde leerjaar", "L4": "vierde leerjaar"}
    assert here.reached(one) == {stays, comes} == later.reached(one)
    assert [stay.day for stay in here.people.of(stays)] == [make.TODAY, NEXT_YEAR]
    assert later.people.everyone == {stays, comes}


@pytest.mark.parametrize("shares", [True, False])
def test_nobody_sits_in_a_class_of_a_school_that_does_not_share(house, shares):
    with house.database.transaction() as db:
        story = make.story(db, shares=shares, visible=False)
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.KLAS, target=story.klas)
        here = assigning.desk(db, story.school, make.TODAY)
    assert here.reached(story.app) == ({story.pupil} if shares else set())
    assert len(here.people.classes) == shares


def test_a_class_that_was_replaced_or_of_another_school_is_not_there(house):
    with house.database.transaction() as db:
        school = make.school(db)
        pupil = make.pupil(db)
        make.enrolment(db, pupil, school)
        make.membership(db, make.klas(db, school), pupil, replaced_at=house.clock.now())
        make.membership(db, make.klas(db, make.school(db)), pupil)
        assert reach.roster(db, school, make.TODAY, classes=True).classes == ()
