"""Every page of a pupil, in a real browser: axe-core, four sizes, large text, light and dark, and nobody else is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from idp.admin.apps import app_files, app_list
from tests.journeys import every_page
from tests.journeys.conftest import PATIENCE
from tests.journeys.every_page import STOPS, Place, follow, go

pytestmark = pytest.mark.browser

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEME = ["color-contrast"]
"""What the colours alone decide, and so is asked once more in the dark."""
RULES = {"target-size": {"enabled": True}}
SPILLS = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > wide + 1)
    .map((one) => `${one.tagName}.${one.className} ${one.textContent.trim().slice(0, 40)}`);
}"""
CUT_OFF = """() => [...document.querySelectorAll("h1, h2, p, a, button, label, li span, summary, strong")]
  .filter((one) => one.checkVisibility() && !one.closest(".out-of-sight") && one.clientWidth > 1
    && getComputedStyle(one).display !== "inline" && getComputedStyle(one).overflow !== "visible"
    && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1))
  .map((one) => `${one.tagName} ${one.textContent.trim().slice(0, 40)}`)"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with every_page.place(tmp_path_factory.mktemp("place")) as made:
        yield made


@pytest.fixture
def visitor(chromium: Any, there: Place, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page of a new browser; whatever it asked elsewhere, complained of or found broken fails the test."""
    context = chromium.new_context(
        viewport={"width": 360, "height": 740}, locale="nl-BE", reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page = context.new_page()
    page.on("request", lambda asked: _elsewhere(asked.url, there, complaints))
    page.on("response", lambda answer: _broken(answer, complaints))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: _complaint(said, complaints))
    yield page
    context.close()
    assert not complaints


def _elsewhere(url: str, there: Place, complaints: list[str]) -> None:
    apps = tuple(app.redirect_uris[0] for app in there.apps.values())
    if not url.startswith((f"{there.issuer}/", "data:", *apps)):
        complaints.append(f"asked {url}")


def _broken(answer: Any, complaints: list[str]) -> None:
    """The page that says so is accessible and fits, too."""
    if answer.status == 500:
        complaints.append(f"broken {answer.url}")


def _complaint(said: Any, complaints: list[str]) -> None:
    """A page that says no has a status of 400 and more, and the browser notes that of its own accord."""
    if said.type in {"error", "warning"} and "Failed to load resource" not in said.text:
        complaints.append(said.text)


def axe(page: Any, **options: Any) -> list[str]:
    """What axe-core objects to: rule, and where."""
    page.evaluate(f"window.axe || (() => {{ {AXE_SCRIPT} }})()")
    found = page.evaluate(
        "(options) => axe.run(document, options)", {"resultTypes": ["violations"], **options}
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def show(page: Any, width: int, theme: str = "light", size: str = "100%") -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.locator("body").wait_for(state="attached")  # the step before may still be on its way here
    page.evaluate("(size) => (document.documentElement.style.fontSize = size)", size)
    # Sizes and colours glide to their new values: look when they are there.
    page.evaluate("() => Promise.allSettled(document.getAnimations().map((one) => one.finished))")


@pytest.mark.parametrize("name", STOPS)
def test_a_page_is_accessible_and_fits(name, visitor, there):
    go(name, visitor, there)
    assert visitor.locator("html").get_attribute("lang") == "nl"
    whole = {"runOnly": {"type": "tag", "values": WCAG}, "rules": RULES}
    colours = {"runOnly": {"type": "rule", "values": THEME}}
    for width in (360, 1280):
        for theme, asked in (("light", whole), ("dark", colours)):
            show(visitor, width, theme)
            assert axe(visitor, **asked) == [], f"{width} px, {theme}"
    for width, size in ((320, "100%"), (820, "100%"), (320, "200%"), (1280, "200%")):
        show(visitor, width, size=size)
        assert visitor.evaluate(SPILLS) == [], f"{width} px, letters at {size}"
        assert visitor.evaluate(CUT_OFF) == [], f"{width} px, letters at {size}"


def test_the_long_menu_of_an_operator_folds_out_on_a_phone_by_keyboard_and_without_script(chromium, there):
    phone = {"width": 360, "height": 740}
    context = chromium.new_context(viewport=phone, locale="nl-BE", java_script_enabled=False)
    page = context.new_page()
    go("staff-operator", page, there)
    summary, entry = page.locator(".tab-pages summary"), page.locator(".tab-pages").get_by_text("Leveringen")
    nav = page.locator("nav.tabs").bounding_box()
    assert nav["height"] <= 3 * 44, "a tab, and one line that folds out"
    assert not entry.is_visible()
    summary.focus()
    page.keyboard.press("Enter")
    entry.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/beheer/leveringen")
    assert page.locator(".tab-pages summary").inner_text().endswith("Leveringen")
    page.set_viewport_size({"width": 1280, "height": 740})
    assert not page.locator(".tab-pages").is_visible()
    assert page.locator(".tab-wide [aria-current=page]").is_visible()
    context.close()


@pytest.mark.parametrize("name", ["who-card-unknown", "who-help-unknown", "staff-people-wrong"])
def test_what_went_wrong_has_the_focus(name, visitor, there):
    go(name, visitor, there)
    notice = visitor.locator("#melding")
    assert notice.evaluate("(one) => one === document.activeElement")
    assert notice.evaluate("(one) => one.getBoundingClientRect().bottom <= innerHeight")


def test_what_a_file_does_with_an_app_stands_apart_from_its_name(visitor, there):
    visitor.context.clear_cookies()
    with there.house.database.reading() as db:
        changed = app_list.export(db)[0] | {"client_name": "Heet nu anders"}
    every_page._brings(visitor, there, app_files.write_yaml([changed]))
    gap = """(one) => {
      const word = document.createRange();
      word.selectNodeContents(one.childNodes[1]);
      return word.getBoundingClientRect().left - one.firstChild.getBoundingClientRect().right;
    }"""
    assert visitor.locator("details.quiet-more summary").first.evaluate(gap) >= 4


def test_what_may_be_done_with_a_person_is_in_sight_on_a_tablet_however_long_the_address(visitor, there):
    every_page.go("staff-people", visitor, there)
    visitor.set_viewport_size({"width": 820, "height": 1180})
    wider = "[...document.querySelectorAll('.table-wrap')].map((one) => one.scrollWidth - one.clientWidth)"
    assert visitor.evaluate(wider) == [0]


def test_a_long_german_word_on_a_button_stays_on_the_page(chromium, there):
    context = chromium.new_context(viewport={"width": 320, "height": 740}, locale="de-BE")
    page = context.new_page()
    go("staff-processing", page, there)
    show(page, 320, size="200%")
    assert page.evaluate(SPILLS) == []
    context.close()


# ---------------------------------------------------------------- weight


def weigh(chromium: Any, url: str) -> dict[str, Any]:
    """What a browser that was never here gets for this page: bytes over the wire, by address, and the answers."""
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="nl-BE")
    page = context.new_page()
    answers: list[Any] = []
    page.on("requestfinished", lambda request: answers.append(request.response()))
    page.goto(url)
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_load_state("networkidle")
    weighed = {}
    for answer in answers:
        sizes = answer.request.sizes()
        size = sizes["responseBodySize"] + sizes["responseHeadersSize"]
        weighed[answer.url.partition("?")[0].rpartition("/")[2]] = (size, answer.all_headers())
    context.close()
    return weighed


