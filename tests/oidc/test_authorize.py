"""/authorize through a browser: signing in leads back to it, questions are asked, a code is earned."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode

import pytest
from sqlalchemy import select

from idp import entropy, models
from idp.login import sessions
from tests import make, make_browser
from tests.make_browser import fill_in, fresh, next_of, path, query, said, sign_in


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db)


def audited(house, event="authorization_refused"):
    with house.database.reading() as db:
        columns = (models.AuditEvent.result, models.AuditEvent.request_id, models.AuditEvent.details)
        return db.execute(select(*columns).where(models.AuditEvent.event == event)).all()


# ---------------------------------------------------------------- until the app is known


@pytest.mark.parametrize("client_id", ["nobody", "", None, "<script>alert(1)</script>"])
def test_AUTHZ_01_and_02_an_unknown_app_is_a_page_with_a_number(client, house, story, client_id):
    answer = client.get(
        f"/authorize?{query(story.app, client_id=client_id, redirect_uri='https://evil.example')}"
    )
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    ((_, request_id, details),) = audited(house)
    assert request_id in answer.text
    assert details["received"]["redirect_uri"].startswith("https://evil.example")
    assert "https://evil.example" not in answer.text
    assert "<script>alert" not in answer.text


def test_AUTHZ_05_a_bad_response_type_at_an_unknown_address_stays_here(client, story):
    answer = client.get(
        f"/authorize?{query(story.app, redirect_uri='https://evil.example', response_type='token')}"
    )
    assert (answer.status_code, answer.headers.get("Location")) == (400, None)


@pytest.mark.parametrize("extra", ["&redirect_uri=https://evil.example", "&redirect_uri=", "&client_id=x"])
def test_RURI_10_two_addresses_stay_here(client, story, extra):
    for asked in (f"{query(story.app)}{extra}", f"{extra[1:]}&{query(story.app)}"):
        assert client.get(f"/authorize?{asked}").status_code == 400


@pytest.mark.parametrize(
    "field", ["client_id", "redirect_uri", "scope", "response_type", "state", "error", "error_description"]
)
def test_XSS_01_nothing_is_reflected_as_markup(client, story, field):
    for also in ({}, {"client_id": "nobody"}):
        answer = client.get(f"/authorize?{query(story.app, **(also | {field: '<script>alert(1)</script>'}))}")
        assert "<script>alert" not in answer.text


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "nonce", "login_hint", "x"])
@pytest.mark.parametrize(
    "bytes_", ["%00", "%ff", "%c0%80", "%ed%a0%80", "%0d%0aSet-Cookie:%20a=b", "a" * 100_000]
)
def test_HTTP_03_07_08_odd_bytes_are_a_plain_no(client, story, name, bytes_):
    answer = client.get(f"/authorize?{query(story.app, **{name: None})}&{name}={bytes_}")
    assert answer.status_code < 500
    assert "Set-Cookie: a=b" not in str(answer.headers)
    location = answer.headers.get("Location", "/")
    assert location.startswith(("/aanmelden", story.app.redirect_uris[0])) or answer.status_code >= 400
    assert "\n" not in location


def test_HTTP_08_two_thousand_parameters_are_a_plain_no(client, story):
    assert 400 <= client.get(f"/authorize?{query(story.app)}{'&a[]=1' * 2000}").status_code < 500


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "TRACE"])
def test_HTTP_09_other_methods_do_nothing(client, house, story, method):
    sign_in(client, house, story.pupil)
    answer = client.open(f"/authorize?{query(story.app)}", method=method)
    assert answer.status_code in {404, 405}
    allowed = {*answer.headers["Allow"].split(", ")}
    assert {"GET", "POST"} <= allowed
    assert method != "HEAD" or allowed.isdisjoint({method})
    assert make_browser.codes(house) == 0


def test_FAULT_01_without_a_database_nobody_gets_in(client, house, story):
    sign_in(client, house, story.pupil)
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE visibility_rule RENAME TO elsewhere")
    assert client.get(f"/authorize?{query(story.app)}").status_code >= 500


def test_a_known_app_with_a_wrong_address_has_a_way_back_to_its_own_page(client, house):
    with house.database.transaction() as db:
        app = make.app(db, client_uri="https://rekenbuur.example/start")
    page = client.get(f"/authorize?{query(app, redirect_uri='https://evil.example')}")
    assert page.status_code == 400
    assert 'href="https://rekenbuur.example/start"' in page.text
    assert "https://evil.example" not in page.text


# ---------------------------------------------------------------- a refusal for the app


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "openid vo"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"request": "e30"}, "invalid_request_object"),
        ({"request_uri": "http://canary.example"}, "request_uri_not_supported"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_AUTHZ_03_07_10_17_a_refusal_carries_error_state_and_issuer(client, house, story, changes, error):
    told = said(client.get(f"/authorize?{query(story.app, state='a b&c=é', **changes)}"), story.app)
    assert (told["error"], told["state"], told["iss"]) == (error, "a b&c=é", house.settings.issuer)
    assert "code" not in told


def test_ROBJ_02_a_request_uri_is_never_fetched(client, story):
    asked = f"/authorize?{query(story.app, request_uri='http://127.0.0.1:1/canary')}"
    assert said(client.get(asked), story.app)["error"] == "request_uri_not_supported"


@pytest.mark.parametrize("empty", ["request=", "request_uri=", "request=&request_uri="])
def test_what_has_no_value_was_not_sent(client, house, story, empty):
    """RFC 6749 section 3.1: a form of an app that sends every field, filled in or not."""
    sign_in(client, house, story.pupil)
    assert said(client.get(f"/authorize?{query(story.app)}&{empty}"), story.app)["code"]


def test_HTTP_07_half_a_character_in_claims_is_a_plain_no(client, story):
    claims = '{"id_token":{"sub":{"value":"\\ud800"}}}'
    answer = client.get(f"/authorize?{query(story.app, claims=claims)}")
    assert said(answer, story.app)["error"] == "invalid_request"


def test_HTTP_06_a_repeated_parameter_is_refused(client, story):
    told = said(client.get(f"/authorize?{query(story.app)}&nonce=other"), story.app)
    assert told["error"] == "invalid_request"


def test_an_own_query_of_the_address_stays(client, house):
    uri = "https://a.example/cb?tenant=7&x="
    with house.database.transaction() as db:
        app = make.app(db, redirect_uris=[uri])
    answer = client.get(f"/authorize?{query(app, prompt='none')}")
    assert answer.headers["Location"].startswith(f"{uri}&error=login_required&")


# ---------------------------------------------------------------- signing in leads back


def test_who_is_not_signed_in_signs_in_and_comes_back_to_the_same_request(client, house, story):
    answer = client.get(f"/authorize?{query(story.app, state='a&b=c d')}")
    assert path(answer) == "/aanmelden"
    url = next_of(answer)
    sign_in(client, house, story.pupil)
    told = said(client.get(url), story.app)
    assert told["state"] == "a&b=c d"
    assert told["code"].startswith(entropy.Token.CODE)
    assert told["iss"] == house.settings.issuer


def test_a_code_belongs_to_the_session_the_school_and_the_request(client, house, story):
    sid = sign_in(client, house, story.pupil)
    said(client.get(f"/authorize?{query(story.app, scope='openid profile')}"), story.app)
    grant = make_browser.grant_of(house)
    assert (grant["sid"], grant["account_uuid"], grant["instellingsnummer"]) == (
        sid,
        story.pupil,
        story.school,
    )
    assert (grant["scope"], grant["amr"], grant["acr"]) == ("openid profile", ["pwd"], f"{sessions.ACR}basic")
    assert grant["auth_time"] == house.clock.now()


def test_two_tabs_and_a_double_click_each_get_a_code(client, house, story):
    sign_in(client, house, story.pupil)
    codes = {said(client.get(f"/authorize?{query(story.app)}"), story.app)["code"] for _ in range(2)}
    assert len(codes) == 2


def test_AUTHZ_24_a_finished_flow_without_cookies_gives_nothing(app, client, house, story):
    url = next_of(client.get(f"/authorize?{query(story.app)}"))
    sid = sign_in(client, house, story.pupil)
    fresh(house, sid, url)
    said(client.get(url), story.app)
    stranger = app.test_client()
    question = url.replace("/authorize?", "/authorize/antwoord?")
    for again in (url, question):
        assert stranger.get(again).status_code == 303
    assert path(stranger.get(url)) == "/aanmelden"
    assert stranger.post(question, data={"antwoord": "ja"}).status_code == 400
    assert make_browser.codes(house) == 1


def test_HTTP_12_nothing_of_authorize_is_kept(client, house, story):
    sign_in(client, house, story.pupil)
    for asked in (query(story.app), query(story.app, prompt="consent"), query(story.app, client_id="x")):
        assert client.get(f"/authorize?{asked}").headers["Cache-Control"] == "no-store"


def test_PWD_03_a_temporary_password_is_changed_before_any_code(client, house, story):
    sign_in(client, house, story.pupil, must_change=True)
    answer = client.get(f"/authorize?{query(story.app)}")
    assert path(answer) == "/nieuw-wachtwoord"
    assert next_of(answer).startswith("/authorize?")
    told = said(client.get(f"/authorize?{query(story.app, prompt='none')}"), story.app)
    assert told["error"] == "interaction_required"
    assert make_browser.codes(house) == 0


def test_a_session_that_ended_gives_no_code(client, house, story):
    sid = sign_in(client, house, story.pupil)
    with house.database.transaction() as db:
        sessions.end(db, sid, "test", house.clock.now())
    assert path(client.get(f"/authorize?{query(story.app)}")) == "/aanmelden"


# ---------------------------------------------------------------- form_post


def test_XSS_04_form_post_carries_state_escaped_and_has_a_button(client, house, story):
    sign_in(client, house, story.pupil)
    state = "\"><script>alert(1)</script>'"
    page = client.get(f"/authorize?{query(story.app, response_mode='form_post', state=state)}")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<button" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert f'action="{story.app.redirect_uris[0]}"' in page.text
    import re
    from html import unescape

    told = {
        name: unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
    }
    assert told["state"] == state
    assert told["code"].startswith(entropy.Token.CODE)
    assert told["iss"] == house.settings.issuer
    nonce = re.search(r"'nonce-([^']+)'", page.headers["Content-Security-Policy"])[1]
    assert f'<script nonce="{nonce}">' in page.text


def test_form_post_carries_refusals_too(client, story):
    page = client.get(f"/authorize?{query(story.app, response_mode='form_post', prompt='none')}")
    assert 'value="login_required"' in page.text


# ---------------------------------------------------------------- POST


def test_AUTHZ_21_a_request_in_a_form_is_checked_the_same(client, house, story):
    def post(**changes):
        return client.post("/authorize", data=dict(parse_qsl(query(story.app, **changes))))

    assert post(client_id="x").status_code == 400
    assert post(redirect_uri="https://evil.example").status_code == 400
    assert said(post(response_type="token"), story.app)["error"] == "unsupported_response_type"
    sign_in(client, house, story.pupil)
    answer = post(state="é &=")
    assert path(answer) == "/authorize"
    assert make_browser.codes(house) == 0
    assert said(client.get(answer.headers["Location"]), story.app)["state"] == "é &="


def test_a_form_and_a_query_together_may_not_say_something_twice(client, story):
    answer = client.post(
        f"/authorize?{urlencode({'client_id': 'x'})}", data=dict(parse_qsl(query(story.app)))
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", ""])
def test_HTTP_17_another_kind_of_body_is_refused(client, story, kind):
    assert client.post("/authorize", data=query(story.app), content_type=kind).status_code == 400


def test_AUTHZ_18_every_way_on_is_a_get(client, house, story):
    sign_in(client, house, story.pupil, shared=True)
    page = client.get(f"/authorize?{query(story.app)}")
    answers = [
        client.get(f"/authorize?{query(story.app, prompt='none')}"),
        client.post("/authorize", data=dict(parse_qsl(query(story.app)))),
        fill_in(client, page, antwoord="ja"),
        fill_in(client, page, antwoord="nee"),
    ]
    assert {answer.status_code for answer in answers} == {303}


# ---------------------------------------------------------------- small print


def test_HTTP_01_a_foreign_host_changes_nothing(client, house, story):
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}):
        answer = client.get(f"/authorize?{query(story.app)}", headers=headers)
        assert "evil.example" not in answer.headers["Location"]
    sign_in(client, house, story.pupil)
    assert (
        said(client.get(f"/authorize?{query(story.app)}", headers=headers), story.app)["iss"]
        == house.settings.issuer
    )


@pytest.mark.parametrize(
    "url", ["/authorize/", "/AUTHORIZE", "/authorize;x", "/authorize/x", "/authorize%2f"]
)
def test_HTTP_14_other_spellings_of_the_path_are_not_found(client, url):
    assert client.get(url).status_code == 404


@pytest.mark.parametrize(
    "url", ["//authorize", "//evil.example/%2e%2e", "/%2f/evil.example", "///evil.example/authorize"]
)
def test_OPEN_05_odd_slashes_never_lead_away(client, url):
    answer = client.get(f"{url}?x=1", base_url="http://localhost:8080")
    location = answer.headers.get("Location", "/")
    assert location.startswith(("http://localhost:8080/", "/"))
    assert not location.startswith("//")


def test_HTTP_10_no_foreign_origin_may_read_authorize(client, story):
    answer = client.get(f"/authorize?{query(story.app)}", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_INJ_03_the_log_of_a_refusal_is_one_record(client, house, story):
    client.get(f"/authorize?{query(story.app, client_id='nobody')}&redirect_uri={quote('https://x/a b')}")
    assert len(audited(house)) == 1
