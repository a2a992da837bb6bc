"""What may the bearer of an access token know, now?"""

from __future__ import annotations

import base64

import orjson
import pytest
from sqlalchemy import delete, select, update

from idp import entropy, models
from idp.apps import LISTS_SCOPE
from idp.oidc import tokens
from tests import make_plans
from tests.make_reading import stands
from tests.make_tokens import FORM, SECRET, Bench, basic, garbage


@pytest.fixture
def bench(house):
    return Bench(house)


def refused(answer, error="invalid_token", status=401):
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.text
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "sub" not in answer.json
    return True


def test_userinfo_tells_what_was_registered_asked_and_allowed(bench):
    story = bench.story()
    given = bench.tokens(story)
    told = bench.userinfo(given["access_token"])
    assert told.status_code == 200
    assert told.mimetype == "application/json"
    assert told.json["sub"] == bench.id_token(given["id_token"])[1]["sub"]
    assert told.json["ov_orgcode"] == story.school
    assert told.json["ov_klassen"][0]["code"] == "3A"
    assert told.json["ov_leerid_uuid"]


@pytest.mark.parametrize(("scope", "asks"), [("openid profile ov_leerling", False), ("openid ov_klas", True)])
def test_klasinformatie_is_looked_up_only_for_a_token_that_says_that_it_asks_it(bench, scope, asks):
    story = bench.story()
    token = bench.tokens(story, scope=scope)["access_token"]
    assert token.endswith(tokens.KLASINFORMATIE) is asks
    for look in (bench.userinfo, lambda shown: bench.introspect(story, shown)):
        with make_plans.asked(bench.house) as statements:
            told = look(token)
        assert ("ov_klassen" in told.json) is asks
        (looked,) = [one for one, _ in statements if "FROM access_token" in one]
        assert ("AS klassen" in looked, "AS shares" in looked) == (asks, asks)


def test_a_token_without_the_mark_still_gets_the_klasinformatie_that_it_asks(bench):
    """Those of a version that made none; and those that ask klasinformatie by name, not by scope."""
    story = bench.story()
    full = bench.tokens(story)["access_token"]
    plain = entropy.token(entropy.Token.ACCESS, bench.house.clock.now())
    digests = [entropy.digest(one, entropy.Token.ACCESS) for one in (full, plain)]
    expected = bench.userinfo(full).json
    row = update(models.AccessToken).where(models.AccessToken.digest == digests[0])
    bench.change(row.values(digest=digests[1]))
    assert bench.userinfo(plain).json == expected
    assert expected["ov_klassen"]
    named = bench.tokens(story, scope="openid", claims={"userinfo": {"ov_administratieve_groep": None}})
    assert bench.userinfo(named["access_token"]).json.keys() == {"sub", "ov_administratieve_groep"}


