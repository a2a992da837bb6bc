"""How does PostgreSQL get a statement that it knows already? Through libpq, without a cursor of psycopg around it.

A cursor is made for every statement, looks up anew how everything in it is converted, and waits in small steps: at each it gives
Python's lock away and contends for it again with every other thread. A statement of `prepared.py` is one that the server
answers at once. It is made ready once for each connection, what converts its columns is kept beside it, and to run it is one
call, in which other threads run. psycopg converts, as everywhere, and its errors are raised.

The price: who waits here for a row that somebody else holds hears no signal before the server answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import OperationalError, error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Connection

from idp import driver, entropy

_LINK = "idp_link"
_AUTO = (PyFormat.AUTO,)
_FINE = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})
_STALE = frozenset({b"0A000", b"26000"})
"""What was made ready is of no use any more: a migration changed the type of a column, or somebody threw it away. Nothing was done."""


class Answer:
    """What the server said."""

    __slots__ = ("_known", "_result")

    def __init__(self, known: _Known, result: PGresult) -> None:
        self._known, self._result = known, result

    def fetchall(self) -> list[tuple[Any, ...]]:
        known, converter = self._known, self._known.converter
        converter.set_pgresult(self._result, set_loaders=known.new)
        known.new = False
        rows: list[tuple[Any, ...]] = converter.load_rows(0, self._result.ntuples, tuple)
        converter.set_pgresult(None, set_loaders=False)
        return rows

    @property
    def rowcount(self) -> int:
        return self._result.command_tuples or 0


class _Known:
    """A statement that one connection has made ready, for parameters of certain types."""

    __slots__ = ("converter", "name", "new")

    def __init__(self, name: bytes, converter: abc.Transformer) -> None:
        self.name, self.converter = name, converter
        self.new = True
        """It has not been looked up yet how its columns are converted."""


class _Link:
    """What is kept beside a connection, for as long as it lasts."""

    __slots__ = ("connection", "converter", "known", "made", "pgconn", "word")

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.pgconn: PGconn = connection.pgconn
        self.converter = Transformer(connection)
        """Of parameters."""
        self.known: dict[tuple[str, tuple[int, ...] | None], _Known] = {}
        self.made = 0
        self.word = entropy.key_bytes(6).hex()
        """In the names of its statements: a pooler between us and the server that mixes up connections finds none then, not a wrong one."""

    def execute(self, sql: str, values: Sequence[Any]) -> Answer:
        converter = self.converter
        sent = converter.dump_sequence(values, _AUTO * len(values))
        types, formats = converter.types, converter.formats
        if self.pgconn.transaction_status == TransactionStatus.IDLE and not self.connection.autocommit:
            self._begin()
        known = self.known.get((sql, types)) or self._make_ready(sql, types)
        result = self._run(known, sent, formats)
        if result.status not in _FINE and result.error_field(DiagnosticField.SQLSTATE) in _STALE:
            self.known.clear()
            if self.pgconn.transaction_status == TransactionStatus.IDLE:
                known = self._make_ready(sql, types)
                result = self._run(known, sent, formats)
        if result.status not in _FINE:
            self._fail(result)
        return Answer(known, result)

    def _run(self, known: _Known, sent: Sequence[Any], formats: list[Format] | None) -> PGresult:
        return self.pgconn.exec_prepared(known.name, sent, formats, Format.BINARY)

    def _begin(self) -> None:
        """The first statement of a transaction begins it, as psycopg would."""
        level = self.connection.isolation_level
        words = f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}" if level is not None else "BEGIN"
        result = self.pgconn.exec_(words.encode())
        if result.status not in _FINE:
            self._fail(result)

    def _make_ready(self, sql: str, types: tuple[int, ...] | None) -> _Known:
        self.made += 1
        name = f"idp_{self.word}_{self.made}".encode()
        result = self.pgconn.prepare(name, sql.encode(), types)
        if result.status not in _FINE:
            self._fail(result)
        known = self.known[sql, types] = _Known(name, Transformer(self.connection))
        return known

    def _fail(self, result: PGresult) -> None:
        if self.pgconn.status == ConnStatus.BAD:
            raise OperationalError(result.get_error_message())
        raise error_from_result(result)


def execute(db: Connection, sql: str, values: Sequence[Any]) -> Answer:
    """The statement has its parameters as `$1`; what comes back is in binary form. Raises errors of psycopg."""
    beside = db.info
    link: _Link | None = beside.get(_LINK)
    if link is None:
        link = beside[_LINK] = _Link(driver.of(db))
    return link.execute(sql, values)
