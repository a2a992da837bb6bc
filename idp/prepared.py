"""How does a hot statement run? Compiled once for each kind of database, then straight to its driver.

SQLAlchemy writes the statement and its types convert what goes in and what comes out, as everywhere. What it does anew
for every execution (cache keys, contexts, events, shapes of results) takes five times as long as SQLite needs to
answer; that is done once here. On PostgreSQL the statement is sent with `$1`, so that psycopg has nothing to parse. Who
listens for `before_cursor_execute` hears these statements too.

A statement must name its parameters with `bindparam`, or be a plain INSERT, which fills the columns that it is given
the first time; no lists (`expanding`), and no column defaults made in Python. Every run gives every parameter. The
connection is one of `Database`: whoever opened it began the transaction, too.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Convert = Callable[[Any], Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A statement as one kind of database gets it."""

    sql: str
    constants: Mapping[str, Any]
    """What the statement itself says, as the driver wants it."""
    given: tuple[tuple[str, Convert], ...]
    order: tuple[str, ...]
    back: tuple[Convert, ...]
    row: Callable[[Iterable[Any]], Any]


class Prepared:
    """One statement, ready to run."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | Insert | Update | Delete) -> None:
        self.statement = statement
        self._ready: dict[str, _Ready] = {}

    def rows(self, db: Connection, given: Mapping[str, Any]) -> list[Any]:
        """All rows, with the columns as attributes. Raises what SQLAlchemy raises."""
        ready = self._for(db.dialect, given)
        return [
            ready.row(
                [
                    value if convert is None or value is None else convert(value)
                    for convert, value in zip(ready.back, row, strict=True)
                ]
            )
            for row in _execute(db, ready, given).fetchall()
        ]

    def first(self, db: Connection, given: Mapping[str, Any]) -> Any:
        """The first row, or None."""
        found = self.rows(db, given)
        return found[0] if found else None

    def run(self, db: Connection, given: Mapping[str, Any]) -> int:
        """Change something; returns how many rows."""
        return int(_execute(db, self._for(db.dialect, given), given).rowcount)

    def _for(self, dialect: Dialect, given: Mapping[str, Any]) -> _Ready:
        found = self._ready.get(dialect.name)
        if found is None:
            columns = [*given] if isinstance(self.statement, Insert) else None
            found = self._ready[dialect.name] = self._compile(dialect, columns)
        if len(given) != len(found.given):
            raise TypeError(f"the statement takes {[name for name, _ in found.given]}")
        return found

    def _compile(self, dialect: Dialect, columns: list[str] | None) -> _Ready:
        kind: Any = type(dialect)
        writer = dialect if dialect.positional else kind(paramstyle="numeric_dollar")
        compiled: Any = self.statement.compile(dialect=writer, column_keys=columns)
        assert not compiled.post_compile_params, "lists are for SQLAlchemy"
        assert not compiled.insert_prefetch, "name every column"
        assert not compiled.update_prefetch, "name every column"
        into = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect)
            for name, bind in compiled.binds.items()
        }
        asked = {name for name, bind in compiled.binds.items() if bind.required}
        said = {name: value for name, value in compiled.params.items() if name not in asked}
        back = getattr(self.statement, "exported_columns", ())
        shape: Any = namedtuple("Row", [column.name for column in back])  # type: ignore[misc]  # noqa: PYI024
        return _Ready(
            sql=str(compiled),
            constants={name: convert(said[name]) if (convert := into[name]) else said[name] for name in said},
            given=tuple((name, into[name]) for name in asked),
            order=tuple(compiled.positiontup),
            back=tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in back),
            row=shape._make,
        )


def _execute(db: Connection, ready: _Ready, given: Mapping[str, Any]) -> Any:
    values = dict(ready.constants)
    for name, convert in ready.given:
        value = given[name]
        values[name] = value if convert is None else convert(value)
    driver: Any = db.connection.dbapi_connection
    cursor = driver.cursor() if db.dialect.name == "sqlite" else _raw_cursor(driver)
    parameters = [values[name] for name in ready.order]
    for watch in db.dispatch.before_cursor_execute:
        watch(db, cursor, ready.sql, parameters, None, False)
    try:
        return cursor.execute(ready.sql, parameters)
    except db.dialect.loaded_dbapi.Error as failure:
        lost = db.dialect.is_disconnect(failure, driver, cursor)
        if lost:
            db.invalidate(failure)
        raise DBAPIError.instance(
            ready.sql,
            None,
            failure,
            db.dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=db.dialect,
        ) from failure


def _raw_cursor(driver: Any) -> Any:
    from psycopg import RawCursor

    return RawCursor(driver)
