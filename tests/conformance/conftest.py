"""One running provider for each database, two apps that an operator imported, and what was begun early on."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from joserfc.jwk import RSAKey

from tests.conformance.party import Browser, Done, Party, Provider, in_a_year
from tests.conftest import _create_database, _named
from tests.journeys.conftest import running
from tests.make_signed import RSA, Site, jwks, site

SCOPE = "openid profile ov_leerling offline_access"
WORDS = {"IDP_REQUEST_URI_BY_REFERENCE": "true", "IDP_LOG_LEVEL": "WARNING"}


@pytest.fixture(scope="session")
def party_site() -> Iterator[Site]:
    """The server of the app: keys, signed requests, sector documents, and a back door."""
    with site() as here:
        yield here


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def provider(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, party_site: Site
) -> Iterator[Provider]:
    settings = dict(WORDS)
    if request.param == "postgresql":
        url, name = request.getfixturevalue("postgres_url"), f"conformance_{secrets.token_hex(4)}"
        _create_database(url, name)
        settings["IDP_DATABASE_URL"] = _named(url, name)
    with running(tmp_path_factory.mktemp("conformance"), **settings) as demo:
        token = demo.idp(
            *("app", "initial-token", "issue", "--uses", "200", "--until", in_a_year(), "--json"),
            *("--scope", SCOPE, "--pkce-exempt-until", in_a_year(), "--visible-in-sandbox"),
        )
        yield Provider(
            demo=demo,
            site=party_site,
            metadata=requests.get(f"{demo.issuer}/.well-known/openid-configuration", timeout=60).json(),
            initial_token=json.loads(token)["initial_access_token"],
            pupil=demo.pupil(username="seppe.duinen"),
            other_pupil=demo.pupil(username="maaya.thof"),
        )


@pytest.fixture(scope="session")
def imported(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Party]:
    """Apps that an operator registered: by client_secret_basic, the same again, and by client_secret_post."""
    methods = {"first": "client_secret_basic", "second": "client_secret_basic", "post": "client_secret_post"}
    documents: list[dict[str, Any]] = [
        {
            "client_id": f"conformance-{name}",
            "client_name": f"Conformance {name}",
            "client_secret": secrets.token_urlsafe(24) + "+/%: ",
            "redirect_uris": [f"{provider.site.address}/{name}/{place}" for place in ("cb", "cb2")],
            "post_logout_redirect_uris": [f"{provider.site.address}/{name}/bye"],
            "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": SCOPE,
            "pkce_exempt_until": in_a_year(),
            "jwks": jwks(RSA),
            "request_uris": [f"{provider.site.address}/{name}/request"],
        }
        for name, method in methods.items()
    ]
    file = tmp_path_factory.mktemp("apps") / "apps.json"
    file.write_text(json.dumps(documents))
    provider.idp("app", "import", str(file))
    for document in documents:
        provider.show_to_the_school(document["client_id"])
    return {
        name: Party(
            provider=provider,
            client_id=document["client_id"],
            method=document["token_endpoint_auth_method"],
            secret=document["client_secret"],
            redirect_uri=document["redirect_uris"][0],
            key=RSA,
            registration=document,
        )
        for name, document in zip(methods, documents, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What must have been done a while ago; it is done first, so that nobody waits for it at the end."""

    at: float
    redeemed: dict[str, tuple[Party, Done]]
    """By response_mode: an app, and a code that it redeemed."""
    rotating: Party
    """An app with its keys at a jwks_uri, which the provider has read."""
    tokens: dict[str, Any]


@pytest.fixture(scope="session", autouse=True)
def earlier(provider: Provider, imported: dict[str, Party]) -> Earlier:
    redeemed = {}
    for mode in ("query", "form_post"):
        party = Party(**(vars(imported["first"]) | {"mode": mode}))
        redeemed[mode] = party, party.sign_in(Browser(provider, provider.other_pupil))
    key = RSAKey.generate_key(2048, {"kid": "first"})
    uri = provider.site.put("/rotating/jwks", jwks(key))
    rotating = provider.registered_with_keys(
        key, jwks=None, jwks_uri=uri, grant_types=["authorization_code", "refresh_token"], scope=SCOPE
    )
    done = rotating.sign_in(
        Browser(provider, provider.other_pupil), scope="openid offline_access", prompt="consent"
    )
    return Earlier(at=time.monotonic(), redeemed=redeemed, rotating=rotating, tokens=done.tokens)


@pytest.fixture(params=["query", "form_post"])
def mode(request: pytest.FixtureRequest) -> str:
    """Of the Basic plan and of the Form Post plan: the same modules."""
    return str(request.param)


@pytest.fixture
def party(imported: dict[str, Party], mode: str) -> Party:
    """The app of the Basic and Form Post plans: client_secret_basic."""
    return Party(**(vars(imported["first"]) | {"mode": mode}))


@pytest.fixture
def browser(provider: Provider) -> Browser:
    return Browser(provider)
