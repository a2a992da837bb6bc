"""What comes out of a code, and what never does?"""

from __future__ import annotations

import base64
import hashlib

import pytest
from sqlalchemy import func, select, update

from idp import entropy, models
from idp.claims import pseudonym
from idp.models import AuthorizationCode, Grant
from tests import make
from tests.make_reading import stands
from tests.make_tokens import FORM, SECRET, VERIFIER, Bench, basic, garbage


@pytest.fixture
def bench(house):
    return Bench(house)


def refused(answer, error="invalid_grant", status=400):
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.text
    assert not {"access_token", "id_token", "refresh_token"} & set(answer.json)
    return True


def test_a_code_gives_an_access_token_and_an_id_token(bench):
    story = bench.story()
    answer = bench.redeem(story, bench.code(story))
    assert answer.status_code == 200
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert answer.json["scope"] == make.ALL_SCOPES
    assert answer.json["access_token"].startswith(entropy.Token.ACCESS)
    assert bench.userinfo(answer.json["access_token"]).status_code == 200


def test_JWT_01_JWT_02_JWT_03_the_id_token_says_what_it_must_and_verifies(bench):
    story = bench.story()
    session = bench.sign_in(story)
    bench.house.clock.move(minutes=3)
    given = bench.tokens(story, session)
    header, claims = bench.id_token(given["id_token"])
    assert header["alg"] == "RS256"
    now = int(bench.house.clock.now().timestamp())
    hashed = hashlib.sha256(given["access_token"].encode()).digest()[:16]
    assert claims == {
        "iss": bench.house.settings.issuer,
        "sub": claims["sub"],
        "aud": story.app.client_id,
        "iat": now,
        "exp": now + 3600,
        "auth_time": now - 180,
        "nonce": "n-0S6",
        "acr": "urn:leersleutel:acr:basic",
        "amr": ["pwd"],
        "at_hash": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
        "sid": pseudonym.sid_for(bench.house.keys, story.app.client_id, session.sid),
    }
    assert all(type(claims[name]) is int for name in ("iat", "exp", "auth_time"))
    assert claims["sub"] != story.pupil


def test_an_app_may_have_its_id_token_signed_with_es256(bench):
    story = bench.story(id_token_signed_response_alg="ES256")
    header, _claims = bench.id_token(bench.tokens(story)["id_token"])
    assert header["alg"] == "ES256"


def test_no_nonce_asked_is_no_nonce_told(bench):
    story = bench.story()
    _header, claims = bench.id_token(bench.tokens(story, nonce=None)["id_token"])
    assert "nonce" not in claims


def test_user_claims_are_in_the_id_token_only_for_an_app_that_cannot_call_userinfo(bench):
    story = bench.story(claims_in_id_token=True)
    _header, claims = bench.id_token(bench.tokens(story)["id_token"])
    assert claims["given_name"] == "Gaston"
    assert claims["ov_klassen"][0]["code"] == "3A"


def test_a_claim_asked_by_name_for_the_id_token_is_there(bench):
    story = bench.story()
    _header, claims = bench.id_token(
        bench.tokens(story, claims={"id_token": {"ov_orgcode": None}})["id_token"]
    )
    assert claims["ov_orgcode"] == story.school
    assert "given_name" not in claims


def test_JWT_11_nothing_overrides_the_words_of_the_protocol(bench):
    story = bench.story(claims_in_id_token=True)
    names = ("iss", "sub", "aud", "exp", "acr", "nonce", "sid")
    asked = {"id_token": {name: {"value": "evil"} for name in names}}
    _header, claims = bench.id_token(bench.tokens(story, claims=asked)["id_token"])
    assert not stands("evil", str(claims))
    assert claims["aud"] == story.app.client_id


def test_CODE_01_CODE_02_a_replayed_code_is_refused_and_revokes_what_the_first_one_gave(bench):
    story = bench.story()
    code = bench.code(story)
    first = bench.redeem(story, code).json
    assert refused(bench.redeem(story, code))
    assert bench.userinfo(first["access_token"]).status_code == 401
    assert refused(bench.refresh(story, first["refresh_token"]))
    assert bench.introspect(story, first["access_token"]).json == {"active": False}
    assert refused(bench.redeem(story, code))
    assert len(bench.events("code_replayed")) == 1


def test_CODE_05_a_code_of_a_sign_in_that_was_taken_back_gives_nothing(bench):
    story = bench.story()
    code = bench.code(story)
    with bench.house.database.transaction() as db:
        db.execute(update(Grant).values(revoked_at=bench.house.clock.now(), revoked_because="test"))
    assert refused(bench.redeem(story, code))
    with bench.house.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(models.AccessToken)) == 0


