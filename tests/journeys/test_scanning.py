"""A pupil holds a printed card before the camera: a real sheet, a real browser, a film for a camera."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from idp.admin.printing import sheets
from tests.admin.make_handouts import LOOK, handout
from tests.journeys import camera
from tests.journeys.conftest import CHROMIUM, PATIENCE, QUIET, Demo

MOST_LOOKS = 10
"""At a look in a tenth of a second, and the time that a look takes, this is within two seconds."""
KEEP_MARKS = """
new PerformanceObserver((seen) => {
  for (const mark of seen.getEntries())
    sessionStorage.setItem(mark.name, JSON.stringify({ at: mark.startTime, detail: mark.detail }));
}).observe({ type: "mark", buffered: true });
const cameras = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (cameras) navigator.mediaDevices.getUserMedia = async (asked) => {
  const stream = await cameras(asked);
  window.cameras = [...(window.cameras ?? []), ...stream.getTracks()];
  return stream;
};
"""


@contextmanager
def before_the_camera(
    driver: Any, film: Path | None, *, permit: bool = True, **given: Any
) -> Iterator[tuple[Any, list[str]]]:
    """A page in a browser whose camera sees this film; and every address that was asked."""
    film_flags = [f"--use-file-for-fake-video-capture={film}"] if film else []
    browser = driver.chromium.launch(
        executable_path=CHROMIUM, args=[*QUIET, "--use-fake-device-for-media-stream", *film_flags]
    )
    context = browser.new_context(viewport={"width": 820, "height": 1180}, locale="nl-BE", **given)
    context.set_default_timeout(PATIENCE)
    if permit:
        context.grant_permissions(["camera"])
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.add_init_script(KEEP_MARKS)
    yield context.new_page(), asked
    browser.close()


def _film(tmp_path: Path, kind: str, address: str) -> Path:
    """25 mm at arm's length of a tablet, 20 cm; 40 mm at 30 cm. The QR of a sticker is printed at 27 mm."""
    out = io.BytesIO()
    one = handout(card_url=address.upper())
    if kind == "sticker, 25 mm":
        sheets.stickers(out, [one], LOOK)
        place, away = (87.5, 22.0), 200 * 27 / 25
    else:
        sheets.cards(out, [one], LOOK)
        place, away = (79.0, 25.6), 300
    return camera.film(camera.printed(out.getvalue()), tmp_path / "film.y4m", centre=place, away=away)


@pytest.mark.parametrize("kind", ["sticker, 25 mm", "card, 40 mm"])
def test_a_printed_card_is_read_and_the_app_is_kept(demo: Demo, driver, tmp_path, kind):
    noor = demo.pupil(kind="picture", username="noor.zandman")
    film = _film(tmp_path, kind, noor["card_url"])
    with before_the_camera(driver, film) as (page, asked):
        page.goto(f"{demo.issuer}/aanmelden?next=/mijn-apps")
        page.wait_for_load_state("networkidle")
        assert not [one for one in asked if "wasm" in one or "barcode-detector" in one], "only after a tap"
        page.get_by_role("button", name="Scan je kaart").click()
        page.wait_for_selector("text=Dag Noor!")
        assert "next=" in page.url
        kept = page.evaluate(
            "['scan-first-look', 'scan-found'].map((name) => JSON.parse(sessionStorage[name]))"
        )
        assert 1 <= kept[1]["detail"]["looks"] <= MOST_LOOKS
        has_own = page.evaluate(
            "'BarcodeDetector' in window && BarcodeDetector.getSupportedFormats().then((all) => all.includes('qr_code'))"
        )
        assert any("zxing_reader.wasm?v=" in one for one in asked) is not has_own
        assert {one.split("/")[2] for one in asked} == {demo.issuer.split("/")[2]}


def test_XSS_09_a_foreign_code_opens_nothing_and_the_camera_stops_when_told(demo: Demo, driver, tmp_path):
    evil = camera.code("https://elders.example/k/K10123456789ABCDEFGHJKMNPQRS#<img src=x>", 40)
    film = camera.film(evil, tmp_path / "film.y4m", centre=(60, 40), away=300, tilt=0)
    with before_the_camera(driver, film) as (page, asked):
        page.goto(f"{demo.issuer}/aanmelden")
        page.get_by_role("button", name="Scan je kaart").click()
        page.wait_for_selector("[role=status]:has-text('andere code')")
        assert page.url == f"{demo.issuer}/aanmelden"
        assert page.locator("#username").input_value() == ""
        assert page.locator("video").is_visible(), "it goes on looking for a card"
        page.keyboard.press("Escape")
        page.locator("[data-camera]").wait_for(state="hidden")
        assert page.evaluate("window.cameras.map((track) => track.readyState)") == ["ended"]
        assert page.evaluate("document.activeElement.id") == "username"
        assert {one.split("/")[2] for one in asked} == {demo.issuer.split("/")[2]}


def test_after_thirty_seconds_the_name_is_asked_again(demo: Demo, driver, tmp_path):
    empty = camera.film(camera.blank(), tmp_path / "film.y4m", centre=(0, 0), away=300)
    with before_the_camera(driver, empty) as (page, _):
        page.clock.install()
        page.goto(f"{demo.issuer}/aanmelden")
        page.get_by_role("button", name="Scan je kaart").click()
        page.wait_for_selector("[role=status]:has-text('Hou je kaart')")
        page.clock.fast_forward(31_000)
        page.wait_for_selector("[role=status]:has-text('Geen kaart gezien')")
        page.locator("[data-camera]").wait_for(state="hidden")
        assert page.evaluate("window.cameras.map((track) => track.readyState)") == ["ended"]
        assert page.evaluate("document.activeElement.id") == "username"


def test_without_a_camera_the_name_is_asked(demo: Demo, driver):
    with before_the_camera(driver, None, permit=False, permissions=[]) as (page, _):
        page.add_init_script(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
        )
        page.goto(f"{demo.issuer}/aanmelden")
        page.get_by_role("button", name="Scan je kaart").click()
        page.wait_for_selector("[role=status]:has-text('De camera doet niet mee')")
        assert page.evaluate("document.activeElement.id") == "username"


def test_without_script_the_name_is_asked_and_nothing_promises_a_camera(demo: Demo, driver):
    with before_the_camera(driver, None, java_script_enabled=False) as (page, _):
        page.goto(f"{demo.issuer}/aanmelden")
        assert page.locator("#username").is_visible()
        assert page.get_by_role("button", name="Scan je kaart").is_hidden()


def test_only_the_page_that_scans_may_compile(demo: Demo, driver):
    with before_the_camera(driver, None) as (page, _):
        policy = "'wasm-unsafe-eval'"
        assert policy in page.goto(f"{demo.issuer}/aanmelden").headers["content-security-policy"]
        page.fill("#username", "noor.zandman")
        with page.expect_navigation() as there:
            page.keyboard.press("Enter")
        assert policy not in there.value.headers["content-security-policy"]
