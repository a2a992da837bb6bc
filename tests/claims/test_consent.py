"""Does a school share exactly as long as its director agreed to a text that is still valid?"""

from __future__ import annotations

import concurrent.futures
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from idp import audit, models
from idp.claims import consent, visibility
from idp.errors import Invalid, NotAllowed, NotFound
from tests import make

TODAY, TOMORROW, YESTERDAY = make.TODAY, date(2026, 11, 24), date(2026, 11, 22)


def give(db, school, person, text, today=TODAY):
    return consent.give(
        db, instellingsnummer=school, person_id=person, protocol_sha256=text, now=make.NOW, today=today
    )


def stop(db, school, person, today=TODAY):
    return consent.stop(db, instellingsnummer=school, person_id=person, now=make.NOW, today=today)


def shares(db, school, today=TODAY):
    state = consent.state(db, school, today)
    assert state.shares == (school in set(db.execute(consent.sharing_schools(today)).scalars()))
    return state.shares


def events(db, name):
    return db.execute(select(models.AuditEvent).where(models.AuditEvent.event == name)).mappings().all()


def test_CONS_10_an_agreement_is_evidence(house):
    with house.database.transaction() as db:
        school, text = make.school(db), make.protocol(db)
        director = make.director(db, school)
        assert not shares(db, school)
        agreement = give(db, school, director, text)
        assert shares(db, school)
        row = db.execute(select(models.Agreement)).mappings().one()
        assert row["id"] == agreement
        assert (row["given_by"], row["given_as"]) == (director, models.RightKind.DATABEHEERDER)
        assert (row["given_at"], row["protocol_sha256"]) == (make.NOW, text)
        (event,) = events(db, "sharing_given")
        assert (event["actor"], event["instellingsnummer"]) == (audit.person(director), school)
        assert event["details"] == {"right": "leerid-databeheerder", "protocol": text}


@pytest.mark.parametrize(
    "right",
    [
        None,
        {"kind": models.RightKind.BEHEERDER},
        {"kind": models.RightKind.OPERATOR},
        {"einddatum": YESTERDAY},
        {"begindatum": TOMORROW},
        {"elsewhere": True},
    ],
)
def test_only_a_databeheerder_of_that_school_today_gives_or_stops(house, right):
    with house.database.transaction() as db:
        school, text, person = make.school(db), make.protocol(db), make.person(db)
        if right is not None:
            where = make.school(db) if "elsewhere" in right else school
            make.right(
                db, person, where, **{word: value for word, value in right.items() if word != "elsewhere"}
            )
        with pytest.raises(NotAllowed, match="not_databeheerder"):
            give(db, school, person, text)
        make.agreement(db, school, text)
        with pytest.raises(NotAllowed, match="not_databeheerder"):
            stop(db, school, person)
        assert shares(db, school)


def test_the_right_of_a_director_counts_through_its_last_day(house):
    with house.database.transaction() as db:
        school, text = make.school(db), make.protocol(db)
        give(db, school, make.director(db, school, begindatum=TODAY, einddatum=TODAY), text)
        assert shares(db, school)


def test_an_agreement_outlives_the_right_of_whoever_gave_it(house):
    with house.database.transaction() as db:
        school, text = make.school(db), make.protocol(db)
        give(db, school, make.director(db, school, einddatum=TODAY), text)
        assert shares(db, school, date(2030, 1, 1))


def test_what_cannot_be_agreed_to_is_refused(house):
    with house.database.transaction() as db:
        school = make.school(db)
        director = make.director(db, school)
        old, text = make.protocol(db, in_force_from=date(2026, 1, 1)), make.protocol(db)
        with pytest.raises(NotFound, match="school_unknown"):
            give(db, "999999", director, text)
        with pytest.raises(NotFound, match="protocol_unknown"):
            give(db, school, director, "0" * 64)
        with pytest.raises(Invalid, match="protocol_replaced"):
            give(db, school, director, old)
        give(db, school, director, text)
        with pytest.raises(Invalid, match="already_shares"):
            give(db, school, director, text)


