"""The modules that wait between two steps: the first step was done before any other test, so that hardly anybody waits."""

from __future__ import annotations

import requests
from joserfc.jwk import RSAKey

from tests.conformance.party import TOKEN_WORDS, check_refusal, wait_until
from tests.make_signed import jwks


def test_oidcc_codereuse_30seconds(earlier, mode):
    party, done = earlier.redeemed[mode]
    headers = {"Authorization": f"Bearer {done.tokens['access_token']}"}
    wait_until(earlier.at + 30)
    _userinfo(party.provider, headers, 200)
    check_refusal(party.redeem(done.answer), "invalid_grant")
    _userinfo(party.provider, headers, 401)


def _userinfo(provider, headers, status):
    answer = requests.get(provider.metadata["userinfo_endpoint"], headers=headers, timeout=60)
    assert answer.status_code == status


def test_oidcc_refresh_token_rp_key_rotation(provider, earlier):
    """The app puts a key with another kid in the place of its old one, and signs with it."""
    old, new = earlier.rotating, RSAKey.generate_key(2048, {"kid": "second"})
    wait_until(earlier.at + 31)
    assert TOKEN_WORDS.fullmatch(earlier.tokens["refresh_token"])
    provider.site.put("/rotating/jwks", jwks(new))
    old.key = new
    answer = old.refresh(earlier.tokens["refresh_token"])
    assert answer.status_code == 200, answer.text
    again = answer.json()
    assert old.userinfo(again)["sub"] == old.verified(again["id_token"])[1]["sub"]
