"""Every page of a pupil, in a real browser: axe-core, four sizes, large text, light and dark, and nobody else is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.journeys import every_page
from tests.journeys.every_page import STOPS, Place, go

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
    """A page of a new browser; whatever it asked elsewhere, or complained of, fails the test."""
    context = chromium.new_context(
        viewport={"width": 360, "height": 740}, locale="nl-BE", reduced_motion="reduce"
    )
    context.set_default_timeout(20_000)
    complaints: list[str] = []
    page = context.new_page()
    page.on("request", lambda asked: _elsewhere(asked.url, there, complaints))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: _complaint(said, complaints))
    yield page
    context.close()
    assert not complaints


def _elsewhere(url: str, there: Place, complaints: list[str]) -> None:
    apps = tuple(app.redirect_uris[0] for app in there.apps.values())
    if not url.startswith((f"{there.issuer}/", "data:", *apps)):
        complaints.append(f"asked {url}")


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
    page.evaluate("(size) => (document.documentElement.style.fontSize = size)", size)


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
