"""How long does the database take? The same database, with a stopwatch on every connection that is lent.

Only a process that counts or traces has this one: the other pays nothing for it. What is measured is how long a connection
was held, so whatever is done with it inside counts as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from idp.database import Database
from idp.watching import measures, spans


class WatchedDatabase(Database):
    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _timed(writes=False), super().reading() as db:
            yield db

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with _timed(writes=True), super().transaction() as db:
            yield db

    @contextmanager
    def each_by_itself(self) -> Iterator[Connection]:
        if self.sqlite:  # which is a transaction, timed as such
            with super().each_by_itself() as db:
                yield db
        else:
            with _timed(writes=True), super().each_by_itself() as db:
                yield db


@contextmanager
def _timed(*, writes: bool) -> Iterator[None]:
    began = time.perf_counter()
    try:
        with spans.span("database write" if writes else "database read"):
            yield
    finally:
        measures.database_held(writes=writes, seconds=time.perf_counter() - began)
