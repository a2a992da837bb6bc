"""How many rows does one transaction take? As many as are done in a fifth of a second, on this machine, now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
ENOUGH = 0.2
"""Seconds that a transaction should take at most."""
LEAST, FIRST, MOST = 100, 1_000, 5_000
"""Rows in one transaction."""


class Pace:
    """How many rows the next transaction takes."""

    def __init__(self, monotonic: Callable[[], float], rows: int = FIRST) -> None:
        self._monotonic, self.rows = monotonic, rows

    @contextmanager
    def kept(self) -> Iterator[int]:
        """One transaction of so many rows; the next one takes more when this was quick, and fewer when it was slow."""
        begun = self._monotonic()
        yield self.rows
        took = self._monotonic() - begun
        if took > ENOUGH:
            self.rows = max(LEAST, self.rows // 2)
        elif took < ENOUGH / 4:
            self.rows = min(MOST, self.rows * 2)

    def pieces(self, found: Sequence[T]) -> Iterator[Sequence[T]]:
        """All of these, a transaction's worth at a time; the work on one is done when the next is asked for."""
        at = 0
        while at < len(found):
            with self.kept() as rows:
                yield found[at : at + rows]
            at += rows
