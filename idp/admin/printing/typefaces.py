"""Which face can print this text? Names come in many scripts; every one of them gets onto paper.

The first face that covers a whole word prints it; a word that no face covers is written in Latin letters
(transliterated). Nothing in a text is markup here, and nothing is ever fetched. Without the built fonts
(a checkout before set-up) the printer's own Latin faces do, and other scripts are transliterated.
"""

from __future__ import annotations

import functools
import math
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyascii import anyascii

from idp import assets

FOLDER = assets.STATIC / "built" / "fonts"
SMALLER = 0.85
"""Of a text on two lines, compared with the same on one."""
LONGEST = 300
"""Characters of a text that are looked at; more never fits on a card."""

_ARABIC = ((0x0600, 0x0780), (0x08A0, 0x0900), (0xFB50, 0xFE00), (0xFE70, 0xFF00))
_CHINESE = ((0x2E80, 0xA000), (0xF900, 0xFB00), (0xFE30, 0xFE50), (0xFF00, 0xFFF0), (0x20000, 0x40000))
_EVERYTHING = ((0, 0x110000),)
_ONE_AFTER_ANOTHER = ((0, 0x0900), (0x0980, 0x1CD0), (0x1D00, 0xA830), (0xA840, 0xA8E0), (0xA900, 0x110000))
"""Without Devanagari: its letters change places and forms, and drawn one after another they spell another name."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Part of a text in one face, in the order in which it is drawn."""

    face: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """Text that fits: what to draw and how wide it is, in points."""

    runs: tuple[Run, ...]
    size: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Face:
    """One font file, opened the first time that a text has something in its ranges."""

    file: str
    ranges: tuple[tuple[int, int], ...] = _EVERYTHING
    joined: bool = False
    """Letters join and run from right to left."""

    def has(self, text: str, folder: Path) -> bool:
        for letter in text:
            if not any(low <= ord(letter) < high for low, high in self.ranges):
                return False
        known = _opened(folder / self.file)
        return all(ord(letter) in known for letter in (_joined(text) if self.joined else text))


