"""Where is everything kept, and when does a change count? One explicit transaction.

`with database.reading() as db` to look, `with database.transaction() as db` to change: it commits when the
block ends and rolls back when it raises; nothing else commits, but for what one statement does as a whole on PostgreSQL
(`each_by_itself`, `at_once`). The same code runs on SQLite (WAL, one writer at a time through BEGIN IMMEDIATE) and
PostgreSQL (psycopg 3).

Connections go back to SQLAlchemy's pool only after something went wrong in them: taking one from the pool and making it
ready costs more than a statement, so those that are in order wait here, ready. When one is lost (the database was
restarted, say), all that wait are given up with it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Engine, Result, Select, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp import driver, entropy, journal
from idp.marks import OPTION, Marks

T = TypeVar("T")
RETRIED = frozenset({"40001", "40P01", "0A000", "26000"})
"""PostgreSQL: serialization failure, deadlock; a statement made ready before a migration, or thrown away since (`libpq.py`
has forgotten it by then). The same transaction works the next time."""
_ONLY_READS = "25006"
"""PostgreSQL: a standby, or a server that was told to take no writes."""
_TRIES = 4
_PATIENT = 15
"""Seconds that SQLite's writers wait for each other."""
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
            file = Path(url.removeprefix("sqlite:///"))
            file.parent.mkdir(parents=True, exist_ok=True)
            options |= {"connect_args": {"timeout": _PATIENT, "cached_statements": 512}, "pool_size": pool}
        else:
            # what is asked often is made ready by libpq.py; psycopg would throw that away after a savepoint, with its own
            options |= {
                "pool_size": pool,
                "pool_pre_ping": False,
                "connect_args": {"prepare_threshold": None},
            }
        self.engine: Engine = create_engine(url, pool_timeout=10, max_overflow=_SPARE + 2, **options)
        if self.sqlite:
            event.listen(self.engine, "do_connect", lambda *_: _ours_alone(file))
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reader = self.engine
        else:
            self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writer = self.engine.execution_options(idp_writes=True)
        self.turn = threading.RLock() if self.sqlite else None
        """SQLite has one writer: threads wait here, where waiting costs nothing, and only processes poll."""
        self._ready: dict[Engine, deque[Connection]] = {self._reader: deque(), self._writer: deque()}
        self._most = pool + _SPARE
        """With so many out of the pool somebody may be waiting there: what comes back goes to the pool then."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Look without changing. On SQLite one consistent snapshot; on PostgreSQL statement by statement."""
        return (_Snapshot if self.sqlite else _Loan)(self, self._reader)

    def transaction(self) -> AbstractContextManager[Connection]:
        """Change: all of the block, or nothing. Never hash, call a network or render inside it."""
        return _Transaction(self, self._writer)

    def each_by_itself(self) -> AbstractContextManager[Connection]:
        """Look, and write one row at most: what needs no transaction around it, such as a line in the ledger.

        On PostgreSQL every statement stands alone, which saves two round trips; SQLite has its transaction.
        """
        return self.transaction() if self.sqlite else _Loan(self, self._reader)

    def lend(self, engine: Engine) -> Connection:
        """A connection that waits ready, else one from the pool."""
        try:
            return self._ready[engine].pop()
        except IndexError:
            return self._fresh(engine)

    def give_back(self, engine: Engine, db: Connection) -> None:
        """It is in order, and waits for the next who needs one."""
        if self.engine.pool.checkedout() > self._most:  # type: ignore[attr-defined]
            db.close()
        else:
            self._ready[engine].append(db)

    def drop(self, db: Connection) -> None:
        """Something went wrong in it; when the database is gone, so are the others."""
        lost = db.invalidated
        db.close()
        if lost:
            self._give_up()

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

    def retrying(self, work: Callable[[Connection], T], *, when_lost: bool = True) -> T:
        """Do work in a transaction, again after a serialization failure, a deadlock or a lost connection.

        Not `when_lost`: a connection that went away may have taken no more than the answer to a COMMIT with it; work
        that must not find its own traces is left alone then.
        """
        for attempt in range(_TRIES):
            try:
                with self.transaction() as db:
                    return work(db)
            except DBAPIError as failure:
                if not _works_again(failure, when_lost=when_lost) or attempt == _TRIES - 1:
                    raise
                time.sleep(entropy.jitter(0.02 * 4**attempt))
        raise AssertionError("unreachable")

    def at_once(self, work: Callable[[Connection, bool], T], *, when_lost: bool = True) -> T:
        """Do work that looks once and writes one guarded statement (`prepared.together`): without BEGIN, COMMIT and locks.

        Where that does not do it raises Overtaken, and is done once more, in a transaction as `retrying` has them: then
        it hears True, and locks what it looks at. On SQLite there is a transaction around either, and nobody else writes.
        """
        try:
            with self.each_by_itself() as db, suppress(driver.Overtaken):
                return work(db, False)
        except DBAPIError as failure:
            if not _works_again(failure, when_lost=when_lost):
                raise
        return self.retrying(lambda db: work(db, True), when_lost=when_lost)

    def close(self) -> None:
        self._give_up()


