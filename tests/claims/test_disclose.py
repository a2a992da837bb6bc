"""Does an app get exactly what law, school and registration allow, at the moment of release?"""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete, event, select, update

from idp import clock, entropy, models
from idp.claims import catalogue, consent, disclose, facts, pseudonym, visibility
from idp.claims.catalogue import Gate
from tests import make

CLASS_CHANNELS = [disclose.Channel.ID_TOKEN, disclose.Channel.USERINFO, disclose.Channel.INTROSPECTION]


def told(
    house, story, *, scope=None, asked=None, channel=disclose.Channel.USERINFO, record=True, school=None
):
    with house.database.transaction() as db:
        return disclose.disclose(
            db,
            keys=house.keys,
            app=story.app,
            account_uuid=story.pupil,
            instellingsnummer=school or story.school,
            scope=scope or make.ALL_SCOPES,
            asked=asked,
            channel=channel,
            now=house.clock.now(),
            today=house.clock.today(),
            record=record,
        )


def begin(house, **given):
    with house.database.transaction() as db:
        return make.story(db, **given)


def reasons(disclosure):
    return {answer.claim: answer.word for answer in disclosure.answers}


def test_a_pupil_of_a_school_that_shares_gives_every_claim_of_the_catalogue(house):
    story = begin(house)
    got = told(house, story)
    assert got.alive
    assert set(got.claims) == catalogue.NAMES
    klas = got.claims.pop("ov_klassen")
    assert got.claims == {
        "sub": pseudonym.sub_for(house.keys, story.app, story.pupil),
        "given_name": "Gaston",
        "family_name": "Logie",
        "name": "Gaston Logie",
        "ov_account_uuid": story.pupil,
        "ov_leerid_uuid": got.claims["ov_leerid_uuid"],
        "ov_historiek_account_uuid": [],
        "ov_orgcode": story.school,
        "ov_orgnaam": "Basisschool De Wijzer",
        "ov_leerjaar": "3",
        "ov_schooljaar": "2026-2027",
        "ov_administratieve_groep": "derde leerjaar",
    }
    assert len(got.claims["ov_leerid_uuid"]) == 1
    assert klas == [
        {
            "id": pseudonym.klas_id(house.keys, story.app.sector, story.klas),
            "code": "3A",
            "naam": "Klas 3A",
            "soort": "klas",
            "orgcode": story.school,
            "schooljaar": "2026-2027",
        }
    ]


def test_official_names_come_before_those_of_the_enrolment(house):
    story = begin(house)
    with house.database.transaction() as db:
        db.execute(update(models.Pupil).values(voornaam="Gaston Marie", naam="Logie-Ʈest"))
    got = told(house, story).claims
    assert (got["given_name"], got["family_name"]) == ("Gaston Marie", "Logie-Ʈest")
    assert got["name"] == "Gaston Marie Logie-Ʈest"


def test_a_pupil_with_one_official_name_is_not_completed_from_the_enrolment(house):
    story = begin(house)
    with house.database.transaction() as db:
        db.execute(update(models.Pupil).values(voornaam=None, naam="Sukarno"))
    got = told(house, story)
    assert (got.claims["family_name"], got.claims["name"]) == ("Sukarno", "Sukarno")
    assert reasons(got)["given_name"] == "unknown"


def test_a_pupil_without_a_leerid_uuid_gives_an_empty_array(house):
    story = begin(house)
    with house.database.transaction() as db:
        db.execute(update(models.Pupil).values(leerid_uuid=None))
    assert told(house, story).claims["ov_leerid_uuid"] == []


@pytest.mark.parametrize("channel", CLASS_CHANNELS)
def test_CONS_01_without_agreement_class_claims_are_absent_and_the_pupil_gets_in(house, channel):
    story = begin(house, shares=False, claims_in_id_token=True)
    got = told(house, story, channel=channel)
    assert got.alive
    assert set(got.claims) == catalogue.NAMES - catalogue.CLASS_CLAIMS
    assert {reasons(got)[name] for name in catalogue.CLASS_CLAIMS} == {"school_does_not_share"}


@pytest.mark.parametrize("channel", CLASS_CHANNELS)
def test_CONS_02_CONS_03_stopping_takes_effect_at_the_next_release(house, channel):
    story = begin(house, claims_in_id_token=True)
    assert set(told(house, story, channel=channel).claims) >= catalogue.CLASS_CLAIMS
    with house.database.transaction() as db:
        director = make.director(db, story.school)
        now, today = house.clock.now(), house.clock.today()
        consent.stop(db, instellingsnummer=story.school, person_id=director, now=now, today=today)
    got = told(house, story, channel=channel)
    assert got.alive
    assert not catalogue.CLASS_CLAIMS & set(got.claims)


