"""Requests that an attacker shapes at /authorize: who is not known or not exact is never redirected anywhere."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from tests import make
from tests.make_browser import query, said

ODD_STATE = "a b&c=d#e/é€%0d%0a'\"<x>"


@pytest.fixture
def app_(house):
    with house.database.transaction() as db:
        return make.app(db, "front", redirect_uris=["https://app.example/cb"])


@pytest.mark.parametrize("client_id", [None, "", " "])
def test_AUTHZ_02_without_a_client_id_there_is_a_page_and_no_redirect(client, app_, client_id):
    answer = client.get(f"/authorize?{query(app_, client_id=client_id)}")
    assert answer.status_code in {400, 404}
    assert "Location" not in answer.headers


def test_AUTHZ_07_and_10_prompt_none_without_a_session_says_so_with_the_exact_state_and_our_issuer(
    client, app_, house
):
    answer = client.get(f"/authorize?{query(app_, prompt='none', state=ODD_STATE)}")
    told = said(answer, app_)
    assert told["error"] == "login_required"
    assert told["state"] == ODD_STATE
    assert told["iss"] == house.settings.issuer


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://app.example/cb/../x",
        "https://app.example/cb/..%2fx",
        "https://app.example/cb/%2e%2e/x",
        "https://app.example/./cb",
    ],
)
def test_RURI_04_a_path_that_climbs_is_another_address(client, app_, redirect_uri):
    assert not _goes(client, app_, redirect_uri)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "HTTPS://app.example/cb",
        "https://APP.example/cb",
        "https://app.example/CB",
        "https://app.example:443/cb",
        "https://app.example/cb/",
        "https://app.example//cb",
    ],
)
def test_RURI_06_addresses_are_compared_letter_by_letter(client, app_, redirect_uri):
    assert not _goes(client, app_, redirect_uri)


@pytest.mark.parametrize("redirect_uri", ["https://app.example/cb#x", "https://app.example/cb#"])
def test_RURI_07_no_fragment_is_ever_added(client, app_, redirect_uri):
    assert not _goes(client, app_, redirect_uri)


def _goes(client, app_, redirect_uri) -> bool:
    """Is this followed, with a good request and with a bad one?"""
    found = []
    for words in ({}, {"prompt": "none"}, {"response_type": "token"}):
        answer = client.get(f"/authorize?{query(app_, redirect_uri=redirect_uri, **words)}")
        assert answer.status_code == 400
        found.append("Location" in answer.headers)
    return any(found)


def test_PKCE_02_a_confidential_app_without_a_challenge_is_told_so(client, app_):
    told = said(
        client.get(f"/authorize?{query(app_, code_challenge=None, code_challenge_method=None)}"), app_
    )
    assert told["error"] == "invalid_request"
    assert "code_challenge" in told["error_description"]


@pytest.mark.parametrize("method", ["plain", None, "s256", "S512"])
def test_PKCE_03_only_s256_is_a_method(client, app_, method):
    told = said(client.get(f"/authorize?{query(app_, code_challenge_method=method)}"), app_)
    assert told["error"] == "invalid_request"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080"])
def test_SSRF_10_whom_we_call_back_is_never_built_from_the_host_header(client, app_, house, host):
    answer = client.get(f"/authorize?{query(app_)}", headers={"Host": host, "X-Forwarded-Host": host})
    parts = urlsplit(answer.headers["Location"])
    assert not parts.netloc
    assert host not in dict(parse_qsl(parts.query)).get("next", "")
