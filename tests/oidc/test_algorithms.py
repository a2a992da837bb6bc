"""Every algorithm that an app may register signs its tokens and its userinfo, from end to end."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import orjson
import pytest

from idp import config
from idp.config import ConfigurationError
from idp.oidc import discovery, fields, signing
from tests import make_signed
from tests.make_tokens import Bench

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
HASHES = {"RS256": "sha256", "PS256": "sha256", "ES256": "sha256", "EdDSA": "sha512"}


@pytest.fixture
def bench(house):
    house = replace(house, settings=house.settings.model_copy(update={"signing_algorithms": (*HASHES,)}))
    return Bench(house)


@pytest.mark.parametrize("alg", HASHES)
def test_tokens_are_signed_as_registered(bench, alg):
    story = bench.story(id_token_signed_response_alg=alg, userinfo_signed_response_alg=alg)
    given = bench.tokens(story)
    header, claims = bench.id_token(given["id_token"])
    assert header["alg"] == alg
    assert (claims["iss"], claims["aud"]) == (bench.house.settings.issuer, story.app.client_id)
    digest = hashlib.new(HASHES[alg], given["access_token"].encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert claims["at_hash"] == half
    again = bench.refresh(story, given["refresh_token"]).json
    assert bench.id_token(again["id_token"])[0]["alg"] == alg


@pytest.mark.parametrize("alg", HASHES)
def test_userinfo_is_signed_as_registered(bench, alg):
    story = bench.story(userinfo_signed_response_alg=alg)
    given = bench.tokens(story)
    answer = bench.userinfo(given["access_token"])
    assert (answer.status_code, answer.mimetype) == (200, "application/jwt")
    header, claims = bench.id_token(answer.text)
    assert header["alg"] == alg
    assert (claims["iss"], claims["aud"]) == (bench.house.settings.issuer, story.app.client_id)
    assert claims["sub"] == bench.id_token(given["id_token"])[1]["sub"]
    assert claims["given_name"] == "Gaston"


def test_one_audience_needs_no_azp(bench):
    claims = bench.id_token(bench.tokens(bench.story())["id_token"])[1]
    assert isinstance(claims["aud"], str)
    assert not {"azp", "c_hash", "s_hash"} & claims.keys()


def test_the_key_set_and_the_metadata_tell_them_all(bench):
    published = orjson.loads(signing.jwks(bench.house).body)["keys"]
    assert {key["alg"] for key in published} == {*HASHES}
    assert all(not fields.PRIVATE_MEMBERS & key.keys() for key in published)
    said = discovery.metadata(bench.house.settings)
    assert set(said["id_token_signing_alg_values_supported"]) == {*HASHES}
    assert said["userinfo_signing_alg_values_supported"] == said["id_token_signing_alg_values_supported"]


def test_a_setting_names_only_algorithms_that_exist(tmp_path):
    for wrong in (("RS256", "none"), ("RS256", "HS256"), ("ES256",), ("RS256", "rs256")):
        with pytest.raises(ConfigurationError, match="signing_algorithms"):
            config.read({}, data=tmp_path, signing_algorithms=wrong)


def test_the_development_switch_is_for_this_machine_only(tmp_path):
    assert config.read({}, data=tmp_path, fetch_from_loopback=True).calls_this_machine
    with pytest.raises(ConfigurationError, match="fetch_from_loopback"):
        config.read({}, data=tmp_path, fetch_from_loopback=True, issuer="https://id.example")


# ---------------------------------------------------------------- apps that prove themselves with a key elsewhere


def test_CJWT_20_an_app_rotates_its_key_at_its_jwks_uri(bench):
    house = replace(
        bench.house, settings=bench.house.settings.model_copy(update={"fetch_from_loopback": True})
    )
    bench = Bench(house, keys=False)
    with make_signed.site() as site:
        uri = site.put("/jwks", make_signed.jwks(make_signed.RSA))
        story = bench.story(token_endpoint_auth_method="private_key_jwt", jwks_uri=uri)

        def proved(key, number, endpoint=""):
            now = int(house.clock.now().timestamp())
            claims = {"iss": story.app.client_id, "sub": story.app.client_id, "exp": now + 60}
            claims |= {"aud": house.settings.issuer + endpoint, "jti": f"j{number}"}
            form = {"auth": None, "client_assertion": make_signed.sign(claims, key)}
            form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            return bench.redeem(story, bench.code(story), **form).status_code

        assert proved(make_signed.RSA, 1) == 200
        assert proved(make_signed.RSA, 2, "/token") == 200
        assert proved(make_signed.RSA_2, 3) == 401
        site.put("/jwks", make_signed.jwks(make_signed.RSA_2))
        house.clock.move(seconds=30)
        assert proved(make_signed.RSA_2, 4, "/par") == 200
        assert proved(make_signed.RSA, 5) == 401
