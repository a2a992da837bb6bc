"""The modules of the plans Basic OP and Form Post OP, each once with response_mode query and once with form_post."""

from __future__ import annotations

import json
import math
import re
import time

import requests

from tests.conformance.party import (
    NEEDS_A_PERSON,
    TOKEN_WORDS,
    Browser,
    Party,
    challenge,
    check_refusal,
    check_userinfo,
    wait_until,
)
from tests.make_signed import sign
from tests.oidc.test_request_objects import unsigned

UNHEARD = ("email", "address", "phone")
LONG_STATE = "s" * 128


def test_oidcc_server(party):
    done = party.sign_in()
    assert len(done.answer.code) >= 22
    assert _bits(done.answer.code) >= 96
    assert done.sign_ins == 1


def _bits(text: str) -> float:
    counts = [text.count(sign) for sign in set(text)]
    return -sum(count * math.log2(count / len(text)) for count in counts)


def test_oidcc_response_type_missing(party):
    assert party.refused(response_type=None) in {"invalid_request", "unsupported_response_type"}


def test_oidcc_idtoken_signature(provider, mode):
    party = provider.registered()
    party.mode = mode
    done = party.sign_in()
    assert done.header["alg"] == "RS256"
    assert done.header["kid"]


def test_oidcc_idtoken_unsigned(provider):
    assert "none" not in provider.metadata["id_token_signing_alg_values_supported"]
    answer = provider.register(id_token_signed_response_alg="none")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_oidcc_userinfo_get(party):
    done = party.sign_in()
    assert party.userinfo(done.tokens)["sub"] == done.claims["sub"]


def _post_userinfo(party, *, in_body):
    done = party.sign_in()
    token = done.tokens["access_token"]
    words = {"data": {"access_token": token}} if in_body else {}
    words |= {} if in_body else {"headers": {"Authorization": f"Bearer {token}"}}
    answer = requests.post(party.provider.metadata["userinfo_endpoint"], timeout=60, **words)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert check_userinfo(answer.json())["sub"] == done.claims["sub"]


def test_oidcc_userinfo_post_header(party):
    _post_userinfo(party, in_body=False)


def test_oidcc_userinfo_post_body(party):
    _post_userinfo(party, in_body=True)


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(party):
    assert "nonce" not in party.sign_in(nonce=None).claims


def test_oidcc_scope_profile(party):
    done = party.sign_in(scope="openid profile")
    told = party.userinfo(done.tokens)
    assert {"name", "given_name", "family_name"} <= told.keys()


def _of_no_pupil(party, scope):
    """A scope that we do not have: the suite passes the module by; the sign-in must go well, and tell nothing."""
    assert not {*UNHEARD} & {*party.provider.metadata["scopes_supported"]}
    done = party.sign_in(scope=scope)
    told = party.userinfo(done.tokens)
    assert not {"email", "email_verified", "address", "phone_number"} & told.keys()
    return told


def test_oidcc_scope_email(party):
    assert _of_no_pupil(party, "openid email").keys() == {"sub"}


def test_oidcc_scope_address(party):
    assert _of_no_pupil(party, "openid address").keys() == {"sub"}


def test_oidcc_scope_phone(party):
    assert _of_no_pupil(party, "openid phone").keys() == {"sub"}


def test_oidcc_scope_all(party):
    assert "name" in _of_no_pupil(party, "openid profile email address phone")


def test_oidcc_ensure_other_scope_order_succeeds(party):
    assert "name" in _of_no_pupil(party, "email profile openid")


def test_oidcc_display_page(party):
    party.sign_in(display="page")


def test_oidcc_display_popup(party):
    party.sign_in(display="popup")


def test_oidcc_prompt_login(party, browser):
    first = party.sign_in(browser)
    wait_until(time.monotonic() + 1.1)
    second = party.sign_in(browser, prompt="login")
    assert (first.sign_ins, second.sign_ins) == (1, 1)
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert second.claims["sub"] == first.claims["sub"]


def test_oidcc_prompt_none_not_logged_in(party):
    assert party.refused(prompt="none", state=LONG_STATE) in NEEDS_A_PERSON


def _same_again(party, browser, first, **changes):
    second = party.sign_in(browser, **changes)
    assert second.sign_ins == 0
    assert [second.claims[name] for name in ("sub", "auth_time")] == [
        first.claims[name] for name in ("sub", "auth_time")
    ]


def test_oidcc_prompt_none_logged_in(party, browser):
    first = party.sign_in(browser)
    _same_again(party, browser, first, prompt="none")


def test_oidcc_max_age_1(party, browser):
    first = party.sign_in(browser)
    wait_until(time.monotonic() + 2)
    second = party.sign_in(browser, max_age=1)
    assert second.sign_ins == 1
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert time.time() - second.claims["auth_time"] < 30


def test_oidcc_max_age_10000(party, browser):
    first = party.sign_in(browser, max_age=15000)
    _same_again(party, browser, first, max_age=10000)


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(party):
    party.sign_in(extra="foobar")


def test_oidcc_id_token_hint(party, browser):
    first = party.sign_in(browser)
    _same_again(party, browser, first, prompt="none", id_token_hint=first.tokens["id_token"])


