"""What does an app get by list? Never more than userinfo would tell it, in every state of every gate, and the same words."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from idp import models
from idp.rosters import endpoints
from tests import make
from tests.make_roster import GRANTS, SCOPES, Rosters, as_claims, from_zip

SWITCHES = ("shares", "visible", "integrated", "enrolled", "known", "active")
"""The school agreed; it made the app visible; the app has ov_klas; the enrolment covers today; the package delivered a
class; the account is not blocked."""
BY_LIST = {"sub", "given_name", "family_name", "ov_orgcode", "ov_leerjaar", "ov_klassen"}
IDS = ("ov_account_uuid", "ov_leerid_uuid", "ov_historiek_account_uuid")
CHANNELS = {"roster": as_claims, "export": from_zip}


@pytest.fixture
def bench(house):
    return Rosters(house)


def begin(bench, on, **given):
    """A pupil with a token from when everything was open, and then whatever is off is closed."""
    scope = SCOPES if on["integrated"] else SCOPES.replace(" ov_klas", "")
    story = bench.story(scope=scope, **given)
    token = bench.tokens(story, scope=scope.rpartition(" ")[0])["access_token"]
    today = bench.house.clock.today()
    mine = models.Enrolment.account_uuid == story.pupil
    with bench.house.database.transaction() as db:
        if not on["shares"]:
            here = models.Agreement.instellingsnummer == story.school
            db.execute(update(models.Agreement).where(here).values(stopped_at=bench.house.clock.now()))
        if not on["visible"]:
            db.execute(
                delete(models.VisibilityRule).where(models.VisibilityRule.instellingsnummer == story.school)
            )
        if not on["enrolled"]:
            db.execute(update(models.Enrolment).where(mine).values(einddatum=today - timedelta(days=1)))
            make.enrolment(db, story.pupil, make.school(db))
        if not on["known"]:
            db.execute(
                delete(models.ClassMembership).where(models.ClassMembership.account_uuid == story.pupil)
            )
        if not on["active"]:
            of = models.Account.account_uuid == story.pupil
            db.execute(update(models.Account).where(of).values(blocked_at=bench.house.clock.now()))
    return story, token


def test_CONS_16_IDOR_08_in_every_state_of_every_gate_a_list_says_what_userinfo_says(bench):
    with_classes = []
    for states in itertools.product([True, False], repeat=len(SWITCHES)):
        on = dict(zip(SWITCHES, states, strict=True))
        story, token = begin(bench, on)
        answer = bench.userinfo(token)
        for channel, read in CHANNELS.items():
            listed = read(bench, story.app.client_id)
            if answer.status_code == 401 or "ov_orgcode" not in answer.json:
                assert not listed, (channel, on)
                continue
            (mine,) = listed.values()
            ids = {(claim, one) for claim in IDS for one in listing(answer.json.get(claim))}
            assert mine.pop("ids") == ids, (channel, on)
            words = BY_LIST | ({"ov_administratieve_groep"} if channel == "roster" else set())
            assert mine == {claim: told for claim, told in answer.json.items() if claim in words}, on
            if "ov_klassen" in mine:
                with_classes.append((channel, states))
    assert with_classes == [(channel, (True,) * len(SWITCHES)) for channel in CHANNELS]


def listing(value):
    return [] if value is None else [value] if isinstance(value, str) else value


@pytest.mark.parametrize("channel", CHANNELS)
def test_CONS_16_the_ledger_says_of_lists_what_it_says_of_userinfo(bench, channel):
    for states in itertools.product([True, False], repeat=3):
        on = dict.fromkeys(SWITCHES, True) | dict(zip(("shares", "integrated", "known"), states, strict=True))
        story, token = begin(bench, on)
        bench.userinfo(token)
        CHANNELS[channel](bench, story.app.client_id)
        mine = [row for row in bench.ledger(channel) if row.account_uuid == story.pupil]
        (by_userinfo,) = [row for row in bench.ledger("userinfo") if row.account_uuid == story.pupil]
        assert mine
        for row in mine:
            assert (row.client_id, row.instellingsnummer) == (story.app.client_id, story.school)
            assert row.mark
            for claim, word in row.claims.items():
                assert word in {by_userinfo.claims[claim], "not_requested"}, (on, claim)
        told = {claim for row in mine for claim, word in row.claims.items() if word == "released"}
        assert ("ov_klassen" in told) == all(states)


def test_IDOR_08_pupils_of_others_and_of_schools_that_hid_the_app_are_nowhere(bench):
    story, other = bench.story(), bench.story()
    mine, theirs = story.app.client_id, other.app.client_id
    (user,) = bench.items(theirs, "users")
    (klas,) = bench.items(theirs, "classes")
    (sits,) = bench.items(theirs, "enrollments")
    foreign = [
        f"users/{user['sourcedId']}",
        f"students/{user['sourcedId']}/classes",
        f"classes/{klas['sourcedId']}",
        f"classes/{klas['sourcedId']}/students",
        f"enrollments/{sits['sourcedId']}",
        f"schools/{other.school}",
        f"schools/{other.school}/students",
        f"schools/{other.school}/classes",
        f"schools/{story.school}/classes/{klas['sourcedId']}/students",
        f"courses/{other.school}-klas/classes",
    ]
    for path in foreign:
        answer = bench.get(mine, path)
        assert (answer.status_code, answer.json["imsx_codeMajor"]) == (404, "failure"), path
    assert bench.get(mine, endpoints.ZIP, school=other.school).status_code == 404
    assert [one["sourcedId"] for one in bench.items(mine, "orgs")] == [story.school]
    bench.change(delete(models.VisibilityRule).where(models.VisibilityRule.client_id == theirs))
    for path in ("users", "classes", "enrollments", "orgs", "courses"):
        assert bench.items(theirs, path) == []


def test_IDOR_08_only_the_pupils_for_whom_the_school_chose_the_app_are_in_a_list(bench):
    story = bench.story(visible=False)
    other = bench.classmate(story)
    client_id = story.app.client_id
    with bench.house.database.transaction() as db:
        make.rule(db, client_id, story.school, kind=models.RuleKind.PUPIL, target=story.pupil)
    assert len(bench.items(client_id, "users")) == len(bench.items(client_id, "enrollments")) == 1
    with bench.house.database.transaction() as db:
        make.rule(db, client_id, story.school, kind=models.RuleKind.KLAS, target=story.klas)
    assert len(bench.items(client_id, "users")) == 2
    assert {row.account_uuid for row in bench.ledger()} == {story.pupil, other}


def test_an_app_that_is_open_to_every_pupil_gets_lists_of_the_schools_that_chose_it_only(bench):
    story = bench.story(open_to_every_pupil=True, visible=False)
    assert bench.userinfo(bench.tokens(story)["access_token"]).json["sub"]
    assert bench.items(story.app.client_id, "users") == []
    with bench.house.database.transaction() as db:
        make.rule(db, story.app.client_id, story.school)
    assert len(bench.items(story.app.client_id, "users")) == 1


def test_IDOR_08_a_school_that_stopped_is_a_403_with_the_reason_for_its_classes(bench):
    story, sharing = bench.story(), None
    client_id = story.app.client_id
    with bench.house.database.transaction() as db:
        sharing = make.school(db)
        make.agreement(db, sharing)
        make.rule(db, client_id, sharing)
    (klas,) = bench.items(client_id, "classes")
    (sits,) = bench.items(client_id, "enrollments")
    bench.change(
        update(models.Agreement)
        .where(models.Agreement.instellingsnummer == story.school)
        .values(stopped_at=bench.house.clock.now())
    )
    for path in (
        f"schools/{story.school}/classes",
        f"schools/{story.school}/enrollments",
        f"schools/{story.school}/courses",
        f"schools/{story.school}/classes/{klas['sourcedId']}/students",
        f"classes/{klas['sourcedId']}",
        f"classes/{klas['sourcedId']}/students",
        f"classes/{klas['sourcedId']}/teachers",
        f"enrollments/{sits['sourcedId']}",
    ):
        answer = bench.get(client_id, path)
        assert (answer.status_code, answer.json.get("reason")) == (403, "school_does_not_share"), path
        minor = answer.json["imsx_CodeMinor"]["imsx_codeMinorField"]
        assert [one["imsx_codeMinorFieldValue"] for one in minor] == ["forbidden", "school_does_not_share"]
    assert bench.items(client_id, "classes") == bench.items(client_id, "enrollments") == []
    assert len(bench.items(client_id, f"schools/{story.school}/students")) == 1, "nobody loses an app"


def test_a_pupil_of_two_schools_has_a_role_at_each_that_chose_the_app(bench):
    story = bench.story()
    client_id = story.app.client_id
    with bench.house.database.transaction() as db:
        second, third = make.school(db), make.school(db)
        for number in (second, third):
            make.enrolment(db, story.pupil, number, leerjaar="4")
        make.rule(db, client_id, second)
    (user,) = bench.items(client_id, "users")
    assert [(one["roleType"], one["org"]["sourcedId"]) for one in user["roles"]] == [
        ("primary", story.school),
        ("secondary", second),
    ]
    assert user["grades"] == ["3", "4"]
    assert {row.instellingsnummer for row in bench.ledger()} == {story.school, second}
    assert bench.get(client_id, "users").headers["X-Total-Count"] == "1"


def test_an_app_without_the_scopes_of_a_list_hears_which_it_lacks(bench):
    story = bench.story(scope=f"openid profile {SCOPES.split()[-1]}", grant_types=GRANTS)
    answer = bench.get(story.app.client_id, "users")
    assert (answer.status_code, answer.json["reason"]) == (403, "not_registered")
    assert "ov_leerling" in answer.json["imsx_description"]
    assert bench.ledger() == []


def test_what_an_app_was_told_is_what_it_calls_a_pupil_for_ever(bench):
    story = bench.story()
    (user,) = bench.items(story.app.client_id, "users")
    kept = bench.rows(select(models.AppPupil.account_uuid, models.AppPupil.sub))
    assert [tuple(row) for row in kept] == [(story.pupil, user["sourcedId"])]
    told = bench.userinfo(bench.tokens(story)["access_token"]).json
    assert told["sub"] == user["sourcedId"]


def test_apps_of_one_sector_read_the_same_names_and_others_other_ones(bench):
    story = bench.story(sector="buur.example")
    with bench.house.database.transaction() as db:
        digest = story.app.secrets[0][0]
        words = {"scope": SCOPES, "grant_types": GRANTS, "secrets": (digest,)}
        same = make.app(db, sector="buur.example", **words).client_id
        other = make.app(db, **words).client_id
        for client_id in (same, other):
            make.rule(db, client_id, story.school)
    names = {
        client_id: {
            path: bench.items(client_id, path)[0]["sourcedId"] for path in ("users", "classes", "enrollments")
        }
        for client_id in (story.app.client_id, same, other)
    }
    assert names[story.app.client_id] == names[same]
    assert not set(names[other].values()) & set(names[same].values())
