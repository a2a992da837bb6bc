"""Parsing an authorization request: what is refused, to whom, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.apps import App
from idp.oidc import request as requests
from idp.oidc.request import AuthorizationRequest, Refused, Untrusted
from idp.oidc.request_checks import CHECKS_FOR_THE_APP, CHECKS_FOR_THE_PERSON, may_return_to

TODAY = date(2026, 11, 23)
CALLBACK = "https://rekenbuur.example/cb"
KNOWN = frozenset({"openid", "profile", "ov_leerling", "ov_klas", "vo", "offline_access"})
APP = App(
    client_id="rekenbuur",
    client_name="Rekenbuur",
    sector="rekenbuur.example",
    redirect_uris=(CALLBACK, "https://rekenbuur.example/other?x=1"),
    scopes=frozenset({"openid", "profile", "ov_leerling"}),
)
NATIVE = App(
    client_id="native",
    client_name="Native",
    sector="native",
    redirect_uris=("http://127.0.0.1/cb", "http://[::1]:7777/cb"),
    token_endpoint_auth_method="none",
)
EXEMPT = App(
    client_id="old",
    client_name="Old",
    sector="old",
    redirect_uris=("https://old.example/cb",),
    pkce_exempt_until=TODAY,
)
OFF = App(client_id="off", client_name="Off", sector="off", redirect_uris=(CALLBACK,), disabled=True)
MACHINE = App(
    client_id="machine",
    client_name="Machine",
    sector="m",
    redirect_uris=(CALLBACK,),
    grant_types=frozenset({"client_credentials"}),
)
APPS = {app.client_id: app for app in (APP, NATIVE, EXEMPT, OFF, MACHINE)}
GOOD = {
    "client_id": "rekenbuur",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid profile",
    "state": "s-1",
    "nonce": "n-1",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
}


def read(changes=None, *, extra=(), today=TODAY, **more):
    """The good request with changes; None takes a parameter away."""
    values = GOOD | (changes or {}) | more
    pairs = [(name, value) for name, value in values.items() if value is not None]
    return requests.read([*pairs, *extra], find_app=APPS.get, scopes_known=KNOWN, today=today)


def test_a_good_request_is_read_as_it_stands():
    asked = read(login_hint="gaston.logie", acr_values="a b", max_age="60", prompt="login consent")
    assert isinstance(asked, AuthorizationRequest)
    assert (asked.redirect_uri, asked.state, asked.nonce) == (CALLBACK, "s-1", "n-1")
    assert asked.scope == "openid profile"
    assert asked.prompt == {"login", "consent"}
    assert (asked.max_age, asked.login_hint, asked.acr_values) == (60, "gaston.logie", ("a", "b"))
    assert not asked.silent


def test_default_acr_values_stand_in_for_a_request_that_says_nothing():
    wish, other = "urn:leersleutel:acr:own", "urn:leersleutel:acr:basic"
    app = replace(APP, default_acr_values=(wish,))
    for said, wanted in ((None, (wish,)), ("", (wish,)), (other, (other,))):
        pairs = [*GOOD.items(), *([] if said is None else [("acr_values", said)])]
        asked = requests.read(pairs, find_app={"rekenbuur": app}.get, scopes_known=KNOWN, today=TODAY)
        assert asked.acr_values == wanted
        assert wish not in asked.query


def test_the_fixed_spelling_of_a_request_reads_as_the_same_request():
    asked = read(state="a&b=c d+é%", id_token_hint="x.y.z", ui_locales="fr nl", unknown="dropped")
    again = requests.read(parse_qsl(asked.query), find_app=APPS.get, scopes_known=KNOWN, today=TODAY)
    assert again == asked
    assert "unknown" not in asked.query


# ---------------------------------------------------------------- never a redirect until the app is known


@pytest.mark.parametrize("client_id", ["nobody", "", None, "x" * 200, "a\nb", "' OR 1=1--"])
def test_AUTHZ_01_and_02_an_unknown_or_missing_client_is_a_page(client_id):
    no = read(client_id=client_id, redirect_uri="https://evil.example")
    assert isinstance(no, Untrusted)
    assert no.code == "app_unknown"


def test_AUTHZ_05_a_bad_response_type_and_an_unknown_address_is_a_page():
    assert isinstance(read(response_type="token", redirect_uri="https://evil.example"), Untrusted)


@pytest.mark.parametrize(
    "suffix", ["/x", "?x=1", "&x=1", "%2Fx", ";x", ".evil.example", "/", " ", "\t", "%0a", "#", "#x"]
)
def test_RURI_01_and_07_a_registered_address_with_a_suffix_is_a_page(suffix):
    assert isinstance(read(redirect_uri=CALLBACK + suffix), Untrusted)


@pytest.mark.parametrize(
    "uri",
    [
        "https://rekenbuur.example.evil.example/cb",
        "https://evil-rekenbuur.example/cb",
        "https://sub.rekenbuur.example/cb",
        "https://rekenbuur.example./cb",
        "https://rekenbuur.example@evil.example/cb",
        "https://rekenbuur.example/cb/../x",
        "https://rekenbuur.example/cb/..%2fx",
        "https://rekenbuur.example/cb/%2e%2e/x",
        "HTTPS://rekenbuur.example/cb",
        "https://REKENBUUR.example/cb",
        "https://rekenbuur.example/CB",
        "https://rekenbuur.example:443/cb",
        "http://rekenbuur.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "rekenbuur:/cb",
        "//rekenbuur.example/cb",
        "https://[::1",
        "https://",
        "",
        None,
        "x" * 100_000,
    ],
)
def test_RURI_02_04_06_08_an_address_that_only_looks_registered_is_a_page(uri):
    no = read(redirect_uri=uri)
    assert isinstance(no, Untrusted)
    assert no.code == "address_unknown"
    assert len(no.received) <= 500


@pytest.mark.parametrize(
    "uris", [(CALLBACK, "https://evil.example"), ("https://evil.example", CALLBACK), (CALLBACK, CALLBACK)]
)
def test_RURI_10_two_addresses_are_a_page(uris):
    assert isinstance(read(redirect_uri=uris[0], extra=[("redirect_uri", uris[1])]), Untrusted)


def test_two_clients_are_a_page():
    assert isinstance(read(extra=[("client_id", "rekenbuur")]), Untrusted)


def test_RURI_11_the_address_of_another_app_is_a_page():
    assert isinstance(read(redirect_uri="https://old.example/cb"), Untrusted)


def test_RURI_08_even_a_registered_script_is_no_address():
    app = App(
        client_id="x",
        client_name="x",
        sector="x",
        redirect_uris=("javascript:alert(1)", "http://evil.example/cb"),
    )
    assert not may_return_to(app, "javascript:alert(1)")
    assert not may_return_to(app, "http://evil.example/cb")


@pytest.mark.parametrize("client_id", ["off", "machine"])
def test_an_app_that_is_off_or_signs_nobody_in_is_a_page(client_id):
    assert isinstance(read(client_id=client_id), Untrusted)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://[::1]:1/cb", "http://[::1]/cb"]
)
def test_a_native_app_on_loopback_chooses_its_port(uri):
    assert isinstance(read(client_id="native", redirect_uri=uri, scope="openid"), AuthorizationRequest)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:51004/other",
        "http://localhost:51004/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:1:2/cb",
        "https://127.0.0.1:51004/cb",
    ],
)
def test_only_the_port_is_free_for_a_native_app(uri):
    assert isinstance(read(client_id="native", redirect_uri=uri), Untrusted)


def test_a_confidential_app_has_no_free_port():
    app = App(client_id="x", client_name="x", sector="x", redirect_uris=("http://127.0.0.1:1/cb",))
    assert may_return_to(app, "http://127.0.0.1:1/cb")
    assert not may_return_to(app, "http://127.0.0.1:2/cb")


# ---------------------------------------------------------------- then errors go to the app


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "query.jwt"}, "invalid_request"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": None}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": "openid ov_klas"}, "invalid_scope"),
        ({"scope": "openid vo"}, "invalid_scope"),
        ({"scope": "openid " + "x" * 600}, "invalid_request"),
        ({"scope": "openid\r\nprofile"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "c" * 42}, "invalid_request"),
        ({"code_challenge": "c" * 44}, "invalid_request"),
        ({"code_challenge": "c" * 42 + "="}, "invalid_request"),
        ({"code_challenge": "c" * 43 + "\n"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "1e3"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "http://canary.example"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"nonce": "n" * 1001}, "invalid_request"),
        ({"nonce": "a\x00b"}, "invalid_request"),
    ],
)
def test_what_is_wrong_with_a_known_app_is_told_to_it(changes, error):
    no = read(changes)
    assert isinstance(no, Refused)
    assert (no.error, no.redirect_uri, no.state) == (error, CALLBACK, "s-1")


def test_PKCE_01_02_03_are_refused_for_public_and_confidential_apps():
    for client_id, uri in (("rekenbuur", CALLBACK), ("native", "http://127.0.0.1/cb")):
        for change in (
            {"code_challenge": None, "code_challenge_method": None},
            {"code_challenge_method": "plain"},
        ):
            no = read(client_id=client_id, redirect_uri=uri, scope="openid", **change)
            assert isinstance(no, Refused)


def test_an_exemption_of_pkce_lasts_through_its_day():
    plain = {"client_id": "old", "redirect_uri": "https://old.example/cb", "scope": "openid"}
    without = plain | {"code_challenge": None, "code_challenge_method": None}
    assert isinstance(read(without), AuthorizationRequest)
    assert isinstance(read(without, today=date(2026, 11, 24)), Refused)
    assert isinstance(read(plain | {"code_challenge_method": "plain"}), Refused)
    assert isinstance(read(plain | {"code_challenge": None}), Refused)


@pytest.mark.parametrize(
    "name",
    ["code_challenge", "code_challenge_method", "scope", "nonce", "prompt", "unknown", "response_type"],
)
def test_PKCE_11_and_HTTP_06_a_repeated_parameter_is_refused(name):
    no = read(extra=[(name, "x"), (name, "x")])
    assert isinstance(no, Refused)
    assert (no.error, no.state) == ("invalid_request", "s-1")


def test_a_repeated_state_is_nobodys():
    no = read(extra=[("state", "other")])
    assert isinstance(no, Refused)
    assert no.state is None


def test_ROBJ_01_a_request_object_changes_nothing():
    no = read(request="eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.")
    assert isinstance(no, Refused)
    assert no.redirect_uri == CALLBACK


@pytest.mark.parametrize("state", ["é" * 500, "a b&c=d%20+/#?", "x" * 2048, "𝕏 'quoted\" <b>", "="])
def test_AUTHZ_09_a_state_is_kept_exactly(state):
    pairs = requests.pairs(f"state={quote(state)}".encode())
    assert read(state=dict(pairs)["state"]).state == state


@pytest.mark.parametrize("state", ["x" * 2049, "é" * 1025, "a\r\nb", "a\x00b", "\x7f"])
def test_HTTP_03_a_state_that_is_too_long_or_unreadable_is_refused_and_not_echoed(state):
    no = read(state=state)
    assert isinstance(no, Refused)
    assert no.state is None


@pytest.mark.parametrize(
    "name", ["acr_values", "ui_locales", "login_hint", "display", "id_token_hint", "foo[]"]
)
@pytest.mark.parametrize(
    "value", ["x" * 100_000, "a\x00b", "${jndi:ldap://x}", "'; DROP TABLE app;--", "\r\nSet-Cookie: a=b", ""]
)
def test_AUTHZ_23_hostile_wishes_are_ignored(name, value):
    asked = read({name: value})
    assert isinstance(asked, AuthorizationRequest)
    assert len(asked.query) < 4_000
    assert "\n" not in asked.query


def test_AUTHZ_15_the_claims_parameter_promises_nothing():
    assert read(claims='{"userinfo":{"birthdate":null}}').claims is None


def test_a_scope_that_nobody_knows_is_ignored_and_one_is_counted_once():
    assert read(scope="openid email openid profile nonsense").scope == "openid profile"


def test_the_default_max_age_of_the_app_counts():
    app = App(client_id="x", client_name="x", sector="x", redirect_uris=(CALLBACK,), default_max_age=5)
    pairs = list((GOOD | {"scope": "openid"}).items())
    known = {"find_app": lambda _: app, "scopes_known": KNOWN, "today": TODAY}
    assert requests.read(pairs, **known).max_age == 5
    assert requests.read([*pairs, ("max_age", "9")], **known).max_age == 9


@pytest.mark.parametrize(
    "query", [b"state=%ff", b"state=%c0%80", b"state=%ed%a0%80", b"a=\xff", b"x" * 20_000, b"a=1&" * 300]
)
def test_HTTP_07_and_08_what_cannot_be_read_is_no_query(query):
    assert requests.pairs(query) is None


def test_every_check_is_in_one_of_the_two_tables():
    import inspect

    from idp.oidc import request_checks

    checks = {
        function
        for _, function in inspect.getmembers(request_checks, inspect.isfunction)
        if list(inspect.signature(function).parameters) == ["given"]
        and function.__module__ == request_checks.__name__
    }
    assert checks == {*CHECKS_FOR_THE_PERSON, *CHECKS_FOR_THE_APP}


@given(
    st.lists(
        st.tuples(st.sampled_from([*GOOD, "prompt", "max_age", "request", "x"]), st.text(max_size=60)),
        max_size=12,
    )
)
def test_whatever_comes_the_answer_is_one_of_three_and_only_registered_addresses_are_answered(pairs):
    answer = requests.read(pairs, find_app=APPS.get, scopes_known=KNOWN, today=TODAY)
    if not isinstance(answer, Untrusted):
        assert answer.redirect_uri in APPS[dict(reversed(pairs))["client_id"]].redirect_uris


@given(st.binary(max_size=300))
def test_any_query_can_be_tried(query):
    found = requests.pairs(query)
    if found is not None:
        requests.read(found, find_app=APPS.get, scopes_known=KNOWN, today=TODAY)


def test_resource_may_come_several_times_and_is_ignored():
    asked = read(extra=[("resource", "https://a.example"), ("resource", "https://b.example")])
    assert isinstance(asked, AuthorizationRequest)
    assert "resource" not in asked.query


@pytest.mark.parametrize(
    "value",
    ["x" * 100_000, "a\x00b", "${jndi:ldap://x}", "'; DROP TABLE app;--", "\r\nSet-Cookie: a=b", "[]"],
)
def test_AUTHZ_23_hostile_claims_are_refused(value):
    no = read(claims=value)
    assert isinstance(no, Refused)
    assert (no.error, no.state) == ("invalid_request", "s-1")
