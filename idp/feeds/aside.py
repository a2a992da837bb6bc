"""Where does a file wait that may be larger than memory? On a disk, in a place without a name that ends with the process.

SQLite keeps it: it is a temporary database of one process, which it opens without a name, fills a few megabytes of memory
and puts the rest where temporary files go (`TMPDIR`). Nobody else can open it, and nothing of it is left after a crash.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, TypeVar

import orjson

from idp.feeds.problems import Problem

T = TypeVar("T")
CACHE_KIB = 4096
BUFFER = 2 * 1024 * 1024
"""Bytes of lines that are gathered before they are written, so that a file in any order is written in large parts."""
_TABLES = """
PRAGMA journal_mode=OFF;
PRAGMA synchronous=OFF;
PRAGMA cache_size=-{cache};
CREATE TABLE part (number INTEGER PRIMARY KEY, pile TEXT, body BLOB);
CREATE INDEX part_of_pile ON part (pile);
CREATE TABLE problem (line INTEGER, code TEXT, place TEXT);
CREATE TABLE note (name TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID;
"""


class Place:
    """Such a place. `close` it, or let go of it."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(_TABLES.format(cache=CACHE_KIB))
        self._turn = threading.Lock()
        self.close = weakref.finalize(self, self._db.close)

    def ask(self, statement: str, *given: Any) -> list[Any]:
        """Everything that the statement finds."""
        with self._turn:
            return self._db.execute(statement, given).fetchall()

    def each(self, statement: str, *given: Any, rows: int = 1_000) -> Iterator[Any]:
        """The same, some at a time."""
        cursor = self._db.cursor()
        with self._turn:
            cursor.execute(statement, given)
        while True:
            with self._turn:
                some = cursor.fetchmany(rows)
            if not some:
                return
            yield from some


class Piles:
    """Lines of JSON, on a pile each, in the order in which they came."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._waiting: dict[str, bytearray] = {}
        self._bytes = 0

    def add(self, pile: str, line: Any) -> None:
        body = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        self._waiting.setdefault(pile, bytearray()).extend(body)
        self._bytes += len(body)
        if self._bytes > BUFFER:
            self._write()

    def of(self, pile: str) -> Iterator[Any]:
        """Its lines."""
        self._write()
        for (body,) in self._place.each("SELECT body FROM part WHERE pile = ? ORDER BY number", pile, rows=1):
            yield from map(orjson.loads, body.splitlines())

    def names(self) -> Iterator[str]:
        """The piles, in order."""
        self._write()
        for (pile,) in self._place.each("SELECT DISTINCT pile FROM part ORDER BY pile"):
            yield pile

    def _write(self) -> None:
        for pile, body in self._waiting.items():
            self._place.ask("INSERT INTO part (pile, body) VALUES (?, ?)", pile, bytes(body))
        self._waiting, self._bytes = {}, 0


class Problems:
    """What is wrong with a file; there may be as much of it as there is of the file."""

    def __init__(self, place: Place | None = None) -> None:
        self._place = place or Place()

    def add(self, problem: Problem) -> None:
        said = (problem.line, problem.code, problem.column)
        self._place.ask("INSERT INTO problem VALUES (?, ?, ?)", *said)

    def take(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.add(problem)

    def __iter__(self) -> Iterator[Problem]:
        """By line."""
        for line, code, column in self._place.each("SELECT * FROM problem ORDER BY coalesce(line, 0), rowid"):
            yield Problem(code=code, line=line, column=column)

    def __bool__(self) -> bool:
        return bool(self._place.ask("SELECT 1 FROM problem LIMIT 1"))


class Notes(MutableMapping[str, T]):
    """A dictionary that is too large for memory; `pack` and `unpack` make JSON of its values and values of that."""

    def __init__(self, place: Place, kind: str, pack: Callable[[T], Any], unpack: Callable[[Any], T]) -> None:
        self._place, self._kind, self._pack, self._unpack = place, f"{kind}:", pack, unpack

    def __getitem__(self, name: str) -> T:
        found = self._place.ask("SELECT body FROM note WHERE name = ?", self._kind + name)
        if not found:
            raise KeyError(name)
        return self._unpack(orjson.loads(found[0][0]))

    def __setitem__(self, name: str, value: T) -> None:
        body = orjson.dumps(self._pack(value))
        self._place.ask("INSERT OR REPLACE INTO note VALUES (?, ?)", self._kind + name, body)

    def __delitem__(self, name: str) -> None:
        self._place.ask("DELETE FROM note WHERE name = ?", self._kind + name)

    def __iter__(self) -> Iterator[str]:
        for (name,) in self._place.each("SELECT name FROM note WHERE name GLOB ?", f"{self._kind}*"):
            yield name.removeprefix(self._kind)

    def __len__(self) -> int:
        return sum(1 for _ in self)
