"""Which app is calling? Every way to pretend, by the id of its security case."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import timedelta

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlalchemy import select, update

from idp import models
from idp.oidc import clients
from tests.make_tokens import FORM, SECRET, Bench

RSA, RSA_2 = RSAKey.generate_key(2048, {"kid": "one"}), RSAKey.generate_key(2048, {"kid": "two"})
EC, ED = ECKey.generate_key("P-256", {"kid": "ec"}), OKPKey.generate_key("Ed25519", {"kid": "ed"})
BEARER = clients.BEARER


@pytest.fixture
def bench(house):
    return Bench(house)


def refused(answer, error="invalid_client", status=401):
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.text
    assert "access_token" not in answer.json
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith('Basic realm="clients", error="invalid_client"')
    return True


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_TOK_01_a_wrong_secret_gets_nothing(bench, method):
    story = bench.story(token_endpoint_auth_method=method)
    code = bench.code(story)
    client_id = story.app.client_id

    def redeem(secret):
        if method == "client_secret_basic":
            return bench.redeem(story, code, auth=(client_id, secret))
        return bench.redeem(story, code, auth=None, client_id=client_id, client_secret=secret)

    for wrong in ("wrong", SECRET + "x", SECRET[:-1], SECRET.upper(), "é", "x" * 5000):
        assert refused(redeem(wrong))
    assert redeem(SECRET).status_code == 200


def test_TOK_02_RT_05_an_app_with_a_secret_must_show_it(bench):
    story = bench.story()
    given = bench.tokens(story)
    client_id = story.app.client_id
    assert refused(bench.redeem(story, bench.code(story), auth=None, client_id=client_id))
    assert refused(bench.refresh(story, given["refresh_token"], auth=None, client_id=client_id))
    assert refused(bench.redeem(story, bench.code(story), auth=None))


def test_TOK_05_one_app_authenticates_and_another_is_named(bench):
    story, other = bench.story(), bench.story()
    code = bench.code(story)
    assert refused(bench.redeem(story, code, client_id=other.app.client_id))
    assert refused(
        bench.redeem(story, code, auth=(other.app.client_id, SECRET), client_id=story.app.client_id)
    )
    assert bench.redeem(story, code, client_id=story.app.client_id).status_code == 200


@pytest.mark.parametrize("secret", ["", "null", "None", " ", "%20", "\t", "0", "undefined"])
def test_TOK_14_an_empty_or_silly_secret_is_none(bench, secret):
    story = bench.story()
    assert refused(bench.redeem(story, bench.code(story), auth=(story.app.client_id, secret)))
    form = {"auth": None, "client_id": story.app.client_id, "client_secret": secret}
    assert refused(bench.redeem(story, bench.code(story), **form))


UNREADABLE = (b"app", b"\xff\xfe:x", b"%ff:x", b":x", b"app:")
HEADERS = ["Basic " + base64.b64encode(text).decode() for text in UNREADABLE]


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Bearer x", "Negotiate x", "Basic " + "A" * 6000, *HEADERS]
)
def test_TOK_14_a_header_that_cannot_be_read_is_refused(bench, header):
    story = bench.story()
    answer = bench.redeem(story, bench.code(story), auth=None, headers={"Authorization": header})
    assert refused(answer)


def test_two_ways_at_once_are_refused(bench):
    story = bench.story()
    code = bench.code(story)
    assert refused(bench.redeem(story, code, client_secret=SECRET), "invalid_request", 400)
    both = {"client_assertion": "x", "client_assertion_type": BEARER}
    assert refused(bench.redeem(story, code, **both), "invalid_request", 400)
    assert bench.redeem(story, code).status_code == 200


def test_only_the_registered_way_counts_and_the_answer_names_it(bench):
    story = bench.story()
    form = {"auth": None, "client_id": story.app.client_id, "client_secret": SECRET}
    answer = bench.redeem(story, bench.code(story), **form)
    assert refused(answer)
    assert "client_secret_basic" in answer.json["error_description"]


def test_a_public_app_shows_no_secret(bench):
    story = bench.story(token_endpoint_auth_method="none")
    client_id = story.app.client_id
    assert bench.redeem(story, bench.code(story), auth=None, client_id=client_id).status_code == 200
    assert refused(bench.redeem(story, bench.code(story), auth=(client_id, SECRET)))


def test_basic_credentials_are_form_encoded_before_they_are_joined(bench):
    secret = "lsk_a:b%c d+e/é"
    story = bench.story(client_id="app~1.x", secret=secret)
    assert bench.redeem(story, bench.code(story), auth=("app~1.x", secret)).status_code == 200


@pytest.mark.parametrize("secret", ["Zm9v+YmFyL2Jhej09Zm9v+g==", "100%25-of-it-and-%ff", "a%2Bb+c d"])
def test_a_secret_that_was_brought_along_counts_as_it_is_too(bench, secret):
    """As openssl makes one; and most clients put it into the header without a thought."""
    story = bench.story(secret=secret)
    plain = base64.b64encode(f"{story.app.client_id}:{secret}".encode()).decode()
    answer = bench.redeem(story, bench.code(story), auth=None, headers={"Authorization": f"Basic {plain}"})
    assert answer.status_code == 200
    assert bench.redeem(story, bench.code(story), auth=(story.app.client_id, secret)).status_code == 200
    for wrong in (secret + "+", "+" + secret, "+", "%"):
        other = base64.b64encode(f"{story.app.client_id}:{wrong}".encode()).decode()
        again = bench.redeem(story, bench.code(story), auth=None, headers={"Authorization": f"Basic {other}"})
        assert refused(again)


def test_two_secrets_live_side_by_side_until_one_ends(bench):
    story = bench.story()
    new, now = "lsk_new-secret", bench.house.clock.now()
    with bench.house.database.transaction() as db:
        db.execute(update(models.AppSecret).values(expires_at=now + timedelta(days=1)))
        values = {"id": "0190b0c0-0000-7000-8000-000000000001", "client_id": story.app.client_id}
        db.execute(
            models.AppSecret.__table__.insert(), values | {"digest": clients.digest(new), "created_at": now}
        )
    bench.registered_again()
    for secret in (SECRET, new):
        assert bench.redeem(story, bench.code(story), auth=(story.app.client_id, secret)).status_code == 200
    bench.house.clock.move(days=1)
    assert bench.redeem(story, bench.code(story), auth=(story.app.client_id, new)).status_code == 200
    assert refused(bench.redeem(story, bench.code(story)))


def test_TOK_16_many_wrong_secrets_are_slowed_and_the_right_one_still_works(bench):
    story = bench.story()
    wrong = [bench.redeem(story, "x", auth=(story.app.client_id, f"wrong-{number}")) for number in range(50)]
    assert [answer.status_code for answer in wrong[:20]] == [401] * 20
    assert {answer.status_code for answer in wrong[20:]} == {429}
    assert wrong[-1].headers["Retry-After"] == "60"
    assert bench.redeem(story, bench.code(story)).status_code == 200
    notes = [event.details["because"] for event in bench.events("app_refused")]
    assert len(notes) == 6
    assert notes.count("wrong secret") == 5


def test_an_unknown_app_and_a_wrong_secret_look_the_same(bench):
    story = bench.story()
    known = bench.redeem(story, "x", auth=(story.app.client_id, "wrong"))
    unknown = bench.redeem(story, "x", auth=("nobody", "wrong"))
    assert refused(unknown)
    assert known.json == unknown.json


# ---------------------------------------------------------------- private_key_jwt


def keyed(bench, *keys, **given):
    listed = [key.as_dict(private=False) for key in keys or (RSA,)]
    return bench.story(token_endpoint_auth_method="private_key_jwt", jwks={"keys": listed}, **given)


def claims_for(bench, story, **given):
    now = int(bench.house.clock.now().timestamp())
    claims = {"iss": story.app.client_id, "sub": story.app.client_id, "aud": bench.house.settings.issuer}
    claims |= {"exp": now + 60, "iat": now, "jti": f"j{time.perf_counter_ns()}"} | given
    return {name: value for name, value in claims.items() if value is not None}


class Any(jws.JWSRegistry):
    def get_alg(self, name):
        return self.algorithms[name]


def signed(claims, key=RSA, alg="RS256", **header):
    payload = claims if isinstance(claims, bytes) else orjson.dumps(claims)
    registry = Any(strict_check_header=False)
    registry.max_header_length = 10**6
    return jws.serialize_compact({"alg": alg} | header, payload, key, registry=registry)


def send(bench, story, assertion, **form):
    words = {"auth": None, "client_assertion": assertion, "client_assertion_type": BEARER} | form
    return bench.redeem(story, bench.code(story), **words)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_an_app_may_prove_itself_with_a_key(bench, key, alg):
    story = keyed(bench, key)
    for audience in (bench.house.settings.issuer, f"{bench.house.settings.issuer}/token"):
        assertion = signed(claims_for(bench, story, aud=audience), key, alg)
        assert send(bench, story, assertion).status_code == 200
    both = [bench.house.settings.issuer, f"{bench.house.settings.issuer}/token"]
    assert (
        send(bench, story, signed(claims_for(bench, story, aud=both), key, alg, kid=key.kid)).status_code
        == 200
    )


@pytest.mark.parametrize("pinned", [None, "EdDSA", "Ed25519"])
@pytest.mark.parametrize("written", ["EdDSA", "Ed25519"])
def test_the_two_names_of_one_algorithm_count_as_one(bench, pinned, written):
    more = {"token_endpoint_auth_signing_alg": pinned} if pinned else {}
    story = keyed(
        bench, OKPKey.import_key(ED.as_dict(private=True) | ({"alg": pinned} if pinned else {})), **more
    )
    assert send(bench, story, signed(claims_for(bench, story), ED, written)).status_code == 200
    assert refused(send(bench, story, signed(claims_for(bench, story), EC, "ES256")))


def test_a_secret_does_not_replace_the_key(bench):
    story = keyed(bench)
    assert refused(bench.redeem(story, bench.code(story)))


def unsigned(header, claims):
    parts = (json.dumps(header).encode(), orjson.dumps(claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE", "", None, 7, ["RS256"]])
def test_CJWT_01_no_signature_is_no_proof(bench, alg):
    story = keyed(bench)
    assert refused(send(bench, story, unsigned({"alg": alg}, claims_for(bench, story))))


def test_CJWT_01_a_removed_signature_is_no_proof(bench):
    story = keyed(bench)
    assert refused(send(bench, story, signed(claims_for(bench, story)).rpartition(".")[0] + "."))


def test_CJWT_02_a_public_key_is_no_secret(bench):
    story = keyed(bench, RSA, EC)
    texts = [RSA.as_pem(private=False), RSA.as_der(private=False), EC.as_pem(private=False)]
    texts += [orjson.dumps(RSA.as_dict(private=False)), json.dumps(RSA.as_dict(private=False)).encode()]
    for text in texts:
        for alg, hashed in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
            begin = unsigned({"alg": alg}, claims_for(bench, story))[:-1]
            signature = base64.urlsafe_b64encode(hmac.digest(text, begin.encode(), hashed)).rstrip(b"=")
            assert refused(send(bench, story, f"{begin}.{signature.decode()}"))


def test_CJWT_03_another_key_is_no_proof(bench):
    story = keyed(bench)
    assert refused(send(bench, story, signed(claims_for(bench, story), RSA_2)))
    assert refused(send(bench, story, signed(claims_for(bench, story), EC, "ES256")))
    named = signed(claims_for(bench, story), RSA_2, kid="one")
    assert refused(send(bench, story, named))


def test_the_algorithm_is_the_registered_one(bench):
    story = keyed(bench, token_endpoint_auth_signing_alg="PS256")
    assert refused(send(bench, story, signed(claims_for(bench, story), RSA, "RS256")))
    assert send(bench, story, signed(claims_for(bench, story), RSA, "PS256")).status_code == 200
    assert refused(send(bench, keyed(bench), signed(claims_for(bench, story), RSA, "RS512")))


OURS, THEIRS = "http://localhost:8080", "https://other.example"
MIXED = ([OURS, THEIRS], [OURS, 7], [[OURS]])


@pytest.mark.parametrize(
    "aud", [None, "", THEIRS, [], [7], {"a": 1}, 7, True, f"{OURS}/", OURS.upper(), *MIXED]
)
def test_CJWT_05_the_assertion_is_for_us_and_nobody_else(bench, aud):
    story = keyed(bench)
    assert bench.house.settings.issuer == OURS
    assert refused(send(bench, story, signed(claims_for(bench, story, aud=aud))))


@pytest.mark.parametrize("exp", [None, 0, -61, 661, "soon", 1e400, 60.5, True, [60], 10**30, -(10**30)])
def test_CJWT_07_JWT_18_the_assertion_ends_within_ten_minutes(bench, exp):
    story = keyed(bench)
    now = int(bench.house.clock.now().timestamp())
    moment = now + exp if exp in (-61, 661, 60.5) else exp
    claims = json.dumps(
        claims_for(bench, story) | {"exp": moment} if exp is not None else claims_for(bench, story, exp=None)
    )
    assert refused(send(bench, story, signed(claims.encode())))


@pytest.mark.parametrize("exp", [-50, 1, 600])
def test_a_clock_may_be_a_minute_off(bench, exp):
    story = keyed(bench)
    now = int(bench.house.clock.now().timestamp())
    assertion = signed(claims_for(bench, story, exp=now + exp, iat=now + 59, nbf=now + 59))
    assert send(bench, story, assertion).status_code == 200


def test_CJWT_09_an_assertion_is_good_once(bench):
    story, other = keyed(bench), keyed(bench)
    claims = claims_for(bench, story)
    assertion = signed(claims)
    assert send(bench, story, assertion).status_code == 200
    assert refused(send(bench, story, assertion))
    assert refused(send(bench, story, signed(claims | {"exp": claims["exp"] + 1})))
    theirs = signed(claims_for(bench, other, jti=claims["jti"]))
    assert send(bench, other, theirs).status_code == 200


def test_CJWT_09_an_assertion_is_used_up_also_when_the_request_fails(bench):
    story = keyed(bench)
    assertion = signed(claims_for(bench, story))
    form = {"grant_type": "authorization_code", "code": "x", "client_assertion": assertion}
    assert refused(bench.post("/token", form | {"client_assertion_type": BEARER}), "invalid_grant", 400)
    assert refused(send(bench, story, assertion))


@pytest.mark.parametrize("jti", [None, "", 7, "j" * 257, ["j"]])
def test_CJWT_09_an_assertion_has_a_jti(bench, jti):
    story = keyed(bench)
    assert refused(send(bench, story, signed(claims_for(bench, story, jti=jti))))


def test_CJWT_11_issuer_and_subject_are_the_app_itself(bench):
    story, other = keyed(bench), keyed(bench, EC)
    for wrong in ({"iss": other.app.client_id}, {"sub": other.app.client_id}, {"iss": None}, {"sub": None}):
        assert refused(send(bench, story, signed(claims_for(bench, story, **wrong))))
    both = {"iss": other.app.client_id, "sub": other.app.client_id}
    assert refused(send(bench, story, signed(claims_for(bench, story, **both))))
    assert refused(send(bench, story, signed(claims_for(bench, story)), client_id=other.app.client_id))
    assert refused(send(bench, story, signed(claims_for(bench, story, iss=[story.app.client_id]))))


@pytest.mark.parametrize(
    "kid", ["../../etc/passwd", "' OR 1=1 --", "http://127.0.0.1/k", "k" * 10_000, 7, [], None]
)
def test_CJWT_14_SSRF_06_a_kid_is_a_name_and_nothing_is_fetched(bench, kid):
    story = keyed(bench)
    header = {} if kid is None else {"kid": kid}
    header |= {"jku": "http://127.0.0.1:1/k", "x5u": "http://127.0.0.1:1/k"}
    parts = [json.dumps({"alg": "RS256"} | header).encode(), orjson.dumps(claims_for(bench, story))]
    joined = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = RSA.raw_value.sign(joined, padding.PKCS1v15(), hashes.SHA256())
    assertion = (joined + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
    answer = send(bench, story, assertion)
    assert answer.status_code == (200 if kid is None else 401)


def test_SSRF_06_a_key_in_the_header_is_not_believed(bench):
    story = keyed(bench)
    assertion = signed(claims_for(bench, story), RSA_2, jwk=RSA_2.as_dict(private=False))
    assert refused(send(bench, story, assertion))


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize("ahead", [61, 3600])
def test_CJWT_15_an_assertion_from_the_future_is_refused(bench, name, ahead):
    story = keyed(bench)
    moment = int(bench.house.clock.now().timestamp()) + ahead
    assert refused(send(bench, story, signed(claims_for(bench, story, **{name: moment}))))


@pytest.mark.parametrize(
    "kind", [None, "", "jwt", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"]
)
def test_CJWT_17_the_type_of_the_assertion_is_said(bench, kind):
    story = keyed(bench)
    assert refused(send(bench, story, signed(claims_for(bench, story)), client_assertion_type=kind))


def test_CJWT_17_a_type_without_assertion_is_refused(bench):
    story = keyed(bench)
    assert refused(send(bench, story, None))
    assert refused(send(bench, story, "", client_id=story.app.client_id))


@pytest.mark.parametrize("size", [9_000, 100_000])
def test_CJWT_18_a_huge_assertion_is_refused_at_once(bench, size):
    story = keyed(bench)
    big_payload = signed(claims_for(bench, story, more="x" * size))
    big_header = signed(claims_for(bench, story), kid="k" * size)
    code = bench.code(story)
    for assertion in (big_payload, big_header, "." * size, "x" * size, "a.b.c"):
        form = {"auth": None, "client_assertion": assertion, "client_assertion_type": BEARER}
        before = time.process_time()
        assert refused(bench.redeem(story, code, **form))
        assert time.process_time() - before < 1


def test_CJWT_18_a_body_of_a_megabyte_is_not_even_read(bench):
    body = f"client_assertion={'x' * 2**20}&client_assertion_type={BEARER}&grant_type=authorization_code"
    assert bench.browser.post("/token", data=body, content_type=FORM).status_code == 413


def test_CJWT_20_a_key_that_was_removed_no_longer_counts(bench):
    story = keyed(bench, RSA)
    assert send(bench, story, signed(claims_for(bench, story), RSA, kid="one")).status_code == 200
    with bench.house.database.transaction() as db:
        registration = db.execute(select(models.App.registration)).scalar_one()
        new = registration | {"jwks": {"keys": [RSA_2.as_dict(private=False)]}}
        db.execute(update(models.App).values(registration=new))
    bench.registered_again()
    assert refused(send(bench, story, signed(claims_for(bench, story), RSA, kid="one")))
    assert send(bench, story, signed(claims_for(bench, story), RSA_2, kid="two")).status_code == 200


def test_JWT_18_a_name_that_comes_twice_makes_it_unreadable(bench):
    story = keyed(bench)
    twice = orjson.dumps(claims_for(bench, story))[:-1] + b',"aud":"http://localhost:8080"}'
    assert refused(send(bench, story, signed(twice)))


@pytest.mark.parametrize("payload", [b"[]", b"7", b"null", b"{", b"[" * 3000, b'{"sub":7}', b"\xff", b""])
def test_JWT_18_a_payload_that_is_no_object_is_refused(bench, payload):
    story = keyed(bench)
    assert refused(send(bench, story, signed(payload), client_id=story.app.client_id))


HALF = rb'"\ud800"'


def test_HTTP_07_half_a_character_as_subject_names_nobody(bench):
    """Anybody can send it: no key is needed to get as far as looking for the app."""
    answer = send(
        bench, keyed(bench), unsigned({"alg": "RS256"}, {}).replace("e30", encoded(b'{"sub":%b}' % HALF))
    )
    assert refused(answer)


@pytest.mark.parametrize("name", [b"jti", b"iss", b"aud", b"other"])
def test_HTTP_07_half_a_character_makes_an_assertion_unreadable(bench, name):
    story = keyed(bench)
    good = {word: said for word, said in claims_for(bench, story).items() if word != name.decode()}
    payload = orjson.dumps(good)[:-1] + b',"%b":%b}' % (name, HALF)
    assert refused(send(bench, story, signed(payload), client_id=story.app.client_id))


def encoded(text):
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
