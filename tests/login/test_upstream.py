"""Staff sign in at an upstream provider; whatever an attacker or a broken provider sends, nobody is let in by it."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy import select

from idp import config, models
from idp.app import create_app
from idp.login import staff_setup
from idp.models import RightKind
from tests import make, make_staff, make_upstream
from tests.make_browser import path
from tests.make_reading import stands
from tests.make_upstream import CLIENT, KEY, OTHER_KEY, SECRET

START, BACK, SIGN_IN = "/personeel/aanmelden/extern", "/personeel/aanmelden/terug", "/personeel/aanmelden"
WRONG, UNKNOWN, AWAY = "Het aanmelden lukte niet", "nog geen account", "De aanmelddienst antwoordt niet"


@pytest.fixture
def upstream(house):
    with make_upstream.provider(house.clock.now) as made:
        yield made


def with_upstream(house, upstream, **more):
    words = {"upstream_issuer": upstream.issuer, "upstream_client_id": CLIENT, "upstream_name": "ACM"} | more
    return dataclasses.replace(
        house,
        settings=house.settings.model_copy(update=words),
        keys=dataclasses.replace(house.keys, upstream_secret=SECRET),
    )


@pytest.fixture
def app(house, upstream):
    made = create_app(with_upstream(house, upstream))
    made.testing = True
    return made


@pytest.fixture
def ann(house):
    return make_staff.staff(house, person_id="ann")


def leave(client, upstream, where=START):
    """To the provider; returns what it would answer."""
    gone = client.get(where)
    assert gone.status_code == 303, gone.text
    assert gone.headers["Location"].startswith(f"{upstream.issuer}/authorize?")
    code = upstream.ask(gone.headers["Location"])
    return {"code": code, "state": upstream.asked["state"], "iss": upstream.issuer}


def arrive(client, answer):
    return client.get(f"{BACK}?{urlencode(answer, doseq=True)}")


def signed_in(client) -> bool:
    return path(client.get("/schoolloket")) != SIGN_IN


def refused(client, answer, said=WRONG) -> bool:
    return said in told(client, arrive(client, answer)) and not signed_in(client)


def told(client, answer) -> str:
    """The sign-in page that this answer leads to; nothing of the provider is in the address."""
    where = urlsplit(answer.headers["Location"])
    assert where.path == SIGN_IN, answer.headers
    assert {*parse_qs(where.query)} == {"bericht"}
    return client.get(answer.headers["Location"]).text


def test_who_signs_in_there_is_in_here(client, house, upstream, ann):
    assert f'href="{START}"' in client.get(SIGN_IN).text
    answer = leave(client, upstream)
    asked = upstream.asked
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{house.settings.issuer}{BACK}"
    assert (asked["scope"], asked["client_id"]) == ("openid", CLIENT)
    assert min(len(asked["state"]), len(asked["nonce"])) >= 32
    assert path(arrive(client, answer)) == "/schoolloket"
    assert signed_in(client)
    assert upstream.basic == [f"{CLIENT}:{SECRET}"]
    assert upstream.forms[0]["redirect_uri"] == asked["redirect_uri"]
    with house.database.reading() as db:
        event = db.execute(
            select(models.AuditEvent).where(models.AuditEvent.event == "staff_signed_in")
        ).one()
    assert (event.actor, event.details) == ("person:ann", {"amr": ["upstream"]})


def test_the_way_back_survives_and_a_foreign_one_does_not(client, upstream, ann):
    answer = leave(client, upstream, f"{START}?next=/schoolloket/personen")
    assert path(arrive(client, answer)) == "/schoolloket/personen"
    answer = leave(client, upstream, f"{START}?next=https://evil.example/")
    assert arrive(client, answer).headers["Location"] == "/schoolloket"


def test_another_claim_may_name_the_person(house, upstream, ann):
    client = create_app(with_upstream(house, upstream, upstream_claim="vo_id")).test_client()
    upstream.claims = {"vo_id": "ann", "sub": "else"}
    assert path(arrive(client, leave(client, upstream))) == "/schoolloket"
    upstream.claims = {"vo_id": ["ann"]}
    client = create_app(with_upstream(house, upstream, upstream_claim="vo_id")).test_client()
    assert refused(client, leave(client, upstream))


def test_somebody_whom_we_do_not_know_reads_what_to_do(client, house, upstream, ann):
    upstream.claims = {"sub": "ANN"}
    assert refused(client, leave(client, upstream), UNKNOWN)
    upstream.claims = {"sub": "ann@school.example"}
    assert refused(client, leave(client, upstream), UNKNOWN)


def test_who_has_no_right_gets_no_further_than_anybody_without_rights(client, house, upstream):
    with house.database.transaction() as db:
        make.person(db, "ann")
    assert path(arrive(client, leave(client, upstream))) == "/schoolloket"
    assert client.get("/schoolloket").status_code == 403


def test_the_secret_may_be_asked_in_the_form(client, upstream, ann):
    upstream.discovery = {"token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"]}
    assert path(arrive(client, leave(client, upstream))) == "/schoolloket"
    assert upstream.forms[0]["client_secret"] == SECRET


# ---------------------------------------------------------------- the answer is not for this browser, or comes again


@pytest.mark.parametrize("state", ["", "x" * 43, None])
def test_STATE_01_another_state_is_refused_before_anything_is_asked(client, upstream, ann, state):
    answer = leave(client, upstream) | {"state": state}
    assert refused(client, {name: value for name, value in answer.items() if value is not None})
    assert upstream.forms == []


def test_STATE_02_an_answer_in_another_browser_opens_nothing(app, client, upstream, ann):
    answer = leave(client, upstream)
    stranger = app.test_client()
    assert refused(stranger, answer, "Meld je opnieuw aan")
    leave(stranger, upstream)
    assert refused(stranger, answer)
    assert upstream.forms == []


def test_STATE_03_an_answer_is_good_once_even_with_the_cookie_of_before(app, client, upstream, ann):
    answer = leave(client, upstream)
    cookie = client.get_cookie(next(c.key for c in client._cookies.values() if "upstream" in c.key))
    assert path(arrive(client, answer)) == "/schoolloket"
    assert path(arrive(client, answer)) == "/schoolloket"  # a reload, without cookie: nothing is asked
    thief = app.test_client()
    thief.set_cookie(cookie.key, cookie.value)
    assert refused(thief, answer)
    assert len(upstream.forms) == 1


def test_STATE_04_an_answer_that_comes_too_late_is_refused(client, upstream, ann, stopped):
    answer = leave(client, upstream)
    stopped.move(minutes=11)
    assert refused(client, answer, "Meld je opnieuw aan")


def test_MIX_01_an_answer_of_another_provider_is_refused(client, upstream, ann):
    assert refused(client, leave(client, upstream) | {"iss": "https://evil.example"})
    assert upstream.forms == []


def test_MIX_02_a_provider_that_says_iss_always_says_it(client, upstream, ann):
    upstream.discovery = {"authorization_response_iss_parameter_supported": True}
    answer = leave(client, upstream)
    del answer["iss"]
    assert refused(client, answer)
    assert upstream.forms == []


def test_without_iss_from_a_provider_that_never_says_it_all_is_well(client, upstream, ann):
    answer = leave(client, upstream)
    del answer["iss"]
    assert path(arrive(client, answer)) == "/schoolloket"


@pytest.mark.parametrize(
    "wrong", [{"code": ["a", "b"]}, {"state": ["a", "b"]}, {"code": "x" * 5000}, {"code": ""}]
)
def test_a_parameter_twice_or_too_long_is_refused(client, upstream, ann, wrong):
    assert refused(client, leave(client, upstream) | wrong)


def test_who_stops_there_may_begin_again_and_other_errors_show_nothing_of_theirs(client, upstream, ann):
    answer = leave(client, upstream)
    del answer["code"]
    assert refused(client, answer | {"error": "access_denied"}, "Je brak het aanmelden af")
    answer = leave(client, upstream) | {"error": "<b>boom", "error_description": "<script>"}
    text = told(client, arrive(client, answer))
    assert WRONG in text
    assert not stands("boom", text)
    assert path(arrive(client, leave(client, upstream))) == "/schoolloket"


# ---------------------------------------------------------------- the ID token


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1},
        {"iat": None},
        {"iat": 1},
        {"iat": 1 << 39},
        {"nbf": 1 << 39},
        {"auth_time": 1},
        {"auth_time": True},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
    ids=json.dumps,
)
def test_IDT_01_a_token_of_which_one_thing_is_wrong_opens_nothing(client, upstream, ann, wrong):
    upstream.claims = wrong
    assert refused(client, leave(client, upstream))


def test_two_audiences_are_fine_when_the_token_was_made_for_us(client, upstream, ann):
    upstream.claims = {"aud": [CLIENT, "another"], "azp": CLIENT}
    assert path(arrive(client, leave(client, upstream))) == "/schoolloket"


def by_hand(header, said, sign) -> str:
    """A token of which everything is right but who signed."""

    def text(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    inside = ".".join(text(json.dumps(part).encode()) for part in (header, said))
    return f"{inside}.{text(sign(inside.encode()))}"


@pytest.mark.parametrize("how", ["none", "public key as secret", "another key", "no token", "number", "five"])
def test_ALG_01_only_a_signature_of_the_provider_counts(client, house, upstream, ann, how):
    answer = leave(client, upstream)
    at = int(house.clock.now().timestamp())
    said = {"iss": upstream.issuer, "aud": CLIENT, "sub": "ann", "iat": at, "exp": at + 9}
    said["nonce"] = upstream.asked["nonce"]
    if how == "none":
        upstream.token = by_hand({"alg": "none"}, said, lambda _: b"")
    elif how == "public key as secret":
        secret = KEY.as_pem(private=False)
        header = {"alg": "HS256", "kid": "one"}
        upstream.token = by_hand(header, said, lambda text: hmac.digest(secret, text, "sha256"))
    elif how == "another key":
        upstream.sign_with = OTHER_KEY
    else:
        upstream.token = {"no token": "", "number": 7, "five": "a.b.c.d.e"}[how]
    assert refused(client, answer)


def test_a_key_under_the_known_id_of_another_is_refused(client, upstream, ann):
    upstream.sign_with = type(KEY).generate_key(2048, {"kid": "one"})
    assert refused(client, leave(client, upstream))


def test_a_new_key_counts_at_once_and_unknown_ids_do_not_make_us_read_all_day(client, upstream, ann, stopped):
    assert path(arrive(client, leave(client, upstream))) == "/schoolloket"
    upstream.keys, upstream.sign_with = [KEY, OTHER_KEY], OTHER_KEY
    stopped.move(seconds=31)
    assert path(arrive(client, leave(client, upstream))) == "/schoolloket"
    upstream.sign_with = type(KEY).generate_key(2048, {"kid": "three"})
    for _ in range(3):
        arrive(client, leave(client, upstream))
    assert upstream.reads.count("/jwks") == 2


# ---------------------------------------------------------------- the provider is away, or another


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"jwks_uri": "http://school.example/keys"},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
)
def test_MIX_03_a_document_that_is_not_the_providers_sends_nobody_away(client, upstream, wrong):
    upstream.discovery = wrong
    assert AWAY in told(client, client.get(START))


def test_SSRF_01_endpoints_inside_a_network_are_not_called(client, upstream, ann):
    upstream.discovery = {"token_endpoint": "https://10.0.0.7/token"}
    assert refused(client, leave(client, upstream), AWAY)


def test_a_provider_that_is_away_is_a_friendly_page_and_the_password_still_works(house, ann):
    with make_upstream.provider(house.clock.now) as gone:
        pass
    client = create_app(with_upstream(house, gone)).test_client()
    assert AWAY in told(client, client.get(START))
    assert path(make_staff.sign_in(client, house, ann)) == "/schoolloket"


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_refused_code_is_a_friendly_page(client, upstream, ann, status):
    upstream.status = status
    assert refused(client, leave(client, upstream), WRONG if status < 500 else AWAY)


def test_nothing_of_the_sign_in_stands_in_an_error_or_the_trail(client, house, upstream, ann, caplog):
    upstream.claims = {"nonce": "another"}
    answer = leave(client, upstream)
    text = told(client, arrive(client, answer))
    with house.database.reading() as db:
        trail = str(db.execute(select(models.AuditEvent.event, models.AuditEvent.details)).all())
    seen = text + trail + caplog.text
    assert "staff_sign_in_failed" in trail
    for secret in (answer["state"], answer["code"] + "&", upstream.asked["nonce"], SECRET):
        assert secret not in seen


# ---------------------------------------------------------------- a fresh proof, and no other way


def test_a_silent_sign_in_there_is_no_fresh_proof_here(client, house, upstream, ann):
    upstream.claims = {"auth_time": int((house.clock.now() - timedelta(hours=2)).timestamp())}
    arrive(client, leave(client, upstream))
    page = client.get("/personeel/mijn-gegevens/wachtwoord")
    assert path(page) == "/personeel/bevestigen"
    page = client.get(page.headers["Location"])
    onward = f"{START}?opnieuw=1&next=%2Fpersoneel%2Fmijn-gegevens%2Fwachtwoord"
    assert onward.replace("&", "&amp;") in page.text
    answer = leave(client, upstream, onward)
    assert (upstream.asked["prompt"], upstream.asked["max_age"]) == ("login", "0")
    assert refused_but_in(client, answer)
    upstream.claims = {"auth_time": None}
    assert refused_but_in(client, leave(client, upstream, onward))
    upstream.claims = {}
    assert path(arrive(client, leave(client, upstream, onward))) == "/personeel/mijn-gegevens/wachtwoord"
    assert client.get("/personeel/mijn-gegevens/wachtwoord").status_code == 200


def refused_but_in(client, answer) -> bool:
    """The session of before goes on, and is no fresher."""
    return WRONG in told(client, arrive(client, answer)) and signed_in(client)


def test_where_only_the_provider_counts_no_other_way_is_open(house, upstream, ann):
    with house.database.transaction() as db:
        bart = make.person(db, "bart")
        make.right(db, bart, ann.school, kind=RightKind.BEHEERDER)
        link = staff_setup.invite(
            db, house.settings, person_id=bart, by="operator:cli", now=house.clock.now()
        )
    ours = with_upstream(house, upstream, upstream_only=True)
    client = create_app(ours).test_client()
    page = client.get(SIGN_IN)
    assert "Wachtwoord" not in page.text
    assert "Aanmelden met ACM" in page.text
    before = create_app(house).test_client()
    token = before.get(SIGN_IN).text.partition('name="csrf_token" value="')[2].partition('"')[0]
    for cookie in before._cookies.values():
        client.set_cookie(cookie.key, cookie.value)
    given = {"csrf_token": token, "name": "ann", "password": ann.password, "code": "1", "answer": "{}"}
    for where in (SIGN_IN, f"{SIGN_IN}/code", f"{SIGN_IN}/passkey"):
        answer = client.post(where, data=given)
        assert (answer.status_code, "anders aan" in answer.text) == (403, True)
    assert client.get(link.removeprefix(house.settings.issuer)).status_code == 403
    with house.database.transaction() as db, pytest.raises(Exception, match="staff_only_upstream"):
        staff_setup.invite(db, ours.settings, person_id=bart, by="operator:cli", now=house.clock.now())
    assert path(arrive(client, leave(client, upstream))) == "/schoolloket"
    assert "App met codes" not in client.get("/personeel/mijn-gegevens").text


def test_without_a_provider_there_is_no_such_page(house, ann):
    client = create_app(house).test_client()
    assert (client.get(START).status_code, client.get(BACK).status_code) == (404, 404)
    assert "extern" not in client.get(SIGN_IN).text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"upstream_issuer": "https://sso.example"}, "upstream_client_id"),
        ({"upstream_issuer": "http://sso.example", "upstream_client_id": "x"}, "use https"),
        ({"upstream_issuer": "sso.example", "upstream_client_id": "x"}, "full address"),
        ({"upstream_issuer": "https://sso.example/?a=b", "upstream_client_id": "x"}, "without query"),
        ({"upstream_only": True}, "nobody could sign in"),
        (
            {
                "upstream_issuer": "https://sso.example",
                "upstream_client_id": "x",
                "upstream_scopes": ("profile",),
            },
            "openid",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path, words, said):
    with pytest.raises(config.ConfigurationError, match=said):
        config.read({}, data=tmp_path, **words)


def test_the_query_that_leaves_holds_no_secret(client, upstream, ann):
    gone = client.get(START)
    asked = parse_qs(urlsplit(gone.headers["Location"]).query)
    assert {*asked} == {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "max_age",
    }
    assert SECRET not in gone.headers["Location"] + str(gone.headers)
