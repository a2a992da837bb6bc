"""/end_session: only this session, only to a registered address, and never without being sure or asking."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from idp import models
from idp.oidc import signing
from tests import make, make_browser, make_signing
from tests.make_browser import fill_in, path, query, said, sign_in

BACK = "https://rekenbuur.example/bye"


@pytest.fixture
def story(house):
    make_signing.keys(house)
    with house.database.transaction() as db:
        return make.story(db, post_logout_redirect_uris=[BACK, f"{BACK}?x=1"])


def hint(house, story, sid, **claims):
    now = int(house.clock.now().timestamp())
    words = {"iss": house.settings.issuer, "aud": story.app.client_id, "sub": "x", "sid": sid, "iat": now}
    return signing.sign(house, words | {"exp": now + 3600} | claims, "RS256")


def end(client, **words):
    return client.get(f"/end_session?{urlencode({name: value for name, value in words.items() if value})}")


def alive(house, sid):
    with house.database.reading() as db:
        return db.execute(select(models.Session.ended_at).where(models.Session.sid == sid)).scalar() is None


def forged(token, **header):
    """The same token, unsigned, with another header."""
    _, payload, _ = token.split(".")
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}."


# ---------------------------------------------------------------- it works


def test_a_hint_that_names_this_session_ends_it_and_goes_back_with_the_state(client, house, story):
    sid = sign_in(client, house, story.pupil)
    answer = end(client, id_token_hint=hint(house, story, sid), post_logout_redirect_uri=BACK, state="é &=")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{BACK}?{urlencode({'state': 'é &='})}"
    assert not alive(house, sid)


def test_an_own_query_of_the_address_stays(client, house, story):
    sid = sign_in(client, house, story.pupil)
    answer = end(
        client, id_token_hint=hint(house, story, sid), post_logout_redirect_uri=f"{BACK}?x=1", state="s"
    )
    assert answer.headers["Location"] == f"{BACK}?x=1&state=s"


def test_only_this_session_ends(app, client, house, story):
    elsewhere = sign_in(app.test_client(), house, story.pupil)
    sid = sign_in(client, house, story.pupil)
    end(client, id_token_hint=hint(house, story, sid))
    assert not alive(house, sid)
    assert alive(house, elsewhere)


def test_LOGO_08_the_old_cookie_opens_nothing(client, house, story):
    sid = sign_in(client, house, story.pupil)
    name = f"idp-{house.settings.issuer.rpartition(':')[2]}-session"
    old = client.get_cookie(name).value
    end(client, id_token_hint=hint(house, story, sid), post_logout_redirect_uri=BACK)
    assert client.get_cookie(name) is None
    client.set_cookie(name, old)
    assert (
        said(client.get(f"/authorize?{query(story.app, prompt='none')}"), story.app)["error"]
        == "login_required"
    )


def test_LOGO_12_an_expired_hint_is_still_a_hint(client, house, story):
    sid = sign_in(client, house, story.pupil)
    house.clock.move(minutes=90)
    token = hint(house, story, sid, exp=int(house.clock.now().timestamp()) - 60)
    assert end(client, id_token_hint=token, post_logout_redirect_uri=BACK).headers["Location"] == BACK
    assert not alive(house, sid)


def test_who_is_not_signed_in_goes_back_at_once(client, house, story):
    answer = end(client, client_id=story.app.client_id, post_logout_redirect_uri=BACK, state="s")
    assert answer.headers["Location"] == f"{BACK}?state=s"
    page = end(client)
    assert page.status_code == 200
    assert "Je bent afgemeld" in page.text


def test_a_request_in_a_form_goes_on_as_a_get(client, house, story):
    sid = sign_in(client, house, story.pupil)
    words = {"id_token_hint": hint(house, story, sid), "post_logout_redirect_uri": BACK, "state": "s"}
    answer = client.post("/end_session", data=words, headers={"Origin": "https://rekenbuur.example"})
    assert path(answer) == "/end_session"
    assert alive(house, sid)
    assert client.get(answer.headers["Location"]).headers["Location"] == f"{BACK}?state=s"


# ---------------------------------------------------------------- asking first


def test_LOGO_01_without_a_hint_the_person_is_asked(client, house, story):
    sid = sign_in(client, house, story.pupil)
    page = end(client)
    assert "Ben je klaar, Gaston?" in page.text
    assert alive(house, sid)
    done = fill_in(client, page, antwoord="ja")
    assert "Je bent afgemeld" in done.text
    assert not alive(house, sid)


def test_a_hint_of_another_session_asks_and_then_goes_back(client, house, story):
    sid = sign_in(client, house, story.pupil)
    page = end(client, id_token_hint=hint(house, story, "other"), post_logout_redirect_uri=BACK, state="s")
    assert page.status_code == 200
    assert alive(house, sid)
    assert "form-action 'self' https://rekenbuur.example;" in page.headers["Content-Security-Policy"]
    assert fill_in(client, page, antwoord="ja").headers["Location"] == f"{BACK}?state=s"
    assert not alive(house, sid)


def test_nee_leaves_the_session_alone(client, house, story):
    sid = sign_in(client, house, story.pupil)
    assert path(fill_in(client, end(client), antwoord="nee")) == "/mijn-apps"
    assert alive(house, sid)


def test_the_answer_needs_its_word_and_our_own_page(client, house, story):
    sid = sign_in(client, house, story.pupil)
    end(client)
    assert client.post("/end_session/antwoord", data={"antwoord": "ja"}).status_code == 400
    assert client.post("/end_session", data={"antwoord": "ja"}).status_code == 303
    assert alive(house, sid)


def test_a_question_that_expired_is_asked_again(client, house, story):
    assert (
        path(client.get(f"/end_session/antwoord?{urlencode({'client_id': story.app.client_id})}"))
        == "/end_session"
    )


# ---------------------------------------------------------------- never to a stranger


@pytest.mark.parametrize(
    "uri",
    [f"{BACK}/", f"{BACK}?", f"{BACK}#", "https://evil.example", "javascript:alert(1)", "//evil.example"],
)
@pytest.mark.parametrize("hinted", [True, False])
def test_LOGO_03_an_address_that_is_not_registered_is_never_gone_to(client, house, story, uri, hinted):
    sid = sign_in(client, house, story.pupil)
    proof = {"id_token_hint": hint(house, story, sid)} if hinted else {"client_id": story.app.client_id}
    answer = end(client, post_logout_redirect_uri=uri, **proof)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert 'href="/end_session"' in answer.text


def test_LOGO_03_without_an_app_there_is_nowhere_to_go(client, house, story):
    for words in ({}, {"client_id": "nobody"}):
        answer = end(client, post_logout_redirect_uri=BACK, **words)
        assert (answer.status_code, answer.headers.get("Location")) == (200, None)


def test_LOGO_05_a_hint_that_we_did_not_sign_counts_as_none(client, house, story):
    sid = sign_in(client, house, story.pupil)
    good = hint(house, story, sid)
    foreign = [
        forged(good, alg="none"),
        forged(good, alg="none", kid=json.loads(base64.urlsafe_b64decode(good.split(".")[0] + "=="))["kid"]),
        good[:-4] + "AAAA",
        hint(house, story, sid, iss="https://other.example"),
        signing.sign(
            house,
            {"iss": house.settings.issuer, "aud": story.app.client_id, "sid": sid},
            "RS256",
            "logout+jwt",
        ),
        "junk",
    ]
    for token in foreign:
        words = {"id_token_hint": token, "client_id": story.app.client_id}
        page = end(client, post_logout_redirect_uri=BACK, **words)
        assert (page.status_code, page.headers.get("Location")) == (200, None)
        assert alive(house, sid)
    done = fill_in(client, page, antwoord="ja")
    assert (done.status_code, done.headers.get("Location")) == (200, None)


def test_LOGO_07_a_client_that_is_not_the_hints_is_a_page(client, house, story):
    with house.database.transaction() as db:
        other = make.app(db, post_logout_redirect_uris=[BACK])
    sid = sign_in(client, house, story.pupil)
    answer = end(
        client,
        id_token_hint=hint(house, story, sid),
        client_id=other.client_id,
        post_logout_redirect_uri=BACK,
    )
    assert (answer.status_code, answer.headers.get("Location")) == (400, None)
    assert alive(house, sid)


@pytest.mark.parametrize("name", ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"])
def test_a_repeated_parameter_is_a_page(client, house, story, name):
    sid = sign_in(client, house, story.pupil)
    assert client.get(f"/end_session?{name}=x&{name}=x").status_code == 400
    assert alive(house, sid)


@pytest.mark.parametrize(
    "value", ["%0d%0aSet-Cookie:%20a=b", "%00", "%ff", "a" * 100_000, "${jndi:x}", "' OR 1=1--"]
)
@pytest.mark.parametrize("name", ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "x"])
def test_HTTP_03_odd_values_are_a_plain_answer(client, house, story, name, value):
    sid = sign_in(client, house, story.pupil)
    words = {"client_id": story.app.client_id, "post_logout_redirect_uri": BACK}
    words.pop(name, None)
    answer = client.get(f"/end_session?{urlencode(words)}&{name}={value}")
    assert answer.status_code < 500
    assert "a=b" not in str(answer.headers.getlist("Set-Cookie"))
    assert "Location" not in answer.headers
    assert alive(house, sid)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_HTTP_09_other_methods_end_nothing(client, house, story, method):
    sid = sign_in(client, house, story.pupil)
    words = urlencode({"id_token_hint": hint(house, story, sid)})
    answer = client.open(f"/end_session?{words}", method=method)
    assert answer.status_code == 405
    allowed = {*answer.headers["Allow"].split(", ")}
    assert {"GET", "POST"} <= allowed
    assert method != "HEAD" or allowed.isdisjoint({method})
    assert alive(house, sid)


def test_a_disabled_app_is_not_gone_to(client, house):
    make_signing.keys(house)
    with house.database.transaction() as db:
        app = make.app(db, post_logout_redirect_uris=[BACK], disabled_at=make.NOW)
    answer = end(client, client_id=app.client_id, post_logout_redirect_uri=BACK)
    assert (answer.status_code, answer.headers.get("Location")) == (200, None)


def test_the_sign_out_is_audited_and_names_its_reason(client, house, story):
    sid = sign_in(client, house, story.pupil)
    end(client, id_token_hint=hint(house, story, sid))
    with house.database.reading() as db:
        found = db.execute(
            select(models.AuditEvent.details).where(models.AuditEvent.event == "signed_out")
        ).scalars()
        assert [details["because"] for details in found] == ["signed_out_by_app"]
    assert make_browser.codes(house) == 0
