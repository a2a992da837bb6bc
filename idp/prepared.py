"""How does a hot statement run? Compiled once for each kind of database, then straight to its driver.

SQLAlchemy writes the statement and its types convert what goes in and what comes out, as everywhere. What it does anew
for every execution (cache keys, contexts, events, shapes of results) takes five times as long as SQLite needs to
answer; that is done once here. PostgreSQL gets the statement with `$1`, through `libpq.py`, SQLite with `?1`: either way a
parameter is bound once, by its place, however often the statement says it. Who listens for `before_cursor_execute` hears
these statements too, but sees no cursor.

A statement must name its parameters with `bindparam`, or be a plain INSERT, which fills the columns that it is given
the first time; no lists (`expanding`), and no column defaults made in Python. Every run gives every parameter. The
connection is one of `Database`: whoever opened it began the transaction, too.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Delete,
    Dialect,
    Insert,
    Select,
    Update,
    bindparam,
    insert,
    select,
    table,
)

from idp import driver

_Sends = Callable[[Connection, str, list[Any]], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A statement as one kind of database gets it."""

    sql: str
    constants: tuple[Any, ...]
    """The parameters in their order: what the statement itself says, as the driver wants it, and None where something is given."""
    plain: tuple[tuple[int, str], ...]
    """The given parameters that the driver takes as they are …"""
    converted: tuple[tuple[int, str, Callable[[Any], Any]], ...]
    """… and those that it does not."""
    back: tuple[tuple[int, Callable[[Any], Any]], ...]
    """The columns that come out converted."""
    row: Callable[[Iterable[Any]], Any]
    send: _Sends


class Prepared:
    """One statement, ready to run."""

    def __init__(
        self, statement: Select[*tuple[Any, ...]] | Insert | Update | Delete, *, guards: bool = False
    ) -> None:
        self.statement = statement
        self.guards = guards
        """An UPDATE: what a block of `together` writes beside it is written only when it changes a row."""
        self._ready: dict[str, _Ready] = {}

    def rows(self, db: Connection, given: Mapping[str, Any]) -> list[Any]:
        """All rows, with the columns as attributes. Raises what SQLAlchemy raises."""
        ready = self._for(db.dialect, given)
        return [_converted(ready, row) for row in _execute(db, ready, given).fetchall()]

    def first(self, db: Connection, given: Mapping[str, Any]) -> Any:
        """The first row, or None."""
        found = self.rows(db, given)
        return found[0] if found else None

    def run(self, db: Connection, given: Mapping[str, Any]) -> int:
        """Change something; returns how many rows."""
        return int(_execute(db, self._for(db.dialect, given), given).rowcount)

    def later(self, db: Connection, given: Mapping[str, Any]) -> None:
        """Change something that nobody looks at before the block of `together` around this ends; without one, now."""
        waiting: list[_Waiting] | None = db.info.get(_WAITING)
        if waiting is None:
            _guarded(self, self.run(db, given))
        else:
            waiting.insert(0 if self.guards else len(waiting), (self, given))

    def _for(self, dialect: Dialect, given: Mapping[str, Any], *, guarded: bool = False) -> _Ready:
        kind = f"{dialect.name} guarded" if guarded else dialect.name
        found = self._ready.get(kind)
        if found is None:
            statement, columns = self.statement, None
            if _fills_columns(statement):
                columns = [*given]
                statement = _if_guarded(statement, columns) if guarded else statement
            found = self._ready[kind] = self._compile(statement, dialect, columns)
        if len(given) != len(found.plain) + len(found.converted):
            names = [name for _, name, *_ in (*found.plain, *found.converted)]
            raise TypeError(f"the statement takes {names}")
        return found

    @staticmethod
    def _compile(statement: Any, dialect: Dialect, columns: list[str] | None) -> _Ready:
        kind: Any = type(dialect)
        writer = kind(paramstyle="numeric_dollar")
        compiled: Any = statement.compile(dialect=writer, column_keys=columns)
        assert not compiled.post_compile_params, "lists are for SQLAlchemy"
        assert not compiled.insert_prefetch, "name every column"
        assert not compiled.update_prefetch, "name every column"
        into = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect)
            for name, bind in compiled.binds.items()
        }
        places = {name: place for place, name in enumerate(compiled.positiontup)}
        asked = {place: name for name, place in places.items() if compiled.binds[name].required}
        said = [
            None if place in asked else (convert(value) if (convert := into[name]) else value)
            for name, place in places.items()
            for value in (compiled.params[name],)
        ]
        columns_back = getattr(statement, "exported_columns", ())
        back = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns_back]
        shape: Any = namedtuple("Row", [column.name for column in columns_back])  # type: ignore[misc]  # noqa: PYI024
        return _Ready(
            sql=_PARAMETER.sub(r"?\1", str(compiled)) if dialect.name == "sqlite" else str(compiled),
            constants=tuple(said),
            plain=tuple((place, name) for place, name in asked.items() if into[name] is None),
            converted=tuple(
                (place, name, convert) for place, name in asked.items() if (convert := into[name]) is not None
            ),
            back=tuple((place, convert) for place, convert in enumerate(back) if convert is not None),
            row=shape._make,
            send=_sends(dialect),
        )


