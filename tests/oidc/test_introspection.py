"""Is this token still good? And what becomes of one that is given back?"""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import delete, update

from idp import entropy, models
from tests import make
from tests.make_tokens import SECRET, Bench, garbage


@pytest.fixture
def bench(house):
    return Bench(house)


def test_introspection_tells_an_app_about_its_own_token(bench):
    story = bench.story()
    given = bench.tokens(story)
    told = bench.introspect(story, given["access_token"]).json
    now = int(bench.house.clock.now().timestamp())
    protocol = {"active": True, "client_id": story.app.client_id, "aud": story.app.client_id, "iat": now}
    protocol |= {"iss": bench.house.settings.issuer, "exp": now + 3600, "token_type": "Bearer"}
    protocol |= {"scope": make.ALL_SCOPES}
    assert {name: told[name] for name in protocol} == protocol
    assert told["sub"] == bench.id_token(given["id_token"])[1]["sub"]
    assert told["ov_klassen"][0]["code"] == "3A"
    assert "username" not in told


def test_introspection_knows_refresh_tokens_too(bench):
    story = bench.story()
    given = bench.tokens(story)
    told = bench.introspect(story, given["refresh_token"], token_type_hint="access_token").json
    assert told["active"] is True
    assert "token_type" not in told
    bench.refresh(story, given["refresh_token"])
    assert bench.introspect(story, given["refresh_token"]).json == {"active": False}


def test_API_02_introspection_is_for_apps_that_prove_themselves(bench):
    story, public = bench.story(), bench.story(token_endpoint_auth_method="none")
    token = bench.tokens(story)["access_token"]
    for answer in (
        bench.introspect(story, token, auth=None),
        bench.introspect(story, token, auth=None, client_id=story.app.client_id),
        bench.introspect(story, token, auth=(story.app.client_id, "wrong")),
        bench.introspect(public, token, auth=None, client_id=public.app.client_id),
    ):
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_an_app_learns_nothing_of_the_tokens_of_another(bench):
    story, other = bench.story(), bench.story()
    given = bench.tokens(story)
    theirs = (other.app.client_id, SECRET)
    for token in (
        given["access_token"],
        given["refresh_token"],
        garbage(entropy.Token.ACCESS, bench.house),
        "x",
    ):
        assert bench.introspect(story, token, auth=theirs).json == {"active": False}


def test_a_missing_token_is_a_mistake(bench):
    story = bench.story()
    for answer in (bench.introspect(story, ""), bench.revoke(story, "")):
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


# ---------------------------------------------------------------- revocation


def test_a_revoked_access_token_is_dead_and_the_rest_lives(bench):
    story = bench.story()
    given = bench.tokens(story)
    answer = bench.revoke(story, given["access_token"])
    assert (answer.status_code, answer.json) == (200, {})
    assert bench.userinfo(given["access_token"]).status_code == 401
    assert bench.introspect(story, given["access_token"]).json == {"active": False}
    assert bench.refresh(story, given["refresh_token"]).status_code == 200


def test_API_04_an_app_cannot_revoke_the_token_of_another(bench):
    story, other = bench.story(), bench.story()
    given = bench.tokens(story)
    for token in (given["access_token"], given["refresh_token"]):
        assert bench.revoke(story, token, auth=(other.app.client_id, SECRET)).status_code == 400
        assert bench.revoke(story, token, auth=None).status_code == 401
    assert bench.userinfo(given["access_token"]).status_code == 200
    assert bench.refresh(story, given["refresh_token"]).status_code == 200


def test_API_05_revoking_what_does_not_exist_is_fine(bench):
    story = bench.story()
    for token in (
        garbage(entropy.Token.ACCESS, bench.house),
        garbage(entropy.Token.REFRESH, bench.house),
        "x",
        "é",
    ):
        assert bench.revoke(story, token).status_code == 200
        assert bench.revoke(story, token, token_type_hint="nonsense").status_code == 200


