"""HTTP and CODE-14 at the doors of programs: what odd bytes, odd kinds of secrets and good answers look like there."""

from __future__ import annotations

import pytest

from idp.oidc import clients
from tests import make
from tests.make_browser import query, said, sign_in
from tests.make_tokens import FORM, SECRET, Bench, basic

DOORS = ("/token", "/introspect", "/revoke", "/par", "/userinfo")
NAMES = ("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "token", "x")
ODD = (
    "%00",
    "%ff",
    "%c0%80",
    "%ed%a0%80",
    "%0d%0aSet-Cookie:%20a=b",
    "%C4%8A%C4%8DX-Evil:%201",
    "a" * 100_000,
)


@pytest.fixture
def bench(house):
    return Bench(house)


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db, secrets=(clients.digest(SECRET),))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("odd", ODD)
def test_HTTP_03_07_08_no_odd_value_of_any_parameter_breaks_a_back_door(client, story, door, odd):
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    for name in NAMES:
        body = f"grant_type=authorization_code&{name}={odd}" if name != "grant_type" else f"{name}={odd}"
        answer = client.post(door, data=body, headers=headers, content_type=FORM)
        known_nothing = door in {"/revoke", "/introspect"} and answer.status_code == 200
        assert 400 <= answer.status_code < 500 or known_nothing, (name, answer.status_code)
        assert not {"X-Evil", "Set-Cookie"} & {*answer.headers.keys()}
        assert "access_token" not in answer.text


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("many", ["&x[]=1" * 2000, "&x[y]=1" * 2000, "&code=1" * 2000])
def test_HTTP_08_two_thousand_parameters_are_refused_at_every_back_door(client, story, door, many):
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    answer = client.post(
        door, data=f"grant_type=authorization_code{many}", headers=headers, content_type=FORM
    )
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("state", ["\u010a\u010dX-Evil: 1", "\u560d\u560aSet-Cookie: a=b", "a\u2028b\u0085c"])
def test_HTTP_03_AUTHZ_09_characters_that_end_in_a_line_break_stay_characters(client, house, story, state):
    sign_in(client, house, story.pupil)
    for changes in ({}, {"response_type": "token"}):
        answer = client.get(f"/authorize?{query(story.app, state=state, **changes)}")
        assert said(answer, story.app)["state"] == state
        assert answer.headers["Location"].isascii()
        assert not {"X-Evil", "Set-Cookie"} & {*answer.headers.keys()}


@pytest.mark.parametrize("mode", ["fragment", "query.jwt", "form_post.jwt", "jwt", "web_message", "x"])
def test_AUTHZ_17_a_mode_that_we_do_not_have_never_carries_a_code(client, house, story, mode):
    sign_in(client, house, story.pupil)
    answer = client.get(f"/authorize?{query(story.app, response_mode=mode)}")
    told = said(answer, story.app)
    assert told["error"] == "invalid_request"
    assert "code" not in told
    assert "#" not in answer.headers["Location"]


def test_HTTP_12_what_an_app_is_told_about_a_pupil_is_kept_nowhere(bench):
    for words in ({}, {"userinfo_signed_response_alg": "ES256"}):
        story = bench.story(**words)
        given = bench.tokens(story)
        token = given["access_token"]
        answers = [bench.userinfo(token), bench.browser.post("/userinfo", data={"access_token": token})]
        answers += [bench.introspect(story, token), bench.refresh(story, given["refresh_token"])]
        answers += [bench.revoke(story, token)]
        for answer in answers:
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
            assert "ETag" not in answer.headers


def test_CODE_14_a_code_is_no_session_no_card_and_no_secret_of_an_app(client, bench, house):
    story = bench.story()
    code = bench.code(story)
    refused = bench.redeem(story, code, auth=(story.app.client_id, code))
    assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")
    client.set_cookie(f"idp-{house.settings.issuer.rpartition(':')[2]}-session", code)
    silent = client.get(f"/authorize?{query(story.app, prompt='none')}")
    assert said(silent, story.app)["error"] == "login_required"
    assert client.get(f"/k/{code}").headers.get("Location") == client.get("/k/K1nothing").headers.get(
        "Location"
    )
    assert bench.redeem(story, code).status_code == 200


def test_HTTP_14_an_address_that_is_spelt_with_escapes_gets_the_same_checks(client, story):
    asked = query(story.app, redirect_uri="https://evil.example")
    answer = client.get(f"/%61uthorize?{asked}")
    assert (answer.status_code, answer.headers.get("Location")) == (400, None)
    assert client.post("/%74oken").status_code == client.post("/token").status_code == 400
