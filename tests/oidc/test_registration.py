"""May an app be registered like this?"""

from __future__ import annotations

import json
from datetime import date

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from idp import addresses, apps
from idp.oidc import fields, registration

TODAY = date(2026, 11, 23)
PLAIN = {"client_name": "Rekenbuur", "redirect_uris": ["https://app.example/cb"]}


def validated(loopback_ok=False, existing=None, **given):
    return registration.validate(PLAIN | given, today=TODAY, loopback_ok=loopback_ok, existing=existing)


def problems(loopback_ok=False, existing=None, **given):
    with pytest.raises(registration.Refused) as refused:
        validated(loopback_ok, existing, **given)
    assert refused.value.code == "registration_refused"
    return refused.value.problems


def registered(**given):
    made = validated(**{"client_id": "rekenbuur"} | given)
    return apps.from_registration(made["client_id"], made, sector=made["sector"])


def test_a_plain_registration_is_completed_with_safe_defaults():
    made = validated()
    assert made["grant_types"] == ["authorization_code"]
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    assert made["subject_type"] == "pairwise"
    assert made["sector"] == "app.example"
    assert made["scope"] == "openid"
    assert json.loads(json.dumps(made)) == made


def test_what_is_stored_validates_to_itself():
    made = validated(
        client_id="rekenbuur",
        scope="ov_klas openid profile offline_access",
        grant_types=["refresh_token", "authorization_code"],
        pkce_exempt_until="2027-06-30",
        reasons={"ov_klassen": "om per klas te oefenen"},
        contacts=["help@app.example"],
        code_seconds=60,
        default_max_age=0,
    )
    again = registration.validate(made, today=TODAY, loopback_ok=False, existing=None)
    assert again == made
    app = apps.from_registration("rekenbuur", made, sector=made["sector"])
    assert app.pkce_exempt_until == date(2027, 6, 30)
    assert app.default_max_age == 0


def test_every_mistake_is_told_at_once():
    told = problems(
        client_name="", redirect_uris=["http://app.example/cb", "nothing"], scope="openid ov_klsa", x=1
    )
    assert set(told) == {"client_name", "redirect_uris", "scope", "x"}
    assert len(told["redirect_uris"]) == 2
    assert "did you mean `ov_klas`?" in told["scope"][0]


def test_an_unknown_field_gets_a_hint():
    assert "did you mean `redirect_uris`?" in problems(redirect_uri="https://app.example")["redirect_uri"][0]
    assert "made by us" in problems(client_secret="x")["client_secret"][0]


@pytest.mark.parametrize(
    "uri",
    [
        "https://*.example/cb",
        "https://app.example/*",
        "https://app.example/cb#part",
        "https://app.example/cb#",
        "http://app.example/cb",
        "http://localhost:80@attacker.test/cb",
        "https://app.example@attacker.test/cb",
        "http://localhost.attacker.test/cb",
        "http://127.0.0.1.attacker.test/cb",
        "javascript:alert(1)",
        "javascript://app.example/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "be.example.app:/cb",
        "https:app.example/cb",
        "https:///cb",
        "//app.example/cb",
        "https://app.example\\@attacker.test/",
        "https://app.example/a b",
        " https://app.example/cb",
        "https://app.example/cb\n",
        "https://app.example/\x00",
        "https://app.example/é",
        "https://app.example/a/../cb",
        "https://app.example/a/%2e%2E/cb",
        "https://app.example/%zz",
        "https://app.example:0/cb",
        "https://app.example:99999/cb",
        "https://app.example:x/cb",
        "https://[::1/cb",
        "https://[app.example]/cb",
        "https://1.2.3/cb",
        "https://0x7f.1/cb",
        "https://app..example/cb",
        "https://-app.example/cb",
        "https://" + "a" * 2000 + ".example/cb",
        "",
        None,
        7,
    ],
)
def test_RURI_16_an_address_that_could_mean_something_else_is_refused(uri):
    assert "redirect_uris" in problems(redirect_uris=[uri])


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "data:text/html,x", "http://app.example/", "be.app:/x"]
)
@pytest.mark.parametrize(
    "field",
    ["client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri", "backchannel_logout_uri"],
)
def test_RURI_08_only_https_is_taken_in_every_address(field, uri):
    assert field in problems(**{field: uri})


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example",
        "https://app.example/",
        "https://App.Example/CB",
        "https://app.example:8443/cb?x=1&y=%20",
        "http://localhost:5000/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:9/cb",
        "https://192.0.2.7/cb",
        "https://xn--caf-dma.example/~a;b=c,d",
    ],
)
def test_a_plain_address_is_kept_as_it_is(uri):
    assert validated(redirect_uris=[uri])["redirect_uris"] == [uri]


