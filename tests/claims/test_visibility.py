"""Is an app visible for exactly the pupils that a school, or the operator, chose?"""

from __future__ import annotations

import itertools
from datetime import date

import pytest
from sqlalchemy import select, update

from idp import entropy, models
from idp.claims import facts, pseudonym, visibility
from idp.errors import Invalid, NotFound
from idp.models import RuleKind, SchoolKind
from tests import make

TODAY, TOMORROW, YESTERDAY = make.TODAY, date(2026, 11, 24), date(2026, 11, 22)


def schools(db, story, today=TODAY, pupil=None):
    found = visibility.schools_for(db, story.app, pupil or story.pupil, today)
    return [choice.instellingsnummer for choice in found]


def look(house, db, story, today=TODAY, pupil=None):
    """The facts; on the way: the list of schools and the page of tiles say the same."""
    who = pupil or story.pupil
    found = facts.load(
        db, keys=house.keys, app=story.app, account_uuid=who, instellingsnummer=story.school, today=today
    )
    assert (story.school in schools(db, story, today, who)) == (found.visible and found.enrolled)
    assert (story.app.client_id in visibility.visible_apps(db, who, today)) == bool(
        schools(db, story, today, who)
    )
    return found


def test_a_school_is_told_with_what_the_app_and_the_pupil_know_of_each_other(house):
    with house.database.transaction() as db:
        story = make.story(db)

        def told():
            return [
                (one.met, one.chosen) for one in visibility.schools_for(db, story.app, story.pupil, TODAY)
            ]

        assert told() == [(False, False)]
        pseudonym.remember(db, house.keys, story.app, story.pupil, make.NOW)
        assert told() == [(True, False)]
        pseudonym.choose_school(db, story.app, story.pupil, story.school)
        assert told() == [(True, True)]


def classmate(db, story, klas=None, **enrolment):
    who = make.pupil(db)
    make.account(db, who)
    make.enrolment(db, who, story.school, **enrolment)
    if klas:
        make.membership(db, klas, who)
    return who


def test_without_a_rule_an_app_is_visible_for_nobody(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        assert not look(house, db, story).visible
        assert schools(db, story) == []


def test_a_rule_on_the_school_covers_everyone_there_also_later(house):
    with house.database.transaction() as db:
        story = make.story(db)
        assert look(house, db, story).visible_by_school
        assert look(house, db, story, pupil=classmate(db, story)).visible


def test_a_rule_on_a_group_covers_that_group_only(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.GROUP, target="L3")
        assert look(house, db, story).visible
        assert not look(house, db, story, pupil=classmate(db, story, administratieve_groep_code="L4")).visible


def test_CONS_07_a_rule_on_a_class_covers_that_class_only(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.KLAS, target=story.klas)
        other = make.klas(db, story.school, "3B")
        assert look(house, db, story).visible
        assert not look(house, db, story, pupil=classmate(db, story, klas=other)).visible
        assert not look(house, db, story, pupil=classmate(db, story)).visible


def test_a_rule_on_a_pupil_covers_that_pupil_only(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.PUPIL, target=story.pupil)
        assert look(house, db, story).visible
        assert not look(house, db, story, pupil=classmate(db, story)).visible


@pytest.mark.parametrize("kind", RuleKind)
def test_a_rule_of_another_school_or_app_covers_nobody_here(house, kind):
    with house.database.transaction() as db:
        story, other = make.story(db, visible=False), make.story(db, visible=False)
        target = {RuleKind.GROUP: "L3", RuleKind.KLAS: story.klas, RuleKind.PUPIL: story.pupil}.get(kind, "")
        make.rule(db, story.app.client_id, other.school, kind=kind, target=target)
        make.rule(db, other.app.client_id, story.school, kind=kind, target=target)
        assert not look(house, db, story).visible


@pytest.mark.parametrize("kind", RuleKind)
@pytest.mark.parametrize(
    ("begin", "end", "counts"),
    [
        (TODAY, TODAY, True),
        (YESTERDAY, None, True),
        (TOMORROW, None, False),
        (YESTERDAY, YESTERDAY, False),
    ],
)
def test_a_rule_counts_from_its_first_day_through_its_last(house, kind, begin, end, counts):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        target = {RuleKind.GROUP: "L3", RuleKind.KLAS: story.klas, RuleKind.PUPIL: story.pupil}.get(kind, "")
        make.rule(
            db, story.app.client_id, story.school, kind=kind, target=target, begindatum=begin, einddatum=end
        )
        assert look(house, db, story).visible == counts


@pytest.mark.parametrize(
    "seat", [{"begindatum": TOMORROW}, {"einddatum": YESTERDAY}, {"replaced_at": make.NOW}]
)
def test_a_rule_on_a_class_looks_at_who_sits_there_today(house, seat):
    with house.database.transaction() as db:
        story = make.story(db, visible=False, in_class=False)
        make.membership(db, story.klas, story.pupil, **seat)
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.KLAS, target=story.klas)
        assert not look(house, db, story).visible


