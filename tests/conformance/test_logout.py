"""The modules of the plans RP-Initiated Logout OP and Back-Channel Logout OP."""

from __future__ import annotations

import secrets
import time
from urllib.parse import parse_qs, urlencode

import pytest
from joserfc.jwk import RSAKey

from tests.conformance.party import NEEDS_A_PERSON, Browser, Party
from tests.conformance.test_config import check_addresses
from tests.make_signed import sign
from tests.oidc.test_request_objects import unsigned

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def party(imported) -> Party:
    """These plans are run in the default response mode."""
    return imported["first"]


@pytest.fixture
def signed_in(party, browser):
    """A person who signed in at the app."""
    return party.sign_in(browser)


def sign_out(party: Party, browser: Browser, done, *, says_yes: bool = True, **changes):
    """Where the browser ends that the app sends to /end_session, and the state that it brought."""
    words = {"id_token_hint": done.tokens["id_token"], "state": secrets.token_urlsafe(96)}
    words |= {"post_logout_redirect_uri": party.registration["post_logout_redirect_uris"][0]} | changes
    words = {name: value for name, value in words.items() if value is not None}
    address = party.provider.metadata["end_session_endpoint"]
    return browser.go(f"{address}?{urlencode(words)}", fills_in=says_yes), words.get("state")


def check_is_signed_out(party, browser):
    assert party.refused(browser, prompt="none", state="s" * 128) in NEEDS_A_PERSON


def check_back_at_the_app(party, landed, state):
    assert landed.at == party.registration["post_logout_redirect_uris"][0]
    assert landed.parameters == ({} if state is None else {"state": state})


def check_asks_or_refuses(party, browser, landed):
    """A page, never the way back; and nobody was signed out by it."""
    assert landed.at is None
    assert landed.page.status_code in {200, 400}
    assert landed.page.status_code == 400 or 'name="antwoord"' in landed.page.text
    party.sign_in(browser, prompt="none")


def check_signed_out_page(party, browser, landed):
    assert (landed.at, landed.page.status_code) == (None, 200)
    assert "Je bent afgemeld" in landed.page.text
    check_is_signed_out(party, browser)


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(provider):
    assert provider.metadata["end_session_endpoint"] == f"{provider.issuer}/end_session"
    check_addresses(provider)


def test_oidcc_rp_initiated_logout(party, browser, signed_in):
    check_back_at_the_app(party, *sign_out(party, browser, signed_in, says_yes=False))
    check_is_signed_out(party, browser)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(party, browser, signed_in):
    uri = party.registration["post_logout_redirect_uris"][0] + "/bad"
    landed, _ = sign_out(party, browser, signed_in, says_yes=False, post_logout_redirect_uri=uri)
    check_asks_or_refuses(party, browser, landed)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(party, browser, signed_in):
    uri = party.registration["post_logout_redirect_uris"][0] + "?foo=bar"
    landed, _ = sign_out(party, browser, signed_in, says_yes=False, post_logout_redirect_uri=uri)
    check_asks_or_refuses(party, browser, landed)


def test_oidcc_rp_initiated_logout_modified_id_token_hint(party, browser, signed_in):
    hint = unsigned({"alg": "none"}, signed_in.claims)
    landed, _ = sign_out(party, browser, signed_in, says_yes=False, id_token_hint=hint)
    check_asks_or_refuses(party, browser, landed)
    landed, _ = sign_out(party, browser, signed_in, id_token_hint=hint)
    assert landed.at is None


def test_oidcc_rp_initiated_logout_bad_id_token_hint(party, browser, signed_in):
    stranger = RSAKey.generate_key(2048, {"kid": signed_in.header["kid"]})
    hint = sign(signed_in.claims, stranger)
    landed, _ = sign_out(party, browser, signed_in, says_yes=False, id_token_hint=hint)
    check_asks_or_refuses(party, browser, landed)
    landed, _ = sign_out(party, browser, signed_in, id_token_hint=hint)
    assert landed.at is None


def test_oidcc_rp_initiated_logout_no_id_token_hint(party, browser, signed_in):
    landed, _ = sign_out(party, browser, signed_in, says_yes=False, id_token_hint=None)
    check_asks_or_refuses(party, browser, landed)
    landed, _ = sign_out(party, browser, signed_in, id_token_hint=None)
    assert landed.at is None


NOTHING = {"id_token_hint": None, "post_logout_redirect_uri": None}


def test_oidcc_rp_initiated_logout_no_params(party, browser, signed_in):
    landed, _ = sign_out(party, browser, signed_in, **NOTHING, state=None)
    check_signed_out_page(party, browser, landed)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(party, browser, signed_in):
    landed, _ = sign_out(party, browser, signed_in, says_yes=False, post_logout_redirect_uri=None)
    check_signed_out_page(party, browser, landed)


def test_oidcc_rp_initiated_logout_no_state(party, browser, signed_in):
    check_back_at_the_app(party, *sign_out(party, browser, signed_in, says_yes=False, state=None))
    check_is_signed_out(party, browser)


def test_oidcc_rp_initiated_logout_only_state(party, browser, signed_in):
    landed, _ = sign_out(party, browser, signed_in, **NOTHING)
    check_signed_out_page(party, browser, landed)


# ---------------------------------------------------------------- at the back door


def test_oidcc_backchannel_logout_discovery_endpoint_verification(provider):
    assert provider.metadata["backchannel_logout_supported"] is True
    assert provider.metadata["backchannel_logout_session_supported"] is True
    assert provider.metadata["end_session_endpoint"]
    check_addresses(provider)


def test_oidcc_backchannel_rp_initiated_logout(provider, browser):
    party = provider.registered(
        post_logout_redirect_uris=[f"{provider.site.address}/back/bye"],
        backchannel_logout_uri=f"{provider.site.address}/back/door",
        backchannel_logout_session_required=True,
    )
    done = party.sign_in(browser)
    check_back_at_the_app(party, *sign_out(party, browser, done, says_yes=False))
    path, headers, body = provider.site.posted.get(timeout=60)
    assert (path, headers["content-type"]) == ("/back/door", "application/x-www-form-urlencoded")
    sent = parse_qs(body.decode(), strict_parsing=True)
    assert sent.keys() == {"logout_token"}
    header, claims = party.verified(sent["logout_token"][0])
    assert (header["typ"], header["alg"]) == ("logout+jwt", "RS256")
    assert (claims["iss"], claims["aud"]) == (provider.issuer, party.client_id)
    now = time.time()
    assert abs(claims["iat"] - now) < 30
    assert now - 1 < claims["exp"] < now + 300
    assert claims["jti"]
    assert claims["events"] == {EVENT: {}}
    assert "nonce" not in claims
    assert (claims["sid"], claims["sub"]) == (done.claims["sid"], done.claims["sub"])
    check_is_signed_out(party, browser)
