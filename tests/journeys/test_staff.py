"""A member of staff is invited, makes a passkey, and works at the school desk; another uses a password and an app."""

from __future__ import annotations

import json
import re

import pytest

from tests.journeys.conftest import a_code_of_now, code_of

pytestmark = pytest.mark.browser

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def device(page):
    """A passkey device that says yes by itself."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return cdp


def invited(demo, person: str) -> str:
    right = ("--right", "leerid-beheerder", "--school", "999901")
    demo.idp("rights", "give", "--person", person, *right, "--voornaam", "Fien", "--naam", "Haven")
    return json.loads(demo.idp("staff", "invite", person, "--json"))["link"]


def test_a_passkey_alone_is_enough_to_set_up_to_sign_in_and_to_confirm(demo, page, device):
    link = invited(demo, "journey-passkey")
    page.goto(link)
    page.get_by_role("button", name="Maak een passkey").click()
    page.wait_for_url("**/schoolloket/leerid-beheer")
    page.get_by_role("button", name="Afmelden").click()
    page.wait_for_url("**/personeel/aanmelden**")
    page.get_by_role("button", name="Aanmelden met een passkey").click()
    page.wait_for_url("**/schoolloket/leerid-beheer")
    page.goto(f"{demo.issuer}/personeel/mijn-gegevens")
    with page.expect_navigation():
        page.get_by_role("button", name="Verwijder").click()
    assert "laatste manier" in page.content()
    page.goto(f"{demo.issuer}/personeel/bevestigen")
    page.get_by_role("button", name="Bevestig met je passkey").click()
    page.wait_for_url("**/schoolloket/**")
    page.goto(link)
    assert "werkt niet meer" in page.content()


def test_a_password_and_a_code_open_the_desk_and_another_school_can_be_chosen(demo, page):
    person = next(one for one in demo.sandbox["staff"] if one["username"] == "sandbox-beheerder")
    page.goto(f"{demo.issuer}/schoolloket")
    page.get_by_label("E-mailadres of personeelsnummer").fill(person["username"])
    page.get_by_label("Wachtwoord", exact=True).fill(person["password"])
    page.get_by_role("button", name="Volgende").click()
    page.get_by_label("Code uit je app").fill(code_of(person["totp_secret"]))
    page.get_by_role("button", name="Aanmelden").click()
    page.wait_for_url("**/schoolloket/leerid-beheer")
    page.get_by_role("link", name="Wijzig instelling").click()
    page.get_by_role("button", name=re.compile("Het Slot")).click()
    page.wait_for_url("**/schoolloket/leerid-beheer")
    assert "Het Slot" in page.locator("header").inner_text()
    page.get_by_role("link", name="Schoolinstellingen").click()
    page.wait_for_url("**/schoolloket/klasinformatie")
    page.get_by_role("link", name="Personen en rechten").click()
    page.wait_for_url("**/schoolloket/personen")
    assert page.get_by_role("cell", name=re.compile("Bart Anker")).is_visible()


def test_the_start_of_a_demo_shows_how_the_staff_sign_in(demo, page):
    with a_code_of_now(demo.sandbox["operators"][0]["totp_secret"]):
        page.goto(demo.apps_at)
        line = page.get_by_role("row", name=re.compile("sandbox-operator"))
        password, code = (line.locator("code").nth(at).inner_text() for at in (0, 1))
        page.get_by_role("link", name="/personeel/aanmelden").click()
        page.get_by_label("E-mailadres of personeelsnummer").fill("sandbox-operator")
        page.get_by_label("Wachtwoord", exact=True).fill(password)
        page.get_by_role("button", name="Volgende").click()
        page.get_by_label("Code uit je app").fill(code)
        page.get_by_role("button", name="Aanmelden").click()
        page.wait_for_url("**/beheer")
