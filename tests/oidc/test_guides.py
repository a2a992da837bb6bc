"""Do the guides for apps work? They show what the supplier's page shows, and what they say of Moodle holds when we play it.

What the examples do in Apache, Laravel and Spring Boot is in tests/journeys/test_products.py and tests/long/test_products.py.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from idp import config
from idp.admin.makers import snippets
from idp.apps import App
from idp.claims import catalogue
from idp.oidc import discovery
from tests import make_products
from tests.journeys.conftest import Demo, free_port, running
from tests.make_person import Person

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guides.md").read_text(encoding="utf-8")
ISSUER = "https://id.example.org"
PARTS = {part.splitlines()[0]: part for part in PAGE.split("\n## ")[1:]}
TRIED = PARTS["What was tried, and how"]
GUIDES = {
    "moodle": PARTS["Moodle"],
    "mod_auth_openidc": PARTS["Apache with mod_auth_openidc"],
    "spring": PARTS["Spring Boot"],
    "laravel": PARTS["Laravel"],
    "authlib": PARTS["Flask with Authlib"],
    "openid-client": PARTS["Node.js with openid-client"],
}


def registration(slug: str) -> dict[str, Any]:
    return json.loads(re.search(r"```json\n(.*?)```", GUIDES[slug], re.DOTALL)[1])


def ahead(document: dict[str, Any]) -> dict[str, Any]:
    """The same; days in it lie ahead, whenever this runs."""
    later = (datetime.now(UTC).date() + timedelta(days=200)).isoformat()
    return json.loads(re.sub(r"20\d\d-\d\d-\d\d", later, json.dumps(document)))


def example(slug: str, document: dict[str, Any], issuer: str) -> dict[str, str]:
    """What the supplier of this app reads on its page."""
    known = {"redirect_uris", "post_logout_redirect_uris", "token_endpoint_auth_method"}
    app = App(
        client_id=document.get("client_id", "CLIENT_ID"),
        client_name=document["client_name"],
        sector="",
        scopes=frozenset(document["scope"].split()),
        **{name: value for name, value in document.items() if name in known},
    )
    if document.get("pkce_exempt_until"):
        app = replace(app, pkce_exempt_until=date.fromisoformat(document["pkce_exempt_until"]))
    return dict({one.slug: one for one in snippets.of(app, issuer)}[slug].files)


SECRET = "secret/of+ours:%26&=-0123456789"
URL_SAFE = "like-ours-url-safe_and-long-enough"
"""Authlib does not encode a secret with other signs in it as RFC 6749 says; those that we make have none."""
WAYS = ("client_secret_basic", "client_secret_post")
PLUGIN = GUIDES["moodle"].partition("**The plugin `auth_oidc`**")[2]
SETTINGS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PLUGIN, re.MULTILINE))


def _apps() -> dict[str, dict[str, Any]]:
    """Every registration that a test below needs, by client id."""
    moodle, apps = ahead(registration("moodle")), {}
    until = moodle["pkce_exempt_until"]
    for way in WAYS:
        apps[f"moodle-{way}"] = moodle | {"token_endpoint_auth_method": way}
        for slug in ("authlib", "openid-client"):
            origin = f"http://localhost:{free_port()}"
            apps[f"{slug}-{way}"] = registration(slug) | {
                "redirect_uris": [f"{origin}/school/cb"],
                "post_logout_redirect_uris": [f"{origin}/bye"],
                "token_endpoint_auth_method": way,
            }
    apps["moodle-bare"] = moodle | {"pkce_exempt_until": None}
    apps["plugin"] = {
        "client_name": "Moodle",
        "redirect_uris": re.findall(r'"redirect_uris": \["([^"]+)"\]', PLUGIN),
        "scope": SETTINGS["scope"].strip("`"),
        "token_endpoint_auth_method": "client_secret_post",
        "pkce_exempt_until": until,
        "claims_in_id_token": True,
        "claims_in_id_token_until": until,
    }
    return {
        name: document
        | {"client_id": name, "open_to_every_pupil": True}
        | {"client_secret": URL_SAFE if name.startswith("authlib") else SECRET}
        for name, document in apps.items()
    }


@pytest.fixture(scope="module")
def apps() -> dict[str, dict[str, Any]]:
    return _apps()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, apps: dict[str, dict[str, Any]]) -> Iterator[Demo]:
    """A demo where an operator imported all of them."""
    folder = tmp_path_factory.mktemp("guides")
    with running(folder) as made:
        (folder / "apps.json").write_text(json.dumps([*apps.values()]))
        made.idp("app", "import", str(folder / "apps.json"))
        yield made


def somebody(demo: Demo) -> Person:
    seppe = demo.pupil(username="seppe.duinen")
    return Person(demo.issuer, seppe["username"], seppe["secret"])


def test_every_registration_in_the_guides_is_taken(demo, tmp_path):
    file = tmp_path / "apps.json"
    file.write_text(json.dumps([ahead(registration(slug)) for slug in GUIDES]))
    assert demo.idp("app", "import", str(file), "--dry-run")


@pytest.mark.parametrize("slug", GUIDES)
def test_a_guide_shows_what_the_page_of_the_supplier_shows(slug):
    blocks = re.findall(r"```\w+\n(.*?)```", GUIDES[slug], re.DOTALL)
    for where, text in example(slug, registration(slug), ISSUER).items():
        assert text in blocks, f"{where} in docs/guides.md is not what the page shows:\n{text}"


def test_the_guides_and_the_page_name_the_same_versions_and_those_that_run():
    for product in snippets.PRODUCTS.values():
        for number in re.findall(r"\d+(?:\.\d+)+", product.tried):
            assert number in TRIED, f"{product.title}: {number}"
    lock = json.loads((make_products.CLIENTS / "package-lock.json").read_text())
    node = lock["packages"]["node_modules/openid-client"]["version"]
    assert snippets.PRODUCTS["openid-client"].tried == f"openid-client {node}"
    ours = f"Authlib {version('authlib')}, Flask {version('flask')}"
    assert snippets.PRODUCTS["authlib"].tried == ours


def test_the_guides_name_only_addresses_claims_and_scopes_that_exist():
    said = discovery.metadata(config.Settings(issuer=ISSUER))
    known = {value for value in said.values() if isinstance(value, str)} | {ISSUER}
    known.add(f"{ISSUER}/.well-known/openid-configuration")
    assert set(re.findall(rf"{re.escape(ISSUER)}[\w./-]*", PAGE)) <= known
    words = {*catalogue.NAMES, *catalogue.SCOPES}
    assert set(re.findall(r"\bov_\w+", PAGE)) <= words
    assert set(re.findall(r"OIDC_CLAIM_(\w+)", PAGE)) <= words


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("slug", "start"), [("authlib", make_products.authlib), ("openid-client", make_products.openid_client)]
)
def test_the_program_in_the_guide_signs_a_pupil_in_as_it_stands(demo, apps, tmp_path, slug, start, way):
    document = apps[f"{slug}-{way}"]
    origin = document["redirect_uris"][0].removesuffix("/school/cb")
    port, files = int(origin.rpartition(":")[2]), example(slug, document, demo.issuer)
    with start(tmp_path, files, port, document["client_secret"]):
        person = somebody(demo)
        arrived = person.visit(f"{origin}/sign-in")
        assert arrived.url.startswith(f"{origin}/school/cb?"), arrived
        page = person.browser.get(arrived.url, timeout=60)
        assert page.json().get("given_name") == "Seppe", page.text
        stranger = requests.get(arrived.url, timeout=60)
        assert stranger.status_code == 403, "a code that somebody else brings opens nothing"


# ---------------------------------------------------------------- Moodle, played

MOODLE_USERNAME = re.compile(r"[-.@_a-z0-9]{1,100}")
"""What it takes as a username."""


class Moodle:
    """What Moodle's own OAuth 2 service (5.1) sends, and what it makes of the answer."""

    def __init__(self, document: dict[str, Any], text: str) -> None:
        fields = dict(re.findall(r"^(\S.*?)  +(\S.*)$", text, re.MULTILINE))
        self.base, self.client_id = fields["Service base URL"], fields["Client ID"]
        self.basic = fields["Authenticate token requests via HTTP headers"] == "yes"
        self.scope = fields["Scopes included in a login request"]
        self.secret, (self.callback,) = document["client_secret"], document["redirect_uris"]
        rows = text.partition("Configure user field mappings")[2].partition("\n\n")[0]
        self.mapping = dict(re.findall(r"^(\w+) +(\w+)", rows, re.MULTILINE))
        found = requests.get(self.base.removesuffix("/") + "/.well-known/openid-configuration", timeout=60)
        self.endpoints = {name: url for name, url in found.json().items() if name.endswith("_endpoint")}

    def login_url(self, state: str) -> str:
        words = {"client_id": self.client_id, "response_type": "code", "redirect_uri": self.callback}
        words |= {"state": state, "scope": self.scope}
        return f"{self.endpoints['authorization_endpoint']}?{urlencode(words)}"

    def user(self, code: str) -> dict[str, str]:
        """Redeem the code, ask /userinfo, map: the account that it would make. Raises where Moodle refuses."""
        form, headers = {"code": code, "grant_type": "authorization_code"}, {"Accept": "application/json"}
        form["redirect_uri"] = self.callback
        if self.basic:
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": self.client_id, "client_secret": self.secret}
        answer = requests.post(self.endpoints["token_endpoint"], form, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        told = requests.get(self.endpoints["userinfo_endpoint"], headers=headers, timeout=60).json()
        user = {theirs: told[ours] for ours, theirs in self.mapping.items() if told.get(ours)}
        user.setdefault("username", user.get("email", ""))
        user["username"] = user["username"].strip().lower()
        assert user["username"], "it did not contain a username"
        assert user["email"], "it did not contain an e-mail address"
        assert MOODLE_USERNAME.fullmatch(user["username"]), user["username"]
        assert len(user["email"]) <= 100
        return user


@pytest.mark.parametrize("way", WAYS)
def test_moodle_as_the_guide_sets_it_up_makes_an_account_for_a_pupil_and_finds_it_again(demo, apps, way):
    document = apps[f"moodle-{way}"]
    moodle = Moodle(document, example("moodle", document, demo.issuer)["Moodle"])
    state = "/auth/oauth2/login.php?wantsurl=https%3A%2F%2Fmoodle.example%2Fmy%2F&sesskey=q8JmE1bnCv&id=3"
    made = []
    for _time in range(2):
        arrived = urlsplit(somebody(demo).visit(moodle.login_url(state)).url)
        back = {name: value for name, (value,) in parse_qs(arrived.query).items()}
        assert f"{arrived.scheme}://{arrived.netloc}{arrived.path}" == document["redirect_uris"][0]
        assert back["state"] == state
        made.append(moodle.user(back["code"]))
    assert made[0] == made[1]
    assert (made[0]["firstname"], made[0]["lastname"]) == ("Seppe", "Duinen")
    assert made[0]["email"] == made[0]["username"]


def test_moodle_without_its_exemption_reads_on_its_login_page_what_is_missing(demo, apps):
    document = apps["moodle-bare"]
    text = example("moodle", document, demo.issuer)["Moodle"]
    assert "none yet" in text
    arrived = urlsplit(somebody(demo).visit(Moodle(document, text).login_url("/login")).url)
    assert parse_qs(arrived.query)["error"] == ["invalid_request"]
    assert "code_challenge" in parse_qs(arrived.query)["error_description"][0]


def test_the_plugin_auth_oidc_as_the_guide_sets_it_up_reads_who_it_is_in_the_id_token(demo, apps):
    document = apps["plugin"]
    (address,) = document["redirect_uris"]
    words = {"response_type": "code", "client_id": document["client_id"], "scope": document["scope"]}
    words |= {"nonce": "N674af30c8b1d2", "response_mode": "form_post", "state": "hQz83kLmPq0aVtX"}
    words |= {"redirect_uri": address, "resource": "https://graph.example"}
    arrived = somebody(demo).visit(f"{demo.issuer}/authorize?{urlencode(words)}")
    assert arrived.url == address
    for name in ("code", "state"):  # it refuses any other sign in them
        assert re.fullmatch(r"[A-Za-z0-9_.+/=-]+", arrived.form[name])
    form = {"client_id": document["client_id"], "client_secret": document["client_secret"]}
    form |= {"grant_type": "authorization_code", "code": arrived.form["code"], "redirect_uri": address}
    token = requests.post(f"{demo.issuer}/token", form, timeout=60).json()["id_token"]
    keys = KeySet.import_key_set(requests.get(f"{demo.issuer}/jwks", timeout=60).json())
    told = jwt.decode(token, keys, algorithms=["RS256"]).claims
    assert told["nonce"] == words["nonce"]
    assert (told["given_name"], told["family_name"]) == ("Seppe", "Duinen")
    assert told[SETTINGS["binding username claim"].strip("`")]