def test_oidcc_login_hint(party, browser):
    party.sign_in(browser, login_hint=browser.pupil["username"])
    assert any(f'value="{browser.pupil["username"]}"' in page.text for page in browser.pages)


def test_oidcc_ui_locales(party, browser):
    party.sign_in(browser, ui_locales="se fr")
    assert '<html lang="fr"' in browser.pages[0].text


def test_oidcc_claims_locales(party):
    party.sign_in(claims_locales="se")


def test_oidcc_ensure_request_with_acr_values_succeeds(party):
    values = party.provider.metadata["acr_values_supported"]
    done = party.sign_in(acr_values=" ".join(values))
    assert done.claims["acr"] in values


def test_oidcc_codereuse(party):
    done = party.sign_in()
    check_refusal(party.redeem(done.answer), "invalid_grant")


def test_oidcc_ensure_registered_redirect_uri(party):
    page = party.error_page(redirect_uri=f"{party.redirect_uri}/elsewhere")
    assert not re.search(r'href="http[^"]*elsewhere', page.text)


def test_oidcc_ensure_post_request_succeeds(party):
    assert party.sign_in(by_post=True).sign_ins == 1


def test_oidcc_server_client_secret_post(imported, mode):
    party = Party(**(vars(imported["post"]) | {"mode": mode}))
    party.sign_in()


def _unsigned_object(party, **changes):
    words = party.words(**changes) | {"iss": party.client_id, "aud": party.provider.issuer}
    return words, unsigned({"alg": "none"}, words)


def _refuses_unsigned(party, browser, **sent):
    """The suite passes it by, since we do not list `none`; then it must count for nothing."""
    assert "none" not in party.provider.metadata["request_object_signing_alg_values_supported"]
    assert party.refused(browser, **sent) == "invalid_request_object"


def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(party, browser):
    (uri,) = party.registration["request_uris"]
    _, stands = _unsigned_object(party)
    party.provider.site.put(
        uri.removeprefix(party.provider.site.address), stands.encode(), "application/jose"
    )
    _refuses_unsigned(party, browser, request_uri=uri)


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(party, browser):
    _refuses_unsigned(party, browser, request=_unsigned_object(party)[1])


def test_oidcc_claims_essential(party):
    wish = json.dumps({"userinfo": {"name": {"essential": True}}})
    done = party.sign_in(claims=wish)
    assert party.userinfo(done.tokens)["name"]
    assert "name" not in done.claims


def request_object_takes_precedence(party: Party) -> None:
    """What is inside counts; an address outside that is not registered gets an error page, unsigned or not."""
    words = party.words()
    inside = words | {"iss": party.client_id, "aud": party.provider.issuer}
    outside = {"client_id": party.client_id, "response_type": "code", "scope": "openid"}
    other = party.registration["redirect_uris"][1]
    assert other != party.redirect_uri
    url = party.url(outside | {"redirect_uri": other, "request": sign(inside, party.key)})
    landed = Browser(party.provider).go(url)
    assert landed.at == party.redirect_uri
    party.check_answer(landed.parameters, words)
    assert landed.parameters["code"]
    for request in (sign(inside, party.key), unsigned({"alg": "none"}, inside)):
        wrong = {"redirect_uri": f"{party.redirect_uri}/elsewhere", "request": request}
        landed = Browser(party.provider).go(party.url(outside | wrong))
        assert (landed.at, landed.page.status_code, landed.sign_ins) == (None, 400, 0)


def test_oidcc_ensure_request_object_with_redirect_uri(party):
    request_object_takes_precedence(party)


def refresh_tokens(party: Party, second: Party) -> None:
    """What the module checks of each of two apps, and of one with the token of the other."""
    others = []
    for one in (party, second):
        first = one.sign_in(scope="openid offline_access", prompt="consent")
        token = first.tokens["refresh_token"]
        assert TOKEN_WORDS.fullmatch(token)
        answer = one.refresh(token)
        assert answer.status_code == 200, answer.text
        again = answer.json()
        assert again["access_token"] != first.tokens["access_token"]
        assert again["token_type"] == "Bearer"
        _, claims = one.verified(again["id_token"])
        for name in ("iss", "sub", "aud", "auth_time", "acr"):
            assert claims[name] == first.claims[name], name
        assert claims["iat"] >= first.claims["iat"]
        assert claims.get("nonce", first.claims["nonce"]) == first.claims["nonce"]
        assert one.userinfo(again)["sub"] == claims["sub"]
        others.append(again["refresh_token"])
    check_refusal(party.refresh(others[1]), "invalid_grant")


def test_oidcc_refresh_token(party, imported):
    assert "refresh_token" in party.provider.metadata["grant_types_supported"]
    refresh_tokens(party, Party(**(vars(imported["second"]) | {"mode": party.mode})))


def test_oidcc_ensure_request_with_valid_pkce_succeeds(party):
    verifier = "v" * 64
    answer = party.ask(code_challenge=challenge(verifier), code_challenge_method="S256")
    check_refusal(party.redeem(answer), "invalid_grant")
    answer = party.ask(code_challenge=challenge(verifier), code_challenge_method="S256")
    answer.verifier = verifier
    party.finish(answer)
