"""How do the pictures, fonts, icons, the reader of cards and translations get into the package?

From npm packages (locked in package-lock.json) into idp/static/built, and from idp/locales/*.po into .mo. Both are
made, never committed, and travel in the wheel. Nothing is done when nothing changed.

    python tools/build_assets.py           make what is missing or old
    python tools/build_assets.py --force   make everything
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MODULES = ROOT / "node_modules"
BUILT = ROOT / "idp" / "static" / "built"
LOCALES = ROOT / "idp" / "locales"
LICENCES = ROOT / "docs" / "licences.md"
STAMP = BUILT / "stamp.txt"

sys.path[:0] = [str(ROOT), str(HERE)]

import build_fonts  # noqa: E402
import npm  # noqa: E402

from idp.login import pictures  # noqa: E402

ICONS = [
    "arrow-left",
    "arrow-right",
    "camera",
    "check",
    "chevron-right",
    "circle-alert",
    "circle-check",
    "download",
    "eye",
    "eye-off",
    "hand-helping",
    "id-card",
    "info",
    "key-round",
    "keyboard",
    "life-buoy",
    "log-out",
    "menu",
    "monitor-smartphone",
    "refresh-cw",
    "school",
    "search",
    "star",
    "undo-2",
    "users",
    "x",
]
"""Lucide icons that a page may ask for: `icon("eye")`."""

WEB_FONTS = {
    f"atkinson-{subset}-{weight}.woff2": f"files/atkinson-hyperlegible-{subset}-{weight}-normal.woff2"
    for subset in ("latin", "latin-ext")
    for weight in (400, 700)
}

USED_FOR = {
    "@iconify-json/fluent-emoji-flat": "the pictures of the picture password (Fluent Emoji, Microsoft)",
    "@fontsource/atkinson-hyperlegible": "the type of every page (Braille Institute)",
    "lucide-static": "the icons on pages (Lucide contributors, Feather)",
    "barcode-detector": "reading a card where the browser has no detector of its own (Ze-Zheng Wu)",
    "zxing-wasm": "the reader behind it (Ze-Zheng Wu; contains ZXing-C++, Apache-2.0)",
    "@expo-google-fonts/atkinson-hyperlegible-next": "the type on cards (Braille Institute)",
    "@expo-google-fonts/atkinson-hyperlegible-mono": "user names and passwords on cards (Braille Institute)",
    "@expo-google-fonts/noto-sans": "Vietnamese, Greek and Cyrillic names on cards (Google)",
    "@expo-google-fonts/noto-sans-arabic": "Arabic names on cards (Google)",
    "@fontsource-variable/noto-sans-sc": "Chinese names on cards (Google, Adobe)",
}
"""What we take from each npm package; a package without a line here is not shipped."""

READER = {
    "barcode-detector.js": "barcode-detector/dist/iife/ponyfill.js",
    "zxing_reader.wasm": "zxing-wasm/dist/reader/zxing_reader.wasm",
    "LICENSE-barcode-detector.txt": "barcode-detector/LICENSE",
    "LICENSE-zxing-wasm.txt": "zxing-wasm/LICENSE",
}
"""What reads a QR code in browsers that cannot do so themselves; a page fetches it at the first tap."""

PNG_PIXELS = 192

LEFT_OUT = {"parachute": (0, 1, 2, 3, 4, 5, 6, 8, 9, 10), "school": (1, 2)}
"""Shapes that are too small for a child, or say what they should not: who hangs below the parachute, and a flag."""


def main(arguments: list[str]) -> int:
    if "--force" in arguments or _stamp() != (STAMP.read_text() if STAMP.exists() else ""):
        npm.install(ROOT)
        BUILT.mkdir(parents=True, exist_ok=True)
        _pictures()
        _icons()
        _fonts()
        _reader()
        _licences()
        STAMP.write_text(_stamp())
        print(f"made {BUILT.relative_to(ROOT)}")
    for made in _translations():
        print(f"made {made.relative_to(ROOT)}")
    return 0


def _stamp() -> str:
    """A digest of everything that what we make depends on."""
    sources = [
        ROOT / "package-lock.json",
        Path(__file__),
        HERE / "build_fonts.py",
        Path(str(pictures.__file__)),
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _pictures() -> None:
    """One sprite for the pages, and a PNG of each picture for cards."""
    import resvg_py

    drawn = json.loads((MODULES / "@iconify-json/fluent-emoji-flat/icons.json").read_text())
    folder = BUILT / "pictures"
    folder.mkdir(exist_ok=True)
    symbols = []
    for picture in (picture for screen in pictures.SCREENS for picture in screen.pictures):
        body = _without(drawn["icons"][picture.icon]["body"], LEFT_OUT.get(picture.key, ()))
        body = _own_ids(body, picture.key)
        symbols.append(f'<symbol id="p-{picture.key}" viewBox="0 0 32 32">{body}</symbol>')
        alone = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{body}</svg>'
        png = resvg_py.svg_to_bytes(svg_string=alone, width=PNG_PIXELS, height=PNG_PIXELS)
        (folder / f"{picture.key}.png").write_bytes(bytes(png))
    sprite = f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'
    (BUILT / "pictures.svg").write_text(sprite, encoding="utf-8")


def _without(body: str, shapes: tuple[int, ...]) -> str:
    """A drawing without these of its shapes, counted from the first."""
    found = re.findall(r"<path[^>]*/>", body)
    for place in shapes:
        body = body.replace(found[place], "", 1)
    return body


def _own_ids(body: str, key: str) -> str:
    """Ids inside a drawing, made its own, so that 48 drawings in one file do not borrow each other's parts."""
    for name in set(re.findall(r'\bid="([^"]+)"', body)):
        for around in ('id="{}"', "url(#{})", 'href="#{}"'):
            body = body.replace(around.format(name), around.format(f"{key}-{name}"))
    return body


