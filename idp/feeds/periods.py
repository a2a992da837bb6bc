"""Which period that is there already is a row about? The best fit first, and each taken once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar


class Line(Protocol):
    """A row of a file."""

    @property
    def line(self) -> int: ...


R = TypeVar("R", bound=Line)
K = TypeVar("K")
P = TypeVar("P")


def matched(
    rows: Sequence[R],
    there: Mapping[K, Sequence[P]],
    key: Callable[[R], K],
    fits: Iterable[Callable[[R, P], bool]],
) -> dict[int, P]:
    """By line: of the periods under the key of a row the first that fits. Every row has its turn with one fit before any has with the next."""
    found: dict[int, P] = {}
    taken: set[int] = set()
    for fit in fits:
        for row in rows:
            if row.line in found:
                continue
            for period in there.get(key(row), ()):
                if id(period) not in taken and fit(row, period):
                    found[row.line] = period
                    taken.add(id(period))
                    break
    return found