def test_CODE_03_CODE_08_another_app_neither_redeems_nor_spends_a_code(bench):
    story, other = bench.story(), bench.story()
    code = bench.code(story)
    stolen = bench.redeem(story, code, auth=(other.app.client_id, SECRET))
    unknown = bench.redeem(
        story, garbage(entropy.Token.CODE, bench.house), auth=(other.app.client_id, SECRET)
    )
    assert refused(stolen)
    assert stolen.json == unknown.json
    assert bench.redeem(story, code).status_code == 200


def test_CODE_08_a_public_app_cannot_redeem_the_code_of_another(bench):
    story, other = (
        bench.story(token_endpoint_auth_method="none"),
        bench.story(token_endpoint_auth_method="none"),
    )
    code = bench.code(story)
    assert refused(bench.redeem(story, code, auth=None, client_id=other.app.client_id))
    assert bench.redeem(story, code, auth=None, client_id=story.app.client_id).status_code == 200


def test_CODE_05_a_code_is_good_for_thirty_seconds(bench):
    story = bench.story()
    in_time, late = bench.code(story), bench.code(story)
    bench.house.clock.move(seconds=29)
    assert bench.redeem(story, in_time).status_code == 200
    bench.house.clock.move(seconds=1)
    assert refused(bench.redeem(story, late))


def test_CODE_05_an_app_may_have_a_longer_code_of_sixty_seconds_at_most(bench):
    story = bench.story(code_seconds=600)
    code, late = bench.code(story), bench.code(story)
    bench.house.clock.move(seconds=59)
    assert bench.redeem(story, code).status_code == 200
    bench.house.clock.move(seconds=1)
    assert refused(bench.redeem(story, late))


def test_CODE_07_codes_have_nothing_in_common_but_their_prefix(bench):
    story = bench.story()
    session = bench.sign_in(story)
    codes = [bench.code(story, session) for _ in range(20)]
    assert len({code[4:10] for code in codes}) == 20
    assert all(len(code) >= 4 + 43 for code in codes)
    stored = bench.rows(select(AuthorizationCode.digest))
    assert not any(code.encode() in bytes(digest) for code in codes for (digest,) in stored)


def test_CODE_11_after_a_few_tries_of_another_app_the_code_is_burnt(bench):
    story, other = bench.story(), bench.story()
    code = bench.code(story)
    for _ in range(50):
        assert refused(bench.redeem(story, code, auth=(other.app.client_id, SECRET)))
    assert refused(bench.redeem(story, code))
    assert 0 < len(bench.events("app_refused")) <= 10


def test_CODE_11_PKCE_06_one_wrong_verifier_burns_the_code(bench):
    story = bench.story()
    code = bench.code(story)
    assert refused(bench.redeem(story, code, code_verifier="w" * 64))
    assert refused(bench.redeem(story, code))
    assert len(bench.events("app_refused")) >= 1


@pytest.mark.parametrize("kind", [kind for kind in entropy.Token if kind is not entropy.Token.CODE])
def test_CODE_14_nothing_else_is_a_code(bench, kind):
    story = bench.story()
    assert refused(bench.redeem(story, garbage(kind, bench.house)))


def test_CODE_14_real_tokens_are_no_codes_and_a_code_is_no_token(bench):
    story = bench.story()
    given, code = bench.tokens(story), bench.code(story)
    assert refused(bench.redeem(story, given["refresh_token"]))
    assert refused(bench.redeem(story, given["access_token"]))
    assert refused(bench.refresh(story, code))
    assert refused(bench.refresh(story, given["access_token"]))
    assert bench.userinfo(code).status_code == 401
    assert bench.userinfo(given["refresh_token"]).status_code == 401
    assert bench.redeem(story, code).status_code == 200


def test_PKCE_05_a_missing_verifier_gives_nothing(bench):
    story = bench.story()
    assert refused(bench.redeem(story, bench.code(story), code_verifier=None))
    assert refused(bench.redeem(story, bench.code(story), code_verifier=""))


@pytest.mark.parametrize("verifier", ["v" * 42, "v" * 129, "v" * 50 + "!", "v" * 50 + "é", "v" * 50 + " "])
def test_PKCE_08_a_verifier_that_cannot_be_one_is_refused_without_spending_the_code(bench, verifier):
    story = bench.story()
    code = bench.code(story)
    assert refused(bench.redeem(story, code, code_verifier=verifier), "invalid_request")
    assert bench.redeem(story, code).status_code == 200


