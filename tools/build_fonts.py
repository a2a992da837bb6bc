"""Which typefaces do cards need, and how do they get into the package?

Cards are printed on any printer, so the faces are embedded, as TrueType. The sources are npm packages under the
SIL Open Font License; their licence texts are copied beside the fonts.

    Atkinson Hyperlegible Next    everything in Latin script
    Atkinson Hyperlegible Mono    user names and passwords: l I 1 and O 0 differ
    Noto Sans                     Vietnamese, Greek, Cyrillic
    Noto Sans Arabic              Arabic, Persian, Kurdish, Urdu
    Noto Sans SC                  Chinese; 101 slices of one variable font, made one static font

Run by tools/build_assets.py, or by hand: python tools/build_fonts.py node_modules idp/static/built/fonts
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

PACKAGES = {
    "@expo-google-fonts/atkinson-hyperlegible-mono": "0.4.1",
    "@expo-google-fonts/atkinson-hyperlegible-next": "0.4.1",
    "@expo-google-fonts/noto-sans": "0.4.2",
    "@expo-google-fonts/noto-sans-arabic": "0.4.3",
    "@fontsource-variable/noto-sans-sc": "5.3.1",
}
"""What package.json has to name."""

COPIED = {
    "text.ttf": (
        "@expo-google-fonts/atkinson-hyperlegible-next",
        "400Regular/AtkinsonHyperlegibleNext_400Regular.ttf",
    ),
    "text-bold.ttf": (
        "@expo-google-fonts/atkinson-hyperlegible-next",
        "700Bold/AtkinsonHyperlegibleNext_700Bold.ttf",
    ),
    "code.ttf": (
        "@expo-google-fonts/atkinson-hyperlegible-mono",
        "700Bold/AtkinsonHyperlegibleMono_700Bold.ttf",
    ),
    "wide.ttf": ("@expo-google-fonts/noto-sans", "400Regular/NotoSans_400Regular.ttf"),
    "wide-bold.ttf": ("@expo-google-fonts/noto-sans", "700Bold/NotoSans_700Bold.ttf"),
    "arabic.ttf": ("@expo-google-fonts/noto-sans-arabic", "400Regular/NotoSansArabic_400Regular.ttf"),
    "arabic-bold.ttf": ("@expo-google-fonts/noto-sans-arabic", "700Bold/NotoSansArabic_700Bold.ttf"),
}
CHINESE = "@fontsource-variable/noto-sans-sc"
WEIGHT = 600
"""Semi-bold serves both for names and for text: one font of 5 MB instead of two."""
UNUSED = ("GSUB", "GPOS", "GDEF", "BASE", "HVAR", "vhea", "vmtx", "VORG", "VVAR", "STAT", "prep", "gasp")
"""Tables that drawing a name does not need."""


def build(modules: Path, into: Path) -> list[str]:
    """Write the fonts and their licences; what is newer than its source stays. Returns what was written."""
    into.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (package, path) in COPIED.items():
        source = modules / package / path
        if _older(into / name, source):
            shutil.copyfile(source, into / name)
            written.append(name)
    slices = sorted((modules / CHINESE / "files").glob("noto-sans-sc-*-wght-normal.woff2"))
    if _older(into / "chinese.ttf", slices[0]):
        _one_font(slices, into / "chinese.ttf")
        written.append("chinese.ttf")
    for package in PACKAGES:
        folder = modules / package
        licence = next(path for path in (folder / "LICENSE_FONT", folder / "LICENSE") if path.exists())
        shutil.copyfile(licence, into / f"LICENSE-{package.rpartition('/')[2]}.txt")
    return written


def _one_font(slices: list[Path], target: Path) -> None:
    """Each slice at one weight, then all of them together."""
    from fontTools import merge
    from fontTools.ttLib import TTFont
    from fontTools.varLib import instancer

    seen: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        parts: list[str] = []
        for path in slices:
            font = TTFont(path)
            new = set(font.getBestCmap()) - seen
            if not new:
                continue
            seen |= new
            instancer.instantiateVariableFont(font, {"wght": WEIGHT}, inplace=True)
            for table in UNUSED:
                if table in font:
                    del font[table]
            for table in font["cmap"].tables:
                table.cmap = {code: glyph for code, glyph in table.cmap.items() if code in new}
            font.flavor = None
            part = Path(folder) / f"{len(parts):03d}.ttf"
            font.save(part)
            parts.append(str(part))
        merged = merge.Merger().merge(parts)
        merged.save(target)


def _older(target: Path, source: Path) -> bool:
    return not target.exists() or target.stat().st_mtime < source.stat().st_mtime


if __name__ == "__main__":
    for made in build(Path(sys.argv[1]), Path(sys.argv[2])):
        print(made)
