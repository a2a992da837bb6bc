"""What does Informat deliver? JSON registrations with classes; only realised ones count, and only what we need is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.feeds import json_items, reading
from idp.feeds.cells import Cells
from idp.feeds.class_rows import Found, Row
from idp.feeds.problems import RowRefused
from idp.models import Soort

REALISED = 0
SOORTEN = {0: Soort.KLAS, 1: Soort.SUBKLAS}
OLOD = 3
"""A group of lessons in higher or adult education: no class."""


def read(file: reading.Bytes, limits: reading.Limits, found: Found) -> None:
    """Registrations (`instelnr stamnr status inschrKlassen[]`) as rows. Raises Broken."""
    for line, item in json_items.items(file, limits):
        if not isinstance(item, dict):
            found.refuse(RowRefused("not_text"), line)
            continue
        if item.get("status") != REALISED or isinstance(item.get("status"), bool):
            found.ignored += 1
            continue
        _registration(item, line, found)


def _registration(item: Mapping[str, Any], line: int, found: Found) -> None:
    cells = Cells(item, found.warn(line))
    stamnummer = None
    try:
        stamnummer = cells.required("stamnr", 40)
        school = cells.school("instelnr")
        classes = item.get("inschrKlassen")
        if not isinstance(classes, list):
            raise RowRefused("missing_value", "inschrKlassen")  # noqa: TRY301 - one place for every refusal
    except RowRefused as fault:
        found.refuse(fault, line, stamnummer=stamnummer)
        return
    for one in classes:
        try:
            row = _row(one, line, school, stamnummer, found)
        except RowRefused as fault:
            found.refuse(fault, line, stamnummer=stamnummer)
            continue
        if row is None:
            found.ignored += 1
        else:
            found.add(row)


def _row(one: Any, line: int, school: str, stamnummer: str, found: Found) -> Row | None:
    if not isinstance(one, dict):
        raise RowRefused("not_text", "inschrKlassen")
    kind = one.get("groepType")
    if kind == OLOD:
        return None
    if isinstance(kind, bool) or kind not in SOORTEN:
        raise RowRefused("unknown_word", "groepType")
    cells = Cells(one, found.warn(line))
    code = cells.required("klasCode", 60)
    begin, end = cells.day("begindatum"), cells.day("einddatum")
    if begin and end and end < begin:
        raise RowRefused("dates_reversed", "einddatum")
    return Row(
        line=line,
        instellingsnummer=school,
        stamnummer=stamnummer,
        klas_id=cells.text("klasId", 100) or code,
        klascode=code,
        klasnaam=cells.text("klas", 200) or code,
        soort=SOORTEN[kind],
        begindatum=begin,
        einddatum=end,
    )