def test_an_address_twice_is_a_mistake():
    assert "twice" in problems(redirect_uris=["https://app.example/cb"] * 2)["redirect_uris"][0]


def test_on_loopback_only_a_demo_may_be_called_back():
    where = {
        "backchannel_logout_uri": "http://localhost:5000/out",
        "initiate_login_uri": "http://localhost:5000/in",
    }
    assert set(problems(**where)) == set(where)
    assert validated(loopback_ok=True, **where)["initiate_login_uri"] == "http://localhost:5000/in"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "[::1]",
        "0.0.0.0",
        "[::ffff:10.0.0.1]",
        "intranet",
        "a.local",
    ],
)
def test_SSRF_01_an_address_inside_a_network_is_never_called(host):
    assert "backchannel_logout_uri" in problems(backchannel_logout_uri=f"https://{host}/out")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "0.0.0.0", "localhost", "keys.internal"]
)
def test_SSRF_01_no_keys_and_no_requests_are_read_inside_a_network(host):
    for scheme in ("https", "http"):
        assert "jwks_uri" in problems(jwks_uri=f"{scheme}://{host}/jwks")
        assert "request_uris" in problems(request_uris=[f"{scheme}://{host}/r.jwt"])


def test_keys_stand_in_one_place():
    assert validated(jwks_uri="https://app.example/jwks")["jwks_uri"] == "https://app.example/jwks"
    assert validated(jwks_uri="https://app.example/jwks", token_endpoint_auth_method="private_key_jwt")
    assert "jwks" in problems(token_endpoint_auth_method="private_key_jwt")
    assert "jwks" in problems(require_signed_request_object=True)
    both = problems(
        jwks_uri="https://app.example/jwks",
        jwks={"keys": [ECKey.generate_key("P-256").as_dict(private=False)]},
    )
    assert "one place" in both["jwks_uri"][0]


