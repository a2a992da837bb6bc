"""What is our own format of classes? CSV, JSON Lines or a JSON array, with the words of `docs` as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from idp.feeds import json_items, reading
from idp.feeds.cells import Cells
from idp.feeds.class_rows import Found, Row
from idp.feeds.problems import Broken, RowRefused
from idp.models import Soort

IDENTITY = ("stamnummer", "leerid_uuid", "account_uuid")
COLUMNS = reading.Columns(
    required=frozenset({"klas_id", "klascode", "klasnaam", "soort", "begindatum", "einddatum"}),
    optional=frozenset({"instellingsnummer", *IDENTITY}),
)


def read(file: reading.Bytes, limits: reading.Limits, found: Found) -> None:
    """Rows as they are. Raises Broken."""
    if reading.first_character(file) == "[":
        records: Iterator[tuple[int, Any]] = _strict(json_items.items(file, limits))
    else:
        _, records = reading.records(reading.text_lines(file), COLUMNS, limits)
    for line, values in records:
        if not isinstance(values, dict):
            found.refuse(RowRefused("field_count"), line)
            continue
        cells = Cells(values, found.warn(line))
        identity: dict[str, str | None] = {}
        try:
            identity = _identity(cells)
            row = _row(cells, line, identity)
        except RowRefused as fault:
            found.refuse(fault, line, **identity)
            continue
        found.add(row)


def _strict(items: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    for line, item in items:
        if isinstance(item, Mapping) and item.keys() - COLUMNS.known:
            raise Broken("unknown_column", line)
        yield line, item


def _identity(cells: Cells) -> dict[str, str | None]:
    found = {
        "stamnummer": cells.text("stamnummer", 40),
        "leerid_uuid": cells.identifier("leerid_uuid"),
        "account_uuid": cells.identifier("account_uuid"),
    }
    if not any(found.values()):
        raise RowRefused("missing_value", "stamnummer")
    return found


def _row(cells: Cells, line: int, identity: Mapping[str, str | None]) -> Row:
    begin, end = cells.day("begindatum"), cells.day("einddatum")
    if begin and end and end < begin:
        raise RowRefused("dates_reversed", "einddatum")
    return Row(
        line=line,
        instellingsnummer=cells.school() if cells.text("instellingsnummer", 20) else None,
        **identity,
        klas_id=cells.required("klas_id", 100),
        klascode=cells.required("klascode", 60),
        klasnaam=cells.required("klasnaam", 200),
        soort=Soort(cells.word("soort", tuple(Soort)) or ""),
        begindatum=begin,
        einddatum=end,
    )