def test_CONS_06_an_app_that_is_taken_away_gets_nothing_any_more(house):
    story = begin(house)
    assert told(house, story).alive
    with house.database.transaction() as db:
        (rule,) = visibility.listing(db, client_id=story.app.client_id)
        visibility.remove(db, instellingsnummer=story.school, rule_id=rule.id)
    got = told(house, story)
    assert (got.alive, got.active, got.visible, got.claims) == (False, True, False, {})
    assert reasons(got)["ov_account_uuid"] == "not_visible"


def test_CONS_12_an_app_that_has_not_integrated_classes_gets_none_of_them(house):
    story = begin(house, scope="openid profile ov_leerling")
    got = told(house, story)
    assert not catalogue.CLASS_CLAIMS & set(got.claims)
    assert {reasons(got)[name] for name in catalogue.CLASS_CLAIMS} == {"not_registered"}


def test_an_app_gets_only_what_it_asks_for(house):
    story = begin(house)
    got = told(house, story, scope="openid ov_klas")
    assert set(got.claims) == {"sub", "ov_klassen", "ov_administratieve_groep"}
    assert reasons(got)["name"] == "not_requested"


def test_AUTHZ_15_the_claims_parameter_asks_within_the_registration_only(house):
    story = begin(house, scope="openid profile")
    wanted = ["given_name", "ov_klassen", "ov_orgcode", "birthdate", "national_number", "iss", "acr"]
    asked = {"userinfo": dict.fromkeys(wanted), "id_token": {"family_name": {"essential": True}, "exp": None}}
    assert set(told(house, story, scope="openid", asked=asked).claims) == {"sub", "given_name"}
    in_token = told(house, story, scope="openid", asked=asked, channel=disclose.Channel.ID_TOKEN)
    assert set(in_token.claims) == {"sub", "family_name"}


@pytest.mark.parametrize(
    "asked", [{}, {"userinfo": None}, {"userinfo": ["name"]}, {"id_token": {"name": None}}]
)
def test_a_claims_parameter_for_elsewhere_asks_nothing_here(house, asked):
    assert set(told(house, begin(house), scope="openid", asked=asked).claims) == {"sub"}


def test_CONS_13_an_id_token_has_only_the_subject_unless_the_app_cannot_call_userinfo(house):
    plain, other = begin(house), begin(house, claims_in_id_token=True)
    assert set(told(house, plain, channel=disclose.Channel.ID_TOKEN).claims) == {"sub"}
    assert set(told(house, other, channel=disclose.Channel.ID_TOKEN).claims) == catalogue.NAMES


def test_LIFE_01_an_enrolment_ends_with_its_last_day_in_brussels(house):
    story = begin(house)
    last = datetime(2027, 8, 31, 21, 59, 59, tzinfo=UTC)
    house.clock.moment = last
    assert set(told(house, story).claims) == catalogue.NAMES
    house.clock.moment = last + timedelta(seconds=1)
    got = told(house, story)
    assert (got.alive, got.active, got.visible, got.claims) == (False, False, True, {})


def test_an_enrolment_counts_from_its_first_day_in_brussels(house):
    with house.database.transaction() as db:
        here = make.school(db)
        who = make.pupil(db)
        make.account(db, who)
        make.enrolment(db, who, here, begindatum=date(2026, 12, 1))
        app = make.app(db)
        make.rule(db, app.client_id, here)
    story = make.Story(school=here, pupil=who, username="", klas="", app=app)
    house.clock.moment = datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC)
    assert not told(house, story).active
    house.clock.move(seconds=1)
    assert told(house, story).alive


def test_LIFE_02_a_pupil_who_moves_keeps_the_subject_and_leaves_the_class_behind(house):
    story = begin(house)
    before = told(house, story)
    with house.database.transaction() as db:
        elsewhere = make.school(db)
        db.execute(update(models.Enrolment).values(einddatum=date(2026, 11, 22)))
        make.enrolment(db, story.pupil, elsewhere)
        make.rule(db, story.app.client_id, elsewhere)
    old = told(house, story)
    assert old.alive
    assert set(old.claims) == {"sub", "ov_account_uuid", "ov_leerid_uuid", "ov_historiek_account_uuid"}
    assert reasons(old)["ov_klassen"] == "not_enrolled"
    new = told(house, story, school=elsewhere)
    assert new.claims["sub"] == before.claims["sub"]
    assert new.claims["ov_orgcode"] == elsewhere
    assert reasons(new)["ov_klassen"] == "school_does_not_share"