def test_school_and_group_rules_look_past_the_dates_of_the_enrolment_and_class_rules_do_not(house):
    with house.database.transaction() as db:
        seen = {}
        for kind in RuleKind:
            story = make.story(db, visible=False)
            target = {RuleKind.GROUP: "L3", RuleKind.KLAS: story.klas, RuleKind.PUPIL: story.pupil}.get(
                kind, ""
            )
            make.rule(db, story.app.client_id, story.school, kind=kind, target=target)
            mine = models.Enrolment.account_uuid == story.pupil
            db.execute(update(models.Enrolment).where(mine).values(einddatum=YESTERDAY))
            found = look(house, db, story)
            assert not found.enrolled
            seen[kind] = found.visible
    assert seen == {RuleKind.SCHOOL: True, RuleKind.GROUP: True, RuleKind.KLAS: False, RuleKind.PUPIL: True}


def test_the_active_enrolment_counts_before_the_latest(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        next_year = {"begindatum": date(2027, 9, 1), "einddatum": date(2028, 8, 31)}
        make.enrolment(db, story.pupil, story.school, administratieve_groep_code="L4", **next_year)
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.GROUP, target="L3")
        assert look(house, db, story).visible
        assert not look(house, db, story, today=date(2027, 9, 1)).visible


def test_a_pupil_who_never_was_at_a_school_sees_nothing_of_it(house):
    with house.database.transaction() as db:
        story = make.story(db, open_to_every_pupil=True)
        stranger = make.story(db)
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.PUPIL, target=stranger.pupil)
        there = facts.load(
            db, keys=house.keys, app=story.app, account_uuid=stranger.pupil,
            instellingsnummer=story.school, today=TODAY,
        )  # fmt: skip
        assert (there.visible, there.enrolled) == (False, False)


def test_an_open_app_is_visible_everywhere_without_a_rule(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False, open_to_every_pupil=True)
        found = look(house, db, story)
        assert (found.visible, found.visible_by_school) == (True, False)
        assert schools(db, story) == [story.school]


@pytest.mark.parametrize(("sandbox", "kind"), [*itertools.product([True, False], SchoolKind)])
@pytest.mark.parametrize("opened", [True, False])
def test_sandbox_apps_and_real_pupils_never_meet(house, sandbox, kind, opened):
    admitted = kind in (
        {SchoolKind.SANDBOX, SchoolKind.TEST} if sandbox else {SchoolKind.REAL, SchoolKind.TEST}
    )
    with house.database.transaction() as db:
        here = make.school(db, kind=kind)
        story = make.story(db, school=here, sandbox=sandbox, open_to_every_pupil=opened)
        assert visibility.admits(story.app, kind) == admitted
        assert look(house, db, story).visible == admitted


def test_a_disabled_app_is_visible_for_nobody(house):
    with house.database.transaction() as db:
        story = make.story(db, disabled_at=make.NOW, open_to_every_pupil=True)
        assert not look(house, db, story).visible