def test_an_agreement_lapses_on_the_day_a_newer_text_comes_into_force(house):
    with house.database.transaction() as db:
        school, text = make.school(db), make.protocol(db)
        make.agreement(db, school, text)
        newer = make.protocol(db, in_force_from=date(2027, 1, 1))
        state = consent.state(db, school, TODAY)
        assert (state.lapses_on, state.upcoming.sha256, state.newest.sha256) == (
            date(2027, 1, 1),
            newer,
            text,
        )
        assert shares(db, school, date(2026, 12, 31))
        assert not shares(db, school, date(2027, 1, 1))


def test_a_director_may_agree_to_the_next_text_before_it_is_in_force(house):
    with house.database.transaction() as db:
        school, text = make.school(db), make.protocol(db)
        director = make.director(db, school)
        give(db, school, director, text)
        newer = make.protocol(db, in_force_from=date(2027, 1, 1))
        give(db, school, director, newer)
        assert shares(db, school)
        assert shares(db, school, date(2027, 1, 1))
        with pytest.raises(Invalid, match="already_shares"):
            give(db, school, director, text)
        first, second = db.execute(select(models.Agreement).order_by(models.Agreement.id)).mappings().all()
        assert (first["stopped_at"], first["stop_reference"]) == (make.NOW, "renewed")
        assert second["stopped_at"] is None


@pytest.mark.parametrize("named", [False, True])
def test_CONS_01_teachers_are_those_of_the_text_that_counts_until_the_next_is_in_force(house, named):
    """Agreeing ahead neither opens classes to teachers before the text that names them counts, nor takes them away."""
    january, february = date(2027, 1, 1), date(2027, 2, 1)
    with house.database.transaction() as db:
        school = make.school(db)
        director = make.director(db, school)

        def agree(minutes, text):
            now = make.NOW + timedelta(minutes=minutes)
            words = {"instellingsnummer": school, "person_id": director, "protocol_sha256": text}
            consent.give(db, **words, now=now, today=TODAY)

        agree(0, make.protocol(db, names_teachers=named))
        agree(1, make.protocol(db, in_force_from=january, names_teachers=not named))
        assert consent.state(db, school, TODAY).teachers is named
        assert consent.state(db, school, january).teachers is not named
        agree(2, make.protocol(db, in_force_from=february, names_teachers=named))
        assert consent.state(db, school, TODAY).teachers is named
        assert consent.state(db, school, january).teachers is not named
        assert consent.state(db, school, february).teachers is named


def test_CONS_01_what_was_agreed_to_before_stopping_counts_no_more_for_teachers(house):
    with house.database.transaction() as db:
        school = make.school(db)
        director = make.director(db, school)
        text, next_one = make.protocol(db), make.protocol(db, in_force_from=date(2027, 1, 1))
        give(db, school, director, text)
        give(db, school, director, next_one)
        stop(db, school, director)
        later = make.NOW + timedelta(hours=1)
        make.agreement(db, school, next_one, given_by=director, given_at=later)  # could be given, once
        assert not consent.state(db, school, TODAY).teachers
        assert consent.state(db, school, date(2027, 1, 1)).teachers


@pytest.mark.parametrize("before", ["never", "stopped", "lapsed"])
def test_CONS_01_a_text_that_is_only_announced_opens_nothing_today(house, before):
    """Agreeing ahead renews what counts. A school that does not share would share at once, by a text that no one may use yet."""
    with house.database.transaction() as db:
        school = make.school(db)
        director, first = make.director(db, school), make.protocol(db)
        if before != "never":
            give(db, school, director, first)
        if before == "stopped":
            stop(db, school, director)
        if before == "lapsed":
            make.protocol(db, in_force_from=TODAY)
        announced = make.protocol(db, in_force_from=date(2027, 1, 1))
        with pytest.raises(Invalid, match="protocol_not_yet"):
            give(db, school, director, announced)
        assert not shares(db, school)


