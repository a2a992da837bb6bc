"""What does every page of a pupil look like? Pictures of them all: sizes, light and dark, four languages.

python tools/screenshots.py FOLDER                    every page, 360, 820 and 1280 px, light and dark, in Dutch
python tools/screenshots.py FOLDER --language de      the same in German
python tools/screenshots.py FOLDER --only my-apps     pages whose name begins so
python tools/screenshots.py FOLDER --sheet            also one sheet with all of them side by side, for each size
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.journeys import every_page
from tests.journeys.conftest import CHROMIUM, QUIET

WIDTHS = {360: 740, 820: 1180, 1280: 800}
BESIDE = 6
"""Pictures on one row of a sheet."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", default="nl")
    parser.add_argument("--only", default="")
    parser.add_argument("--sheet", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in every_page.STOPS if name.startswith(given.only)]
    with (
        tempfile.TemporaryDirectory() as made,
        every_page.place(Path(made)) as there,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for name in wanted:
            context = browser.new_context(locale=given.language, reduced_motion="reduce")
            page = context.new_page()
            try:
                every_page.go(name, page, there)
                _take(page, given.folder, name)
            finally:
                context.close()
        browser.close()
    if given.sheet:
        for width in WIDTHS:
            for theme in ("light", "dark"):
                _sheet(given.folder, wanted, width, theme)


def _take(page: Page, folder: Path, name: str) -> None:
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
            tall = page.evaluate("document.documentElement.scrollHeight") > 3 * height
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=not tall)


def _sheet(folder: Path, names: list[str], width: int, theme: str) -> None:
    taken = [(name, Image.open(folder / f"{name}-{width}-{theme}.png")) for name in names]
    small = 300
    rows = [taken[at : at + BESIDE] for at in range(0, len(taken), BESIDE)]
    scaled = [
        [
            (
                name,
                one.resize((small, max(1, round(one.height * small / one.width)))).crop(
                    (0, 0, small, min(900, round(one.height * small / one.width)))
                ),
            )
            for name, one in row
        ]
        for row in rows
    ]
    heights = [max(one.height for _, one in row) + 24 for row in scaled]
    sheet = Image.new("RGB", (BESIDE * (small + 10), sum(heights)), "#888")
    draw, top = ImageDraw.Draw(sheet), 0
    for row, height in zip(scaled, heights, strict=True):
        for place, (name, one) in enumerate(row):
            sheet.paste(one, (place * (small + 10), top + 20))
            draw.text((place * (small + 10) + 4, top + 4), name, fill="#000")
        top += height
    sheet.save(folder / f"sheet-{width}-{theme}.png")


if __name__ == "__main__":
    main()