def test_a_pupil_of_two_schools_chooses_among_those_that_show_the_app(house):
    with house.database.transaction() as db:
        story = make.story(db)
        others = [make.school(db, naam=naam) for naam in ("Academie", "Zwemclub", "Oude school")]
        for other in others:
            make.enrolment(db, story.pupil, other)
        make.rule(db, story.app.client_id, others[0])
        make.rule(db, story.app.client_id, others[2])
        ended = models.Enrolment.instellingsnummer == others[2]
        db.execute(update(models.Enrolment).where(ended).values(einddatum=YESTERDAY))
        assert schools(db, story) == [others[0], story.school]


def test_two_enrolments_at_one_school_are_one_choice(house):
    with house.database.transaction() as db:
        story = make.story(db)
        make.enrolment(db, story.pupil, story.school, begindatum=date(2026, 10, 1))
        assert schools(db, story) == [story.school]
        assert visibility.visible_apps(db, story.pupil, TODAY) == (story.app.client_id,)


# ---------------------------------------------------------------- changing


def add(db, story, kind=RuleKind.SCHOOL, target="", **given):
    words = {"begindatum": TODAY, "einddatum": None, "instellingsnummer": story.school} | given
    return visibility.add(db, app=story.app, kind=kind, target=target, by="person:1", now=make.NOW, **words)


