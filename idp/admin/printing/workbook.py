"""What does a school get for its letters and mailings? An Excel file in which nothing is ever a formula."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import BinaryIO

from idp.admin.printing.handout import Handout

HEADINGS = (
    "Stamnummer",
    "Voornaam",
    "Achternaam",
    "Administratieve groep",
    "(sub)Klas",
    "LeerID Gebruikersnaam",
    "LeerID Wachtwoord",
)
BEGINS = "Geldig vanaf"
"""One more column, when somebody's first day is still to come."""
WIDTHS = (13, 20, 28, 36, 22, 32, 34, 14)
STEERING = "=+-@\t\r\n"
"""A cell that begins with one of these is a formula to some program that reads it (CWE-1236)."""


def write(target: BinaryIO, handouts: Sequence[Handout]) -> None:
    """One row for each pupil, every cell text; pictures as their words."""
    import xlsxwriter  # type: ignore[import-untyped]

    book = xlsxwriter.Workbook(
        target,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    head = book.add_format({"bold": True, "bottom": 1})
    plain = book.add_format({"num_format": "@"})
    quoted = book.add_format({"num_format": "@", "quote_prefix": True})
    sheet = book.add_worksheet("LeerID's")
    headings = (*HEADINGS, BEGINS) if any(one.begins for one in handouts) else HEADINGS
    for column, (heading, width) in enumerate(zip(headings, WIDTHS, strict=False)):
        sheet.set_column(column, column, width, plain)
        sheet.write_string(0, column, heading, head)
    for row, one in enumerate(handouts, 1):
        for column, value in enumerate(_cells(one)[: len(headings)]):
            shown = cell(value)
            sheet.write_string(row, column, shown, quoted if shown[:1] in STEERING else plain)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(handouts), 1), len(headings) - 1)
    book.close()


def cell(value: str) -> str:
    """Text of one line without signs that steer, as it goes into a cell."""
    return "".join(sign if sign.isprintable() else " " for sign in value)[:1000]


def _cells(one: Handout) -> tuple[str, ...]:
    words = " ".join(picture.word for picture in one.pictures)
    return (
        one.stamnummer,
        one.voornaam,
        one.naam,
        one.group,
        ", ".join(one.klassen),
        one.username,
        words or one.secret or "",
        _day(one.begins),
    )


def _day(iso: str) -> str:
    """As it is written here: `01/09/2027`."""
    return date.fromisoformat(iso).strftime("%d/%m/%Y") if iso else ""
