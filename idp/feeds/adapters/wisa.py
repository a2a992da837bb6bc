"""What does Wisa deliver? A CSV of pupils with their class and class group, Windows-1252 or UTF-8, Belgian dates.

Letters that Windows-1252 lacks arrive as question marks: pupils are matched on numbers, and no name is read.
Wisa has no identifier of a class, so its code is one.
"""

from __future__ import annotations

from collections.abc import Iterator

from idp.feeds import reading
from idp.feeds.cells import Cells
from idp.feeds.class_rows import Found, Row
from idp.feeds.problems import RowRefused
from idp.models import Soort

WHOLE_CLASS = "00"
"""A pupil in this KLASGROEP is in no subclass."""
PUPILS = reading.Columns(
    required=frozenset({"klas", "klasgroep", "stamboeknummer", "klaswijziging"}), ignored=True
)


def read(file: reading.Bytes, limits: reading.Limits, found: Found) -> None:
    """Pupils with KLAS and KLASGROEP as rows: one for the class, one more for the subclass. Raises Broken."""
    encoding = reading.encoding(file, otherwise="cp1252")
    lines = reading.text_lines(file, encoding=encoding)
    seen: dict[str, set[str]] = {}
    """Who sits in a class already: a pupil in two subclasses has two lines, and one class."""
    for line, values in reading.table(lines, PUPILS, limits):
        if values is None:
            found.refuse(RowRefused("field_count"), line)
            continue
        cells = Cells(values, found.warn(line))
        stamnummer = None
        try:
            stamnummer = cells.required("stamboeknummer", 40)
            rows = [
                row for row in _rows(cells, line, stamnummer) if stamnummer not in seen.get(row.klas_id, ())
            ]
        except RowRefused as fault:
            found.refuse(fault, line, stamnummer=stamnummer)
            continue
        found.ignored += not rows
        for row in rows:
            found.add(row)
            seen.setdefault(row.klas_id, set()).add(stamnummer)


def _rows(cells: Cells, line: int, stamnummer: str) -> Iterator[Row]:
    klas, group = cells.text("klas", 30), cells.text("klasgroep", 29)
    since = cells.day("klaswijziging", belgian=True)
    if klas is None:
        return
    codes = [(klas, Soort.KLAS)]
    if group not in {None, WHOLE_CLASS}:
        codes.append((f"{klas}.{group}", Soort.SUBKLAS))
    for code, soort in codes:
        yield Row(
            line=line,
            instellingsnummer=None,
            stamnummer=stamnummer,
            klas_id=code,
            klascode=code,
            klasnaam=code,
            soort=soort,
            begindatum=since,
            einddatum=None,
        )
