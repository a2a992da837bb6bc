"""The life of signing keys, on each database."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from sqlalchemy import select

from idp import config, context, keys, models
from idp.config import ConfigurationError
from idp.oidc import signing
from idp.oidc.signing import State
from tests import make_signing

DAY = timedelta(days=1)


def ensure(house):
    with house.database.transaction() as db:
        return signing.ensure(db, house, house.clock.now())


def lines(house, alg="ES256"):
    with house.database.reading() as db:
        return [line for line in signing.listing(db) if line.alg == alg]


def states(house, alg="ES256"):
    now = house.clock.now()
    return [line.state(now) for line in lines(house, alg)]


def published(house):
    return {key["kid"] for key in json.loads(signing.jwks(house).body)["keys"]}


def kid_of(token):
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=="))["kid"]


def token(house, alg="ES256", **claims):
    return signing.sign(house, {"iss": house.settings.issuer, "sub": "x"} | claims, alg)


def forged(header, claims, signature=b"x"):
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.fixture
def ready(house):
    make_signing.keys(house)
    return house


def test_the_first_keys_sign_at_once_and_are_made_once(house):
    assert len(ensure(house)) == len(house.settings.signing_algorithms)
    assert ensure(house) == []
    assert signing.check(house) == []


def test_a_signature_verifies_with_the_published_key(ready):
    keys = KeySet.import_key_set(json.loads(signing.jwks(ready).body))
    for alg in ready.settings.signing_algorithms:
        made = signing.sign(ready, {"sub": "Łukasz"}, alg)
        found = jwt.decode(made, keys, algorithms=[alg])
        assert found.claims == {"sub": "Łukasz"}
        assert found.header["alg"] == alg
        assert found.header["typ"] == "JWT"


@pytest.mark.parametrize("alg", signing.ALGORITHMS)
def test_every_algorithm_signs_and_verifies(house, alg):
    settings = house.settings.model_copy(update={"signing_algorithms": ("RS256", alg)})
    wider = context.House(**{**vars(house), "settings": settings})
    ensure(wider)
    made = signing.sign(wider, {"iss": settings.issuer, "n": 1}, alg, "logout+jwt")
    assert signing.verify(wider, made, "logout+jwt") == {"iss": settings.issuer, "n": 1}
    assert signing.verify(wider, made) is None
    assert signing.check(wider) == []


def test_JWT_04_only_public_halves_are_published(ready):
    keys = json.loads(signing.jwks(ready).body)["keys"]
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert set(key) <= {"kid", "kty", "use", "alg", "n", "e", "crv", "x", "y"}
        assert key["kty"] in {"RSA", "EC"}
        if key["kty"] == "RSA":
            assert len(base64.urlsafe_b64decode(key["n"] + "==")) >= 256


def test_an_algorithm_without_key_is_not_signed_with(ready):
    with pytest.raises(ConfigurationError, match="no signing key for PS256"):
        token(ready, "PS256")


def test_OPS_01_a_key_is_announced_then_signs_then_retires_then_goes(ready):
    """At every moment a token that is signed can be verified until it ends, with what apps fetched 13 days before."""
    seen_states, held, jwks_of_day = set(), [], {}
    for _ in range(230):
        ready.clock.move(days=1)
        ensure(ready)
        today = ready.clock.now().date()
        jwks_of_day[today] = published(ready)
        seen_states |= set(states(ready))
        made = token(ready)
        assert kid_of(made) in jwks_of_day.get(today - timedelta(days=13), published(ready))
        held.append((made, ready.clock.now()))
        ready.clock.move(minutes=ready.settings.id_token_minutes)
        assert kid_of(made) in published(ready)
        assert signing.verify(ready, made)
    assert seen_states >= {State.ANNOUNCED, State.SIGNS, State.GONE}
    assert len({kid_of(made) for made, _ in held}) == 3
    assert len(published(ready)) <= 4


def test_OPS_01_a_token_signed_just_before_the_change_is_good_until_it_ends(ready):
    with ready.database.transaction() as db:
        signing.rotate(db, ready, "ES256", ready.clock.now())
    first, second = (line.kid for line in lines(ready))
    ready.clock.move(days=14, seconds=-1)
    made = token(ready)
    assert kid_of(made) == first
    ready.clock.move(seconds=2 + signing.RING_SECONDS)
    assert kid_of(token(ready)) == second
    ready.clock.move(minutes=ready.settings.id_token_minutes)
    assert {first, second} <= published(ready)
    ready.clock.move(minutes=10)
    assert first not in published(ready)


def test_a_retired_key_still_recognises_a_hint_but_a_revoked_one_does_not(ready):
    made = token(ready)
    old = kid_of(made)
    with ready.database.transaction() as db:
        signing.rotate(db, ready, "ES256", ready.clock.now())
    ready.clock.move(days=16)
    assert old not in published(ready)
    assert signing.verify(ready, made)
    later = token(ready)
    with ready.database.transaction() as db:
        signing.revoke(db, ready, kid_of(later), ready.clock.now())
    signing.forget(ready)
    assert signing.verify(ready, later) is None
    assert kid_of(later) not in published(ready)


def test_after_a_revocation_the_announced_key_steps_in(ready):
    with ready.database.transaction() as db:
        announced = signing.rotate(db, ready, "ES256", ready.clock.now())
    first = lines(ready)[0].kid
    with ready.database.transaction() as db:
        assert signing.revoke(db, ready, first, ready.clock.now()) == announced
    signing.forget(ready)
    assert kid_of(token(ready)) == announced


def test_after_a_revocation_without_a_successor_a_new_key_signs(ready):
    first = kid_of(token(ready))
    with ready.database.transaction() as db:
        new = signing.revoke(db, ready, first, ready.clock.now())
        assert signing.revoke(db, ready, "no-such-key", ready.clock.now()) is None
    signing.forget(ready)
    assert new != first
    assert kid_of(token(ready)) == new


def test_when_an_announced_key_is_revoked_the_one_at_work_goes_on(ready):
    first = kid_of(token(ready))
    with ready.database.transaction() as db:
        announced = signing.rotate(db, ready, "ES256", ready.clock.now())
        assert signing.revoke(db, ready, announced, ready.clock.now()) == first
    ready.clock.move(days=20)
    assert kid_of(token(ready)) == first


def test_a_change_of_keys_is_seen_within_seconds_and_not_looked_up_per_request(ready):
    token(ready)
    with ready.database.transaction() as db:
        new = signing.revoke(db, ready, kid_of(token(ready)), ready.clock.now())
    assert kid_of(token(ready)) != new
    ready.clock.move(seconds=signing.RING_SECONDS)
    assert kid_of(token(ready)) == new


def test_keys_in_memory_survive_a_database_that_is_away(ready, monkeypatch):
    before = signing.jwks(ready)
    ready.clock.move(seconds=signing.RING_SECONDS)
    with ready.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE signing_key RENAME TO elsewhere")
    assert signing.jwks(ready) == before
    assert token(ready)


def test_FAULT_16_a_node_without_the_private_half_says_so_and_does_not_sign(ready, tmp_path):
    other = config.read({}, data=tmp_path, database_url=ready.settings.database_url, keys=tmp_path / "keys")
    keys.create(tmp_path / "keys")
    node = context.open_house(other, clock=ready.clock)
    problems = signing.check(node)
    assert len(problems) == 2
    assert all("its private half is not on this node" in problem for problem in problems)
    with pytest.raises(ConfigurationError):
        token(node)
    assert published(node) == published(ready)
    node.database.close()


def test_a_private_half_that_does_not_fit_is_found_at_start(ready):
    kid = lines(ready)[0].kid
    path = ready.keys.folder / "signing" / f"{kid}.pem"
    right = path.read_bytes()
    path.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    try:
        assert any("does not fit" in problem for problem in signing.check(ready))
    finally:
        path.write_bytes(right)


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "HS256", "RS256"])
def test_LOGO_05_and_JWT_01_a_token_that_we_did_not_sign_says_nothing(ready, alg):
    kid = lines(ready)[0].kid
    assert signing.verify(ready, forged({"alg": alg, "kid": kid}, {"iss": ready.settings.issuer})) is None
    assert (
        signing.verify(ready, forged({"alg": alg, "kid": kid}, {"iss": ready.settings.issuer}, b"")) is None
    )
    assert signing.verify(ready, forged({"alg": alg}, {"iss": ready.settings.issuer})) is None


def test_a_token_of_another_key_or_another_issuer_says_nothing(ready):
    kid = lines(ready, "RS256")[0].kid
    foreign = jwt.encode(
        {"alg": "RS256", "kid": kid}, {"iss": ready.settings.issuer}, RSAKey.generate_key(2048)
    )
    assert signing.verify(ready, foreign) is None
    assert signing.verify(ready, token(ready, iss="https://other.example")) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        "..",
        "é.é.é",
        "x" * 100_000,
        "a.b",
        "eyJ9.e30.x",
        '{"kid":1}',
        "W10.e30.x",
        "bnVsbA.e30.x",
    ],
)
def test_what_is_no_token_says_nothing(ready, text):
    assert signing.verify(ready, text) is None


def test_an_expired_token_is_still_a_hint(ready):
    made = token(ready, exp=int((ready.clock.now() - DAY).timestamp()))
    assert signing.verify(ready, made)


def test_a_new_key_is_audited(house):
    ensure(house)
    with house.database.reading() as db:
        events = db.execute(select(models.AuditEvent.event)).scalars().all()
    assert events.count("signing_key_made") == 2