class Style:
    """Faces in order of preference. `builtin` is the printer's own, when the fonts have not been built."""

    def __init__(self, builtin: str, *faces: Face, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._faces = tuple(face for face in faces if (folder / face.file).exists())
        self._builtin = builtin

    def runs(self, text: str) -> tuple[Run, ...]:
        """The text as runs; letters that nothing can print are transliterated, word by word."""
        pieces: list[tuple[Face | None, str]] = []
        for word in clean(text).split(" "):
            face, shown = self._face(word)
            if pieces and pieces[-1][0] == face:
                pieces[-1] = (face, f"{pieces[-1][1]} {shown}")
            else:
                pieces.append((face, shown))
        drawn = [
            Run(face=self._name(face), text=_visual(shown) if face and face.joined else shown)
            for face, shown in pieces
            if shown
        ]
        spaced = [Run(face=run.face, text=f"{run.text} ") for run in drawn[:-1]]
        return (*spaced, *drawn[-1:])

    def covers(self, text: str) -> bool:
        """Is every word printed in its own script?"""
        return all(self._face(word)[1] == word for word in clean(text).split(" "))

    def fit(self, text: str, *, width: float, size: float, smallest: float) -> Line:
        """One line of at most `width` points: smaller when it must, ending in … when it cannot."""
        line = self._line(self.runs(text), size)
        if line.width <= width:
            return line
        fitting = size * width / line.width
        if fitting >= smallest:
            return self._line(line.runs, fitting)
        return self._shortened(text, width=width, size=smallest)

    def wrap(
        self,
        text: str,
        *,
        width: float,
        size: float,
        smallest: float,
        lines: int,
        whole: float = 0.0,
        height: float = math.inf,
    ) -> list[Line]:
        """At most `lines` lines of one size, as large as fits, broken between words.

        A word that is too long for a line is broken at its own hyphens, below the size `whole` (or at the `smallest`) anywhere. `height` is
        that of all lines together, in points, at a leading of 1.05.
        """
        words = clean(text).split(" ")
        while True:
            pieces = self._pieces(words, width=width, size=size, anywhere=size <= max(whole, smallest))
            broken = self._break(pieces, width=width, size=size)
            low = len(broken) == 1 or len(broken) * size * 1.05 <= height
            if low and len(broken) <= lines and all(line.width <= width for line in broken):
                return broken
            if size <= smallest:
                break
            size = max(smallest, size - 0.5)
        kept = broken[: lines - 1]
        rest = " ".join(pieces[sum(_words(line) for line in kept) :])
        return [*kept, self._shortened(rest, width=width, size=smallest)]

    def fold(
        self, text: str, *, width: float, size: float, smallest: float, lines: int, after: str = "."
    ) -> list[Line]:
        """Text without spaces on as few lines as its size allows, broken `after` this sign where that helps.

        Nothing is left out: on the most lines it may take, the text gets as small as it must.
        """
        shown = clean(text)
        place = shown.rfind(after) + 1
        head, tail = (shown[:place], shown[place:]) if 0 < place < len(shown) else ("", shown)
        ways = [[shown]]
        for count in range(2, lines + 1):
            ways += (
                [[head, *_evenly(tail, count - 1)], _evenly(shown, count)]
                if head
                else [_evenly(shown, count)]
            )
        fitting, chosen = 0.0, ways[0]
        for way in ways:
            widest = max(self._line(self.runs(part), 1).width for part in way)
            largest = size if len(way) == 1 else size * SMALLER
            fitting, chosen = min(largest, width / max(widest, 0.1)), way
            if fitting >= smallest:
                break
        return [self._line(self.runs(part), fitting) for part in chosen]

    def _pieces(self, words: list[str], *, width: float, size: float, anywhere: bool) -> list[str]:
        """Words that are wider than a line, in pieces that are not: at their own hyphens, else `anywhere` with one."""

        def fits(text: str) -> bool:
            return self._line(self.runs(text), size).width <= width

        pieces: list[str] = []
        for word in words:
            rest = word
            while len(rest) > 1 and not fits(rest):
                own = [at for at in range(1, len(rest)) if rest[at - 1] in "-–" and fits(rest[:at])]
                count = own[-1] if own else len(rest) - 1
                while not own and count > 1 and not fits(f"{rest[:count]}-"):
                    count -= 1
                if not own and not anywhere:
                    break
                pieces.append(rest[:count] if own else f"{rest[:count]}-")
                rest = rest[count:]
            pieces.append(rest)
        return pieces

    def _break(self, words: list[str], *, width: float, size: float) -> list[Line]:
        lines: list[Line] = []
        held: list[str] = []
        for word in words:
            tried = self._line(self.runs(" ".join([*held, word])), size)
            if held and tried.width > width:
                lines.append(self._line(self.runs(" ".join(held)), size))
                held = [word]
            else:
                held.append(word)
        return [*lines, self._line(self.runs(" ".join(held)), size)]

    def _shortened(self, text: str, *, width: float, size: float) -> Line:
        shown = clean(text)
        line = self._line(self.runs(shown), size)
        dots = "…"
        while line.width > width and len(shown) > 1:
            shown = shown[:-1].rstrip()
            line = self._line((*self.runs(shown), *self.runs(dots)), size)
        return line

    @staticmethod
    def _line(runs: Iterable[Run], size: float) -> Line:
        runs = tuple(runs)
        return Line(runs=runs, size=size, width=sum(_width(run.face, run.text) for run in runs) * size)

    def _face(self, word: str) -> tuple[Face | None, str]:
        latin = "" if word.isascii() else anyascii(word)
        for shown in (word, latin[:1].upper() + latin[1:], "?"):
            for face in self._faces:
                if (shown or not word) and face.has(shown, self._folder):
                    return face, shown
            if not self._faces and (shown or not word) and _latin(shown):
                return None, shown
        return None, "?"

    def _name(self, face: Face | None) -> str:
        return _registered(self._folder / face.file) if face else self._builtin


TEXT = Style(
    "Helvetica",
    Face(file="text.ttf"),
    Face(file="wide.ttf", ranges=_ONE_AFTER_ANOTHER),
    Face(file="arabic.ttf", ranges=_ARABIC, joined=True),
    Face(file="chinese.ttf", ranges=_CHINESE),
)
BOLD = Style(
    "Helvetica-Bold",
    Face(file="text-bold.ttf"),
    Face(file="wide-bold.ttf", ranges=_ONE_AFTER_ANOTHER),
    Face(file="arabic-bold.ttf", ranges=_ARABIC, joined=True),
    Face(file="chinese.ttf", ranges=_CHINESE),
)
CODE = Style("Courier-Bold", Face(file="code.ttf"), Face(file="wide-bold.ttf", ranges=_ONE_AFTER_ANOTHER))
"""What is typed over from paper: l I 1 and O 0 differ."""


def clean(text: str) -> str:
    """One line of what can be seen: composed letters, single spaces, nothing that steers."""
    composed = unicodedata.normalize("NFC", text[:LONGEST])
    seen = "".join(
        " " if unicodedata.category(letter) in {"Zs", "Cc", "Zl", "Zp"} else letter
        for letter in composed
        if unicodedata.category(letter) not in {"Cf", "Cs", "Co", "Cn"}
    )
    return " ".join(seen.split())


def _evenly(text: str, count: int) -> list[str]:
    """The text in at most so many pieces of about one length."""
    most = max(1, math.ceil(len(text) / count))
    return [text[start : start + most] for start in range(0, len(text), most)]


def _latin(text: str) -> bool:
    return all(ord(letter) < 0x7F or 0xA0 <= ord(letter) < 0x100 for letter in text)


def _words(line: Line) -> int:
    return sum(len(run.text.split()) for run in line.runs)


@functools.cache
def _reshaper() -> Any:
    import arabic_reshaper  # type: ignore[import-untyped]

    return arabic_reshaper.ArabicReshaper({"delete_harakat": True, "support_ligatures": True})


def _joined(text: str) -> str:
    """Arabic letters in the form that their neighbours ask for."""
    return str(_reshaper().reshape(text))


def _visual(text: str) -> str:
    """From right to left, as it is drawn."""
    return _joined(text)[::-1]


@functools.cache
def _registered(path: Path) -> str:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    name = f"card-{path.stem}-{zlib.crc32(str(path).encode()):08x}"
    pdfmetrics.registerFont(TTFont(name, str(path), shapable=False))
    return name


@functools.cache
def _opened(path: Path) -> frozenset[int]:
    """The code points that the font of this file has."""
    from reportlab.pdfbase import pdfmetrics

    face = pdfmetrics.getFont(_registered(path)).face
    return frozenset(code for code, glyph in face.charToGlyph.items() if glyph)


def _width(face: str, text: str) -> float:
    """Of the text at one point. Never remembered: it may be a password."""
    from reportlab.pdfbase import pdfmetrics

    return float(pdfmetrics.stringWidth(text, face, 1))
