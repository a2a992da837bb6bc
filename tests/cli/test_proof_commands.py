"""The commands that prove what happened, as an operator runs them, on both databases."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from idp import models
from idp.admin.privacy import breach
from idp.audit import apps as audit_apps
from idp.errors import Invalid
from tests import make_commands
from tests.make_tokens import Bench


@pytest.fixture
def desk(house, tmp_path):
    """A school whose pupil an app was told about; commands run on its database."""
    run = make_commands.at_a_prompt(house, tmp_path)
    with house.database.transaction() as db:
        audit_apps.app_changed(db, client_id="some-app", fields=["client_name"])
    bench = Bench(house)
    story = bench.story()
    tokens = bench.tokens(story, bench.sign_in(story))
    assert bench.userinfo(tokens["access_token"]).status_code == 200
    run.story, run.house = story, house
    return run


def test_the_trail_is_anchored_verified_and_what_was_touched_is_named(desk):
    statement = desk("audit", "anchor").stdout
    assert statement.count("\n") == 1, "nothing but the statement: it is kept as it is"
    assert desk("audit", "anchors").stdout == statement
    assert json.loads(desk("audit", "anchors", "--json").stdout)[0]["good"]
    assert json.loads(desk("audit", "anchors", "--keys").stdout)["keys"][0]["crv"] == "Ed25519"
    assert desk("audit", "verify").stdout.startswith("in order: ")
    lines = [json.loads(line) for line in desk("audit", "export").stdout.splitlines()]
    assert {line["table"] for line in lines} >= {"audit_event", "release"}
    with desk.house.database.transaction() as db:
        db.execute(update(models.Release).values(client_id="another"))
    touched = desk("audit", "verify", code=1)
    assert "edited" in touched.stdout
    assert "NOT in order" in touched.stderr
    assert not json.loads(desk("audit", "verify", "--json", code=1).stdout)["good"]


def test_roles_are_printed_and_done_on_postgresql_only(desk):
    statements = desk("audit", "roles").stdout
    assert "GRANT SELECT, INSERT ON public.audit_event" in statements
    if desk.house.database.sqlite:
        assert "no_roles" in desk("audit", "roles", "--apply", code=1).stderr
        return
    with desk.house.database.transaction() as db:
        me = db.execute(text("SELECT current_user")).scalar()
    missing = desk("audit", "roles", "--program", "no such", code=1)
    assert "role_name" in missing.stderr
    assert me


def test_extracts_breaches_and_explanations_name_who_and_refuse_what_does_not_exist(desk):
    story = desk.story
    pupil = json.loads(desk("extract", "pupil", story.pupil).stdout)
    assert pupil["about"]["account_uuid"] == story.pupil
    school = json.loads(desk("extract", "school", story.school).stdout)
    assert [one["account_uuid"] for one in school["told"]] == [story.pupil]
    assert "extract_given" in desk("audit", "export", "--pupil", story.pupil).stdout
    day = str(desk.house.clock.today())
    period = ("breach", "--from", day, "--until", day)
    assert "1 pupils of 1 schools" in desk(*period).stdout
    assert story.pupil in desk(*period, "--csv", "--app", story.app.client_id).stdout
    assert json.loads(desk(*period, "--json").stdout)["touched"] == {"pupils": 1, "schools": 1, "apps": 1}
    assert "app_unknown" in desk(*period, "--app", "rekenbuur-typo", code=1).stderr
    assert "school_unknown" in desk(*period, "--school", "000000", code=1).stderr
    assert "school_unknown" in desk("extract", "school", "000000", code=1).stderr
    assert "pupil_unknown" in desk("extract", "pupil", "nobody", code=1).stderr
    desk("breach", "--from", day, "--until", "2020-01-01", code=2)
    assert desk("explain", "--app", story.app.client_id, "--school", story.school).stdout


def test_a_report_that_would_fill_the_memory_says_how_to_ask_less(desk):
    now = desk.house.clock.now()
    wanted = breach.Wanted(begin=now - timedelta(days=1), end=now + timedelta(days=1))
    with desk.house.database.reading() as db, pytest.raises(Invalid) as refused:
        breach.report(db, wanted, most=0)
    assert refused.value.code == "breach_too_wide"


def test_the_register_and_the_evidence_are_json_with_moments_in_utc(desk):
    register = json.loads(desk("processing", "register").stdout)
    assert register["made_at"].endswith("Z")
    assert "instelling `controller`" in register["controller"]
    assert json.loads(desk("processing", "evidence").stdout)["measures"]
