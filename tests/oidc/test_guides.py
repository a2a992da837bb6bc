"""Do the guides for apps work? The programs in them run as they stand; the rest says nothing that we do not know."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import yaml

from idp import config
from idp.claims import catalogue
from idp.oidc import discovery
from tests.journeys.conftest import Demo, running
from tests.make_person import Person

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"
sys.path.insert(0, str(ROOT / "tools"))

import npm  # noqa: E402

PAGE = (ROOT / "docs" / "guides.md").read_text(encoding="utf-8")
ISSUER = "https://id.example.org"
GUIDES = {part.splitlines()[0]: part for part in PAGE.split("\n## ")[1:]}


def block(guide: str, language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", GUIDES[guide], re.DOTALL)[1]


def registration(guide: str) -> dict[str, object]:
    """What an operator imports; days in it lie ahead, whenever this runs."""
    ahead = (datetime.now(UTC).date() + timedelta(days=200)).isoformat()
    return json.loads(re.sub(r"20\d\d-\d\d-\d\d", ahead, block(guide, "json")))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("guides")) as made:
        yield made


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("guide", GUIDES)
def test_every_registration_in_the_guides_is_taken(demo, tmp_path, guide):
    file = tmp_path / "app.json"
    file.write_text(json.dumps(registration(guide)))
    assert demo.idp("app", "import", str(file), "--dry-run")


@pytest.mark.parametrize(
    ("guide", "language", "start"),
    [("Flask with Authlib", "python", "/login"), ("Node.js with openid-client", "js", "/")],
)
def test_the_program_in_the_guide_signs_a_pupil_in_as_it_stands(demo, tmp_path, guide, language, start):
    port, client_id = _free_port(), f"guide-{language}"
    app_url, secret = f"http://127.0.0.1:{port}", f"like-ours-url-safe_and-long-enough-{language}"
    document = registration(guide) | {
        "client_id": client_id,
        "client_secret": secret,
        "redirect_uris": [f"{app_url}/cb"],
        "open_to_every_pupil": True,
    }
    file = tmp_path / "app.json"
    file.write_text(json.dumps(document))
    demo.idp("app", "import", str(file))
    if language == "python":
        program = tmp_path / "guide.py"
        command = [sys.executable, "-m", "flask", "--app", str(program), "run", "--port", str(port)]
    else:
        if not npm.installed(CLIENTS):
            pytest.skip("the libraries are not installed: python tools/npm.py tests/oidc/clients")
        program = tmp_path / "guide.mjs"
        (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
        command = [*npm.command("node"), "--no-warnings", "--preserve-symlinks-main", str(program)]
    program.write_text(block(guide, language), encoding="utf-8")
    given = {"ISSUER": demo.issuer, "CLIENT_ID": client_id, "CLIENT_SECRET": secret, "APP_URL": app_url}
    given |= {"PORT": str(port), "APP_SECRET_KEY": "only of this test"}
    log = tmp_path / "log"
    with (
        log.open("w") as written,
        subprocess.Popen(command, env=os.environ | given, stdout=written, stderr=written) as process,
    ):
        try:
            _until_it_listens(port, process, log)
            pupil = demo.pupil(username="seppe.duinen")
            person = Person(demo.issuer, pupil["username"], pupil["secret"])
            arrived = person.visit(f"{app_url}{start}")
            assert arrived.url.startswith(f"{app_url}/cb?"), arrived
            page = person.browser.get(arrived.url, timeout=20)
            assert page.text.startswith("Dag Seppe"), (page.status_code, page.text, log.read_text())
            stranger = requests.get(arrived.url, timeout=20)
            assert stranger.status_code == 403, "a code that somebody else brings opens nothing"
        finally:
            process.terminate()


def _until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        assert process.poll() is None, log.read_text()
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_the_guides_name_only_addresses_claims_and_scopes_that_exist():
    said = discovery.metadata(config.Settings(issuer=ISSUER))
    known = {value for value in said.values() if isinstance(value, str)} | {ISSUER}
    known.add(f"{ISSUER}/.well-known/openid-configuration")
    assert set(re.findall(rf"{re.escape(ISSUER)}[\w./-]*", PAGE)) <= known
    words = {*catalogue.NAMES, *catalogue.SCOPES}
    assert set(re.findall(r"\bov_\w+", PAGE)) <= words
    assert set(re.findall(r"OIDC_CLAIM_(\w+)", PAGE)) <= words


@pytest.mark.parametrize("guide", GUIDES)
def test_what_a_guide_asks_is_what_it_registers(guide):
    text, document = GUIDES[guide], registration(guide)
    scope = str(document["scope"])
    asked = [found for found in re.findall(r"openid[\w ',]*", text) if "profile" in found]
    assert asked
    assert all(" ".join(re.findall(r"\w+", found)) == scope for found in asked), asked
    if "pkce_exempt_until" not in document:
        signs = ("S256", "withPkce", "$usesPKCE = true")
        assert any(sign in text for sign in signs)
    if document["token_endpoint_auth_method"] == "client_secret_basic":
        signs = ("client_secret_basic", "ClientSecretBasic")
        assert sum(text.count(sign) for sign in signs) >= (1 if guide.startswith("Flask") else 2)


def test_the_settings_of_spring_and_of_apache_are_those_that_are_registered():
    said = yaml.safe_load(block("Spring Boot", "yaml"))["spring"]["security"]["oauth2"]["client"]
    ours, provider = said["registration"]["leersleutel"], said["provider"]["leersleutel"]
    spring = registration("Spring Boot")
    assert " ".join(ours["scope"]) == spring["scope"]
    assert ours["client-authentication-method"] == spring["token_endpoint_auth_method"]
    assert provider == {"issuer-uri": ISSUER, "user-name-attribute": "sub"}
    path = ours["redirect-uri"].replace("{baseUrl}", "https://app.example")
    assert [path.replace("{registrationId}", "leersleutel")] == spring["redirect_uris"]
    directives = dict(
        re.findall(r"^(OIDC\w+) (.+)$", block("Apache with mod_auth_openidc", "apache"), re.MULTILINE)
    )
    apache = registration("Apache with mod_auth_openidc")
    assert [directives["OIDCRedirectURI"]] == apache["redirect_uris"]
    assert directives["OIDCScope"].strip('"') == apache["scope"]
    assert directives["OIDCProviderTokenEndpointAuth"] == apache["token_endpoint_auth_method"]
    assert str(apache["backchannel_logout_uri"]).startswith(directives["OIDCRedirectURI"])