def test_the_keys_of_an_app_can_sign_as_it_says():
    ec, ed = (
        {"keys": [key.as_dict(private=False)]}
        for key in (ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"))
    )
    asserts = {"token_endpoint_auth_method": "private_key_jwt", "jwks": ec}
    assert validated(**asserts, token_endpoint_auth_signing_alg="ES256")
    wrong = problems(**asserts, token_endpoint_auth_signing_alg="RS256")
    assert wrong == {"token_endpoint_auth_signing_alg": ("RS256: none of the keys in jwks signs with it",)}
    for alg in ("EdDSA", "Ed25519"):
        assert validated(**asserts | {"jwks": ed}, token_endpoint_auth_signing_alg=alg)
    own = {"keys": [ec["keys"][0] | {"alg": "ES256", "kid": "1"}, ed["keys"][0] | {"kid": "2"}]}
    signed = {"require_signed_request_object": True, "jwks": own}
    assert validated(**signed, request_object_signing_alg="ES256")
    assert "request_object_signing_alg" in problems(**signed, request_object_signing_alg="PS256")
    assert validated(jwks=ec, request_object_signing_alg="RS256")
    there = {"jwks_uri": "https://app.example/jwks", "token_endpoint_auth_method": "private_key_jwt"}
    assert validated(**there, token_endpoint_auth_signing_alg="RS256")


def test_where_signed_requests_stand_is_registered_exactly():
    uris = [
        "https://app.example/r.jwt",
        "https://app.example/r.jwt#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM",
    ]
    assert validated(request_uris=uris)["request_uris"] == uris
    for wrong in ("http://app.example/r", "https://app.example/r#a b", "https://app.example/" + "x" * 512, 7):
        assert "request_uris" in problems(request_uris=[wrong])
    assert "twice" in problems(request_uris=[uris[0], uris[0]])["request_uris"][0]


def test_default_acr_values_keep_the_order_of_the_app():
    values = ["urn:leersleutel:acr:own", "urn:leersleutel:acr:basic"]
    assert validated(default_acr_values=values)["default_acr_values"] == values
    assert "default_acr_values" in problems(default_acr_values=["urn:mace:incommon:iap:silver"])


def test_several_hosts_need_a_sector_for_pairwise_subjects_only():
    hosts = {"redirect_uris": ["https://a.example/cb", "https://b.example/cb"]}
    assert "such as https://" in problems(**hosts)["sector_identifier_uri"][0]
    assert validated(**hosts, subject_type="public")["sector"] == "a.example"
    assert validated(**hosts, sector_identifier_uri="https://C.example/uris.json")["sector"] == "c.example"


def test_JWT_12_the_sector_and_the_kind_of_subject_are_frozen():
    existing = registered()
    moved = validated(existing=existing, redirect_uris=["https://a.example/cb", "https://b.example/cb"])
    assert moved["sector"] == "app.example"
    assert "frozen" in problems(existing=existing, sector="other.example")["sector"][0]
    assert (
        "frozen"
        in problems(existing=existing, sector_identifier_uri="https://b.example/")["sector_identifier_uri"][0]
    )
    assert "frozen" in problems(existing=existing, subject_type="public")["subject_type"][0]
    assert "frozen" in problems(existing=existing, client_id="another")["client_id"][0]


def test_the_scope_of_staff_is_taken_because_apps_of_leerid_always_ask_for_it():
    assert "vo" in validated(scope="openid profile vo ov_leerling")["scope"].split()


def test_in_a_demo_the_port_tells_apps_apart():
    made = validated(loopback_ok=True, redirect_uris=["http://localhost:5001/cb"])
    assert made["sector"] == "localhost:5001"


def test_JWT_12_apps_on_the_machines_of_pupils_do_not_share_a_sector():
    """Every machine calls itself 127.0.0.1: two makers with that address would know a pupil by one name."""
    words = {"application_type": "native", "token_endpoint_auth_method": "none"}
    words |= {"redirect_uris": ["http://127.0.0.1/cb", "http://[::1]/cb"]}
    for client_id in ("rekenbuur", "Leesland"):
        made = validated(client_id=client_id, **words)
        assert made["sector"] == client_id
        assert registration.validate(made, today=TODAY, loopback_ok=False, existing=None) == made
    assert validated(loopback_ok=True, client_id="rekenbuur", **words)["sector"] == "rekenbuur", (
        "in a demo too"
    )
    both = {**words, "redirect_uris": ["https://app.example/cb", "http://127.0.0.1/cb"]}
    assert "sector_identifier_uri" in problems(True, client_id="rekenbuur", **both)
    assert "sector_identifier_uri" in problems(client_id="rekenbuur", **both)


def test_a_sector_that_is_no_host_is_only_ever_the_app_itself():
    assert "host" in problems(client_id="rekenbuur", sector="Leesland")["sector"][0]
    assert validated(client_id="rekenbuur", sector="leesland")["sector"] == "leesland"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"grant_types": ["password"]}, "grant_types"),
        ({"grant_types": ["implicit", "authorization_code"]}, "grant_types"),
        ({"grant_types": []}, "grant_types"),
        ({"grant_types": ["refresh_token"], "scope": ""}, "grant_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"scope": "profile"}, "scope"),
        ({"scope": "openid email"}, "scope"),
        ({"scope": "openid offline_access"}, "grant_types"),
        ({"scope": "openid " + fields.MACHINE_SCOPES[0]}, "scope"),
        ({"grant_types": ["client_credentials"], "scope": "openid"}, "scope"),
        (
            {
                "grant_types": ["authorization_code", "client_credentials"],
                "token_endpoint_auth_method": "none",
            },
            "grant_types",
        ),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        ({"token_endpoint_auth_method": "none", "pkce_exempt_until": "2027-01-01"}, "pkce_exempt_until"),
        ({"pkce_exempt_until": "2036-01-01"}, "pkce_exempt_until"),
        ({"pkce_exempt_until": "soon"}, "pkce_exempt_until"),
        ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
        ({"userinfo_signed_response_alg": "HS256"}, "userinfo_signed_response_alg"),
        ({"code_seconds": 61}, "code_seconds"),
        ({"code_seconds": True}, "code_seconds"),
        ({"default_max_age": -1}, "default_max_age"),
        ({"claims_in_id_token": "yes"}, "claims_in_id_token"),
        ({"client_id": "../x"}, "client_id"),
        ({"client_name": "Reken\u202ebuur"}, "client_name"),
        ({"reasons": {"ov_klasen": "x"}}, "reasons"),
        ({"reasons": {"iss": "x"}}, "reasons"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"redirect_uris": "https://app.example/cb"}, "redirect_uris"),
    ],
)
def test_what_cannot_be_is_refused_at_its_own_field(given, field):
    assert field in problems(**given)


