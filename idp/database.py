"""Where is everything kept, and when does a change count? One explicit transaction.

`with database.reading() as db` to look, `with database.transaction() as db` to change: it commits when the
block ends and rolls back when it raises; nothing else commits. The same code runs on SQLite (WAL, one
writer at a time through BEGIN IMMEDIATE) and PostgreSQL (psycopg 3).

Connections go back to SQLAlchemy's pool only after something went wrong in them: taking one from the pool and making it
ready costs more than a statement, so those that are in order wait here, ready. When one is lost (the database was
restarted, say), all that wait are given up with it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Engine, Result, Select, create_engine, event
from sqlalchemy.exc import DBAPIError

from idp import driver, entropy, journal
from idp.marks import OPTION, Marks

T = TypeVar("T")
RETRIED = frozenset({"40001", "40P01"})
"""PostgreSQL: serialization failure, deadlock. The same transaction works the next time."""
_TRIES = 4
_SPARE = 3
"""Connections beyond those of the pool that may wait, ready."""


class Database:
    """One engine per process; make it after the process has forked."""

    def __init__(
        self,
        url: str,
        *,
        pool: int = 10,
        marks: Marks | None = None,
        journal: journal.Journal | None = None,
    ) -> None:
        self.url = url
        self.journal = journal
        """Where acts go that must outlive a restored database."""
        self.sqlite = url.startswith("sqlite")
        options: dict[str, Any] = {
            "pool_use_lifo": True,
            "hide_parameters": True,
            "json_serializer": _dump,
            "json_deserializer": orjson.loads,
            "execution_options": {OPTION: marks},
        }
        if self.sqlite:
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            options |= {"connect_args": {"timeout": 15, "cached_statements": 512}, "pool_size": pool}
        else:
            options |= {"pool_size": pool, "pool_pre_ping": False, "connect_args": {"prepare_threshold": 3}}
        self.engine: Engine = create_engine(url, pool_timeout=10, max_overflow=_SPARE + 2, **options)
        if self.sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reader = self.engine
        else:
            self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writer = self.engine.execution_options(idp_writes=True)
        self._turn = threading.RLock() if self.sqlite else nullcontext()
        """SQLite has one writer: threads wait here, where waiting costs nothing, and only processes poll."""
        self._ready: dict[Engine, deque[Connection]] = {self._reader: deque(), self._writer: deque()}
        self._most = pool + _SPARE
        """With so many out of the pool somebody may be waiting there: what comes back goes to the pool then."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Look without changing. On SQLite one consistent snapshot; on PostgreSQL statement by statement."""
        with self._lent(self._reader) as db:
            if not self.sqlite:
                yield db
                return
            _begin(db, "BEGIN")
            yield db
            driver.of(db).rollback()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Change: all of the block, or nothing. Never hash, call a network or render inside it."""
        with self._turn, self._lent(self._writer) as db:
            journal.forget(db.info)
            if self.sqlite:
                _begin(db, "BEGIN IMMEDIATE")
            yield db
            if db.in_transaction():
                db.commit()
            else:
                _commit(db)
            happened = journal.noted(db.info)
        if happened and self.journal is not None:
            self.journal.write(happened)

    @contextmanager
    def each_by_itself(self) -> Iterator[Connection]:
        """Look, and write one row at most: what needs no transaction around it, such as a line in the ledger.

        On PostgreSQL every statement stands alone, which saves two round trips; SQLite has its transaction.
        """
        with self.transaction() if self.sqlite else self._lent(self._reader) as db:
            yield db

    @contextmanager
    def _lent(self, engine: Engine) -> Iterator[Connection]:
        try:
            db = self._ready[engine].pop()
        except IndexError:
            db = self._fresh(engine)
        try:
            yield db
            if db.in_transaction():
                db.rollback()
        except BaseException:
            lost = db.invalidated
            db.close()
            if lost:
                self._give_up()
            raise
        if self.engine.pool.checkedout() > self._most:  # type: ignore[attr-defined]
            db.close()
        else:
            self._ready[engine].append(db)

    def _fresh(self, engine: Engine) -> Connection:
        """From the pool; when it may be empty, what waits ready for the other kind of work goes back there first."""
        if self.engine.pool.checkedout() >= self._most:  # type: ignore[attr-defined]
            for ready in self._ready.values():
                with suppress(IndexError):
                    ready.pop().close()
        return engine.connect()

    def _give_up(self) -> None:
        """No connection that is idle now will be used again."""
        for ready in self._ready.values():
            with suppress(IndexError):
                while True:
                    ready.pop().close()
        self.engine.dispose()

    def retrying(self, work: Callable[[Connection], T]) -> T:
        """Do idempotent work in a transaction, again after a serialization failure or a lost connection."""
        for attempt in range(_TRIES):
            try:
                with self.transaction() as db:
                    return work(db)
            except DBAPIError as failure:
                again = failure.connection_invalidated or getattr(failure.orig, "sqlstate", None) in RETRIED
                if not again or attempt == _TRIES - 1:
                    raise
                time.sleep(entropy.jitter(0.02 * 4**attempt))
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._give_up()


def by_and_by(
    db: Connection, statement: Select[*tuple[Any, ...]], *, rows: int = 2_000
) -> Result[*tuple[Any, ...]]:
    """The rows of a long answer, some at a time instead of all in memory (a cursor of PostgreSQL wants a transaction)."""
    alone = db.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    return db.execute(statement if alone else statement.execution_options(yield_per=rows))


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-2000",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(db: Connection) -> None:
    """SQLAlchemy begins. It does so by itself, too, at the first statement that it runs in a block of ours."""
    if not driver.of(db).in_transaction:
        _begin(db, "BEGIN IMMEDIATE" if db.get_execution_options().get("idp_writes", False) else "BEGIN")


def _begin(db: Connection, how: str) -> None:
    try:
        driver.of(db).execute(how)
    except sqlite3.Error as failure:
        raise driver.refusal(db, how, failure) from failure


def _commit(db: Connection) -> None:
    try:
        driver.of(db).commit()
    except db.dialect.loaded_dbapi.Error as failure:
        raise driver.refusal(db, "COMMIT", failure) from failure


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()
