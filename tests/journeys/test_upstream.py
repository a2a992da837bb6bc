"""Two of us: staff of one school system sign in at another, which is a provider like any other."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from contextlib import closing

import pytest

from tests.journeys.conftest import running

pytestmark = pytest.mark.browser
SECRET = "a-secret-of-the-upstream-provider"


@pytest.fixture(scope="module")
def ours(demo_on_sqlite, tmp_path_factory):
    """A second demo whose staff may sign in at the first."""
    upstream = {
        "IDP_UPSTREAM_ISSUER": demo_on_sqlite.issuer,
        "IDP_UPSTREAM_CLIENT_ID": "schoolloket",
        "IDP_UPSTREAM_NAME": "Toegang",
        "IDP_KEY_FILE_UPSTREAM_SECRET": base64.b64encode(SECRET.encode()).decode(),
    }
    folder = tmp_path_factory.mktemp("ours")
    with running(folder, **upstream) as made:
        document = {
            "client_id": "schoolloket",
            "client_name": "Schoolloket",
            "client_secret": SECRET,
            "redirect_uris": [f"{made.issuer}/personeel/aanmelden/terug"],
            "scope": "openid",
            "open_to_every_pupil": True,
        }
        (folder / "app.json").write_text(json.dumps(document))
        demo_on_sqlite.idp("app", "import", str(folder / "app.json"))
        yield made


def sign_in_there(page, person):
    page.get_by_label(re.compile("gebruikersnaam", re.IGNORECASE)).fill(person["username"])
    page.get_by_role("button", name="Volgende").click()
    page.get_by_label("Je wachtwoord", exact=True).fill(person["secret"])
    page.get_by_role("button", name="Volgende").click()


def test_somebody_signs_in_there_and_works_here(demo, ours, page):
    page.goto(f"{ours.issuer}/schoolloket/personen")
    page.get_by_role("link", name="Aanmelden met Toegang").click()
    sign_in_there(page, demo.pupil(username="seppe.duinen"))
    page.wait_for_url("**/personeel/aanmelden?bericht=staff_unknown")
    assert "nog geen account" in page.content()
    with closing(sqlite3.connect(demo.data / "idp.sqlite")) as db:
        (sub,) = db.execute("select sub from app_pupil where client_id = 'schoolloket'").fetchone()
    right = ("--right", "leerid-beheerder", "--school", "999901")
    ours.idp("rights", "give", "--person", sub, *right, "--voornaam", "Fien", "--naam", "Haven")
    page.goto(f"{ours.issuer}/schoolloket/personen")
    page.get_by_role("link", name="Aanmelden met Toegang").click()
    page.wait_for_url("**/schoolloket/personen")
    assert page.get_by_role("cell", name=re.compile("^Fien Haven")).is_visible()
    assert page.get_by_role("link", name="Fien Haven").is_visible()
    page.get_by_role("button", name="Afmelden").click()
    page.wait_for_url("**/personeel/aanmelden**")