def test_a_grant_for_one_school_never_tells_about_another(house):
    story = begin(house)
    with house.database.transaction() as db:
        other = make.school(db, naam="Muziekacademie")
        make.enrolment(db, story.pupil, other, administratieve_groep="viool", voornaam="Gast")
        make.agreement(db, other)
        make.membership(db, make.klas(db, other, "V1"), story.pupil)
        make.rule(db, story.app.client_id, other)
    here, there = told(house, story).claims, told(house, story, school=other).claims
    assert [klas["code"] for klas in here["ov_klassen"]] == ["3A"]
    assert [klas["code"] for klas in there["ov_klassen"]] == ["V1"]
    assert (here["ov_orgnaam"], there["ov_orgnaam"]) == ("Basisschool De Wijzer", "Muziekacademie")
    assert (here["given_name"], there["given_name"]) == ("Gaston", "Gast")
    assert here["sub"] == there["sub"]


@pytest.mark.parametrize(
    "seat",
    [
        {"begindatum": date(2026, 11, 24)},
        {"einddatum": date(2026, 11, 22)},
        {"replaced_at": make.NOW},
    ],
)
def test_only_classes_of_today_are_released(house, seat):
    story = begin(house, in_class=False)
    with house.database.transaction() as db:
        make.membership(db, story.klas, story.pupil, **seat)
    got = told(house, story)
    assert "ov_klassen" not in got.claims
    assert reasons(got)["ov_klassen"] == "unknown"
    assert "ov_administratieve_groep" in got.claims


def test_classes_come_before_subclasses_and_without_doubles(house):
    story = begin(house)
    with house.database.transaction() as db:
        for code in ("frans", "3A Turnen", "Zwemmen"):
            make.membership(db, make.klas(db, story.school, code, soort=models.Soort.SUBKLAS), story.pupil)
        make.membership(db, story.klas, story.pupil, begindatum=date(2026, 10, 1))
    codes = [klas["code"] for klas in told(house, story).claims["ov_klassen"]]
    assert codes == ["3A", "3A Turnen", "frans", "Zwemmen"]


@pytest.mark.parametrize("channel", CLASS_CHANNELS)
def test_what_is_told_of_a_pupil_is_never_that_of_another_of_the_school(house, channel):
    story = begin(house, claims_in_id_token=True)
    with house.database.transaction() as db:
        other = make.pupil(db)
        make.enrolment(db, other, story.school)
        make.account(db, other)
        make.membership(db, make.klas(db, story.school, "3B"), other)
    theirs = told(house, dataclasses.replace(story, pupil=other), channel=channel).claims
    mine = told(house, story, channel=channel).claims
    assert [klas["code"] for klas in mine["ov_klassen"]] == ["3A"]
    assert [klas["code"] for klas in theirs["ov_klassen"]] == ["3B"]
    assert mine["sub"] != theirs["sub"]
    with house.database.transaction() as db:
        ended = {"einddatum": house.clock.today() - timedelta(days=1)}
        db.execute(update(models.Enrolment).where(models.Enrolment.account_uuid == story.pupil).values(ended))
    assert not told(house, story, channel=channel).alive, "the other one, who is enrolled, keeps nothing open"
    assert told(house, dataclasses.replace(story, pupil=other), channel=channel).alive


def test_an_open_app_meets_every_pupil_but_learns_no_class(house):
    story = begin(house, visible=False, open_to_every_pupil=True)
    got = told(house, story)
    assert got.alive
    assert set(got.claims) == catalogue.NAMES - catalogue.CLASS_CLAIMS
    assert {reasons(got)[name] for name in catalogue.CLASS_CLAIMS} == {"not_visible"}
    with house.database.transaction() as db:
        make.rule(db, story.app.client_id, story.school)
    assert set(told(house, story).claims) == catalogue.NAMES