def test_the_first_page_weighs_at_most_150_kilobytes_and_the_pictures_are_one_file_that_is_kept(
    chromium, there
):
    first = weigh(chromium, f"{there.issuer}/aanmelden")
    assert {"style.css", "pages.js", "scan.js", "atkinson-latin-400.woff2"} <= {*first}
    assert sum(size for size, _ in first.values()) <= 150_000
    assert first["style.css"][0] < 15_000
    assert not [name for name in first if "wasm" in name or "barcode" in name], "only after a tap"
    second = weigh(chromium, f"{there.issuer}/mijn/noor.peeters")
    assert sum(size for size, _ in second.values()) <= 150_000
    drawn = [name for name in second if name.endswith((".svg", ".png")) and name != "mark.svg"]
    assert drawn == ["pictures.svg"]
    kept = second["pictures.svg"][1]["cache-control"]
    assert "immutable" in kept
    assert "public" in kept


# ---------------------------------------------------------------- sizes, motion, forced colours

BOXES = """() => [...document.querySelectorAll(".screen.now .face")].map((one) => {
  const box = one.getBoundingClientRect();
  return [box.left, box.top, box.width, box.height];
})"""
SMALL = """() => [...document.querySelectorAll("a, button, summary, input, label.check")]
  .filter((one) => one.checkVisibility() && !one.closest(".out-of-sight, .picture-tile") && one.tabIndex >= 0
    && !one.matches("label input, .out-of-sight"))
  .filter((one) => one.getBoundingClientRect().height < 44 || one.getBoundingClientRect().width < 44)
  .map((one) => `${one.tagName} ${one.textContent.trim()} ${one.getBoundingClientRect().height}`)"""


@pytest.mark.parametrize(("width", "columns", "least"), [(320, 3, 57), (360, 3, 57), (820, 4, 104)])
def test_tiles_are_large_enough_for_a_childs_finger(width, columns, least, visitor, there):
    go("pictures-personal-url", visitor, there)
    visitor.set_viewport_size({"width": width, "height": 740 if width < 820 else 1180})
    boxes = visitor.evaluate(BOXES)
    assert len(boxes) == 12
    assert len({round(left) for left, *_ in boxes}) == columns
    assert min(wide for _, _, wide, _ in boxes) >= least
    assert min(high for *_, high in boxes) >= least
    first, second = boxes[0], boxes[1]
    assert second[0] - first[0] - first[2] >= 8
    assert boxes[columns][1] - first[1] - first[3] >= 8


