"""How does something get onto paper? Text in any script, QR codes, pictures and cut lines, in millimetres.

Everything is drawn, nothing is interpreted: a name with markup in it is printed letter by letter, and no
address in it is ever visited.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import BinaryIO

import segno

from idp import assets
from idp.admin.printing.typefaces import Line

PICTURES = assets.STATIC / "built" / "pictures"
Code = tuple[bytearray, ...]
"""Rows of modules from the top, 1 is dark."""
A4 = (210.0, 297.0)
MM = 72 / 25.4
Colour = str
"""#rrggbb"""
INK: Colour = "#14201F"
QUIET_INK: Colour = "#4A5755"
HAIRLINE: Colour = "#9AA5A3"
ACCENT: Colour = "#0B5D5E"
QUIET_ZONE = 4
"""Modules of white around a QR code (ISO/IEC 18004)."""
QR_MASK = 3
"""Fixed: choosing the best of eight masks costs six times as much and helps no scanner of today."""


class Paper:
    """A4 sheets in one PDF. Places are in millimetres from the lower left corner of the sheet."""

    def __init__(self, target: BinaryIO, *, title: str, author: str, accent: Colour = ACCENT) -> None:
        from reportlab import rl_config  # ten MiB that only a process that prints needs
        from reportlab.pdfgen.canvas import Canvas

        rl_config.useA85 = (
            0  # base 85 in Python would take a third of the time, and make a quarter more of it
        )
        self._canvas = Canvas(
            target, pagesize=(A4[0] * MM, A4[1] * MM), pageCompression=1, invariant=1, lang="nl-BE"
        )
        self._canvas.setTitle(title)
        self._canvas.setAuthor(author)
        self._canvas.setCreator(author)
        self.accent = accent

    def text(self, x: float, y: float, line: Line, *, ink: Colour = INK, align: float = 0.0) -> None:
        """One line whose baseline starts at (x, y); `align` 0.5 centres it on x, 1 ends it there."""
        if not line.runs:
            return
        drawn = self._canvas.beginText(x * MM - line.width * align, y * MM)
        drawn.setFillColor(ink)
        for run in line.runs:
            drawn.setFont(run.face, line.size)
            drawn.textOut(run.text)
        self._canvas.drawText(drawn)

    def lines(
        self, x: float, y: float, lines: Sequence[Line], *, ink: Colour = INK, leading: float = 1.2
    ) -> float:
        """Lines beneath each other, the first baseline at y. Returns the last baseline."""
        for index, line in enumerate(lines):
            if index:
                y -= line.size * leading / MM
            self.text(x, y, line, ink=ink)
        return y

    def qr(self, x: float, y: float, size: float, code: Code) -> None:
        """A QR code of `size` mm without its quiet zone: the caller leaves `quiet(code, size)` white."""
        module = size * MM / len(code)
        canvas = self._canvas
        canvas.saveState()
        canvas.translate(x * MM, y * MM)
        canvas.scale(module, module)
        canvas.setFillColor(INK)
        canvas.addLiteral(_bars(code))
        canvas.restoreState()

    def picture(self, x: float, y: float, size: float, key: str) -> bool:
        """One of the pictures, `size` mm square. False when the pictures have not been built."""
        image = _picture(key)
        if image is None:
            return False
        self._canvas.drawImage(image, x * MM, y * MM, size * MM, size * MM, mask="auto")
        return True

    def rule(self, x1: float, y1: float, x2: float, y2: float, *, dashed: bool = False) -> None:
        """A hairline, to cut along or to keep rows apart."""
        canvas = self._canvas
        canvas.setStrokeColor(HAIRLINE)
        canvas.setLineWidth(0.25)
        canvas.setDash([1, 2] if dashed else [])
        canvas.line(x1 * MM, y1 * MM, x2 * MM, y2 * MM)

    def mark(self, x: float, y: float, size: float) -> None:
        """Our key, its bow an open book, `size` mm wide, its middle at height y."""
        canvas, unit = self._canvas, size * MM / 20
        canvas.saveState()
        canvas.translate(x * MM, y * MM)
        canvas.scale(unit, unit)
        canvas.setStrokeColor(self.accent)
        canvas.setLineWidth(1.7)
        canvas.setLineCap(1)
        canvas.setLineJoin(1)
        path = canvas.beginPath()
        path.moveTo(5, -4)
        path.curveTo(4, -3, 2, -3, 0.8, -3.4)
        path.lineTo(0.8, 3.6)
        path.curveTo(2, 4, 4, 4, 5, 3)
        path.curveTo(6, 4, 8, 4, 9.2, 3.6)
        path.lineTo(9.2, -3.4)
        path.curveTo(8, -3, 6, -3, 5, -4)
        path.lineTo(5, 3)
        path.moveTo(9.2, 0)
        path.lineTo(19, 0)
        path.lineTo(19, -3.4)
        path.moveTo(15.4, 0)
        path.lineTo(15.4, -2.6)
        canvas.drawPath(path, stroke=1, fill=0)
        canvas.restoreState()

    def turn(self) -> None:
        """The next sheet."""
        self._canvas.showPage()

    def close(self) -> None:
        """Write everything to the target; an empty document is one empty sheet."""
        self._canvas.showPage()
        self._canvas.save()


def encode(url: str) -> Code:
    """The modules of a QR code, level M; a URL in capitals makes a small one (alphanumeric mode)."""
    return segno.make_qr(url, error="m", mask=QR_MASK, boost_error=False).matrix


def quiet(code: Code, size: float) -> float:
    """Millimetres of white that a QR code of `size` mm needs on each side."""
    return QUIET_ZONE * size / len(code)


def accent(colour: str) -> Colour:
    """The accent of the settings (#rrggbb), or our own when that is no colour."""
    return colour if re.fullmatch(r"#[0-9A-Fa-f]{6}", colour) else ACCENT


def _bars(code: Code) -> str:
    """Every run of dark modules as one rectangle of whole numbers (`re`), filled together (`f`)."""
    bars = []
    for row, modules in enumerate(reversed(code)):
        start = None
        for column, dark in enumerate((*modules, 0)):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                bars.append(f"{start} {row} {column - start} 1 re")
                start = None
    return " ".join((*bars, "f"))


@cache
def _picture(key: str) -> str | None:
    """Where the drawing is. By its path the PDF knows it again, and embeds it once."""
    path = PICTURES / f"{key}.png"
    if not key.replace("-", "").replace("_", "").isalnum() or not path.is_file():
        return None
    return str(path)
