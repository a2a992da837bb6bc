"""What does a file of enrolments say? Rows with line numbers, and what is wrong with the others (no database).

A whole country is a million rows: while it is read they go to a place aside (aside.py), and come back school by school.
Memory takes what the largest school needs, and a few bytes for every school.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from idp.feeds import national_number, reading
from idp.feeds.aside import Piles, Place
from idp.feeds.cells import Cells
from idp.feeds.problems import Broken, Problem, RowRefused

HOOFDSTRUCTUREN = frozenset({"111", "121", "211", "221", "311", "312", "321"})
COLUMNS = reading.Columns(
    required=frozenset(
        {
            "instellingsnummer",
            "stamnummer",
            "voornaam",
            "naam",
            "hoofdstructuur",
            "administratieve_groep",
            "administratieve_groep_code",
            "begindatum",
            "einddatum",
        }
    ),
    optional=frozenset(
        {
            "officiele_voornaam",
            "officiele_naam",
            "geslacht",
            "geboortedatum",
            "rijksregisternummer",
            "bisnummer",
            "leerjaar",
            "vestigingsplaats",
        }
    ),
)
LIMITS = reading.Limits(megabytes=2048, rows=5_000_000)
"""The whole country in one file is about a million rows."""


@dataclass(frozen=True, slots=True)
class Official:
    """Official data, as they belong to a valid national number."""

    voornaam: str | None
    naam: str | None
    geslacht: str | None
    geboortedatum: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One enrolment, as the file has it."""

    line: int
    instellingsnummer: str
    stamnummer: str
    voornaam: str
    naam: str
    official: Official | None
    """None without a valid national number."""
    numbers: tuple[str, ...] = field(repr=False)
    """Valid national numbers, the rijksregisternummer first. Never stored: only a keyed digest is."""
    hoofdstructuur: str
    administratieve_groep: str
    administratieve_groep_code: str
    leerjaar: str | None
    vestigingsplaats: str | None
    begindatum: date
    einddatum: date
    digests: tuple[str, ...] = field(default=(), repr=False)
    """Keyed digests in place of numbers: of a row that was kept while it waited for a person."""

    @property
    def numbered(self) -> bool:
        """Has it a valid national number?"""
        return bool(self.numbers or self.digests)


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedRow:
    """A row that is not used. It still says that a pupil is there: what it names does not end."""

    line: int
    stamnummer: str | None


@dataclass(frozen=True, kw_only=True)
class SchoolRows:
    """What a file says about one school, by line."""

    instellingsnummer: str
    rows: tuple[Row, ...] = field(default=(), repr=False)
    refused_rows: tuple[RefusedRow, ...] = ()
    problems: tuple[Problem, ...] = ()
    of_no_school: tuple[Problem, ...] = ()
    """Of rows of the file that may be about any school; of the first of them, when there are many."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a file says, school by school, and what was wrong with it as a whole."""

    refused: Problem | None
    """Why nothing of the file can be used, or None."""
    records: int
    """Rows and refused rows together; blank lines do not count."""
    format: str
    sha256: str
    numbers: tuple[str, ...] = ()
    """Of the schools of which there is a usable row, in order."""
    of_no_school: tuple[Problem, ...] = ()
    _piles: Piles | None = field(default=None, repr=False)

    def school(self, number: str) -> SchoolRows:
        """Everything about this school, without rows that say what an earlier one already said."""
        rows: list[Row] = []
        refused: list[RefusedRow] = []
        problems: list[Problem] = []
        for kind, *cells in self._piles.of(number) if self._piles else ():
            if kind == _ROW:
                rows.append(_unpacked(number, cells))
            elif kind == _REFUSED:
                line, stamnummer = cells
                refused.append(RefusedRow(line=line, stamnummer=stamnummer))
            else:
                code, line, column = cells
                problems.append(Problem(code=code, line=line, column=column))
        kept = []
        for row, code in _repeats(rows):
            if code is None:
                kept.append(row)
                continue
            problems.append(Problem(code=code, line=row.line))
            refused.append(RefusedRow(line=row.line, stamnummer=row.stamnummer))
        return SchoolRows(
            instellingsnummer=number,
            rows=tuple(kept),
            refused_rows=tuple(refused),
            problems=tuple(sorted(problems, key=lambda problem: problem.line or 0)),
            of_no_school=self.of_no_school,
        )

    def others(self) -> Iterator[str]:
        """What else `school` knows: numbers of which no row is usable, and NO_SCHOOL."""
        known = set(self.numbers)
        return (name for name in (self._piles.names() if self._piles else ()) if name not in known)


