"""Every way of signing in, with a mouse, a finger and the keyboard alone; without script; and in four languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import expect

from idp.login import pictures
from tests.journeys.conftest import PATIENCE
from tests.journeys.hands import Finger, Keys, Mouse

pytestmark = pytest.mark.browser


@contextmanager
def person(chromium: Any, demo: Any, hands: type[Mouse], **given: Any) -> Iterator[Mouse]:
    """Somebody's own browser. Whatever it asks elsewhere, or complains of, or says in another language, fails."""
    language = given.pop("language", "nl")
    script = given.pop("script", True)
    context = chromium.new_context(
        viewport={"width": 820, "height": 1180},
        locale=f"{language}-BE",
        has_touch=hands.touch,
        java_script_enabled=script,
    )
    context.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    spoken: list[str] = []
    page = context.new_page()

    def asked(request: Any) -> None:
        if not request.url.startswith((demo.issuer + "/", demo.apps_at + "/", "data:")):
            complaints.append(f"asked {request.url}")

    def arrived(response: Any) -> None:
        ours = response.url.startswith(demo.issuer)
        if ours and response.request.is_navigation_request() and response.status == 200:
            said = re.search(r'<html lang="(\w+)"', response.text())
            spoken.append(said[1] if said else f"nothing: {response.url}")

    page.on("request", asked)
    page.on("requestfinished", lambda request: arrived(request.response()))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type in {"error", "warning"} and complaints.append(said.text))
    yield hands(page, script=script)
    context.close()
    assert not complaints
    assert {*spoken} == {language}


# ---------------------------------------------------------------- the ways


def name_and_pictures(one: Mouse, demo: Any) -> str:
    noor = demo.pupil(username="noor.zandman")
    _from_app(one, demo)
    _say(one, "Noor.Zandman")
    one.pictures(noor["secret"])
    return "Noor"


def name_and_password(one: Mouse, demo: Any) -> str:
    seppe = demo.pupil(username="seppe.duinen")
    _from_app(one, demo)
    _say(one, "seppe.duinen")
    one.write(one.page.locator("#password"), seppe["secret"])
    one.send(one.page.locator("main form button.primary"))
    return "Seppe"


def personal_url(one: Mouse, demo: Any) -> str:
    emma = demo.pupil(username="emma.schelp")
    one.page.goto(emma["personal_url"])
    one.pictures(emma["secret"])
    return "Emma"


def card(one: Mouse, demo: Any) -> str:
    zoe = demo.pupil(username="zoe.vloed")
    one.page.goto(zoe["card_url"])
    expect(one.page.get_by_text(re.compile("Zoë")).first).to_be_visible()
    one.pictures(zoe["secret"])
    return "Zoë"


def typed_words(one: Mouse, demo: Any) -> str:
    noor = demo.pupil(username="noor.zandman")
    _from_app(one, demo)
    _say(one, "noor.zandman")
    one.press(one.page.locator("summary"))
    one.write(one.page.locator("#password"), noor["secret"].replace(" ", "-").upper())
    one.send(one.page.locator("details button.primary"))
    return "Noor"


def scanner_that_types(one: Mouse, demo: Any) -> str:
    """What hardware scanners do: the whole address in the field, and Enter."""
    seppe = demo.pupil(username="seppe.duinen")
    _from_app(one, demo)
    one.write(one.page.locator("#username"), seppe["card_url"].upper())
    with one.page.expect_navigation():
        one.page.keyboard.press("Enter")
    one.write(one.page.locator("#password"), seppe["secret"])
    one.send(one.page.locator("main form button.primary").first)
    return "Seppe"


def _from_app(one: Mouse, demo: Any) -> None:
    one.page.goto(f"{demo.apps_at}/rekenrijk/start")
    expect(one.page.locator("#username")).to_be_visible()


def _say(one: Mouse, username: str) -> None:
    one.write(one.page.locator("#username"), username)
    one.send(one.page.locator("main form button.primary"))


WAYS = [name_and_pictures, name_and_password, personal_url, card, typed_words, scanner_that_types]


@pytest.mark.parametrize("hands", [Mouse, Finger, Keys])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_signing_in_works_with(way: Callable[[Mouse, Any], str], hands, chromium, demo):
    with person(chromium, demo, hands) as one:
        name = way(one, demo)
        expect(one.page.get_by_role("heading", name=re.compile(f"Dag {name}"))).to_be_visible()


@pytest.mark.parametrize("hands", [Mouse, Keys])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_signing_in_works_without_script(way, hands, chromium, demo):
    with person(chromium, demo, hands, script=False) as one:
        name = way(one, demo)
        expect(one.page.get_by_role("heading", name=re.compile(f"Dag {name}"))).to_be_visible()


SAYS = {
    "nl": ("Wie ben je?", "Welk dier?"),
    "fr": ("Qui es-tu ?", "Quel animal ?"),
    "de": ("Wer bist du?", "Welches Tier?"),
    "en": ("Who are you?", "Which animal?"),
}


@pytest.mark.parametrize("language", SAYS)
def test_signing_in_and_out_speaks(language, chromium, demo):
    """From an app to four pictures, to the own page, to what an app knows, and out."""
    noor = demo.pupil(username="noor.zandman")
    who, animal = SAYS[language]
    with person(chromium, demo, Mouse, language=language) as one:
        page = one.page
        _from_app(one, demo)
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(re.escape(who[:-1].strip())))
        _say(one, "noor.zandman")
        expect(page.locator(".screen.now .question")).to_have_text(re.compile(re.escape(animal[:-1].strip())))
        labels = page.locator(".screen.now input").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
        assert labels == [picture.words[language] for picture in pictures.SCREENS[0].pictures]
        one.pictures(noor["secret"])
        page.goto(f"{demo.issuer}/mijn-apps")
        page.locator(".tile-what").first.click()
        page.locator(".facts").first.wait_for()
        page.goto(f"{demo.issuer}/mijn-aanmeldingen")
        page.goto(f"{demo.issuer}/afmelden")
        one.send(page.locator("button[value=ja]"))
        expect(page.locator("#username")).to_be_visible()
