"""Whatever happens between an app and us (two tabs, Back, a double click, a night, a nap) ends in the app.

A real browser, an app on another site, and our application in this process, so that a night takes no time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from idp.login import sessions
from idp.models import SecretKind
from idp.oidc import clients
from tests import make, make_login
from tests.conftest import CHEAP
from tests.journeys.test_pupils import say_who, tap, type_secret
from tests.make_app_server import AppServer, app_server
from tests.make_running import running

pytestmark = pytest.mark.browser

SECRET = "lsk_a-secret-of-the-tests-that-is-long-enough"
WORD = "4mam38"


@pytest.fixture
def house(tmp_path, database_url, key_folder, stopped) -> Iterator[Any]:
    with running(data=tmp_path, database_url=database_url, keys=key_folder, stopped=stopped, **CHEAP) as made:
        yield made


@pytest.fixture
def app(house) -> Iterator[AppServer]:
    """An app that is open to Noor (pictures) and Seppe (a word and digits)."""
    with app_server() as made:
        make_login.pupil(house, "noor.peeters")
        make_login.pupil(house, "seppe.duinen", WORD, SecretKind.BASIC)
        with house.database.transaction() as db:
            made.client_id = make.app(
                db,
                client_name="Rekenbuur",
                redirect_uris=[made.redirect_uri],
                post_logout_redirect_uris=[f"{made.address}/"],
                open_to_every_pupil=True,
                secrets=(clients.digest(SECRET),),
            ).client_id
        made.issuer, made.secret = house.settings.issuer, SECRET
        yield made


def start(page: Page, app: AppServer) -> None:
    page.goto(f"{app.address}/")
    with page.expect_navigation():
        page.get_by_role("link", name="Meld je aan").click()


def in_the_app(page: Page) -> None:
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()
    expect(page).to_have_url(re.compile(r"^http://127\.0\.0\.1:\d+/ik"))


def sign_in(page: Page, app: AppServer) -> None:
    start(page, app)
    say_who(page, "noor.peeters")
    tap(page, make_login.KAT)
    in_the_app(page)


def until(page: Page, so: Callable[[], bool]) -> None:
    """Let the browser go on until it is so."""
    for _ in range(1200):
        if so():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came so far")


def past_the_old_page(page: Page) -> None:
    """A page says that it was open too long; its one button leads on."""
    with page.expect_navigation():
        page.get_by_role("link", name=re.compile("opnieuw", re.IGNORECASE)).click()


def in_the_app_or_by_pictures(page: Page) -> None:
    """Either the way led into the app by itself, or the pictures are asked again."""
    inside = page.get_by_role("heading", name="Dag Noor!").and_(page.locator("h1:has(~ a[href='/weg'])"))
    expect(inside.or_(page.locator("label.picture-tile")).first).to_be_visible()
    if not inside.is_visible():
        tap(page, make_login.KAT)
    in_the_app(page)


def end_sessions(house: Any) -> None:
    """What happens while a tablet sleeps: the session has had its last hour."""
    house.clock.move(hours=house.settings.session_hours + 1)


# ---------------------------------------------------------------- double clicks


def test_every_button_of_signing_in_may_be_clicked_twice(page, app):
    start(page, app)
    page.locator("input[name=username]").fill("seppe.duinen")
    page.get_by_role("button", name="Volgende").dblclick()
    page.locator("input[name=password]").fill(WORD)
    page.get_by_role("button", name="Volgende").dblclick()
    in_the_app(page)
    assert app.refused == []
    assert len(app.arrivals) == 1


def test_a_form_that_was_sent_stays_sent_until_the_person_comes_back_to_it(page, app):
    """A page that is still loading is shown for the first time after a quick child has clicked."""
    start(page, app)
    shown = "kept => dispatchEvent(new PageTransitionEvent('pageshow', {persisted: kept}))"
    form = page.locator("form[data-once]")
    form.evaluate("form => form.classList.add('busy')")
    page.evaluate(shown, False)
    assert form.evaluate("form => form.classList.contains('busy')")
    page.evaluate(shown, True)
    assert not form.evaluate("form => form.classList.contains('busy')")


def test_every_picture_may_be_tapped_twice(page, app):
    from idp.login import pictures

    start(page, app)
    say_who(page, "noor.peeters")
    for screen, word in zip(pictures.SCREENS, make_login.KAT.split(), strict=True):
        place = next(place for place, picture in enumerate(screen.pictures) if picture.key == word)
        page.locator(f"label.picture-tile:has(input[name={screen.name}][value='{place}'])").dblclick()
        page.wait_for_timeout(350)
    in_the_app(page)
    assert app.refused == []
    assert len(app.arrivals) == 1


def test_the_button_of_form_post_sends_nothing_twice_while_the_app_takes_its_time(page, app):
    app.wishes = {"response_mode": "form_post"}
    app.open.clear()
    start(page, app)
    say_who(page, "seppe.duinen")
    page.locator("input[name=password]").fill(WORD)
    page.locator("input[name=password]").press("Enter", no_wait_after=True)
    until(page, app.came.is_set)
    for down in range(
        20, 1180, 20
    ):  # Playwright looks for no button while a page is on its way: tap all over it
        page.mouse.dblclick(410, down)
    page.wait_for_timeout(300)
    app.open.set()
    in_the_app(page)
    assert [method for method, _ in app.arrivals] == ["POST"]
    assert app.refused == []


def test_signing_out_may_be_clicked_twice(page, app):
    sign_in(page, app)
    page.get_by_role("link", name="Afmelden").click()
    page.get_by_role("button", name="Ja, ik ben klaar").dblclick()
    expect(page.get_by_role("heading", name="Rekenbuur")).to_be_visible()
    page.get_by_role("link", name="Meld je aan").click()
    expect(page.locator("input[name=username]")).to_be_visible()


def test_an_answer_to_a_question_may_be_clicked_twice(page, app):
    sign_in(page, app)
    app.wishes = {"prompt": "select_account"}
    page.get_by_role("link", name="Nog eens").click()
    page.get_by_role("button", name="Ja, dat ben ik").dblclick()
    in_the_app(page)
    assert app.refused == []
    assert len(app.arrivals) == 2


# ---------------------------------------------------------------- Back and reload


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_back_from_the_app_and_signing_in_again_ends_in_the_app(page, app, mode):
    app.wishes = {"response_mode": mode}
    sign_in(page, app)
    page.go_back()
    in_the_app_or_by_pictures(page)
    assert app.refused == []


def test_back_twice_and_forward_again_ends_in_the_app(page, app):
    sign_in(page, app)
    page.go_back()
    page.go_back()
    page.go_forward()
    page.go_forward()
    in_the_app(page)
    assert app.refused == []


def test_every_page_may_be_reloaded(page, app):
    start(page, app)
    page.reload()
    say_who(page, "noor.peeters")
    expect(page.locator("label.picture-tile").first).to_be_visible()
    page.reload()
    tap(page, make_login.KAT)
    in_the_app(page)
    page.reload()
    in_the_app(page)
    assert app.refused == []


def test_a_script_that_comes_late_takes_no_keyboard_from_who_types(page, app):
    late: list[Any] = []
    start(page, app)
    page.route(re.compile(r"/pages[^/]*\.js"), lambda route: late.extend([route]))
    page.locator("input[name=username]").fill("@@")
    page.keyboard.press("Enter")
    expect(page.locator("#melding")).to_be_visible()
    page.locator("input[name=username]").fill("noor.peeters")
    until(page, lambda: bool(late))
    page.wait_for_timeout(100)
    for script in late:
        script.continue_()
    page.wait_for_load_state("load")
    page.keyboard.press("Enter")
    expect(page.locator("label.picture-tile").first).to_be_visible()


# ---------------------------------------------------------------- tabs


@pytest.mark.parametrize("pushes", [False, True], ids=["plain", "pushed"])
def test_two_tabs_that_are_both_at_the_pictures_both_end_in_the_app(page, app, pushes):
    app.pushes = pushes
    other = page.context.new_page()
    for tab in (page, other):
        start(tab, app)
        say_who(tab, "noor.peeters")
    tap(page, make_login.KAT)
    in_the_app(page)
    tap(other, make_login.KAT)
    past_the_old_page(other)
    in_the_app_or_by_pictures(other)
    assert app.refused == []


def test_a_tab_that_waited_goes_on_without_asking(page, app):
    other = page.context.new_page()
    start(other, app)
    sign_in(page, app)
    other.reload()
    in_the_app(other)
    start(other, app)
    in_the_app(other)
    assert app.refused == []


# ---------------------------------------------------------------- a night


def test_a_first_page_that_was_open_overnight(page, app, house):
    start(page, app)
    house.clock.move(hours=14)
    say_who(page, "noor.peeters")
    past_the_old_page(page)
    say_who(page, "noor.peeters")
    tap(page, make_login.KAT)
    in_the_app(page)
    assert app.refused == []


@pytest.mark.parametrize("hours", [2, 14])
def test_pictures_that_were_open_for_hours(page, app, house, hours):
    start(page, app)
    say_who(page, "noor.peeters")
    house.clock.move(hours=hours)
    tap(page, make_login.KAT)
    if hours == 14:
        past_the_old_page(page)
    say_who(page, "noor.peeters")
    tap(page, make_login.KAT)
    in_the_app(page)
    assert app.refused == []


def test_a_pushed_request_of_yesterday_leads_back_to_the_app_which_begins_again(page, app, house):
    app.pushes = True
    start(page, app)
    house.clock.move(hours=14)
    page.reload()
    say_who(page, "seppe.duinen")
    type_secret(page, WORD)
    expect(page.get_by_text("invalid_request_uri")).to_be_visible()
    page.get_by_role("link", name="Probeer opnieuw").click()
    in_the_app(page)


# ---------------------------------------------------------------- a nap


def test_a_question_whose_session_ended_meanwhile(page, app, house):
    sign_in(page, app)
    app.wishes = {"prompt": "select_account"}
    page.get_by_role("link", name="Nog eens").click()
    expect(page.get_by_role("button", name="Ja, dat ben ik")).to_be_visible()
    end_sessions(house)
    page.get_by_role("button", name="Ja, dat ben ik").click()
    say_who(page, "noor.peeters")
    tap(page, make_login.KAT)
    in_the_app(page)
    assert app.refused == []


def test_signing_out_of_a_session_that_ended_meanwhile(page, app, house):
    sign_in(page, app)
    page.get_by_role("link", name="Afmelden").click()
    expect(page.get_by_role("button", name="Ja, ik ben klaar")).to_be_visible()
    end_sessions(house)
    page.get_by_role("button", name="Ja, ik ben klaar").click()
    expect(page.get_by_role("heading", name="Rekenbuur")).to_be_visible()


def test_an_app_that_asks_again_after_the_session_ended(page, app, house):
    sign_in(page, app)
    end_sessions(house)
    page.get_by_role("link", name="Nog eens").click()
    say_who(page, "noor.peeters")
    tap(page, make_login.KAT)
    in_the_app(page)
    assert app.refused == []
    assert sessions.SIGN_IN not in page.url