def test_a_lapsed_agreement_is_renewed_by_agreeing_again(house):
    with house.database.transaction() as db:
        school = make.school(db)
        make.agreement(db, school, make.protocol(db))
        newer = make.protocol(db, in_force_from=TODAY)
        assert not shares(db, school)
        give(db, school, make.director(db, school), newer)
        assert shares(db, school)


def test_stopping_closes_the_agreement_and_can_be_repeated(house):
    with house.database.transaction() as db:
        school = make.school(db)
        make.agreement(db, school)
        director = make.director(db, school)
        assert stop(db, school, director) == consent.Stopped(was_agreed=True, rules_turned=0)
        assert not shares(db, school)
        assert stop(db, school, director) == consent.Stopped(was_agreed=False, rules_turned=0)
        row = db.execute(select(models.Agreement)).mappings().one()
        assert (row["stopped_at"], row["stopped_by"]) == (make.NOW, audit.person(director))
        (event,) = events(db, "sharing_stopped")
        assert event["details"] == {"reference": None, "rules_turned": 0}


def test_a_school_that_stopped_may_agree_again_to_the_same_text(house):
    with house.database.transaction() as db:
        school, text = make.school(db), make.protocol(db)
        director = make.director(db, school)
        give(db, school, director, text)
        stop(db, school, director)
        give(db, school, director, text)
        assert shares(db, school)


def test_one_school_that_stops_leaves_the_others_alone(house):
    with house.database.transaction() as db:
        one, other = make.school(db), make.school(db)
        make.agreement(db, one)
        make.agreement(db, other)
        stop(db, one, make.director(db, one))
        assert not shares(db, one)
        assert shares(db, other)