def read(source: reading.Source, *, limits: reading.Limits = LIMITS) -> Reading:
    """Read enrolments from bytes, a path or a stream: CSV or JSON Lines. Never raises for what is in it."""
    found = _Found()
    form, sha256, refused = "csv", "", None
    try:
        with reading.opened(source, limits) as file:
            try:
                form, records = reading.records(reading.text_lines(file), COLUMNS, limits)
                found.take(records)
            except Broken as fault:
                refused = fault.problem
                file.finish()
            sha256 = file.sha256
    except Broken as fault:
        refused = fault.problem
    if refused is not None:
        return Reading(refused=refused, records=0, format=form, sha256=sha256)
    return Reading(
        refused=None,
        records=found.records,
        format=form,
        sha256=sha256,
        numbers=tuple(sorted(found.numbers)),
        of_no_school=tuple(found.of_no_school),
        _piles=found.piles,
    )


NO_SCHOOL = ""
"""In place of the number of a school: of rows of which nobody can tell."""
REMEMBERED = 1_000
"""So many rows of no school are remembered: one is enough to end nobody's enrolment, the others are for the report."""
_ROW, _REFUSED, _PROBLEM = "row", "refused", "problem"


class _Found:
    """Puts aside what is read."""

    def __init__(self) -> None:
        self.piles = Piles(Place())
        self.numbers: set[str] = set()
        self.of_no_school: list[Problem] = []
        self.records = 0

    def take(self, records: Iterable[reading.Record]) -> None:
        for line, values in records:
            self.records += 1
            if values is None:
                self._refuse(Problem(code="field_count", line=line), None, None)
                continue
            warnings: list[Problem] = []
            try:
                row = _row(line, values, warnings)
            except RowRefused as fault:
                problem = Problem(code=fault.code, line=line, column=fault.column)
                self._refuse(problem, *_identity(values))
                continue
            self.numbers.add(row.instellingsnummer)
            self.piles.add(row.instellingsnummer, _packed(row))
            for warning in warnings:
                self._problem(warning, row.instellingsnummer)

    def _refuse(self, problem: Problem, school: str | None, stamnummer: str | None) -> None:
        self._problem(problem, school)
        if school is not None:
            self.piles.add(school, (_REFUSED, problem.line, stamnummer))
        elif len(self.of_no_school) < REMEMBERED:
            self.of_no_school.append(problem)

    def _problem(self, problem: Problem, school: str | None) -> None:
        self.piles.add(school or NO_SCHOOL, (_PROBLEM, problem.code, problem.line, problem.column))