def test_an_app_that_speaks_for_itself_needs_no_redirect():
    made = validated(
        redirect_uris=[],
        client_id="rooster",
        grant_types=["client_credentials"],
        scope=fields.MACHINE_SCOPES[0],
    )
    assert made["response_types"] == []
    assert made["sector"] == "rooster"


def test_what_is_stored_of_an_app_that_speaks_for_itself_validates_to_itself():
    made = validated(
        redirect_uris=[],
        client_id="Rooster",
        grant_types=["client_credentials"],
        scope=fields.MACHINE_SCOPES[0],
    )
    assert registration.validate(made, today=TODAY, loopback_ok=False, existing=None) == made


def jwks(*keys, **words):
    return {"keys": [key.as_dict(private=False, **words) for key in keys]}


@pytest.mark.parametrize(
    "key", [RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")]
)
def test_public_keys_are_kept_without_the_rest(key):
    given = jwks(key)
    given["keys"][0] |= {"x5u": "http://127.0.0.1/", "jku": "http://127.0.0.1/", "x5c": ["x"], "kid": "k1"}
    made = validated(token_endpoint_auth_method="private_key_jwt", jwks=given)
    assert not {"x5u", "jku", "x5c", "d"} & set(made["jwks"]["keys"][0])


@pytest.mark.parametrize(
    "given",
    [
        {"keys": []},
        {"keys": [ECKey.generate_key("P-256").as_dict(private=True)]},
        {"keys": [OctKey.generate_key(256).as_dict(private=True)]},
        {"keys": [{"kty": "RSA", "n": "x" * 171, "e": "AQAB"}]},
        {"keys": [ECKey.generate_key("P-384").as_dict(private=False)]},
        {"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]},
        {"keys": [{"kty": "RSA", "n": 7, "e": "AQAB"}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]},
        {"keys": [{"kty": ["RSA"]}]},
        {"keys": ["x"]},
        {"keys": [ECKey.generate_key("P-256").as_dict(private=False)] * 2},
        "x",
    ],
)
def test_keys_that_are_private_weak_or_broken_are_refused(given):
    assert "jwks" in problems(token_endpoint_auth_method="private_key_jwt", jwks=given)


def test_the_parser_reads_what_a_browser_reads():
    read = addresses.read("https://App.example:8443/cb?x=@y", loopback_http=False)
    assert (read.scheme, read.host, read.port) == ("https", "app.example", 8443)


def test_an_algorithm_without_a_key_here_is_refused_before_an_app_hangs_on_it():
    given = PLAIN | {"id_token_signed_response_alg": "PS256", "userinfo_signed_response_alg": "ES256"}
    with pytest.raises(registration.Refused) as refused:
        registration.validate(
            given, today=TODAY, loopback_ok=False, existing=None, algorithms=("RS256", "ES256")
        )
    assert set(refused.value.problems) == {"id_token_signed_response_alg"}
