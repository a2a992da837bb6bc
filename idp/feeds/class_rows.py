"""What does a delivery of classes say, whichever package it comes from? Rows with line numbers (no database)."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import overload

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


_Who = tuple[str | None, str | None, str | None, str | None]
_What = tuple[str, str, Soort]
FIELDS = 5
"""Line, pupil, class, first day, last day (0: not said)."""


class Rows(Sequence[Row]):
    """Many rows in little memory: pupils and classes once, five whole numbers a row."""

    def __init__(self) -> None:
        self._who: dict[_Who, int] = {}
        self._whos: list[_Who] = []
        self._klassen: dict[str, int] = {}
        self._described: list[tuple[str, _What]] = []
        self._packed = array("i")

    def __len__(self) -> int:
        return len(self._packed) // FIELDS

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        start = place % len(self) * FIELDS
        line, who, klas, begin, end = self._packed[start : start + FIELDS]
        school, stamnummer, leerid_uuid, account_uuid = self._whos[who]
        klas_id, (code, naam, soort) = self._described[klas]
        return Row(
            line=line,
            instellingsnummer=school,
            stamnummer=stamnummer,
            leerid_uuid=leerid_uuid,
            account_uuid=account_uuid,
            klas_id=klas_id,
            klascode=code,
            klasnaam=naam,
            soort=soort,
            begindatum=date.fromordinal(begin) if begin else None,
            einddatum=date.fromordinal(end) if end else None,
        )

    def __iter__(self) -> Iterator[Row]:
        for place in range(len(self)):
            yield self[place]

    def uuids(self) -> set[str]:
        return {uuid for _, _, *both in self._whos for uuid in both if uuid}

    @property
    def classes(self) -> int:
        return len(self._described)

    def add(self, row: Row) -> None:
        """Raises RowRefused when an earlier row describes the class otherwise."""
        what = (row.klascode, row.klasnaam, row.soort)
        klas = self._klassen.setdefault(row.klas_id, len(self._described))
        if klas == len(self._described):
            self._described.append((row.klas_id, what))
        elif self._described[klas][1] != what:
            raise RowRefused("klas_differs", "klas_id")
        who = (row.instellingsnummer, row.stamnummer, row.leerid_uuid, row.account_uuid)
        number = self._who.setdefault(who, len(self._whos))
        if number == len(self._whos):
            self._whos.append(who)
        begin, end = (day.toordinal() if day else 0 for day in (row.begindatum, row.einddatum))
        self._packed.extend((row.line, number, klas, begin, end))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a delivery says. Everything that is not needed was dropped while reading."""

    rows: Sequence[Row] = field(repr=False)
    refused_rows: tuple[RefusedRow, ...] = ()
    problems: tuple[Problem, ...] = ()
    refused: Problem | None = None
    ignored: int = 0
    """Records that say nothing about a class: not realised, another kind of group, no class yet."""
    format: str
    sha256: str

    def uuids(self) -> set[str]:
        """Every UUID that a row names, also a refused one."""
        named = self.rows.uuids() if isinstance(self.rows, Rows) else set()
        return named | {
            uuid for row in self.refused_rows for uuid in (row.leerid_uuid, row.account_uuid) if uuid
        }


class Found:
    """Collects what an adapter reads. Raises Broken when it is more than is allowed."""

    def __init__(self, *, rows: int, classes: int) -> None:
        self.rows = Rows()
        self.refused_rows: list[RefusedRow] = []
        self.problems: list[Problem] = []
        self.ignored = 0
        self._most_rows, self._most_classes = rows, classes

    def add(self, row: Row) -> None:
        """Keep a row."""
        if len(self.rows) >= self._most_rows:
            raise Broken("too_many_rows")
        try:
            self.rows.add(row)
        except RowRefused as fault:
            who = {"leerid_uuid": row.leerid_uuid, "account_uuid": row.account_uuid}
            self.refuse(fault, row.line, stamnummer=row.stamnummer, **who)
        if self.rows.classes > self._most_classes:
            raise Broken("too_many_classes")

    def refuse(self, fault: RowRefused, line: int, **identity: str | None) -> None:
        """Note a row that cannot be used."""
        if len(self.refused_rows) >= self._most_rows:
            raise Broken("too_many_rows")
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
    found = Found(rows=settings.import_rows, classes=settings.import_classes)
    most = limits(settings)
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
    if refused is not None:
        return Reading(rows=(), problems=(refused,), refused=refused, format=form, sha256=sha256)
    return Reading(
        rows=found.rows,
        refused_rows=tuple(found.refused_rows),
        problems=tuple(sorted(found.problems, key=lambda problem: problem.line or 0)),
        ignored=found.ignored,
        format=form,
        sha256=sha256,
    )
