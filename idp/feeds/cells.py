"""What may stand in a cell? Text, names, days and words, each with its rule; a cell that breaks it refuses its row."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import date
from functools import lru_cache

from idp.feeds.problems import RowRefused

NAME_MOST = 400
NAME_LONG = 80
JOINERS = frozenset("\u200c\u200d")
"""Names in some scripts need them; they show nothing and turn nothing."""
_ALLOWED = frozenset({"L", "M", "N", "P", "S"})
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:T(?:00:00:00|23:59:59)(?:\.\d+)?)?", re.ASCII)
_BELGIAN_DAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)
_MARKUP = re.compile(r"<|>|&#?\w+;")
_FORMULA = ("=", "+", "@", "-")
EARLIEST, LATEST = date(1990, 1, 1), date(2100, 12, 31)
BORN_EARLIEST = date(1900, 1, 1)

Warn = Callable[[str, str], None]
"""Called with a code and a column."""


class Cells:
    """One record: its cells by column, and where warnings go."""

    def __init__(self, values: Mapping[str, object], warn: Warn) -> None:
        self._values, self._warn = values, warn

    def text(self, column: str, most: int) -> str | None:
        """The text of a cell, normalised (NFC) and trimmed; None when it is empty."""
        value = self._values.get(column)
        if value is None:
            return None
        if not isinstance(value, str):
            raise RowRefused("not_text", column)
        return clean(value, column, most)

    def required(self, column: str, most: int) -> str:
        found = self.text(column, most)
        if found is None:
            raise RowRefused("missing_value", column)
        return found

    def name(self, column: str, *, required: bool = True) -> str | None:
        """A person's name: anything people are called; what looks odd is kept with a warning."""
        found = self.required(column, NAME_MOST) if required else self.text(column, NAME_MOST)
        if found is None:
            return None
        found = " ".join(found.split(" ")) if "  " not in found else " ".join(found.split())
        if found.startswith(_FORMULA) and len(found) > 1:
            self._warn("formula_like", column)
        if _MARKUP.search(found):
            self._warn("markup", column)
        if len(found) > NAME_LONG:
            self._warn("long_name", column)
        if "?" in found:
            self._warn("lost_letters", column)
        return found

    def school(self, column: str = "instellingsnummer") -> str:
        """An instellingsnummer: six digits, padded with zeros."""
        found = school_number(self.required(column, 20))
        if found is None:
            raise RowRefused("not_a_school_number", column)
        return found

    def word(self, column: str, words: Collection[str], *, required: bool = True) -> str | None:
        found = self.required(column, 40) if required else self.text(column, 40)
        if found is not None and found not in words:
            raise RowRefused("unknown_word", column)
        return found

    def day(self, column: str, *, belgian: bool = False) -> date | None:
        """A day between 1990 and 2100; None when the cell is empty."""
        found = self.text(column, 40)
        return None if found is None else within(found, column, EARLIEST, belgian=belgian)

    def required_day(self, column: str, *, belgian: bool = False) -> date:
        found = self.day(column, belgian=belgian)
        if found is None:
            raise RowRefused("missing_value", column)
        return found

    def identifier(self, column: str) -> str | None:
        """A UUID, written the usual way; None when the cell is empty."""
        found = self.text(column, 40)
        if found is None:
            return None
        try:
            return str(uuid.UUID(found))
        except ValueError:
            raise RowRefused("not_an_identifier", column) from None

    def birth(self, column: str) -> date | None:
        found = self.text(column, 40)
        return None if found is None else within(found, column, BORN_EARLIEST)

    def period(self, begin: str = "begindatum", end: str = "einddatum") -> tuple[date, date]:
        """Two days, both included, the second not before the first."""
        first, last = self.required_day(begin), self.required_day(end)
        if last < first:
            raise RowRefused("dates_reversed", end)
        return first, last


def clean(value: str, column: str, most: int) -> str | None:
    """Text as we keep it: trimmed, NFC, free of control characters, at most `most` characters."""
    if not value.isprintable() and any(_controls(character) for character in value):
        raise RowRefused("control_character", column)
    value = value.strip()
    if not value:
        return None
    if not value.isascii():
        value = unicodedata.normalize("NFC", value)
        if "\ufffd" in value:
            raise RowRefused("replacement_character", column)
    if len(value) > most:
        raise RowRefused("too_long", column)
    return value


def school_number(value: str) -> str | None:
    """Six digits, or None."""
    return value.zfill(6) if value.isascii() and value.isdigit() and len(value) <= 6 else None


def within(value: str, column: str, earliest: date, *, belgian: bool = False) -> date:
    """The day that is written, ISO or Belgian (day/month/year)."""
    found = _day(value, belgian=belgian)
    if found is None:
        raise RowRefused("impossible_date", column)
    if not earliest <= found <= LATEST:
        raise RowRefused("date_out_of_range", column)
    return found


def _controls(character: str) -> bool:
    if character in JOINERS:
        return False
    kind = unicodedata.category(character)
    return kind[0] not in _ALLOWED and kind != "Zs"


@lru_cache(maxsize=8192)
def _day(value: str, *, belgian: bool) -> date | None:
    match = (_BELGIAN_DAY if belgian else _DAY).fullmatch(value)
    if match is None:
        return None
    year, month, day = map(int, match.groups()[::-1] if belgian else match.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None