def test_a_rule_is_added_once_and_leaves_a_trace(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        first = add(db, story, RuleKind.PUPIL, story.pupil.upper())
        assert add(db, story, RuleKind.PUPIL, story.pupil, einddatum=TOMORROW) == first
        (rule,) = visibility.listing(db, instellingsnummer=story.school, client_id=story.app.client_id)
        assert (rule.id, rule.target, rule.einddatum) == (first, story.pupil, TOMORROW)
        visibility.remove(db, instellingsnummer=story.school, rule_id=first)
        assert visibility.listing(db, instellingsnummer=story.school) == ()
        said = db.execute(select(models.AuditEvent.event).order_by(models.AuditEvent.id)).scalars().all()
        assert said == ["app_made_visible", "app_made_visible", "app_made_invisible"]


def test_what_cannot_be_a_rule_is_refused(house):
    with house.database.transaction() as db:
        story, other = make.story(db, visible=False, shares=False), make.story(db, visible=False)
        with pytest.raises(NotFound, match="school_unknown"):
            add(db, story, instellingsnummer="999999")
        with pytest.raises(Invalid, match="dates_reversed"):
            add(db, story, einddatum=YESTERDAY)
        with pytest.raises(Invalid, match="school_does_not_share"):
            add(db, story, RuleKind.KLAS, story.klas)
        theirs = make.pupil(db)
        make.enrolment(db, theirs, other.school, administratieve_groep_code="K9")
        for kind, target in [
            (RuleKind.GROUP, "L9"),
            (RuleKind.GROUP, "K9"),
            (RuleKind.PUPIL, other.pupil),
            (RuleKind.PUPIL, "geen uuid"),
            (RuleKind.PUPIL, entropy.identifier()),
        ]:
            with pytest.raises(NotFound, match="target_unknown"):
                add(db, story, kind, target)
        with pytest.raises(NotFound, match="target_unknown"):
            add(db, other, RuleKind.KLAS, story.klas)
        sandbox = make.app(db, sandbox=True)
        real = make.school(db, kind=SchoolKind.REAL)
        with pytest.raises(Invalid, match="app_not_for_school"):
            visibility.add(
                db, app=sandbox, instellingsnummer=real, kind=RuleKind.SCHOOL,
                begindatum=TODAY, by="person:1", now=make.NOW,
            )  # fmt: skip


def test_a_school_cannot_take_away_the_rule_of_another(house):
    with house.database.transaction() as db:
        story, other = make.story(db), make.story(db)
        (rule,) = visibility.listing(db, instellingsnummer=story.school)
        with pytest.raises(NotFound, match="rule_unknown"):
            visibility.remove(db, instellingsnummer=other.school, rule_id=rule.id)


def test_turning_class_rules_keeps_dates_and_meets_rules_that_are_there(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        client, school = story.app.client_id, story.school
        second = make.klas(db, school, "3A-frans", soort=models.Soort.SUBKLAS)
        make.membership(db, second, story.pupil)
        gone = make.klas(db, school, "oud")
        make.membership(db, gone, story.pupil)
        by_class = {"kind": RuleKind.KLAS}
        make.rule(db, client, school, target=story.klas, einddatum=TODAY, **by_class)
        make.rule(db, client, school, target=second, einddatum=TOMORROW, **by_class)
        make.rule(
            db, client, school, target=gone, einddatum=YESTERDAY, begindatum=date(2026, 10, 1), **by_class
        )
        make.rule(db, client, school, kind=RuleKind.GROUP, target="L4")
        assert visibility.turn_class_rules(db, school, TODAY) == 3
        group, pupil = visibility.listing(db, client_id=client)
        assert (group.kind, pupil.kind) == (RuleKind.GROUP, RuleKind.PUPIL)
        assert (pupil.target, pupil.begindatum, pupil.einddatum) == (story.pupil, make.YEAR_BEGINS, TOMORROW)
        assert visibility.turn_class_rules(db, school, TODAY) == 0


def test_the_rule_of_one_class_becomes_rules_on_nobody_of_another(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        next_door = make.klas(db, story.school, "3B")
        make.membership(db, next_door, classmate(db, story))
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.KLAS, target=story.klas)
        assert visibility.turn_class_rules(db, story.school, TODAY) == 1
        assert [rule.target for rule in visibility.listing(db)] == [story.pupil]


def test_the_end_dates_of_two_rules_join_to_the_later(house):
    assert visibility.later(TODAY, TOMORROW) == TOMORROW
    assert visibility.later(None, TOMORROW) is None
    assert visibility.later(TODAY, None) is None


def test_the_rules_of_a_merged_pupil_hold_for_the_surviving_one(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        double = classmate(db, story)
        client, school = story.app.client_id, story.school
        make.rule(db, client, school, kind=RuleKind.PUPIL, target=double, einddatum=None)
        make.rule(db, client, school, kind=RuleKind.PUPIL, target=story.pupil, einddatum=YESTERDAY)
        other = make.app(db)
        make.rule(db, other.client_id, school, kind=RuleKind.PUPIL, target=double)
        pseudonym.merge(db, surviving=story.pupil, merged=double)
        rules = visibility.listing(db, instellingsnummer=school)
        assert {(rule.client_id, rule.target, rule.einddatum) for rule in rules} == {
            (client, story.pupil, None),
            (other.client_id, story.pupil, None),
        }


def test_turning_class_rules_keeps_an_app_for_whom_the_class_of_next_year_is_known(house):
    """In August a school may have prepared everything: stopping then takes nothing away from September."""
    first, last = date(2027, 9, 1), date(2028, 8, 31)
    with house.database.transaction() as db:
        school, app = make.school(db), make.app(db)
        klas = make.klas(db, school, "1A")
        comes, stays, left, shorter = (make.pupil(db) for _ in range(4))
        for pupil in (comes, stays, shorter):
            make.enrolment(db, pupil, school, begindatum=first, einddatum=last)
        make.enrolment(db, stays, school)
        make.enrolment(db, left, school)
        for pupil in (comes, stays, left):
            make.membership(db, klas, pupil, begindatum=first)
        make.membership(db, klas, shorter, begindatum=date(2027, 10, 1))
        words = {"kind": RuleKind.KLAS, "target": klas, "begindatum": date(2027, 8, 20)}
        make.rule(db, app.client_id, school, **words, einddatum=date(2027, 9, 20))
        assert visibility.turn_class_rules(db, school, date(2027, 8, 25)) == 1
        found = {rule.target: (rule.begindatum, rule.einddatum) for rule in visibility.listing(db)}
    assert found == {pupil: (first, date(2027, 9, 20)) for pupil in (comes, stays)}