def test_stopping_turns_rules_on_classes_into_rules_on_the_pupils_they_covered(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        newcomer = make.pupil(db)
        make.enrolment(db, newcomer, story.school)
        make.rule(db, story.app.client_id, story.school, kind=models.RuleKind.KLAS, target=story.klas)
        assert consent.state(db, story.school, TODAY).class_rules == 1
        stopped = stop(db, story.school, make.director(db, story.school))
        assert stopped == consent.Stopped(was_agreed=True, rules_turned=1)
        (rule,) = visibility.listing(db, instellingsnummer=story.school)
        assert (rule.kind, rule.target) == (models.RuleKind.PUPIL, story.pupil)
        assert (rule.begindatum, rule.einddatum) == (make.YEAR_BEGINS, None)
        assert len(visibility.schools_for(db, story.app, story.pupil, TODAY)) == 1
        assert visibility.schools_for(db, story.app, newcomer, TODAY) == ()


def test_a_stop_that_fails_halfway_changes_nothing(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        make.rule(db, story.app.client_id, story.school, kind=models.RuleKind.KLAS, target=story.klas)
        director = make.director(db, story.school)
    with pytest.raises(RuntimeError), house.database.transaction() as db:
        stop(db, story.school, director)
        raise RuntimeError
    with house.database.reading() as db:
        assert shares(db, story.school)
        assert [rule.kind for rule in visibility.listing(db)] == [models.RuleKind.KLAS]


def test_the_class_rules_of_a_lapsed_agreement_are_settled_before_its_classes_go(house):
    with house.database.transaction() as db:
        lapsed, fine = make.story(db, visible=False), make.story(db, visible=False)
        for story in (lapsed, fine):
            make.rule(db, story.app.client_id, story.school, kind=models.RuleKind.KLAS, target=story.klas)
        newer = make.protocol(db, in_force_from=TODAY)
        give(db, fine.school, make.director(db, fine.school), newer)
        assert consent.settle_lapsed(db, today=TODAY) == 1
        assert consent.settle_lapsed(db, today=TODAY) == 0
        kinds = {rule.instellingsnummer: rule.kind for rule in visibility.listing(db)}
        assert kinds == {lapsed.school: models.RuleKind.PUPIL, fine.school: models.RuleKind.KLAS}


@pytest.mark.parametrize("kind", models.SchoolKind)
def test_the_command_line_agrees_for_sandbox_and_test_schools_only(house, kind):
    with house.database.transaction() as db:
        school, text = make.school(db, kind=kind), make.protocol(db)
        given = {"instellingsnummer": school, "person_id": make.director(db, school), "protocol_sha256": text}
        with pytest.raises(NotAllowed):
            consent.give_by_operator(db, **given | {"person_id": make.person(db)}, now=make.NOW, today=TODAY)
        if kind is models.SchoolKind.REAL:
            with pytest.raises(NotAllowed, match="school_is_real"):
                consent.give_by_operator(db, **given, now=make.NOW, today=TODAY)
        else:
            consent.give_by_operator(db, **given, now=make.NOW, today=TODAY)
        assert shares(db, school) == (kind is not models.SchoolKind.REAL)


def test_the_command_line_stops_with_the_reference_of_the_written_notice(house):
    with house.database.transaction() as db:
        school = make.school(db, kind=models.SchoolKind.REAL)
        make.agreement(db, school)
        given = {"instellingsnummer": school, "operator": "operator:cli", "now": make.NOW, "today": TODAY}
        with pytest.raises(Invalid, match="reference_missing"):
            consent.stop_by_operator(db, reference=" ", **given)
        assert consent.stop_by_operator(db, reference="brief 2026/114", **given).was_agreed
        row = db.execute(select(models.Agreement)).mappings().one()
        assert (row["stopped_by"], row["stop_reference"]) == ("operator:cli", "brief 2026/114")


def publish(db, version="2027", body="tekst", in_force_from=date(2027, 2, 1), now=make.NOW):
    return consent.publish_protocol(
        db,
        version=version,
        body=body,
        in_force_from=in_force_from,
        names_teachers=True,
        notice_days=30,
        now=now,
    )


def test_the_first_text_may_be_in_force_at_once_and_the_next_only_after_notice(house):
    with house.database.transaction() as db:
        first = publish(db, "2026", "eerste tekst", TODAY)
        assert publish(db, "2026", "eerste tekst", TODAY) == first
        with pytest.raises(Invalid, match="protocol_too_soon"):
            publish(db, in_force_from=TODAY + timedelta(days=29))
        with pytest.raises(Invalid, match="protocol_version_taken"):
            publish(db, "2026")
        second = publish(db, in_force_from=TODAY + timedelta(days=30))
        with pytest.raises(Invalid, match="protocol_too_far"):
            publish(db, "2207", "verschreven", date(2207, 2, 1))
        with pytest.raises(Invalid, match="protocol_out_of_order"):
            publish(
                db,
                "2028",
                "derde",
                in_force_from=TODAY + timedelta(days=30),
                now=datetime(2026, 1, 1, tzinfo=UTC),
            )
        assert consent.body(db, second) == "tekst"
        with pytest.raises(NotFound, match="protocol_unknown"):
            consent.body(db, "0" * 64)
        assert db.execute(select(func.count()).select_from(models.ProtocolText)).scalar() == 2


def test_teachers_see_classes_only_when_the_agreed_text_names_them(house):
    with house.database.transaction() as db:
        school = make.school(db)
        make.agreement(db, school, make.protocol(db))
        assert consent.state(db, school, TODAY).teachers
        db.execute(update(models.ProtocolText).values(names_teachers=False))
        assert not consent.state(db, school, TODAY).teachers


def test_an_unknown_school_shares_nothing(house):
    with house.database.reading() as db:
        state = consent.state(db, "999999", TODAY)
    assert (state.shares, state.agreed, state.newest) == (False, None, None)


def test_of_two_directors_who_agree_at_once_one_does(house):
    with house.database.transaction() as db:
        school, text = make.school(db), make.protocol(db)
        directors = [make.director(db, school) for _ in range(4)]

    def agree(director: str) -> str:
        with audit.circumstances(audit.Circumstances(now=make.NOW)), house.database.transaction() as db:
            try:
                give(db, school, director, text)
            except Invalid as refusal:
                return refusal.code
        return "agreed"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(agree, directors))
    assert outcomes == ["agreed", *["already_shares"] * 3]
