"""What does a file of enrolments say? Rows with line numbers, and what is wrong with the others (no database)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from idp.feeds import national_number, reading
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
    instellingsnummer: str | None
    stamnummer: str | None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a file says: rows by school in the file's order, and what was wrong."""

    schools: Mapping[str, tuple[Row, ...]] = field(repr=False)
    refused_rows: tuple[RefusedRow, ...]
    problems: tuple[Problem, ...]
    refused: Problem | None
    """Why nothing of the file can be used, or None."""
    records: int
    """Rows and refused rows together; blank lines do not count."""
    format: str
    sha256: str

    @property
    def rows(self) -> int:
        return sum(map(len, self.schools.values()))


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
        return Reading(
            schools={},
            refused_rows=(),
            problems=(refused,),
            refused=refused,
            records=0,
            format=form,
            sha256=sha256,
        )
    schools = {number: tuple(found.without_repeats(rows)) for number, rows in sorted(found.schools.items())}
    return Reading(
        schools={number: rows for number, rows in schools.items() if rows},
        refused_rows=tuple(found.refused_rows),
        problems=tuple(sorted(found.problems, key=lambda problem: problem.line or 0)),
        refused=None,
        records=found.records,
        format=form,
        sha256=sha256,
    )


class _Found:
    """What was read so far."""

    def __init__(self) -> None:
        self.schools: dict[str, list[Row]] = {}
        self.refused_rows: list[RefusedRow] = []
        self.problems: list[Problem] = []
        self.records = 0
        self._words: dict[str, str] = {}

    def take(self, records: Iterable[reading.Record]) -> None:
        for line, values in records:
            self.records += 1
            if values is None:
                self._refuse(Problem(code="field_count", line=line), None, None)
                continue
            try:
                row = self._row(line, values)
            except RowRefused as fault:
                problem = Problem(code=fault.code, line=line, column=fault.column)
                self._refuse(problem, *_identity(values))
            else:
                self.schools.setdefault(row.instellingsnummer, []).append(row)

    def without_repeats(self, rows: list[Row]) -> Iterator[Row]:
        """The rows of one school, without those that say something an earlier one already said."""
        by_stamnummer: dict[str, list[Row]] = {}
        by_number: dict[str, list[Row]] = {}
        for row in rows:
            code = None
            if any(_overlap(row, other) for other in by_stamnummer.get(row.stamnummer, ())):
                code = "duplicate"
            elif any(_overlap(row, other) for number in row.numbers for other in by_number.get(number, ())):
                code = "number_twice"
            if code is not None:
                self._refuse(Problem(code=code, line=row.line), row.instellingsnummer, row.stamnummer)
                continue
            by_stamnummer.setdefault(row.stamnummer, []).append(row)
            for number in row.numbers:
                by_number.setdefault(number, []).append(row)
            yield row

    def _row(self, line: int, values: Mapping[str, object]) -> Row:
        warnings: list[Problem] = []
        cells = Cells(
            values, lambda code, column: warnings.append(Problem(code=code, line=line, column=column))
        )
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
        row = Row(
            line=line,
            instellingsnummer=self._once(school),
            stamnummer=stamnummer,
            voornaam=self._once(voornaam),
            naam=self._once(naam),
            official=official if numbers and official != _NOTHING else None,
            numbers=numbers,
            hoofdstructuur=self._once(cells.word("hoofdstructuur", HOOFDSTRUCTUREN) or ""),
            administratieve_groep=self._once(cells.required("administratieve_groep", 200)),
            administratieve_groep_code=self._once(cells.required("administratieve_groep_code", 20)),
            leerjaar=cells.text("leerjaar", 20),
            vestigingsplaats=self._maybe_once(cells.text("vestigingsplaats", 20)),
            begindatum=begindatum,
            einddatum=einddatum,
        )
        self.problems += warnings
        return row

    def _refuse(self, problem: Problem, school: str | None, stamnummer: str | None) -> None:
        self.problems.append(problem)
        self.refused_rows.append(
            RefusedRow(line=problem.line or 0, instellingsnummer=school, stamnummer=stamnummer)
        )

    def _once(self, word: str) -> str:
        """The same text kept once: names and groups return often in a million rows."""
        return self._words.setdefault(word, word)

    def _maybe_once(self, word: str | None) -> str | None:
        return None if word is None else self._once(word)


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