class _Loan:
    """A connection for the length of a block.

    These are classes, since three generators around every look cost as much as the look itself (7 of 35 microseconds).
    """

    __slots__ = ("database", "db", "engine")
    db: Connection

    def __init__(self, database: Database, engine: Engine) -> None:
        self.database, self.engine = database, engine

    def __enter__(self) -> Connection:
        self.db = db = self.database.lend(self.engine)
        try:
            self.begin(db)
        except BaseException:
            self.database.drop(db)
            raise
        return db

    def __exit__(self, kind: object, *_: object) -> None:
        db = self.db
        if kind is not None:
            self.database.drop(db)
            return
        try:
            self.end(db)
            if db.in_transaction():
                db.rollback()
        except BaseException:
            self.database.drop(db)
            raise
        self.database.give_back(self.engine, db)

    def begin(self, db: Connection) -> None:
        """On PostgreSQL nothing: every statement stands alone."""

    def end(self, db: Connection) -> None:
        """The block went well."""


class _Snapshot(_Loan):
    __slots__ = ()

    def begin(self, db: Connection) -> None:
        _begin(db, "BEGIN")

    def end(self, db: Connection) -> None:
        driver.of(db).rollback()


class _Transaction(_Loan):
    __slots__ = ("happened",)
    happened: list[Any]

    def __enter__(self) -> Connection:
        turn = self.database.turn
        if turn is None:
            return super().__enter__()
        turn.acquire()
        try:
            return super().__enter__()
        except BaseException:
            turn.release()
            raise

    def __exit__(self, kind: object, *more: object) -> None:
        try:
            super().__exit__(kind, *more)
        finally:
            if self.database.turn is not None:
                self.database.turn.release()
        if kind is None and self.happened and self.database.journal is not None:
            self.database.journal.write(self.happened)

    def begin(self, db: Connection) -> None:
        journal.forget(db.info)
        if self.database.sqlite:
            _begin(db, "BEGIN IMMEDIATE")

    def end(self, db: Connection) -> None:
        if db.in_transaction():
            db.commit()
        else:
            _commit(db)
        self.happened = journal.noted(db.info)


def _works_again(failure: DBAPIError, *, when_lost: bool) -> bool:
    broken_off = getattr(failure.orig, "sqlstate", None) in RETRIED
    return broken_off or (when_lost and failure.connection_invalidated)


def is_away(failure: Exception) -> bool:
    """Is it the database that fails (gone, full, busy, damaged, or it takes no writes), and not what we asked of it?"""
    if isinstance(failure, OperationalError | InterfaceError | PoolTimeout) or type(failure) is DatabaseError:
        return True
    if not isinstance(failure, DBAPIError):
        return False
    return failure.connection_invalidated or getattr(failure.orig, "sqlstate", None) in RETRIED | {
        _ONLY_READS
    }


def by_and_by(
    db: Connection, statement: Select[*tuple[Any, ...]], *, rows: int = 2_000
) -> Result[*tuple[Any, ...]]:
    """The rows of a long answer, some at a time instead of all in memory (a cursor of PostgreSQL wants a transaction)."""
    alone = db.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    return db.execute(statement if alone else statement.execution_options(yield_per=rows))


def _ours_alone(file: Path) -> None:
    """SQLite makes a file that is not there for everybody to read. Made by us it is not, nor what SQLite keeps beside it."""
    with suppress(
        OSError
    ):  # it is there; or cannot be, which SQLite says in the words that everybody waits for
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-2000",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """A file that is new, or was one file for a backup, changes its ways once; SQLite does not wait for who is just doing so."""
    for left in range(100 * _PATIENT, -1, -1):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as failure:
            if failure.sqlite_errorcode != sqlite3.SQLITE_BUSY or not left:
                raise
            time.sleep(0.01)
        else:
            return


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
