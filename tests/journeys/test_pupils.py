"""A pupil in a real browser: every way in, the next app without asking, and out again."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

import pytest
from playwright.sync_api import Page, expect

from idp.login import pictures
from tests.journeys.conftest import PATIENCE
from tests.make_reading import stands

pytestmark = pytest.mark.browser


def open_app(page: Page, demo: Any, slug: str = "rekenrijk") -> None:
    page.goto(f"{demo.apps_at}/{slug}/")
    page.get_by_role("link", name="Meld je aan").click()


def say_who(page: Page, username: str) -> None:
    """Name who you are; the page that answers is there when this returns."""
    page.locator("input[name=username]").fill(username)
    with page.expect_navigation():
        page.locator("input[name=username]").press("Enter")


def tap(page: Page, secret: str) -> None:
    """Tap the four pictures, one screen after the other; a second touch within 300 ms does not count."""
    for screen, word in zip(pictures.SCREENS, secret.split(), strict=True):
        place = next(place for place, picture in enumerate(screen.pictures) if picture.key == word)
        tile = page.locator(f"label.picture-tile:has(input[name={screen.name}][value='{place}'])")
        tile.wait_for()
        page.wait_for_load_state()  # a tap before the script is there counts as of when it is
        tile.click()
        page.wait_for_timeout(350)


def type_secret(page: Page, secret: str) -> None:
    page.locator("input[name=password]").fill(secret)
    page.locator("input[name=password]").press("Enter")


def claims(page: Page) -> dict[str, str]:
    page.wait_for_load_state()
    rows = page.locator("#claims tr")
    return {row.locator("th").inner_text(): row.locator("td").inner_text() for row in rows.all()}


def withheld(page: Page) -> dict[str, str]:
    page.wait_for_load_state()
    rows = page.locator("#withheld tr").all()
    return {
        row.locator("th").inner_text(): row.locator("code").inner_text()
        for row in rows
        if row.locator("th").count()
    }


def test_a_user_name_and_pictures_lead_to_the_app_and_its_claims(page, demo):
    noor = demo.pupil(username="noor.zandman")
    open_app(page, demo)
    say_who(page, "Noor Zandman")
    tap(page, noor["secret"])
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()
    got = claims(page)
    assert got["given_name"] == "Noor"
    assert got["ov_orgcode"] == "999901"
    assert '"code":"2A"' in got["ov_klassen"].replace(" ", "")
    assert withheld(page) == {}


def test_a_personal_url_and_a_basic_password(page, demo):
    seppe = demo.pupil(username="seppe.duinen")
    page.goto(seppe["personal_url"])
    assert not stands("seppe", unquote_plus(page.url)), "no name stays in an address"
    type_secret(page, seppe["secret"].upper() + " ")
    expect(page).to_have_url(re.compile("/mijn-apps"))
    expect(page.get_by_text("Seppe").first).to_be_visible()
    open_app(page, demo)
    expect(page.get_by_role("heading", name="Dag Seppe!")).to_be_visible()


def test_a_card_and_pictures(page, demo):
    emma = demo.pupil(username="emma.schelp")
    page.goto(emma["card_url"])
    assert "/k/" not in page.url.lower(), "the token leaves the address at once"
    expect(page.get_by_text("Emma").first).to_be_visible()
    tap(page, emma["secret"])
    expect(page).to_have_url(re.compile("/mijn-apps"))
    open_app(page, demo)
    amr = page.locator("#protocol tr", has_text="amr").inner_text()
    assert "card" in amr
    assert "pictures" in amr


def test_PWD_03_a_temporary_password_is_changed_before_any_app(page, demo):
    jean = demo.pupil(username="jean.debranding")
    open_app(page, demo)
    say_who(page, "jean.debranding")
    type_secret(page, jean["secret"])
    expect(page).to_have_url(re.compile("/nieuw-wachtwoord"))
    page.goto(f"{demo.apps_at}/leesland/start")
    expect(page).to_have_url(re.compile("/nieuw-wachtwoord"))
    page.goto(f"{demo.apps_at}/rekenrijk/start")
    fields = page.locator("input[type=password]")
    for place in range(fields.count()):
        fields.nth(place).fill("vier blauwe paarden dansen")
    fields.last.press("Enter")
    expect(page.get_by_role("heading", name="Dag Jean!")).to_be_visible()


def test_a_second_app_asks_nothing_and_signing_out_ends_it(page, demo):
    noor = demo.pupil(username="noor.zandman")
    open_app(page, demo)
    say_who(page, "noor.zandman")
    tap(page, noor["secret"])
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()
    open_app(page, demo, "leesland")
    expect(page.get_by_role("heading", name=re.compile("Dag"))).to_be_visible()
    got = claims(page)
    assert "ov_account_uuid" in got
    assert "given_name" not in got
    assert withheld(page)["ov_klassen"] == "not_registered"
    with page.expect_navigation():
        page.get_by_role("button", name="Afmelden").click()
    page.goto(f"{demo.apps_at}/rekenrijk/start")
    expect(page.locator("input[name=username]")).to_be_visible()


def test_a_tile_of_my_own_page_starts_an_app_and_says_what_it_knows(page, demo):
    noor = demo.pupil(username="noor.zandman")
    page.goto(noor["personal_url"])
    tap(page, noor["secret"])
    expect(page).to_have_url(re.compile("/mijn-apps"))
    page.get_by_role("link", name=re.compile("wat weet", re.IGNORECASE)).first.click()
    expect(page.get_by_text("Je naam").first).to_be_visible()
    page.go_back()
    page.get_by_role("link", name=re.compile("^Rekenrijk")).first.click()
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()


def test_a_pupil_of_two_schools_picks_one_and_the_app_hears_that_one_only(page, demo):
    elis = demo.pupil(username="elis.meeuw")
    open_app(page, demo)
    say_who(page, "elis.meeuw")
    type_secret(page, elis["secret"])
    page.get_by_role("button", name=re.compile("Het Slot")).click()
    expect(page.get_by_role("heading", name="Dag Elis!")).to_be_visible()
    assert claims(page)["ov_orgcode"] == "999902"


def test_a_school_that_stopped_shares_no_class(page, demo):
    marie = demo.pupil(username="marie.eb")
    open_app(page, demo)
    say_who(page, "marie.eb")
    tap(page, marie["secret"])
    expect(page.get_by_role("heading", name="Dag Marie!")).to_be_visible()
    assert withheld(page) == {
        "ov_administratieve_groep": "school_does_not_share",
        "ov_klassen": "school_does_not_share",
    }


def test_an_app_that_is_not_ready_for_me_says_so_and_leads_back(page, demo):
    marie = demo.pupil(username="marie.eb")
    open_app(page, demo, "leesland")
    say_who(page, "marie.eb")
    tap(page, marie["secret"])
    expect(page.get_by_text(re.compile("staat nog niet klaar voor jou", re.IGNORECASE))).to_be_visible()
    page.get_by_role("link", name=re.compile("^Terug")).click()
    expect(page.get_by_text("access_denied")).to_be_visible()


def test_wrong_pictures_say_almost_and_let_me_try_again(page, demo):
    noor = demo.pupil(username="noor.zandman")
    wrong = "aap appel auto berg" if noor["secret"] != "aap appel auto berg" else "beer appel auto berg"
    open_app(page, demo)
    say_who(page, "noor.zandman")
    tap(page, wrong)
    expect(page.get_by_text("Bijna! Dat klopt niet.")).to_be_visible()
    tap(page, noor["secret"])
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()


def test_back_reload_and_a_second_tab_are_no_dead_ends(page, demo):
    noor = demo.pupil(username="noor.zandman")
    open_app(page, demo)
    say_who(page, "noor.zandman")
    page.reload()
    page.go_back()
    say_who(page, "noor.zandman")
    other = page.context.new_page()
    open_app(other, demo)
    tap(page, noor["secret"])
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()
    other.reload()
    expect(other.get_by_role("heading", name="Dag Noor!")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_words_are_typed_with_the_keyboard_alone(chromium, demo, script):
    noor = demo.pupil(username="noor.zandman")
    context = chromium.new_context(java_script_enabled=script, locale="nl-BE")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    open_app(page, demo)
    page.keyboard.type("noor.zandman") if page.locator(
        "input[name=username]:focus"
    ).count() else page.locator("input[name=username]").type("noor.zandman")
    page.keyboard.press("Enter")
    page.locator("summary", has_text="Ik typ mijn woorden").press("Enter")
    page.locator("input[name=password]").focus()
    page.keyboard.type(noor["secret"].replace(" ", "-").upper())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()
    context.close()


def test_without_script_the_four_screens_are_four_groups_on_one_page(chromium, demo):
    noor = demo.pupil(username="noor.zandman")
    context = chromium.new_context(java_script_enabled=False, locale="nl-BE")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    open_app(page, demo)
    say_who(page, "noor.zandman")
    for screen, word in zip(pictures.SCREENS, noor["secret"].split(), strict=True):
        place = next(place for place, picture in enumerate(screen.pictures) if picture.key == word)
        page.locator(f"label.picture-tile:has(input[name={screen.name}][value='{place}'])").click()
    page.get_by_role("button", name="Volgende").first.click()
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()
    context.close()