def test_PKCE_12_a_code_injected_into_another_flow_of_the_same_app_is_refused(bench):
    story = bench.story()
    victims = bench.code(story)
    assert refused(bench.redeem(story, victims, code_verifier="attacker" * 8))


def test_PKCE_12_a_verifier_for_a_code_without_challenge_is_refused(bench):
    story = bench.story(pkce_exempt_until="2027-06-30")
    assert refused(bench.redeem(story, bench.code(story, code_challenge=None)))
    plain = bench.redeem(story, bench.code(story, code_challenge=None), code_verifier=None)
    assert plain.status_code == 200


def test_PKCE_11_a_repeated_parameter_is_refused(bench):
    story = bench.story()
    code = bench.code(story)
    body = f"grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&code_verifier={VERIFIER}"
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    assert refused(
        bench.browser.post("/token", data=body, content_type=FORM, headers=headers), "invalid_request"
    )


@pytest.mark.parametrize("uri", [None, "", "https://app.example/other", "https://APP.example/cb"])
def test_RURI_14_the_redirect_uri_must_be_the_one_of_the_request(bench, uri):
    story = bench.story(redirect_uris=["https://app.example/cb", "https://app.example/other"])
    answer = bench.redeem(story, bench.code(story), redirect_uri=uri)
    assert refused(answer)
    assert "redirect_uri" in answer.json["error_description"]


def test_TOK_07_a_password_gets_nowhere_here(bench):
    story = bench.story()
    form = {"grant_type": "password", "username": story.username, "password": "29ban9"}
    assert refused(bench.post("/token", form, auth=(story.app.client_id, SECRET)), "unsupported_grant_type")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": '"\\é'}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x" * 3000}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "lsc_é"}, "invalid_grant"),
    ],
)
def test_what_is_missing_or_unknown_is_named(bench, form, error):
    story = bench.story()
    assert refused(bench.post("/token", form, auth=(story.app.client_id, SECRET)), error)


def test_TOK_08_an_app_for_people_cannot_speak_for_itself(bench):
    story = bench.story()
    form = {"grant_type": "client_credentials"}
    assert refused(bench.post("/token", form, auth=(story.app.client_id, SECRET)), "unauthorized_client")


def test_an_app_that_speaks_for_itself_never_gets_a_scope_about_pupils(bench):
    roster = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
    grants = ["authorization_code", "client_credentials"]
    story = bench.story(grant_types=grants, scope=f"openid profile ov_klas vo offline_access {roster}")
    auth = (story.app.client_id, SECRET)
    form = {"grant_type": "client_credentials"}
    given = bench.post("/token", form, auth=auth).json
    assert given["scope"] == roster
    assert "refresh_token" not in given
    assert "id_token" not in given
    for scope in ("openid", "ov_klas", "vo", f"{roster} profile", "offline_access", "other"):
        assert refused(bench.post("/token", form | {"scope": scope}, auth=auth), "invalid_scope")
    assert bench.introspect(story, given["access_token"]).json == {
        "active": True,
        "client_id": story.app.client_id,
        "iss": bench.house.settings.issuer,
        "scope": roster,
        "token_type": "Bearer",
        "iat": int(bench.house.clock.now().timestamp()),
        "exp": int(bench.house.clock.now().timestamp()) + 3600,
    }
    assert bench.userinfo(given["access_token"]).status_code == 403


@pytest.mark.parametrize("method", ["get", "put", "head", "delete", "patch"])
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_TOK_10_only_post_does_anything(bench, method, path):
    story = bench.story()
    code = bench.code(story)
    query = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    query |= {"redirect_uri": story.app.redirect_uris[0]}
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    answer = getattr(bench.browser, method)(path, query_string=query, headers=headers)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert bench.redeem(story, code).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", None])
def test_TOK_11_the_body_is_a_form_or_nothing(bench, kind):
    story = bench.story()
    body = f"grant_type=authorization_code&code={bench.code(story)}&code_verifier={VERIFIER}"
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    answer = bench.browser.post("/token", data=body, content_type=kind, headers=headers)
    assert refused(answer, "invalid_request")


def test_TOK_03_what_stands_in_the_query_is_not_read(bench):
    story = bench.story()
    code = bench.code(story)
    form = {"grant_type": "authorization_code", "code_verifier": VERIFIER}
    form |= {"redirect_uri": story.app.redirect_uris[0]}
    in_query = {"client_id": story.app.client_id, "client_secret": SECRET}
    answer = bench.browser.post("/token", data=form | {"code": code}, query_string=in_query)
    assert refused(answer, "invalid_client", 401)
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    answer = bench.browser.post("/token", data=form, query_string={"code": code}, headers=headers)
    assert refused(answer, "invalid_request")
    assert bench.redeem(story, code).status_code == 200


