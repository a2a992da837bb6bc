"""How is one of our small CSV lists (schools, directors) read? Typed rows with line numbers, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from idp.feeds import reading
from idp.feeds.cells import Cells
from idp.feeds.problems import Broken, Problem, RowRefused

T = TypeVar("T")
LIMITS = reading.Limits(megabytes=20, rows=100_000)


@dataclass(frozen=True, kw_only=True)
class Listed(Generic[T]):
    """What a list says."""

    rows: tuple[T, ...] = field(repr=False)
    problems: tuple[Problem, ...]
    refused: Problem | None
    format: str
    sha256: str


def read(source: reading.Source, columns: reading.Columns, row: Callable[[Cells, int], T]) -> Listed[T]:
    """Read a list; `row` makes a value of the cells of a line or raises RowRefused. Never raises itself."""
    rows: list[T] = []
    told: list[Problem] = []
    form, sha256, refused = "csv", "", None
    try:
        with reading.opened(source, LIMITS) as file:
            try:
                form, records = reading.records(reading.text_lines(file), columns, LIMITS)
                for line, values in records:
                    try:
                        rows.append(_row(values, line, told, row))
                    except RowRefused as fault:
                        told.append(Problem(code=fault.code, line=line, column=fault.column))
            except Broken as fault:
                refused = fault.problem
                file.finish()
            sha256 = file.sha256
    except Broken as fault:
        refused = fault.problem
    if refused:
        return Listed(rows=(), problems=(refused,), refused=refused, format=form, sha256=sha256)
    return Listed(rows=tuple(rows), problems=tuple(told), refused=None, format=form, sha256=sha256)


def _row(
    values: dict[str, object] | None, line: int, told: list[Problem], row: Callable[[Cells, int], T]
) -> T:
    if values is None:
        raise RowRefused("field_count")
    cells = Cells(values, lambda code, column: told.append(Problem(code=code, line=line, column=column)))
    return row(cells, line)
