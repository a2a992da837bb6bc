"""An operator without a mouse: registers an app, changes an address, sees the difference, finds it all back."""

from __future__ import annotations

import re

import pytest

from tests.journeys.conftest import code_of

pytestmark = pytest.mark.browser

MOST_STOPS = 120


def reach(page, target):
    """Press Tab until the focus is on it; whoever looks sees where they are."""
    target.wait_for()
    for _ in range(MOST_STOPS):
        if target.evaluate("one => one === document.activeElement"):
            shown = target.evaluate(
                "one => getComputedStyle(one).outlineStyle + getComputedStyle(one).boxShadow"
            )
            field = target.evaluate("one => ['INPUT', 'TEXTAREA', 'SELECT'].includes(one.tagName)")
            assert field or shown != "nonenone"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {target} with Tab")


def typed(page, target, text):
    reach(page, target)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def pressed(page, target):
    """Press a button or a link with the keyboard; the page behind it is there when this returns."""
    reach(page, target)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_an_operator_registers_and_changes_an_app_with_the_keyboard_and_finds_it_in_history_and_trail(
    demo, page
):
    mira = demo.sandbox["operators"][0]

    def button(name):
        return page.get_by_role("button", name=name)

    def link(name):
        return page.get_by_role("link", name=name, exact=True).first

    page.goto(f"{demo.issuer}/personeel/aanmelden")
    typed(page, page.get_by_label("E-mailadres of personeelsnummer"), mira["username"])
    typed(page, page.get_by_label("Wachtwoord", exact=True), mira["password"])
    page.keyboard.press("Enter")
    page.get_by_label("Code uit je app").wait_for()
    code_of(mira["totp_secret"])  # another journey may have used this half minute's
    typed(page, page.get_by_label("Code uit je app"), code_of(mira["totp_secret"]))
    page.keyboard.press("Enter")
    page.wait_for_url("**/beheer**")

    page.goto(f"{demo.issuer}/beheer/nieuwe-app")
    typed(page, page.locator("#f-client_id"), "toetsen")
    typed(page, page.locator("#f-client_name"), "Toetsenbord")
    typed(page, page.locator("#f-redirect_uris"), "https://toetsen.example/terug")
    typed(page, page.locator("#f-scope"), "openid profile")
    pressed(page, button("Bekijk het verschil"))
    pressed(page, button("Bewaar"))
    secret = page.locator("#geheim .copyable").inner_text().strip()
    assert secret.startswith("lsk_")

    pressed(page, link("Wijzig"))
    typed(page, page.locator("#f-redirect_uris"), "https://toetsen.example/elders")
    pressed(page, button("Bekijk het verschil"))
    difference = page.locator("main").inner_text()
    assert "https://toetsen.example/terug" in difference
    assert "https://toetsen.example/elders" in difference
    assert secret not in page.content()
    pressed(page, button("Bewaar"))
    page.get_by_text("Dat is gebeurd.").wait_for()
    assert secret not in page.content()

    pressed(page, button("Maak een nieuw geheim"))
    renewed = page.locator("#geheim .copyable").inner_text().strip()
    assert renewed not in {secret, ""}
    page.goto(f"{demo.issuer}/beheer/apps/toetsen")
    assert renewed not in page.content()
    assert page.locator("#geheim").count() == 0

    pressed(page, link("Geschiedenis"))
    page.wait_for_url("**/geschiedenis")
    assert "redirect_uris" in page.locator("main").inner_text()
    assert renewed not in page.content()
    page.goto(f"{demo.issuer}/beheer/audit")
    typed(page, page.locator("#over"), "app:toetsen")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("over="))
    assert "toetsen" not in page.url
    trail = page.locator("main table").inner_text()
    assert all(event in trail for event in ("app_registered", "app_changed", "app_secret_renewed")), trail
