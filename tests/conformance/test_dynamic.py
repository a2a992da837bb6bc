"""The modules of the plans Dynamic OP (response type code) and 3rd-Party-Init Login OP that register an app of their own."""

from __future__ import annotations

import io
import re
import time

import requests
from joserfc.jwk import RSAKey
from PIL import Image

from tests.conformance.party import Browser, wait_until
from tests.conformance.test_basic import refresh_tokens, request_object_takes_precedence
from tests.conformance.test_config import PRIVATE, check_keys
from tests.make_signed import RSA, jwks, sign
from tests.oidc.test_request_objects import unsigned


def test_oidcc_idtoken_rs256(provider):
    party = provider.registered_with_keys(RSA, id_token_signed_response_alg="RS256")
    assert party.sign_in().header["alg"] == "RS256"


def test_oidcc_userinfo_rs256(provider):
    assert "RS256" in provider.metadata["userinfo_signing_alg_values_supported"]
    party = provider.registered_with_keys(RSA, userinfo_signed_response_alg="RS256")
    given = party.redeem(party.ask()).json()
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    answer = requests.get(provider.metadata["userinfo_endpoint"], headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/jwt")
    header, claims = party.verified(answer.text)
    assert header["alg"] == "RS256"
    assert (claims["iss"], claims["aud"]) == (provider.issuer, party.client_id)
    assert claims["sub"] == party.verified(given["id_token"])[1]["sub"]
    assert "nonce" not in claims


def test_oidcc_ensure_redirect_uri_in_authorization_request(provider):
    provider.registered_with_keys(RSA).error_page(redirect_uri=None)


def test_oidcc_redirect_uri_query_OK(provider):
    party = provider.registered_with_keys(RSA, redirect_uris=[f"{provider.site.address}/cb?foo=bar"])
    done = party.sign_in()
    assert done.answer.landed.parameters["foo"] == "bar"


def test_oidcc_redirect_uri_query_mismatch(provider):
    party = provider.registered_with_keys(RSA, redirect_uris=[f"{provider.site.address}/cb?foo=bar"])
    party.error_page(redirect_uri=f"{provider.site.address}/cb?bar=foo")


def test_oidcc_redirect_uri_query_added(provider):
    party = provider.registered_with_keys(RSA)
    party.error_page(redirect_uri=f"{party.redirect_uri}?foo=bar")


def _not_registered(provider, errors, **changes):
    answer = provider.register(**changes)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")
    assert answer.json()["error"] in errors


def test_oidcc_redirect_uri_regfrag(provider):
    uris = [f"{provider.site.address}/cb#foobar"]
    _not_registered(provider, {"invalid_redirect_uri", "invalid_client_metadata"}, redirect_uris=uris)


def test_oidcc_server_of_an_app_that_registered_itself(provider):
    assert provider.registered_with_keys(RSA).sign_in().sign_ins == 1


def _login_page(party):
    page = Browser(party.provider).go(party.url(party.words()), fills_in=False).page
    assert page.status_code == 200
    assert party.registration["client_name"] in page.text
    return page.text


def test_oidcc_registration_logo_uri(provider):
    drawing = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(drawing, "PNG")
    uri = provider.site.put("/own/logo.png", drawing.getvalue(), "image/png")
    asked = provider.site.asked.count("/own/logo.png")
    party = provider.registered_with_keys(RSA, logo_uri=uri)
    assert party.registration["logo_uri"] == uri
    page = _login_page(party)
    # The provider read it once and shows it itself: no browser is sent to another host.
    assert uri not in page
    [path] = re.findall(r'<img class="app-mark small" src="([^"]+)"', page)
    logo = requests.get(provider.issuer + path, timeout=60)
    assert (logo.status_code, logo.headers["Content-Type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(logo.content)).convert("RGB").getpixel((96, 96)) == (0, 128, 128)
    assert provider.site.asked.count("/own/logo.png") == asked + 1


def test_oidcc_registration_policy_uri(provider):
    uri = "https://rp.example/privacy?a=1"
    party = provider.registered_with_keys(RSA, policy_uri=uri)
    assert party.registration["policy_uri"] == uri
    assert f'href="{uri}"' in _login_page(party)


def test_oidcc_registration_tos_uri(provider):
    uri = "https://rp.example/terms"
    party = provider.registered_with_keys(RSA, tos_uri=uri)
    assert party.registration["tos_uri"] == uri
    assert f'href="{uri}"' in _login_page(party)


def test_oidcc_registration_jwks_uri(provider):
    uri = provider.site.put("/own/jwks", jwks(RSA))
    asked = provider.site.asked.count("/own/jwks")
    party = provider.registered_with_keys(RSA, jwks=None, jwks_uri=uri)
    party.sign_in()
    assert provider.site.asked.count("/own/jwks") > asked


def test_oidcc_registration_sector_uri(provider):
    uris = [f"{provider.site.address}/cb", "https://other.example/cb"]
    sector = provider.site.put("/sector/good.json", uris)
    party = provider.registered_with_keys(
        RSA, subject_type="pairwise", sector_identifier_uri=sector, redirect_uris=uris
    )
    assert party.registration["sector_identifier_uri"] == sector


def test_oidcc_registration_sector_bad(provider):
    sector = provider.site.put("/sector/bad.json", ["https://other.example/cb"])
    wishes = {"subject_type": "pairwise", "sector_identifier_uri": sector}
    _not_registered(provider, {"invalid_client_metadata"}, **wishes)


def test_oidcc_server_rotate_keys(provider):
    old = check_keys(requests.get(provider.metadata["jwks_uri"], timeout=60))
    token = provider.registered_with_keys(RSA).sign_in().tokens["id_token"]
    provider.demo.idp("keys", "rotate", "--alg", "RS256")
    ends, new = time.monotonic() + 180, old
    while new == old:
        assert time.monotonic() < ends, "no new key was published"
        wait_until(time.monotonic() + 0.2)
        new = check_keys(requests.get(provider.metadata["jwks_uri"], timeout=60))
    assert new > old
    assert provider.registered_with_keys(RSA).verified(token)


def _by_reference(provider, stands, **registered):
    """A request of which only the address stands in the open, as the suite sends it."""
    uri = provider.site.address + "/dynamic/request"
    party = provider.registered_with_keys(RSA, request_uris=[uri], **registered)
    words = party.words()
    provider.site.put("/dynamic/request", stands(party, words).encode(), "application/jose")
    outside = {"client_id": party.client_id, "response_type": "code", "scope": "openid", "request_uri": uri}
    return party, words, outside


def test_oidcc_request_uri_unsigned(provider):
    """The suite passes it by, since we do not list `none`; then it must count for nothing."""
    assert "none" not in provider.metadata["request_object_signing_alg_values_supported"]
    party, _, outside = _by_reference(provider, lambda _, words: unsigned({"alg": "none"}, words))
    landed = Browser(provider).go(party.url(outside))
    assert (landed.at, landed.page.status_code, landed.sign_ins) == (None, 400, 0)


def test_oidcc_request_uri_signed_rs256(provider):
    assert provider.metadata["request_uri_parameter_supported"] is True
    assert "RS256" in provider.metadata["request_object_signing_alg_values_supported"]
    party, words, outside = _by_reference(
        provider,
        lambda party, words: sign(words | {"iss": party.client_id, "aud": provider.issuer}, party.key),
        request_object_signing_alg="RS256",
    )
    landed = Browser(provider).go(party.url(outside))
    assert landed.at == party.redirect_uri
    party.check_answer(landed.parameters, words)
    assert landed.parameters["code"]


def test_oidcc_ensure_request_object_with_redirect_uri_of_an_app_that_registered_itself(provider):
    uris = [f"{provider.site.address}/cb", f"{provider.site.address}/cb2"]
    request_object_takes_precedence(provider.registered_with_keys(RSA, redirect_uris=uris))


def test_oidcc_refresh_token_of_an_app_that_registered_itself(provider):
    grants = ["authorization_code", "refresh_token"]
    other = RSAKey.generate_key(2048, {"kid": "other"})
    refresh_tokens(*(provider.registered_with_keys(key, grant_types=grants) for key in (RSA, other)))


def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(provider):
    party = provider.registered_with_keys(RSA)
    party.finish(party.ask(), aud=provider.issuer)


def test_no_key_of_ours_is_private(provider):
    assert not any(PRIVATE & key.keys() for key in provider.keys()["keys"])


# ---------------------------------------------------------------- started by somebody else


def test_oidcc_3rd_party_init_login(provider):
    uri = "https://rp.example/start"
    said = provider.registered(initiate_login_uri=uri).registration
    assert said["initiate_login_uri"] == uri
    headers = {"Authorization": f"Bearer {said['registration_access_token']}"}
    answer = requests.get(said["registration_client_uri"], headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json()["initiate_login_uri"] == uri


def test_oidcc_3rd_party_init_login_nohttps(provider):
    _not_registered(provider, {"invalid_client_metadata"}, initiate_login_uri="http://rp.example/start")
