"""What does a delivery of classes say, whichever package it comes from? Rows with line numbers (no database)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from idp.config import Settings
from idp.feeds import reading
from idp.feeds.problems import Broken, Problem, RowRefused
from idp.models import Soort


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A pupil is in a class. At least one of the three identifiers is there."""

    line: int
    instellingsnummer: str | None
    """None: the format does not say, the delivery does."""
    stamnummer: str | None = None
    leerid_uuid: str | None = None
    account_uuid: str | None = None
    klas_id: str
    """The package's own, stable identifier."""
    klascode: str
    klasnaam: str
    soort: Soort
    begindatum: date | None
    """None: since the enrolment began."""
    einddatum: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedRow:
    """A row that is not used; what we know of this pupil's classes stays as it was."""

    line: int
    stamnummer: str | None = None
    leerid_uuid: str | None = None
    account_uuid: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a delivery says. Everything that is not needed was dropped while reading."""

    rows: tuple[Row, ...] = field(repr=False)
    refused_rows: tuple[RefusedRow, ...] = ()
    problems: tuple[Problem, ...] = ()
    refused: Problem | None = None
    ignored: int = 0
    """Records that say nothing about a class: not realised, another kind of group, no class yet."""
    format: str
    sha256: str


class Found:
    """Collects what an adapter reads."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.refused_rows: list[RefusedRow] = []
        self.problems: list[Problem] = []
        self.ignored = 0

    def refuse(self, fault: RowRefused, line: int, **identity: str | None) -> None:
        """Note a row that cannot be used."""
        self.problems.append(Problem(code=fault.code, line=line, column=fault.column))
        self.refused_rows.append(RefusedRow(line=line, **identity))

    def warn(self, line: int) -> Callable[[str, str], None]:
        """What Cells calls for a warning."""
        return lambda code, column: self.problems.append(Problem(code=code, line=line, column=column))


Adapter = Callable[[reading.Bytes, reading.Limits, Found], None]
"""Reads one format into Found; raises Broken when the file cannot be used."""


def limits(settings: Settings) -> reading.Limits:
    return reading.Limits(megabytes=settings.import_megabytes, rows=settings.import_rows)


def read(form: str, source: reading.Source, settings: Settings, adapter: Adapter) -> Reading:
    """Read one delivery with its adapter. Never raises for what is in it."""
    found, most = Found(), limits(settings)
    refused, sha256 = None, ""
    try:
        with reading.opened(source, most) as file:
            try:
                adapter(file, most, found)
            except Broken as fault:
                refused = fault.problem
                file.finish()
            sha256 = file.sha256
    except Broken as fault:
        refused = fault.problem
    refused = refused or _too_many(found, settings)
    if refused is not None:
        return Reading(rows=(), problems=(refused,), refused=refused, format=form, sha256=sha256)
    return Reading(
        rows=tuple(_described_once(found)),
        refused_rows=tuple(found.refused_rows),
        problems=tuple(sorted(found.problems, key=lambda problem: problem.line or 0)),
        ignored=found.ignored,
        format=form,
        sha256=sha256,
    )


def _too_many(found: Found, settings: Settings) -> Problem | None:
    if len(found.rows) > settings.import_rows:
        return Problem(code="too_many_rows")
    if len({row.klas_id for row in found.rows}) > settings.import_classes:
        return Problem(code="too_many_classes")
    return None


def _described_once(found: Found) -> Iterator[Row]:
    """The rows, without those that describe a class otherwise than an earlier one did."""
    classes: dict[str, tuple[str, str, Soort]] = {}
    for row in found.rows:
        said = (row.klascode, row.klasnaam, row.soort)
        if classes.setdefault(row.klas_id, said) == said:
            yield row
            continue
        found.refuse(
            RowRefused("klas_differs", "klas_id"),
            row.line,
            stamnummer=row.stamnummer,
            leerid_uuid=row.leerid_uuid,
            account_uuid=row.account_uuid,
        )