def test_TOK_13_every_answer_says_no_store(bench):
    story = bench.story()
    code = bench.code(story)
    answers = [bench.redeem(story, code), bench.redeem(story, code), bench.redeem(story, code, auth=None)]
    answers += [bench.browser.post("/token"), bench.userinfo("x"), bench.introspect(story, "x")]
    answers += [bench.revoke(story, "x")]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert {answer.mimetype for answer in answers} == {"application/json"}
    assert not any("Set-Cookie" in answer.headers for answer in answers)


def test_TOK_18_a_token_is_for_its_own_app_and_the_granted_scopes(bench):
    story = bench.story()
    given = bench.tokens(story, scope="openid profile")
    assert given["scope"] == "openid profile"
    told = bench.introspect(story, given["access_token"]).json
    assert (told["aud"], told["scope"]) == (story.app.client_id, "openid profile")
    assert set(bench.userinfo(given["access_token"]).json) == {"sub", "given_name", "family_name", "name"}


def test_TOK_19_nothing_secret_is_stored_in_clear(bench):
    story = bench.story()
    given = bench.tokens(story)
    shown = [SECRET, given["access_token"], given["refresh_token"]]
    for table in models.Base.metadata.sorted_tables:
        stored = str(bench.rows(select(table)))
        assert not any(secret in stored for secret in shown)
        assert not any(secret.encode().hex() in stored for secret in shown)


def test_RT_13_no_refresh_token_unless_asked_and_allowed(bench):
    story = bench.story()
    assert "refresh_token" in bench.tokens(story)
    assert "refresh_token" not in bench.tokens(story, scope="openid profile")
    plain = bench.story(grant_types=["authorization_code"])
    assert "refresh_token" not in bench.tokens(plain)


def test_a_code_dies_with_the_session(bench):
    story = bench.story()
    session = bench.sign_in(story)
    code = bench.code(story, session)
    now = bench.house.clock.now()
    bench.change(update(models.Session).where(models.Session.sid == session.sid).values(ended_at=now))
    assert refused(bench.redeem(story, code))


def test_a_code_dies_when_the_app_goes_invisible_before_it_is_redeemed(bench):
    story = bench.story()
    code = bench.code(story)
    bench.change(models.VisibilityRule.__table__.delete())
    assert refused(bench.redeem(story, code))
    assert not bench.rows(select(models.AccessToken.digest))
    assert not bench.rows(select(models.Release.id))


def test_a_code_dies_when_its_app_is_disabled(bench):
    story = bench.story()
    code = bench.code(story)
    with bench.house.database.transaction() as db:
        db.execute(update(models.App).values(disabled_at=bench.house.clock.now()))
    bench.registered_again()
    assert refused(bench.redeem(story, code), "invalid_client", 401)


def test_an_exchange_stands_in_the_ledger_without_values(bench):
    story = bench.story()
    bench.tokens(story)
    ((claims,),) = bench.rows(select(models.Release.claims))
    assert claims["sub"] == "released"
    assert claims["ov_klassen"] == "not_requested"


def test_JWT_12_sub_stays_the_same_for_this_app_and_differs_for_others(bench):
    story = bench.story()
    subs = {bench.id_token(bench.tokens(story)["id_token"])[1]["sub"] for _ in range(2)}
    assert len(subs) == 1
    with bench.house.database.transaction() as db:
        other = make.app(db, secrets=())
        make.rule(db, other.client_id, story.school)
    theirs = make.Story(
        school=story.school, pupil=story.pupil, username=story.username, klas=story.klas, app=other
    )
    bench.change(
        models.AppSecret.__table__.insert().values(
            id=entropy.row_id(),
            client_id=other.client_id,
            digest=hashlib.sha256(SECRET.encode()).hexdigest(),
            created_at=bench.house.clock.now(),
        )
    )
    assert bench.id_token(bench.tokens(theirs)["id_token"])[1]["sub"] not in subs


def test_JWT_12_a_public_subject_is_the_account(bench):
    story = bench.story(subject_type="public")
    assert bench.id_token(bench.tokens(story)["id_token"])[1]["sub"] == story.pupil


def test_a_grant_of_a_day_ends_with_its_access_token(bench):
    story = bench.story()
    bench.tokens(story, scope="openid")
    ((created, expires),) = bench.rows(select(Grant.created_at, Grant.expires_at))
    assert (expires - created).total_seconds() == 3630
    assert bench.rows(select(func.count()).select_from(Grant)) == [(1,)]
