"""How do cards and lists look on paper? A4 cards to cut out, sticker sheets, and a list for the teacher.

A card is a quarter of a column of an A4 sheet (105 × 74.25 mm, eight on a sheet), a sticker 105 × 48 mm (two by
six, 4.5 mm white above and below). Nothing is printed within 4 mm of the edge of a sticker. Readable on a
black-and-white printer: no colour carries a meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import BinaryIO

from idp.admin.printing import paper
from idp.admin.printing.handout import Handout
from idp.admin.printing.paper import A4, MM, QUIET_INK, Paper
from idp.admin.printing.typefaces import BOLD, CODE, TEXT

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

STICKER = (105.0, 48.0)
CARD = (105.0, 74.25)
STICKER_QR = 27.0
CARD_QR = 40.0
MARGIN = 4.0
NOTE = 42.0
"""Millimetres at the foot of an A4 card for what its holder must know."""
MONTHS = (
    "januari februari maart april mei juni juli augustus september oktober november december".split()  # noqa: SIM905
)


class Part(Enum):
    """What is on a card: everything, or the card and the secret apart."""

    WHOLE = "whole"
    CARD = "card"
    SECRET = "secret"


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is the same on every sheet of one school."""

    brand: str
    school: str
    made_on: date
    accent: str = ""


def silent(_done: int, _of: int) -> None:
    """Nobody is watching."""


def cards(
    target: BinaryIO,
    handouts: Sequence[Handout],
    look: Look,
    *,
    part: Part = Part.WHOLE,
    progress: Progress = silent,
) -> None:
    """A PDF with eight cards on a sheet, in the given order."""
    sheet = _paper(target, f"Kaarten {look.school}", look)
    _grid(sheet, handouts, look, size=CARD, rows=4, draw=_card, part=part, progress=progress)
    sheet.close()


def stickers(
    target: BinaryIO,
    handouts: Sequence[Handout],
    look: Look,
    *,
    part: Part = Part.WHOLE,
    progress: Progress = silent,
) -> None:
    """A PDF with twelve stickers of 105 × 48 mm on a sheet, in the given order."""
    sheet = _paper(target, f"Stickers {look.school}", look)
    _grid(sheet, handouts, look, size=STICKER, rows=6, draw=_sticker, part=part, progress=progress)
    sheet.close()


def _paper(target: BinaryIO, title: str, look: Look) -> Paper:
    return Paper(target, title=title, author=look.brand, accent=paper.accent(look.accent))