@pytest.mark.parametrize(
    "name", ["who-for-an-app", "pictures", "password", "help", "my-apps", "app-sees", "is-it-you"]
)
def test_whatever_is_pressed_is_44_pixels_high_and_wide(name, visitor, there):
    go(name, visitor, there)
    for width in (360, 820):
        show(visitor, width)
        assert visitor.evaluate(SMALL) == []


def test_behind_a_card_the_first_screen_has_no_back_that_leads_nowhere(visitor, there):
    go("pictures-with-a-card", visitor, there)
    back = visitor.locator(".button.back")
    assert not back.is_visible()
    visitor.locator("label.picture-tile").nth(4).click()
    visitor.wait_for_selector(".screen.now:nth-of-type(2)")
    assert back.is_visible()
    go("pictures-personal-url", visitor, there)
    assert back.is_visible()


def test_done_is_in_sight_however_far_the_apps_go_on(visitor, there):
    go("my-apps-29", visitor, there)
    done = visitor.get_by_role("button", name="Klaar")
    for width in (360, 820):
        show(visitor, width)
        visitor.locator(".tile-go").last.scroll_into_view_if_needed()
        assert visitor.evaluate("scrollY") > 300
        box, height = done.bounding_box(), visitor.viewport_size["height"]
        assert 0 <= box["y"] <= height - box["height"]


def test_words_that_nobody_typed_are_not_sent_as_pictures_that_nobody_tapped(visitor, there):
    go("pictures-typing", visitor, there)
    here = visitor.url
    visitor.locator("input[name=password]").press("Enter")
    assert visitor.locator("input[name=password]:invalid").is_visible()
    assert (visitor.url, visitor.locator(".notice").count()) == (here, 0)
    visitor.locator("summary").first.click()
    assert visitor.locator("input[name=password]:invalid").count() == 0


def test_no_word_of_a_question_is_broken_when_text_is_twice_as_large(visitor, there):
    go("pictures-personal-url", visitor, there)
    follow(visitor, visitor.locator("button[lang=de]"))
    visitor.evaluate("document.documentElement.style.fontSize = '200%'")
    lines = """(one) => ["Welches", "Tier?"].map((word) => {
      const text = one.firstChild, at = text.data.indexOf(word), range = document.createRange();
      range.setStart(text, at);
      range.setEnd(text, at + word.length);
      return range.getClientRects().length;
    })"""
    assert visitor.locator(".screen.now .question").evaluate(lines) == [1, 1]


def test_the_button_that_shows_a_password_is_called_what_stands_on_it(visitor, there):
    go("password", visitor, there)
    for word in ("Toon", "Verberg", "Toon"):
        button = visitor.get_by_role("button", name=word, exact=True)
        assert button.inner_text() == word
        button.click()


def test_who_wants_no_motion_gets_none(visitor, there):
    go("pictures-personal-url", visitor, there)
    how = "() => [...document.querySelectorAll('*')].map((one) => parseFloat(getComputedStyle(one).transitionDuration))"
    assert max(visitor.evaluate(how)) <= 0.0001
    visitor.emulate_media(reduced_motion="no-preference")
    assert 0.1 <= max(visitor.evaluate(how)) <= 0.2


def test_with_forced_colours_tiles_buttons_and_the_focus_have_edges(visitor, there):
    go("pictures-personal-url", visitor, there)
    visitor.emulate_media(forced_colors="active")
    edge = "(one) => [getComputedStyle(one).borderTopStyle, parseFloat(getComputedStyle(one).borderTopWidth)]"
    for wanted in (".screen.now .face >> nth=0", ".button.back"):
        style, width = visitor.locator(wanted).evaluate(edge)
        assert style == "solid"
        assert width >= 2
    ring = "(one) => [getComputedStyle(one.nextElementSibling).outlineStyle, parseFloat(getComputedStyle(one.nextElementSibling).outlineWidth)]"
    visitor.keyboard.press("Tab")
    first = visitor.locator(".screen.now input").first
    for _step in range(20):
        if first.evaluate("(one) => one === document.activeElement"):
            break
        visitor.keyboard.press("Tab")
    assert first.evaluate(ring) == ["solid", 4]


@pytest.mark.parametrize("path", ["/aanmelden", "/mijn/noor.peeters", "/mijn/seppe.duinen", "/toestel"])
def test_XSS_09_nothing_behind_the_question_mark_or_the_hash_becomes_part_of_a_page(path, visitor, there):
    evil = "%3Cimg%20src=x%20onerror=window.owned=1%3E"
    visitor.goto(f"{there.issuer}{path}?bericht={evil}&next=javascript:window.owned=1&zoek={evil}#{evil}")
    visitor.evaluate(f"location.hash = '{evil}'")
    assert visitor.evaluate("window.owned") is None
    assert visitor.locator("img[src=x], [onerror]").count() == 0
    assert visitor.locator("a[href^='javascript:'], form[action^='javascript:']").count() == 0