def test_the_token_comes_in_the_header_or_in_the_body_of_a_post(bench):
    story = bench.story()
    token = bench.tokens(story)["access_token"]
    header = {"Authorization": f"bearer {token}"}
    answers = [
        bench.browser.get("/userinfo", headers=header),
        bench.browser.post("/userinfo", headers=header),
        bench.browser.post("/userinfo", data={"access_token": token}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json == answers[1].json == answers[2].json


def test_API_01_no_token_garbage_query_and_cookie_are_all_refused(bench):
    story = bench.story()
    token = bench.tokens(story)["access_token"]
    missing = bench.browser.get("/userinfo")
    assert refused(missing)
    assert "error=" not in missing.headers["WWW-Authenticate"]
    assert refused(bench.browser.get("/userinfo", query_string={"access_token": token}))
    assert refused(bench.browser.post("/userinfo", query_string={"access_token": token}))
    assert refused(bench.browser.post("/userinfo", json={"access_token": token}))
    assert refused(
        bench.browser.get("/userinfo", headers={"Cookie": f"access_token={token}; session={token}"})
    )
    assert refused(
        bench.browser.get("/userinfo", headers={"Authorization": basic(story.app.client_id, SECRET)})
    )
    wrong = bench.userinfo(garbage(entropy.Token.ACCESS, bench.house))
    assert refused(wrong)
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]
    twice = bench.browser.post(
        "/userinfo", data={"access_token": token}, headers={"Authorization": f"Bearer {token}"}
    )
    assert refused(twice, "invalid_request", 400)
    body = f"access_token={token}&access_token={token}"
    assert refused(bench.browser.post("/userinfo", data=body, content_type=FORM), "invalid_request", 400)


def test_JWT_05_JWT_07_no_jwt_is_an_access_token(bench):
    story = bench.story()
    given = bench.tokens(story)
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(orjson.dumps({"sub": "x", "scope": "openid"})).decode().rstrip("=")
    for forged in (f"{header}.{body}.", given["id_token"]):
        assert refused(bench.userinfo(forged))
        assert bench.introspect(story, forged).json == {"active": False}


def test_JWT_10_a_token_is_exactly_itself(bench):
    story = bench.story()
    token = bench.tokens(story)["access_token"]
    odd = [
        token[:-1],
        token + "A",
        token + "=",
        token + " ",
        " " + token,
        token.upper(),
        token[4:],
        f"{token} {token}",
    ]
    odd += [
        token.removesuffix(tokens.KLASINFORMATIE),
        token.replace("lsa_", "lsr_"),
        token[:4] + "00000000" + token[12:],
        token[:4] + "zzzzzzzz" + token[12:],
    ]
    odd += ["", "lsa_", "é" * 50, "lsa_" + "0" * 8 + "é" * 43, "x" * 8000, f"{token}\t"]
    for presented in odd:
        if presented not in {token + " ", f"{token}\t"}:
            assert refused(
                bench.browser.get("/userinfo", headers={"Authorization": f"Bearer {presented}"})
            ), presented
        posted = bench.browser.post("/userinfo", data={"access_token": presented})
        assert posted.status_code == 401, presented
        assert bench.introspect(story, presented).json.get("active") is not True


def test_API_09_an_expired_access_token_is_refused(bench):
    story = bench.story()
    token = bench.tokens(story)["access_token"]
    bench.house.clock.move(minutes=59, seconds=59)
    assert bench.userinfo(token).status_code == 200
    bench.house.clock.move(seconds=1)
    assert refused(bench.userinfo(token))


def test_CONS_03_stopping_takes_class_claims_away_from_tokens_that_exist(bench):
    story = bench.story()
    token = bench.tokens(story)["access_token"]
    assert "ov_klassen" in bench.userinfo(token).json
    bench.change(update(models.Agreement).values(stopped_at=bench.house.clock.now(), stopped_by="x"))
    told = bench.userinfo(token).json
    assert "ov_klassen" not in told
    assert "ov_administratieve_groep" not in told
    assert told["given_name"] == "Gaston"


def test_IDOR_08_an_app_that_a_school_hides_again_learns_nothing_of_its_pupil(bench):
    story = bench.story()
    token = bench.tokens(story)["access_token"]
    assert bench.userinfo(token).json["ov_orgcode"] == story.school
    bench.change(delete(models.VisibilityRule))
    told = bench.userinfo(token)
    assert {*(told.json or {})} <= {"sub", "error", "error_description"}


def test_a_disabled_app_learns_nothing_more(bench):
    story = bench.story()
    token = bench.tokens(story)["access_token"]
    bench.change(update(models.App).values(disabled_at=bench.house.clock.now()))
    bench.registered_again()
    assert refused(bench.userinfo(token))


def test_every_look_stands_in_the_ledger_by_name_only(bench):
    story = bench.story()
    token = bench.tokens(story)["access_token"]
    bench.userinfo(token)
    rows = bench.rows(select(models.Release.channel, models.Release.claims).order_by(models.Release.id))
    assert [channel for channel, _ in rows] == ["id_token", "userinfo"]
    assert rows[1][1]["ov_klassen"] == "released"
    assert not stands("3A", str(rows))


def test_a_token_that_is_about_nobody_is_refused_with_a_challenge(bench):
    """RFC 6750 section 3: whatever token does not open the door is told what would."""
    story = bench.story(
        grant_types=["authorization_code", "client_credentials"], scope=f"openid {LISTS_SCOPE}"
    )
    given = bench.post("/token", {"grant_type": "client_credentials"}, auth=(story.app.client_id, SECRET))
    answer = bench.userinfo(given.json["access_token"])
    assert (answer.status_code, answer.json["error"]) == (403, "insufficient_scope")
    challenge = f'Bearer realm="{bench.house.settings.issuer}", error="insufficient_scope", scope="openid"'
    assert answer.headers["WWW-Authenticate"] == challenge


def test_an_app_may_ask_for_signed_userinfo(bench):
    story = bench.story(userinfo_signed_response_alg="ES256")
    answer = bench.userinfo(bench.tokens(story)["access_token"])
    assert answer.mimetype == "application/jwt"
    assert answer.headers["Cache-Control"] == "no-store"
    header, claims = bench.id_token(answer.text)
    assert header["alg"] == "ES256"
    assert (claims["iss"], claims["aud"]) == (bench.house.settings.issuer, story.app.client_id)
    assert claims["given_name"] == "Gaston"


@pytest.mark.parametrize(
    "naam", ["Łukasz ʼt Händel", "محمد", "👩‍🚀 Sœur", "<b>x</b>", 'O\'Brien "Q" \\', "é" * 300]
)
def test_JWT_16_whatever_a_pupil_is_called_it_is_good_json(bench, naam):
    story = bench.story(claims_in_id_token=True)
    bench.change(update(models.Enrolment).values(voornaam=naam))
    given = bench.tokens(story)
    assert bench.userinfo(given["access_token"]).json["given_name"] == naam
    assert bench.id_token(given["id_token"])[1]["given_name"] == naam


def test_CONS_13_nothing_beyond_the_catalogue_ever_leaves(bench):
    story = bench.story(claims_in_id_token=True)
    asked = {
        name: {"essential": True}
        for name in ("birthdate", "gender", "email", "rijksregisternummer", "stamnummer")
    }
    given = bench.tokens(story, claims={"userinfo": asked, "id_token": asked})
    told = bench.userinfo(given["access_token"]).json | bench.id_token(given["id_token"])[1]
    assert not set(asked) & set(told)