def _grid(
    sheet: Paper,
    handouts: Sequence[Handout],
    look: Look,
    *,
    size: tuple[float, float],
    rows: int,
    draw: Callable[[Paper, tuple[float, float], Handout, Look, Part], None],
    part: Part,
    progress: Progress,
) -> None:
    wide, high = size
    bottom = (A4[1] - rows * high) / 2
    for index, one in enumerate(handouts):
        place = index % (2 * rows)
        if place == 0:
            if index:
                sheet.turn()
            _cut_lines(sheet, wide, high, rows, bottom)
        corner = ((place % 2) * wide, bottom + (rows - 1 - place // 2) * high)
        draw(sheet, corner, one, look, part)
        progress(index + 1, len(handouts))


def _cut_lines(sheet: Paper, wide: float, high: float, rows: int, bottom: float) -> None:
    top = bottom + rows * high
    sheet.rule(wide, bottom, wide, top)
    for row in range(rows + 1):
        if 0 < bottom + row * high < A4[1]:
            sheet.rule(0, bottom + row * high, A4[0], bottom + row * high)


def _card(sheet: Paper, corner: tuple[float, float], one: Handout, look: Look, part: Part) -> None:
    x, y = corner
    left, right, width = x + 6.5, x + CARD[0] - 6.5, 46.5
    if part is not Part.SECRET and one.card_url:
        edge = right - CARD_QR + 0.5
        sheet.qr(edge, y + CARD[1] - 5.6 - CARD_QR, CARD_QR, paper.encode(one.card_url))
    else:
        width = right - left
    _brand(sheet, left, y + 66.4, look, size=8)
    groups = TEXT.wrap(_where(one), width=width * MM, size=8.5, smallest=6.5, lines=2)
    high = (18 if len(groups) == 1 else 14.5) * MM
    names = BOLD.wrap(one.name, width=width * MM, size=17, smallest=7, lines=5, whole=12, height=high)
    below = sheet.lines(left, y + 62.6 - names[0].size * 0.7 / MM, names, leading=1.12)
    room = below - (y + 38.6) - 3.6 * (len(groups) - 1)
    sheet.lines(left, below - min(6.6, max(5.2, room)), groups, ink=QUIET_INK)
    _labelled(sheet, left, y + 35.8, "Gebruikersnaam", 7.5)
    username = CODE.fold(one.username, width=width * MM, size=12, smallest=8, lines=2)
    sheet.lines(left, y + 30.8, username, leading=1.1)
    if part is not Part.CARD and one.secret is not None:
        _secret_on_card(sheet, left, right, y, one)
    room = right - left
    if one.note and part is not Part.SECRET:
        room -= NOTE
        note = BOLD.fit(one.note, width=(NOTE - 2) * MM, size=7.5, smallest=5)
        sheet.text(right, y + 5.2, note, align=1)
    address = TEXT.fold(one.personal_url, width=room * MM, size=7.5, smallest=6, lines=2, after="/")
    sheet.lines(left, y + (5.2 if len(address) == 1 else 6.3), address, ink=QUIET_INK, leading=1.05)


def _secret_on_card(sheet: Paper, left: float, right: float, y: float, one: Handout) -> None:
    if not one.pictures:
        _labelled(sheet, left, y + 20.4, one.label, 7.5)
        sheet.text(left, y + 12.2, CODE.fit(one.secret or "", width=(right - left) * MM, size=22, smallest=8))
        if one.label.startswith("Tijdelijk"):
            hint = "Bij de eerste keer kies je zelf een wachtwoord."
            lines = TEXT.wrap(hint, width=32 * MM, size=7.5, smallest=6.5, lines=3)
            sheet.lines(right - 32, y + 17.2, lines, ink=QUIET_INK)
        return
    cell, size = 15.4, 11.6
    for index, picture in enumerate(one.pictures):
        middle = left + cell * index + size / 2
        drawn = sheet.picture(middle - size / 2, y + 12, size, picture.key)
        word = BOLD.fit(picture.word, width=(cell - 0.8) * MM, size=8 if drawn else 10, smallest=5)
        sheet.text(middle, y + (9.2 if drawn else 16), word, align=0.5)
    edge = left + 4 * cell + 0.6
    story = TEXT.wrap(one.story, width=(right - edge) * MM, size=8.5, smallest=6, lines=5)
    sheet.lines(edge, y + 21.2, story)


def _sticker(sheet: Paper, corner: tuple[float, float], one: Handout, look: Look, part: Part) -> None:
    x, y = corner
    left, right = x + MARGIN, x + STICKER[0] - MARGIN
    width = right - left
    if part is not Part.SECRET and one.card_url:
        code = paper.encode(one.card_url)
        sheet.qr(right - STICKER_QR, y + STICKER[1] - MARGIN - STICKER_QR, STICKER_QR, code)
        width -= STICKER_QR + paper.quiet(code, STICKER_QR)
    where = TEXT.fit(_where(one), width=(width - 24) * MM, size=7, smallest=5)
    _brand(sheet, left, y + 41.6, look, size=6.5)
    sheet.text(left + width, y + 41.6, where, ink=QUIET_INK, align=1)
    names = BOLD.wrap(one.name, width=width * MM, size=14, smallest=6.5, lines=3, whole=9, height=8.4 * MM)
    sheet.lines(left, y + 39.4 - names[0].size * 0.7 / MM, names, leading=1.05)
    _labelled(sheet, left, y + 29.6, "Gebruikersnaam", 6.5)
    username = CODE.fold(one.username, width=width * MM, size=10.5, smallest=7, lines=2)
    sheet.lines(left, y + (25.4 if len(username) == 1 else 26.6), username, leading=1.05)
    if part is not Part.CARD and one.secret is not None:
        _secret_on_sticker(sheet, left, width, y, one)
    if part is not Part.SECRET:
        _address(sheet, right, y, one)


def _secret_on_sticker(sheet: Paper, left: float, width: float, y: float, one: Handout) -> None:
    if not one.pictures:
        _labelled(sheet, left, y + 17.6, one.label, 6.5)
        sheet.text(left, y + 11.2, CODE.fit(one.secret or "", width=width * MM, size=17, smallest=7))
        if one.label.startswith("Tijdelijk"):
            hint = TEXT.fit(
                "Bij de eerste keer kies je zelf een wachtwoord.", width=width * MM, size=6.5, smallest=5
            )
            sheet.text(left, y + 5, hint, ink=QUIET_INK)
        return
    cell, size = min(16.2, width / 4), 11.4
    for index, picture in enumerate(one.pictures):
        middle = left + cell * index + size / 2
        drawn = sheet.picture(middle - size / 2, y + 11.4, size, picture.key)
        word = BOLD.fit(picture.word, width=(cell - 0.6) * MM, size=7 if drawn else 9, smallest=5)
        sheet.text(middle, y + (8.7 if drawn else 15), word, align=0.5)
    sheet.text(left, y + 5, TEXT.fit(one.story, width=width * MM, size=7, smallest=5))


def _address(sheet: Paper, right: float, y: float, one: Handout) -> None:
    """The personal URL beneath the QR code, in as many lines as it takes."""
    shown, below, most = one.personal_url.removeprefix("https://"), y + 10.6, 4
    if one.note:
        note = BOLD.fit(one.note, width=STICKER_QR * MM, size=6.5, smallest=4.5)
        sheet.text(right - STICKER_QR, y + 11.6, note)
        below, most = y + 8.9, 3
    lines = TEXT.fold(
        shown, width=STICKER_QR * MM, size=6.5, smallest=5.5 if most == 4 else 5, lines=most, after="/"
    )
    sheet.lines(right - STICKER_QR, below, lines, ink=QUIET_INK, leading=1.15)


def _brand(sheet: Paper, x: float, y: float, look: Look, *, size: float) -> None:
    sheet.mark(x, y + size * 0.12, size * 0.72)
    brand = BOLD.fit(look.brand, width=30 * MM, size=size, smallest=5)
    sheet.text(x + size * 0.72 + 1.2, y, brand, ink=sheet.accent)


def _labelled(sheet: Paper, x: float, y: float, label: str, size: float) -> None:
    sheet.text(x, y, TEXT.fit(label, width=60 * MM, size=size, smallest=5), ink=QUIET_INK)


def _where(one: Handout) -> str:
    return ", ".join([*([one.group] if one.group else []), *one.klassen])


def long_date(day: date) -> str:
    """As on a letter: `23 november 2026`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
