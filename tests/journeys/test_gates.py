"""The five gates, from the outside: tokens that exist meet a gate that an operator closes on a running server."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from typing import Any

import pytest
import requests

from idp import clock
from tests.journeys.test_relying_parties import sign_in

TODAY = clock.Clock().today()
ENDS = clock.school_year_ends(TODAY)
BEGINS = ENDS.replace(year=ENDS.year - 1, month=9, day=1)
ENROLLED = min(BEGINS, TODAY - timedelta(days=1))
"""It can end yesterday, also when this runs on 1 September."""
SCHOOL, STAMNUMMER = "999002", "4711"
REDIRECT = "http://127.0.0.1:8999/cb"
CLASS_CLAIMS = {"ov_klassen", "ov_administratieve_groep"}


class World:
    """A test school with one pupil, an app of ours, and tokens of a sign-in."""

    def __init__(self, demo: Any, folder: Any) -> None:
        self.demo, self.folder = demo, folder
        self.enrol(ENDS)
        made = json.loads(demo.idp("accounts", "create", "--school", SCHOOL, "--basic", "basic", "--json"))
        self.pupil = made[0]
        document = {
            "client_id": "gates",
            "client_secret": "gates-secret-0123456789",
            "client_name": "Gates",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile ov_leerling ov_klas offline_access",
            "claims_in_id_token": True,
            "pkce_exempt_until": str(TODAY + timedelta(days=30)),
        }
        demo.idp("app", "import", str(self.file("app.json", json.dumps(document))))
        self.open()
        self.metadata = requests.get(f"{demo.issuer}/.well-known/openid-configuration", timeout=60).json()

    def file(self, name: str, text: str) -> Any:
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.folder / name

    def enrol(self, last: Any, *words: str) -> None:
        with (self.folder / "one.csv").open("w", newline="", encoding="utf-8") as out:
            row = {"instellingsnummer": SCHOOL, "stamnummer": STAMNUMMER, "voornaam": "Bo", "naam": "Poort"}
            row |= dict.fromkeys(("officiele_voornaam", "officiele_naam", "geslacht", "geboortedatum"), "")
            row |= {
                "rijksregisternummer": "",
                "hoofdstructuur": "211",
                "administratieve_groep": "2de leerjaar",
            }
            row |= {"administratieve_groep_code": "1112", "leerjaar": "2", "vestigingsplaats": ""}
            row |= {"begindatum": str(ENROLLED), "einddatum": str(last)}
            writer = csv.DictWriter(out, row)
            writer.writeheader()
            writer.writerow(row)
        self.demo.idp("import-enrolments", str(self.folder / "one.csv"), *words)

    def open(self) -> None:
        demo = self.demo
        if not json.loads(demo.idp("consent", "show", "--school", SCHOOL, "--json"))["shares"]:
            demo.idp("consent", "give", "--school", SCHOOL, "--by", "sandbox-directeur")
        rows = [
            {
                "stamnummer": STAMNUMMER,
                "klas_id": "k1",
                "klascode": "2A",
                "klasnaam": "Klas 2A",
                "soort": "klas",
            }
        ]
        rows[0] |= {"begindatum": str(BEGINS), "einddatum": ""}
        head = list(rows[0])
        text = ";".join(head) + "\n" + ";".join(rows[0].values()) + "\n"
        demo.idp(
            "import-classes", str(self.file("k.csv", text)), "--format", "leersleutel", "--school", SCHOOL
        )
        demo.idp("visible", "add", "--app", "gates", "--school", SCHOOL)

    def tokens(self) -> dict[str, Any]:
        query = {"client_id": "gates", "redirect_uri": REDIRECT, "response_type": "code", "state": "s"}
        query["scope"] = "openid profile ov_leerling ov_klas offline_access"
        url = requests.Request("GET", self.metadata["authorization_endpoint"], params=query).prepare().url
        with requests.Session() as browser:
            back = sign_in(browser, url, self.pupil["username"], self.pupil["secret"], REDIRECT)
        code = requests.compat.urlparse(back).query.split("code=")[1].split("&")[0]
        return self.ask("token", grant_type="authorization_code", code=code, redirect_uri=REDIRECT).json()

    def ask(self, endpoint: str, **form: str) -> requests.Response:
        url = {"token": "token_endpoint", "introspect": "introspection_endpoint"}[endpoint]
        return requests.post(self.metadata[url], form, auth=("gates", "gates-secret-0123456789"), timeout=60)

    def looks(self, tokens: dict[str, Any]) -> dict[str, set[str] | str]:
        """Which claims each channel gives with tokens that exist; a refusal as its word."""
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        info = requests.get(self.metadata["userinfo_endpoint"], headers=bearer, timeout=60)
        told = self.ask("introspect", token=tokens["access_token"]).json()
        fresh = self.ask("token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        if fresh.ok:
            tokens |= fresh.json()
        return {
            "userinfo": set(info.json()) if info.ok else f"{info.status_code}",
            "introspection": set(told) if told["active"] else "inactive",
            "refresh": _claims(tokens["id_token"]) if fresh.ok else fresh.json()["error"],
        }


def _claims(token: str) -> set[str]:
    from authlib.common.encoding import urlsafe_b64decode

    return set(json.loads(urlsafe_b64decode(token.split(".")[1].encode())))


@pytest.fixture(
    scope="module", params=["demo_on_sqlite", pytest.param("demo_on_postgres", marks=pytest.mark.postgres)]
)
def world(request, tmp_path_factory):
    return World(request.getfixturevalue(request.param), tmp_path_factory.mktemp("gates"))


def test_CONS_16_a_closed_gate_counts_at_the_next_look_with_tokens_that_exist(world):
    tokens = world.tokens()
    assert _claims(tokens["id_token"]) >= CLASS_CLAIMS
    for found in world.looks(tokens).values():
        assert found >= CLASS_CLAIMS | {"given_name"}

    world.demo.idp("consent", "stop", "--school", SCHOOL, "--reference", "brief 1")
    for found in world.looks(tokens).values():
        assert not found & CLASS_CLAIMS
        assert "given_name" in found

    world.open()
    for found in world.looks(tokens).values():
        assert found >= CLASS_CLAIMS

    world.demo.idp("visible", "remove", "--app", "gates", "--school", SCHOOL)
    assert world.looks(tokens) == {"userinfo": "401", "introspection": "inactive", "refresh": "invalid_grant"}

    world.open()
    tokens = world.tokens()
    world.enrol(TODAY - timedelta(days=1), "--delta", "--accept-holds")
    assert world.looks(tokens) == {"userinfo": "401", "introspection": "inactive", "refresh": "invalid_grant"}
    world.enrol(ENDS, "--delta")
    assert _claims(world.tokens()["id_token"]) >= CLASS_CLAIMS