@pytest.mark.parametrize("why", ["blocked", "no account", "merged", "unknown"])
def test_a_pupil_without_a_working_account_gives_nothing(house, why):
    story = begin(house)
    with house.database.transaction() as db:
        if why == "blocked":
            db.execute(update(models.Account).values(blocked_at=make.NOW))
        elif why == "no account":
            db.execute(delete(models.Account))
        elif why == "merged":
            pseudonym.merge(db, surviving=make.pupil(db), merged=story.pupil)
        else:
            story = dataclasses.replace(story, pupil=entropy.identifier())
    got = told(house, story)
    assert (got.alive, got.active, got.claims) == (False, False, {})
    with house.database.reading() as db:
        assert db.execute(select(models.Release)).all() == []


@pytest.mark.parametrize("school", [None, "999999"])
def test_a_grant_without_a_known_school_gives_nothing(house, school):
    story = begin(house, open_to_every_pupil=True)
    story = dataclasses.replace(story, school=school)
    got = told(house, story)
    assert (got.alive, got.claims) == (False, {})


def test_the_ledger_keeps_names_and_reasons_and_never_values(house):
    story = begin(house, shares=False)
    told(house, story, scope="openid profile ov_klas")
    with house.database.reading() as db:
        row = db.execute(select(models.Release)).mappings().one()
    assert (row["channel"], row["client_id"], row["account_uuid"]) == (
        "userinfo",
        story.app.client_id,
        story.pupil,
    )
    assert (row["at"], row["instellingsnummer"]) == (house.clock.now(), story.school)
    assert set(row["claims"]) == catalogue.NAMES
    assert row["claims"]["name"] == "released"
    assert row["claims"]["ov_klassen"] == "school_does_not_share"
    assert row["claims"]["ov_orgcode"] == "not_requested"
    assert set(row["claims"].values()) <= {"released", *Gate}


def test_a_preview_leaves_no_trace_and_agrees_with_the_release(house):
    story = begin(house)
    with house.database.reading() as db:
        seen = disclose.preview(
            db, keys=house.keys, app=story.app, account_uuid=story.pupil,
            instellingsnummer=story.school, today=house.clock.today(),
        )  # fmt: skip
        assert db.execute(select(models.Release)).all() == []
        assert db.execute(select(models.AppPupil)).all() == []
    assert seen == told(house, story)


def test_one_look_at_the_database_is_enough(house):
    story = begin(house)
    told(house, story)
    statements = []
    with house.database.transaction() as db:
        event.listen(house.database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
        make.released(db, house, story)
    assert [statement.split()[0] for statement in statements] == ["SELECT", "INSERT"]


def test_every_claim_of_the_catalogue_has_a_fact(house):
    story = begin(house)
    with house.database.reading() as db:
        found = facts.load(
            db, keys=house.keys, app=story.app, account_uuid=story.pupil,
            instellingsnummer=story.school, today=house.clock.today(),
        )  # fmt: skip
    assert set(found.values) == catalogue.NAMES


def test_the_school_year_turns_in_brussels(house):
    story = begin(house)
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).values(einddatum=date(2028, 8, 31)))
    house.clock.moment = clock.midnight(date(2027, 9, 1))
    assert told(house, story).claims["ov_schooljaar"] == "2027-2028"


@pytest.mark.parametrize("channel", CLASS_CHANNELS)
def test_CONS_16_of_sixteen_schools_only_the_one_with_everything_open_tells_its_classes(house, channel):
    told_by = []
    for shares, visible, integrated, enrolled in itertools.product([True, False], repeat=4):
        scope = make.ALL_SCOPES if integrated else "openid profile"
        story = begin(house, shares=shares, visible=visible, scope=scope, claims_in_id_token=True)
        if not enrolled:
            with house.database.transaction() as db:
                mine = models.Enrolment.account_uuid == story.pupil
                db.execute(update(models.Enrolment).where(mine).values(einddatum=date(2026, 11, 22)))
                make.enrolment(db, story.pupil, make.school(db))
        got = told(house, story, channel=channel)
        assert None not in got.claims.values()
        if catalogue.CLASS_CLAIMS & set(got.claims):
            told_by.append((shares, visible, integrated, enrolled))
    assert told_by == [(True, True, True, True)]


def test_a_preview_shows_what_a_request_asks_for_anywhere(house):
    story = begin(house)
    asked = {"userinfo": {"given_name": None}, "id_token": {"family_name": None}}
    got = told(house, story, scope="openid", asked=asked, channel=disclose.Channel.PREVIEW, record=False)
    assert set(got.claims) == {"sub", "given_name", "family_name"}