def _fills_columns(statement: Any) -> bool:
    """An INSERT of values, not of what a SELECT finds."""
    return isinstance(statement, Insert) and statement.select is None


def _converted(ready: _Ready, row: Sequence[Any]) -> Any:
    values = [*row]
    for place, convert in ready.back:
        value = values[place]
        if value is not None:
            values[place] = convert(value)
    return ready.row(values)


def _execute(db: Connection, ready: _Ready, given: Mapping[str, Any]) -> Any:
    return _send(db, ready.send, ready.sql, _values(ready, given))


def _values(ready: _Ready, given: Mapping[str, Any]) -> list[Any]:
    """The parameters as the driver wants them."""
    values = [*ready.constants]
    for place, name in ready.plain:
        values[place] = given[name]
    for place, name, convert in ready.converted:
        values[place] = convert(given[name])
    return values


def _send(db: Connection, send: _Sends, sql: str, values: list[Any]) -> Any:
    # as SQLAlchemy asks itself, and much cheaper; the last question, since on SQLite somebody listens to something else
    if (db._has_events or db.engine._has_events) and (heard := db.dispatch.before_cursor_execute):  # noqa: SLF001
        for watch in heard:
            watch(db, None, sql, values, None, False)
    try:
        return send(db, sql, values)
    except db.dialect.loaded_dbapi.Error as failure:
        raise driver.refusal(db, sql, failure) from failure


# ---------------------------------------------------------------- what is written together

_WAITING = "idp_waiting"
_Waiting = tuple[Prepared, Mapping[str, Any]]
_joined: dict[tuple[Prepared, ...], str] = {}
"""PostgreSQL's one statement for several; there are as many as there are ways through an exchange."""


@contextmanager
def together(db: Connection) -> Iterator[None]:
    """Everything that `later` writes inside goes to the database at the end of the block; nothing, when it raises.

    On PostgreSQL that is one statement (a WITH in front of the last), so one way there and back instead of four for an
    exchange of a code. Parts of it do not see each other: each changes rows of its own, that are there or new. SQLite
    has no way to go, and knows no such WITH: there they run one after another.

    One of them may guard the others (`Prepared.guards`): a code is spent only when nobody has spent it, and only then is
    there anything to give. Raises Overtaken when it changes nothing, and then nothing is written.
    """
    waiting: list[_Waiting] = []
    notes = db.info
    # to ask a connection that is gone again would open another one, and hide that it is gone
    notes[_WAITING] = waiting
    try:
        yield
    finally:
        notes.pop(_WAITING, None)
    if len(waiting) < 2 or db.dialect.name == "sqlite":
        for prepared, given in waiting:
            _guarded(prepared, prepared.run(db, given))
        return
    first = waiting[0][0]
    parts = tuple(prepared for prepared, _ in waiting)
    ready = [
        prepared._for(db.dialect, given, guarded=first.guards and prepared is not first)  # noqa: SLF001 - our own
        for prepared, given in waiting
    ]
    sql = _joined.get(parts)
    if sql is None:
        sql = _joined[parts] = _one_statement(ready, guarded=first.guards)
    values = [value for one, (_, given) in zip(ready, waiting, strict=True) for value in _values(one, given)]
    _guarded(first, _send(db, ready[0].send, sql, values).rowcount)


def _guarded(prepared: Prepared, changed: int) -> None:
    if prepared.guards and not changed:
        raise driver.Overtaken


def _if_guarded(statement: Any, columns: list[str]) -> Insert:
    """INSERT … SELECT … FROM the guard instead of VALUES."""
    given = [bindparam(name, type_=statement.table.c[name].type) for name in columns]
    found: Insert = insert(statement.table).from_select(columns, select(*given).select_from(_GUARD))
    return found


def _one_statement(parts: Sequence[_Ready], *, guarded: bool) -> str:
    """The parts with their parameters numbered on."""
    numbered, before = [], 0
    for part in parts:
        numbered.append(_PARAMETER.sub(lambda found, on=before: f"${int(found[1]) + on}", part.sql))  # type: ignore[misc]
        before += len(part.constants)
    if guarded:
        numbered[0] += " RETURNING 1"
    first = ", ".join(f"part_{at} AS ({sql})" for at, sql in enumerate(numbered[:-1]))
    return f"WITH {first} {numbered[-1]}"


_GUARD = table("part_0")
_PARAMETER = re.compile(r"\$(\d+)")


def _sends(dialect: Dialect) -> _Sends:
    """How a statement gets to such a database, and its answer back."""
    if dialect.name == "sqlite":
        return _to_sqlite
    from idp import libpq

    return libpq.execute


def _to_sqlite(db: Connection, sql: str, values: list[Any]) -> Any:
    return driver.of(db).execute(sql, values)