def _row(line: int, values: Mapping[str, object], warnings: list[Problem]) -> Row:
    cells = Cells(values, lambda code, column: warnings.append(Problem(code=code, line=line, column=column)))
    school, stamnummer = cells.school(), cells.required("stamnummer", 40)
    begindatum, einddatum = cells.period()
    voornaam, naam = cells.name("voornaam"), cells.name("naam")
    assert voornaam is not None
    assert naam is not None
    official = Official(
        cells.name("officiele_voornaam", required=False),
        cells.name("officiele_naam", required=False),
        cells.word("geslacht", ("M", "V", "X"), required=False),
        cells.birth("geboortedatum"),
    )
    numbers, warned = _numbers(cells, official.geboortedatum)
    if warned:
        warnings.append(Problem(code="wrong_check_number", line=line, column=warned))
    elif not numbers and official != _NOTHING:
        warnings.append(Problem(code="official_data_dropped", line=line))
    return Row(
        line=line,
        instellingsnummer=school,
        stamnummer=stamnummer,
        voornaam=voornaam,
        naam=naam,
        official=official if numbers and official != _NOTHING else None,
        numbers=numbers,
        hoofdstructuur=cells.word("hoofdstructuur", HOOFDSTRUCTUREN) or "",
        administratieve_groep=cells.required("administratieve_groep", 200),
        administratieve_groep_code=cells.required("administratieve_groep_code", 20),
        leerjaar=cells.text("leerjaar", 20),
        vestigingsplaats=cells.text("vestigingsplaats", 20),
        begindatum=begindatum,
        einddatum=einddatum,
    )


def _repeats(rows: Iterable[Row]) -> Iterator[tuple[Row, str | None]]:
    """The rows of one school, and why one says what an earlier one already said."""
    by_stamnummer: dict[str, list[Row]] = {}
    by_number: dict[str, list[Row]] = {}
    for row in rows:
        if any(_overlap(row, other) for other in by_stamnummer.get(row.stamnummer, ())):
            yield row, "duplicate"
            continue
        if any(_overlap(row, other) for number in row.numbers for other in by_number.get(number, ())):
            yield row, "number_twice"
            continue
        by_stamnummer.setdefault(row.stamnummer, []).append(row)
        for number in row.numbers:
            by_number.setdefault(number, []).append(row)
        yield row, None


def _packed(row: Row) -> tuple[Any, ...]:
    """A row as JSON can say it."""
    official = row.official and (
        row.official.voornaam,
        row.official.naam,
        row.official.geslacht,
        row.official.geboortedatum and row.official.geboortedatum.toordinal(),
    )
    return (
        *(_ROW, row.line, row.stamnummer, row.voornaam, row.naam, official, row.numbers, row.hoofdstructuur),
        *(row.administratieve_groep, row.administratieve_groep_code, row.leerjaar, row.vestigingsplaats),
        *(row.begindatum.toordinal(), row.einddatum.toordinal()),
    )


def _unpacked(number: str, cells: list[Any]) -> Row:
    line, stamnummer, voornaam, naam, official, numbers, structuur, groep, code, leerjaar, plaats, *days = (
        cells
    )
    begindatum, einddatum = map(date.fromordinal, days)
    if official is not None:
        first, last, geslacht, born = official
        official = Official(first, last, geslacht, born and date.fromordinal(born))
    return Row(
        line=line,
        instellingsnummer=number,
        stamnummer=stamnummer,
        voornaam=voornaam,
        naam=naam,
        official=official,
        numbers=tuple(numbers),
        hoofdstructuur=structuur,
        administratieve_groep=groep,
        administratieve_groep_code=code,
        leerjaar=leerjaar,
        vestigingsplaats=plaats,
        begindatum=begindatum,
        einddatum=einddatum,
    )


_NOTHING = Official(None, None, None, None)


def _numbers(cells: Cells, born: date | None) -> tuple[tuple[str, ...], str | None]:
    """The valid national numbers of a row, and the column of a wrong one."""
    valid: list[str] = []
    wrong = None
    for column in ("rijksregisternummer", "bisnummer"):
        typed = cells.text(column, 40)
        if typed is None:
            continue
        number = national_number.canonical(typed, born)
        if number is None:
            wrong = wrong or column
        elif number not in valid:
            valid.append(number)
    return tuple(valid), wrong


def _identity(values: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Whom a refused row is about, as far as it can be known."""
    cells = Cells(values, lambda _code, _column: None)
    try:
        school = cells.school()
    except RowRefused:
        return None, None
    try:
        return school, cells.text("stamnummer", 40)
    except RowRefused:
        return school, None


def _overlap(one: Row, other: Row) -> bool:
    return one.begindatum <= other.einddatum and other.begindatum <= one.einddatum