def _icons() -> None:
    """The inside of each icon: the frame is drawn by `idp/assets.py`."""
    inside = {}
    for name in ICONS:
        text = (MODULES / "lucide-static" / "icons" / f"{name}.svg").read_text(encoding="utf-8")
        body = re.search(r"<svg[^>]*>(.*)</svg>", text, re.DOTALL)
        assert body is not None, name
        inside[name] = re.sub(r"\s*\n\s*", "", body.group(1))
    (BUILT / "icons.json").write_text(json.dumps(inside, indent=0), encoding="utf-8")


def _fonts() -> None:
    source = MODULES / "@fontsource/atkinson-hyperlegible"
    for name, path in WEB_FONTS.items():
        shutil.copyfile(source / path, BUILT / name)
    shutil.copyfile(source / "LICENSE", BUILT / "LICENSE-atkinson-hyperlegible.txt")
    build_fonts.build(MODULES, BUILT / "fonts")


def _reader() -> None:
    for name, path in READER.items():
        shutil.copyfile(MODULES / path, BUILT / name)


def _licences() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    lines = [
        "# What is not ours in the pages and on the cards",
        "",
        "Made by `tools/build_assets.py`. The licence texts of the fonts are shipped beside the fonts.",
        "",
        "| npm package | version | licence | what we use it for |",
        "|---|---|---|---|",
    ]
    for name, use in sorted(USED_FOR.items()):
        package = lock[f"node_modules/{name}"]
        lines.append(f"| `{name}` | {package['version']} | {package['license']} | {use} |")
    text = "\n".join(lines) + "\n"
    if not LICENCES.exists() or LICENCES.read_text(encoding="utf-8") != text:
        LICENCES.write_text(text, encoding="utf-8")


def _translations() -> Iterable[Path]:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for source in sorted(LOCALES.glob("*/LC_MESSAGES/messages.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        with source.open("rb") as po, target.open("wb") as mo:
            write_mo(mo, read_po(po))
        yield target


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
