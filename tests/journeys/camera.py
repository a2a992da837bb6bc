"""What would a camera see? A printed sheet in somebody's hand, as a film that Chromium takes for its camera."""

from __future__ import annotations

import io
import math
import random
from pathlib import Path

import pypdfium2
import segno
from PIL import Image, ImageFilter

WIDE, HIGH = 1280, 720
FIELD = 60.0
"""Degrees that an ordinary camera sees from left to right."""
FRAMES = 8


def printed(pdf: bytes, *, dots_per_mm: float = 12) -> Image.Image:
    """The first sheet, as it comes out of the printer."""
    with pypdfium2.PdfDocument(pdf) as document:
        return document[0].render(scale=dots_per_mm * 25.4 / 72).to_pil().convert("L")


def code(text: str, millimetres: float, *, dots_per_mm: float = 12) -> Image.Image:
    """A QR code alone on a white sheet, for what is not a card of ours."""
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(out, kind="png", scale=8, border=4)
    side = round(millimetres * dots_per_mm)
    sheet = Image.new("L", (side * 3, side * 2), 255)
    sheet.paste(Image.open(out).convert("L").resize((side, side)), (side, side // 2))
    return sheet


def film(
    sheet: Image.Image,
    target: Path,
    *,
    centre: tuple[float, float],
    away: float,
    tilt: float = 20,
    dots_per_mm: float = 12,
) -> Path:
    """`centre` of the sheet (mm from its upper left corner) before the camera, `away` mm, turned `tilt` degrees.

    The hand trembles a little, the picture is slightly out of focus, and the sensor has noise.
    """
    drawn = random.Random(7)
    focal = WIDE / 2 / math.tan(math.radians(FIELD / 2))
    with target.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDE} H{HIGH} F10:1 Ip A1:1 C420jpeg\n".encode())
        for _ in range(FRAMES):
            shake = (drawn.uniform(-1, 1), drawn.uniform(-1, 1))
            frame = _seen(sheet, centre, away, tilt, focal, dots_per_mm, shake)
            frame = frame.filter(ImageFilter.GaussianBlur(0.7))
            noise = Image.effect_noise((WIDE, HIGH), 14)
            frame = Image.blend(frame.point(lambda grey: 25 + grey * 0.8), noise, 0.12)
            out.write(b"FRAME\n" + frame.tobytes() + b"\x80" * (WIDE // 2 * (HIGH // 2) * 2))
    return target


def _seen(sheet, centre, away, tilt, focal, dots_per_mm, shake) -> Image.Image:
    """The sheet turned about its upright axis and about the line of sight, in perspective."""
    turn, roll = math.radians(tilt), math.radians(tilt / 2)
    corners = []
    for x, y in ((-100, -56), (100, -56), (100, 56), (-100, 56)):
        rolled = (x * math.cos(roll) - y * math.sin(roll), x * math.sin(roll) + y * math.cos(roll))
        deep = away + rolled[0] * math.sin(turn)
        seen = (rolled[0] * math.cos(turn) + shake[0], rolled[1] + shake[1])
        corners.append((WIDE / 2 + focal * seen[0] / deep, HIGH / 2 + focal * seen[1] / deep))
    on_sheet = [
        ((centre[0] + x) * dots_per_mm, (centre[1] + y) * dots_per_mm)
        for x, y in ((-100, -56), (100, -56), (100, 56), (-100, 56))
    ]
    # A margin of table around the sheet, so that nothing is read from beyond its edge.
    edge = round(120 * dots_per_mm)
    table = Image.new("L", (sheet.width + 2 * edge, sheet.height + 2 * edge), 150)
    table.paste(sheet, (edge, edge))
    moved = [(x + edge, y + edge) for x, y in on_sheet]
    rate = _perspective(corners, moved)
    return table.transform((WIDE, HIGH), Image.Transform.PERSPECTIVE, rate, Image.Resampling.BICUBIC)


def _perspective(seen, there) -> list[float]:
    """The eight numbers that lead from a point of the picture to the point of the sheet."""
    rows = []
    for (x, y), (u, v) in zip(seen, there, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    for column in range(8):
        best = max(range(column, 8), key=lambda row: abs(rows[row][column]))
        rows[column], rows[best] = rows[best], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(8):
            if row != column:
                factor = rows[row][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return [row[8] for row in rows]


def blank() -> Image.Image:
    """A sheet with nothing on it."""
    return Image.new("L", (1200, 1200), 255)