def test_API_06_revoking_a_refresh_token_ends_its_family(bench):
    story = bench.story()
    given = bench.tokens(story)
    later = bench.refresh(story, given["refresh_token"]).json
    assert bench.revoke(story, later["refresh_token"], token_type_hint="access_token").status_code == 200
    for one in (given, later):
        assert bench.userinfo(one["access_token"]).status_code == 401
        assert bench.refresh(story, one["refresh_token"]).status_code == 400


def test_a_public_app_gives_back_its_own_tokens(bench):
    story = bench.story(token_endpoint_auth_method="none")
    answer = bench.redeem(story, bench.code(story), auth=None, client_id=story.app.client_id).json
    assert (
        bench.revoke(story, answer["refresh_token"], auth=None, client_id=story.app.client_id).status_code
        == 200
    )
    assert bench.userinfo(answer["access_token"]).status_code == 401


# ---------------------------------------------------------------- the truth table

GATES = ("registered", "shares", "visible", "enrolled", "known")


def test_CONS_16_class_claims_leave_only_when_all_five_gates_are_open(bench):
    stories = {}
    for gates in itertools.product((True, False), repeat=len(GATES)):
        story = bench.story(claims_in_id_token=True)
        with bench.house.database.transaction() as db:
            make.enrolment(db, story.pupil, make.school(db))
        stories[gates] = story, bench.tokens(story)
    for gates, (story, _given) in stories.items():
        close(bench, story, dict(zip(GATES, gates, strict=True)))
    bench.registered_again()
    for gates, (story, given) in stories.items():
        gate = dict(zip(GATES, gates, strict=True))
        for channel, (status, told) in asked_everywhere(bench, story, given).items():
            assert ("ov_klassen" in told) is all(gates), (channel, gate)
            groep = gate["registered"] and gate["shares"] and gate["visible"] and gate["enrolled"]
            assert ("ov_administratieve_groep" in told) is groep, (channel, gate)
            assert (status == 200 and "sub" in told) is gate["visible"], (channel, gate)


def close(bench, story, gate):
    client_id = story.app.client_id
    if not gate["registered"]:
        scope = "openid profile ov_leerling offline_access"
        registration = {"scope": scope, "client_name": "x", "redirect_uris": list(story.app.redirect_uris)}
        registration |= {"grant_types": ["authorization_code", "refresh_token"], "claims_in_id_token": True}
        bench.change(
            update(models.App).where(models.App.client_id == client_id).values(registration=registration)
        )
    if not gate["shares"]:
        agreement = models.Agreement
        mine = update(agreement).where(agreement.instellingsnummer == story.school)
        bench.change(mine.values(stopped_at=bench.house.clock.now(), stopped_by="x"))
    if not gate["visible"]:
        bench.change(delete(models.VisibilityRule).where(models.VisibilityRule.client_id == client_id))
    if not gate["enrolled"]:
        mine = models.Enrolment.instellingsnummer == story.school
        bench.change(update(models.Enrolment).where(mine).values(einddatum=models.Enrolment.begindatum))
    if not gate["known"]:
        bench.change(delete(models.ClassMembership).where(models.ClassMembership.account_uuid == story.pupil))


def asked_everywhere(bench, story, given):
    """Channel → (status, what was told), for tokens that existed before the gates closed."""
    userinfo = bench.userinfo(given["access_token"])
    access = bench.introspect(story, given["access_token"])
    refresh = bench.introspect(story, given["refresh_token"])
    found = {"userinfo": (userinfo.status_code, userinfo.json)}
    found["introspection"] = (200 if access.json["active"] else 401, access.json)
    found["introspection of refresh"] = (200 if refresh.json["active"] else 401, refresh.json)
    renewed = bench.refresh(story, given["refresh_token"])
    token = renewed.json.get("id_token")
    found["ID token of refresh"] = (renewed.status_code, bench.id_token(token)[1] if token else {})
    if token:
        again = bench.userinfo(renewed.json["access_token"])
        found["userinfo after refresh"] = (again.status_code, again.json)
    return found
