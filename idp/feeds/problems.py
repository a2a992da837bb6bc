"""What can be wrong with what arrives? This page, and nothing else.

A problem has a line number, a stable code and a sentence. It never repeats what the file said: reports are
kept and shown, and a wrong cell may hold a name or a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Weight(StrEnum):
    FILE = "file"
    """Nothing of the file is used."""
    ROW = "row"
    """The row is not used; what it is about stays as it was."""
    WARNING = "warning"
    """The row is used."""


F, R, W = Weight.FILE, Weight.ROW, Weight.WARNING
CODES: dict[str, tuple[Weight, str]] = {
    "not_a_file": (F, "There is no readable file."),
    "empty_file": (F, "The file is empty."),
    "no_rows": (F, "The file has a header and no rows: there is nothing to import."),
    "too_large": (F, "The file is larger than allowed."),
    "too_many_rows": (F, "The file has more rows than allowed."),
    "too_many_classes": (F, "The file has more classes than allowed."),
    "line_too_long": (F, "A line is longer than allowed."),
    "utf_16": (F, "The file is UTF-16: save it as UTF-8."),
    "packed": (
        F,
        "The file is packed, or a workbook: save it as CSV; with gzip, say Content-Encoding: gzip or name it .gz.",
    ),
    "not_utf_8": (F, "The file is not UTF-8 (Windows-1252, perhaps): save it as UTF-8."),
    "broken_quotes": (F, "A quote stands where none may be (RFC 4180)."),
    "unclosed_quote": (F, "A quote is opened and never closed."),
    "broken_line_end": (F, "A line ends in a lone carriage return."),
    "not_json": (F, "This is not JSON of the expected shape."),
    "unknown_column": (F, "The file has a column that does not belong in it."),
    "missing_column": (F, "The file lacks a column."),
    "duplicate_column": (F, "The file has a column twice."),
    "field_count": (R, "The row has more or fewer fields than the header."),
    "not_text": (R, "The value is not text."),
    "missing_value": (R, "The value is missing."),
    "too_long": (R, "The value is longer than can be kept."),
    "control_character": (R, "The value holds a control character, or one that turns the reading direction."),
    "replacement_character": (R, "The value holds a replacement character: a letter was lost on the way."),
    "impossible_date": (R, "This day does not exist, or is not written as year-month-day."),
    "date_out_of_range": (R, "This day cannot be meant: it lies before 1990 or after 2100."),
    "dates_reversed": (R, "The end lies before the begin."),
    "not_a_school_number": (R, "The instellingsnummer is not a number of six digits."),
    "director_twice": (R, "The same assignment is in the file twice."),
    "school_twice": (R, "The school is in the file twice."),
    "not_an_identifier": (R, "This is not a UUID."),
    "unknown_word": (R, "The value is not one of the allowed words."),
    "duplicate": (R, "The row repeats an earlier one: the same stamnummer with overlapping dates."),
    "number_twice": (R, "Another stamnummer at this school has the same national number on the same days."),
    "unknown_school": (R, "There is no such school."),
    "sandbox_school": (R, "A sandbox school holds invented pupils only: nothing is taken in for it."),
    "reserved_number": (R, "Numbers from 999900 on are kept for sandbox schools."),
    "number_conflict": (R, "The pupil with this stamnummer is known under another national number."),
    "other_school": (R, "The row is about another school than the file is for."),
    "unknown_pupil": (R, "No pupil of this school is known by this identifier."),
    "different_pupils": (R, "The identifiers in the row belong to different pupils."),
    "too_many_of_a_pupil": (R, "The pupil has 500 rows before this one: that cannot be meant."),
    "unknown_reference": (R, "The row names a pupil or class that the other files do not have."),
    "klas_differs": (R, "An earlier row gives this class another code, name or kind."),
    "wrong_check_number": (
        W,
        "The check digits of the national number are wrong: number and official data are left out.",
    ),
    "official_data_dropped": (W, "Official data without a valid national number are left out."),
    "formula_like": (W, "The name looks like a formula; it is kept as text."),
    "markup": (W, "The name looks like markup; it is kept as text."),
    "long_name": (W, "The name is very long; it is kept."),
    "lost_letters": (W, "The name holds a question mark: a letter was perhaps lost on the way."),
    "other_name": (
        W,
        "The stamnummer is known under quite another name; without a number it counts as the same pupil.",
    ),
    "missing_director": (
        W,
        "A director with a running right is not in the file; the right stays until its end date.",
    ),
    "school_not_known": (F, "There is no such school."),
    "sandbox_closed": (F, "A sandbox school holds invented pupils only: nothing is taken in for it."),
    "does_not_share": (F, "The school does not share klasinformatie: nothing was kept."),
    "wrong_package": (F, "The school has named another administrative package."),
    "stale": (F, "A newer snapshot was already applied."),
    "cut_short": (F, "Less arrived than was announced: the connection broke. Deliver again."),
    "broken_archive": (F, "The packed file is not whole, or is not packed as it says."),
    "packed_too_tightly": (F, "The file grows more than a hundred times when it is unpacked."),
    "too_many_entries": (F, "The zip holds more files than a OneRoster export has."),
    "unsafe_entry": (F, "The zip holds a name, a link or a lock that no OneRoster export has."),
    "missing_entry": (F, "The zip lacks a file that every OneRoster export has."),
    "unknown_version": (F, "This version of OneRoster is not read: 1.1 and 1.2 are."),
    "replaced": (F, "A newer delivery came before a person had decided."),
    "declined": (F, "A person looked at what was held and declined it."),
    "processing_failed": (F, "Something broke on our side; what was there has stayed. Deliver again."),
    "unknown_format": (F, "There is no such format."),
}
"""Every code, with what it costs and what a person reads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong, without the value that is wrong."""

    code: str
    line: int | None = None
    """Counted from 1, the header included; None: the file as a whole."""
    column: str | None = None
    """A column of ours, or its position."""

    @property
    def weight(self) -> Weight:
        return CODES[self.code][0]

    @property
    def sentence(self) -> str:
        """What a person at the command line reads."""
        where = [f"line {self.line}"] if self.line is not None else []
        where += [self.column] if self.column else []
        return f"{', '.join(where)}: {CODES[self.code][1]}" if where else CODES[self.code][1]

    def stored(self) -> dict[str, Any]:
        """The same for a delivery's report."""
        kept: dict[str, Any] = {"code": self.code, "line": self.line}
        return kept | {"column": self.column} if self.column else kept


class Broken(Exception):
    """The file cannot be used; `problem` says why. Stays inside the floor."""

    def __init__(self, code: str, line: int | None = None, column: str | None = None) -> None:
        super().__init__(code)
        self.problem = Problem(code=code, line=line, column=column)


class RowRefused(Exception):
    """The row cannot be used. Stays inside the floor."""

    def __init__(self, code: str, column: str | None = None) -> None:
        super().__init__(code)
        self.code, self.column = code, column


REPORTED = 1_000
"""So many problems are kept in a report; all of them are counted."""


def stored(problems: Iterable[Problem]) -> dict[str, Any]:
    """Problems as a report keeps them."""
    by_code: dict[str, int] = {}
    kept: list[dict[str, Any]] = []
    for problem in problems:
        by_code[problem.code] = by_code.get(problem.code, 0) + 1
        if len(kept) < REPORTED:
            kept.append(problem.stored())
    return {"problems": kept, "problem_counts": by_code}
