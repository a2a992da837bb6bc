"""What does a school download after making accounts? One zip: Excel, cards, a list and stickers per group."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from io import BytesIO
from typing import BinaryIO

from anyascii import anyascii

from idp.admin.printing import class_list, sheets, workbook
from idp.admin.printing.handout import Handout, by_group
from idp.admin.printing.sheets import Look, Part, Progress, silent

LONGEST_NAME = 60
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
"""Names that Windows keeps for itself."""


def zip_name(instellingsnummer: str, made_on: date) -> str:
    return f"LeerID-{safe(instellingsnummer)}-{made_on.isoformat()}.zip"


def write(
    target: BinaryIO,
    handouts: Sequence[Handout],
    look: Look,
    *,
    by_klas: bool = False,
    apart: bool = False,
    progress: Progress = silent,
) -> list[str]:
    """Write the zip; returns the names in it. `apart`: card and secret on separate sheets.

    `progress` counts cards and stickers. Nothing is written to disk.
    """
    groups = by_group(handouts, by_klas=by_klas)
    names = _names(groups)
    total, before = 2 * len(handouts), 0

    def counting(done: int, _of: int) -> None:
        progress(before + done, total)

    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as box:

        def put(name: str, draw: Callable[[BinaryIO], None]) -> None:
            drawn = BytesIO()
            draw(drawn)
            box.writestr(zipfile.ZipInfo(name, (*look.made_on.timetuple()[:6],)), drawn.getvalue())

        put("LeerID's.xlsx", lambda file: workbook.write(file, handouts))
        part = Part.CARD if apart else Part.WHOLE
        put("Kaarten A4.pdf", lambda file: sheets.cards(file, handouts, look, part=part, progress=counting))
        before = len(handouts)
        for group, members in groups.items():
            put(f"Lijst {names[group]}.pdf", _listed(group, members, look))
            put(f"Stickers {names[group]}.pdf", _stickers(members, look, part, counting))
            if apart:
                put(f"Geheimen {names[group]}.pdf", _stickers(members, look, Part.SECRET, silent))
            before += len(members)
        return box.namelist()


def safe(name: str) -> str:
    """A file name for every system: letters, digits, spaces and dashes; never empty or reserved."""
    plain = re.sub(r"[^A-Za-z0-9 -]+", " ", anyascii(name))
    short = re.sub(r"\s+", " ", plain).strip(" -")[:LONGEST_NAME].strip(" -")
    return f"groep {short}".strip() if not short or short.lower() in RESERVED else short


def _names(groups: Mapping[str, object]) -> dict[str, str]:
    """A file name for each group, all different, also where capitals do not count."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for group in groups:
        name, number = safe(group), 2
        while name.lower() in taken:
            name, number = f"{safe(group)} {number}", number + 1
        taken.add(name.lower())
        names[group] = name
    return names


def _listed(group: str, members: Sequence[Handout], look: Look) -> Callable[[BinaryIO], None]:
    return lambda file: class_list.lists(file, {group: members}, look)


def _stickers(
    members: Sequence[Handout], look: Look, part: Part, progress: Progress
) -> Callable[[BinaryIO], None]:
    return lambda file: sheets.stickers(file, members, look, part=part, progress=progress)
