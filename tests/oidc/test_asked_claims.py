"""The `claims` parameter, acr that must be met, and pupils that must be the one: what is asked by name."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.apps import App
from idp.claims import pseudonym
from idp.login import sessions
from idp.oidc import asked_claims, next_step
from tests import make, make_browser, make_tokens
from tests.make_browser import fresh, next_of, path, query, said, sign_in

APP = App(client_id="a", client_name="A", sector="a", scopes=frozenset({"openid", "profile"}))
ACR = sessions.ACR


def understood(asked, app=APP):
    return asked_claims.of(app, asked_claims.read(json.dumps(asked)))


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "null",
        "{",
        '"x"',
        '{"userinfo":[]}',
        '{"userinfo":"given_name"}',
        '{"id_token":{"given_name":true}}',
        '{"id_token":{"given_name":{"essential":"yes"}}}',
        '{"id_token":{"acr":{"values":"x"}}}',
        '{"id_token":{"acr":{"values":[7]}}}',
        '{"id_token":{"acr":{"value":{}}}}',
        '{"id_token":{"sub":{"value":["x"]}}}',
        '{"id_token":{"sub":{"value":"\\ud800"}}}',
        '{"id_token":{"acr":{"values":["x","\\udfff"]}}}',
        '{"userinfo":{"name":null,"name":null}}',
        '{"userinfo":{},"userinfo":{}}',
        '{"userinfo":{"name":{"value":NaN}}}',
        "[" * 4000,
        '{"userinfo":{' + '"a":{' * 900,
        '{"id_token":{"acr":{"values":' + json.dumps(["x"] * 21) + "}}}",
        '{"x":"' + "y" * 5000 + '"}',
    ],
)
def test_what_is_not_exactly_right_is_unreadable(text):
    with pytest.raises(asked_claims.Unreadable):
        asked_claims.read(text)


def test_what_we_do_not_know_is_ignored():
    assert understood({"x": 7, "userinfo": None, "id_token": {"https://x/y": {"value": 1}}}).names == {}


def test_AUTHZ_15_only_claims_that_the_apps_scopes_stand_for_are_kept():
    asked = {
        "userinfo": {"given_name": None, "birthdate": None, "ov_klassen": {"essential": True}, "vo_id": None},
        "id_token": {"name": {"essential": True, "value": "x"}, "iss": None, "national_number": None},
    }
    assert understood(asked).names == {"userinfo": {"given_name": None}, "id_token": {"name": None}}


def test_acr_counts_when_it_is_essential_and_sub_when_it_has_a_value():
    values = [f"{ACR}own", f"{ACR}basic"]
    assert understood({"id_token": {"acr": {"essential": True, "values": values}}}).acr == (*values,)
    assert understood({"id_token": {"acr": {"essential": True, "value": "x"}}}).acr == ("x",)
    assert understood({"id_token": {"acr": {"values": values}}}).acr == ()
    assert understood({"id_token": {"acr": {"essential": True}}}).acr == ()
    assert understood({"userinfo": {"acr": {"essential": True, "values": values}}}).acr == ()
    assert understood({"id_token": {"sub": {"value": "s"}, "auth_time": {"essential": True}}}).sub == ("s",)
    assert understood({"userinfo": {"sub": {"value": "s"}}}).sub == ()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["userinfo", "id_token", "acr", "sub", "name", "essential", "value", "values"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_asked_is_understood_or_refused_and_has_one_spelling(asked):
    try:
        read = asked_claims.read(json.dumps(asked))
    except asked_claims.Unreadable:
        return
    again = asked_claims.read(asked_claims.written(read))
    assert asked_claims.of(APP, again) == asked_claims.of(APP, read)


# ---------------------------------------------------------------- what comes of it


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db)


def asking(app, claims, **changes):
    return f"/authorize?{query(app, claims=json.dumps(claims), **changes)}"


def essential(*values):
    return {"id_token": {"acr": {"essential": True, "values": [*values]}}}


def test_unreadable_claims_are_told_to_the_app(client, story):
    assert said(client.get(asking(story.app, [])), story.app)["error"] == "invalid_request"


def test_claims_asked_by_name_come_where_they_were_asked(house):
    bench = make_tokens.Bench(house)
    story = bench.story()
    asked = {"userinfo": {"family_name": None}, "id_token": {"given_name": None}}
    given = bench.tokens(story, scope="openid", claims=asked)
    _, claims = bench.id_token(given["id_token"])
    assert claims["given_name"] == "Gaston"
    assert "family_name" not in claims
    told = bench.userinfo(given["access_token"]).json
    assert told["family_name"] == "Logie"
    assert "given_name" not in told


def test_AUTHZ_15_a_claim_of_a_scope_that_is_not_registered_is_not_released(client, house):
    with house.database.transaction() as db:
        story = make.story(db, scope="openid profile")
    sign_in(client, house, story.pupil)
    asked = {"userinfo": {"ov_klassen": {"essential": True}, "ov_leerid_uuid": None, "birthdate": None}}
    assert said(client.get(asking(story.app, asked)), story.app)["code"]
    assert make_browser.grant_of(house)["asked"] is None
    bench = make_tokens.Bench(house)
    told = bench.userinfo(
        bench.tokens(bench.story(scope="openid profile"), scope="openid", claims=asked)["access_token"]
    )
    assert told.json.keys() == {"sub"}


def test_the_page_of_what_will_be_told_counts_what_is_asked_by_name(client, house, story):
    sign_in(client, house, story.pupil)
    page = client.get(asking(story.app, {"userinfo": {"given_name": None}}, prompt="consent"))
    without = client.get(f"/authorize?{query(story.app, prompt='consent')}")
    assert page.status_code == without.status_code == 200
    assert "Voornaam" in page.text.partition("<h2")[0] or page.text != without.text


def test_an_essential_acr_that_is_met_changes_nothing(client, house, story):
    sign_in(client, house, story.pupil, acr=f"{ACR}own")
    assert said(client.get(asking(story.app, essential(f"{ACR}basic", f"{ACR}own"))), story.app)["code"]
    assert make_browser.grant_of(house)["acr"] == f"{ACR}own"


def test_an_essential_acr_without_card_is_met_with_one_and_said_as_asked(client, house, story):
    sign_in(client, house, story.pupil, acr=f"{ACR}own+card", amr=("pwd", "card"))
    assert said(client.get(asking(story.app, essential(f"{ACR}own"))), story.app)["code"]
    grant = make_browser.grant_of(house)
    assert (grant["acr"], grant["amr"]) == (f"{ACR}own", ["pwd", "card"])


def test_an_essential_acr_that_is_not_met_asks_to_sign_in_again_once(client, house, story):
    sid = sign_in(client, house, story.pupil, acr=f"{ACR}basic")
    answer = client.get(asking(story.app, essential(f"{ACR}basic+card")))
    assert path(answer) == "/aanmelden"
    fresh(house, sid, next_of(answer))
    told = said(client.get(next_of(answer)), story.app)
    assert told["error"] == "unmet_authentication_requirements"
    assert make_browser.codes(house) == 0
    better = sign_in(client, house, story.pupil, acr=f"{ACR}basic+card", amr=("pwd", "card"))
    fresh(house, better, next_of(answer))
    assert said(client.get(next_of(answer)), story.app)["code"]


def test_an_essential_acr_that_nobody_can_meet_is_said_at_once(client, house, story):
    url = asking(story.app, essential("urn:mace:incommon:iap:silver", "phr"))
    assert said(client.get(url), story.app)["error"] == "unmet_authentication_requirements"
    sign_in(client, house, story.pupil)
    assert said(client.get(url), story.app)["error"] == "unmet_authentication_requirements"


def test_with_prompt_none_an_unmet_acr_is_login_required(client, house, story):
    sign_in(client, house, story.pupil, acr=f"{ACR}basic")
    url = asking(story.app, essential(f"{ACR}own"), prompt="none")
    assert said(client.get(url), story.app)["error"] == "login_required"


@pytest.mark.parametrize("acr_values", [f"{ACR}own", "1 2", "urn:x", "x" * 5000])
def test_acr_values_are_a_wish_and_acr_says_what_was(client, house, story, acr_values):
    sign_in(client, house, story.pupil, acr=f"{ACR}basic")
    assert said(client.get(f"/authorize?{query(story.app, acr_values=acr_values)}"), story.app)["code"]
    assert make_browser.grant_of(house)["acr"] == f"{ACR}basic"


def test_a_sub_that_is_asked_for_is_the_only_one(client, house, story):
    sid = sign_in(client, house, story.pupil)
    mine = pseudonym.sub_for(house.keys, story.app, story.pupil)
    assert said(client.get(asking(story.app, {"id_token": {"sub": {"value": mine}}})), story.app)["code"]
    other = asking(story.app, {"id_token": {"sub": {"value": "somebody-else"}}})
    assert path(client.get(other)) == "/aanmelden"
    fresh(house, sid, next_of(client.get(other)))
    assert said(client.get(other), story.app)["error"] == "login_required"
    silent = asking(story.app, {"id_token": {"sub": {"value": "somebody-else"}}}, prompt="none")
    assert said(client.get(silent), story.app)["error"] == "login_required"


@pytest.mark.parametrize(
    ("needed", "acr", "said"),
    [
        ((), "x", "x"),
        (("a",), "a", "a"),
        (("a",), "a+card", "a"),
        (("a+card",), "a+card", "a+card"),
        (("a+card",), "a", None),
        (("b", "a"), "a", "a"),
        (("a+card", "a"), "a+card", "a+card"),
        (("a",), "", None),
    ],
)
def test_which_value_a_sign_in_meets(needed, acr, said):
    assert next_step.met(needed, acr) == said


def test_the_words_of_signing_in_survive_in_the_address_with_claims(client, story):
    claims = {"id_token": {"acr": {"essential": True, "values": [f"{ACR}own"]}, "x": None}, "y": 1}
    url = next_of(client.get(asking(story.app, claims, ui_locales="de")))
    kept = dict(parse_qsl(url.partition("?")[2]))
    assert json.loads(kept["claims"]) == {"id_token": {"acr": claims["id_token"]["acr"]}}
    assert '<html lang="de"' in client.get(f"/aanmelden?next={url.replace('&', '%26')}").text


@pytest.mark.parametrize(
    ("claims", "hint"),
    [
        (essential(f"{ACR}basic+card"), True),
        ({"id_token": {"acr": {"essential": True, "value": f"{ACR}own+card"}}}, True),
        (essential(f"{ACR}basic+card", f"{ACR}basic"), False),
        ({"id_token": {"acr": {"values": [f"{ACR}own+card"]}}}, False),
        ({"userinfo": {"given_name": None}}, False),
    ],
)
def test_a_pupil_is_told_that_the_app_needs_a_card(client, story, claims, hint):
    page = client.get(client.get(asking(story.app, claims)).headers["Location"])
    assert ("je kaart scant" in page.text) is hint


def test_odd_claims_in_a_way_back_are_no_trouble(client, story):
    for claims in (
        "[]",
        "{",
        "7",
        '{"id_token":{"acr":7}}',
        '{"id_token":{"acr":{"essential":true,"values":9}}}',
    ):
        page = client.get(
            f"/aanmelden?{urlencode({'next': f'/authorize?{query(story.app, claims=claims)}'})}"
        )
        assert page.status_code == 200
