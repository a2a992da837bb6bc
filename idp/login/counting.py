"""What must a place where tries are counted be able to do? The rules (throttle, slowing) know only this.

There are two places: the database (counting_database) and Redis (counting_redis). Each keeps counters under keyed
digests, and never lets tries at the same moment count as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from idp.config import Settings
from idp.login import slowing
from idp.login.slowing import Counter, State


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """A try that was taken from a counter."""

    key: str
    counter: Counter
    before: State | None
    after: State


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A counter that had no try to take."""

    counter: Counter
    until: datetime


class Counters(Protocol):
    """One place where tries are counted. A counter that is not there counts nothing."""

    def closed(self, names: Sequence[str], now: datetime) -> Sequence[tuple[str, datetime]]:
        """Which of these are closed, and until when."""

    def take_first(self, first: Reserved, watched: Sequence[str], now: datetime) -> bool:
        """Begin a counter with its first try, unless it is there or one of `watched` is closed: False, nothing changed.

        Most who come by never mistook themselves, and need no other step than this.
        """

    def take(
        self, wanted: Mapping[str, Counter], now: datetime, settings: Settings
    ) -> tuple[Reserved, ...] | tuple[Closed, ...]:
        """Take a try from all of these, or from none; `decide` says which."""

    def give_back(self, rows: Iterable[Reserved], *, tries: int) -> None:
        """Take tries off; what one of these closed opens again, what others closed meanwhile stays closed."""

    def settle(self, *, reset: Sequence[str], refund: Sequence[str]) -> dict[str, tuple[int, datetime]]:
        """Remove `reset`, and those of `refund` that hold one try only. Returns the removed: count, last."""

    def bump(
        self,
        name: str,
        now: datetime,
        *,
        kept: timedelta,
        after: timedelta | None = None,
        after_quiet: timedelta | None = None,
    ) -> int:
        """Add one and return the count. It starts anew `after` its first, or `after_quiet` since its last.

        After `kept` without change nobody asks for it any more.
        """

    def close(self, name: str, until: datetime, now: datetime) -> None:
        """Close a counter, which may not be there yet."""

    def tally(self, name: str, now: datetime, *, days: int) -> int:
        """Add one to today, and return the sum of the last `days`, today included."""

    def untally(self, name: str, now: datetime, count: int) -> None:
        """Take so many off today again."""

    def tallied(self, name: str, now: datetime, *, days: int) -> int:
        """The sum of the last `days`, today included."""

    def is_new_mistake(self, digest: str, now: datetime, *, hours: int) -> bool:
        """Note this wrong secret; False when it was noted in the last `hours` already."""

    def states(self, names: Iterable[str]) -> dict[str, State]:
        """Those of these counters that are there."""

    def remove(self, names: Iterable[str]) -> int:
        """Forget these; returns how many were there."""


def first_try(wanted: Mapping[str, Counter], now: datetime, settings: Settings) -> Reserved | None:
    """What one counter holds after the first try on it; None when there are more to take together."""
    if len(wanted) > 1:
        return None
    ((name, counter),) = wanted.items()
    after = slowing.take(counter, None, now, settings)
    return Reserved(key=name, counter=counter, before=None, after=after) if isinstance(after, State) else None


def decide(
    wanted: Mapping[str, Counter], found: Mapping[str, State | None], now: datetime, settings: Settings
) -> tuple[Reserved, ...] | tuple[Closed, ...]:
    """A try from each, or why not. The same for every place."""
    taken, closed = [], []
    for name, counter in wanted.items():
        before = found[name]
        answer = slowing.take(counter, before, now, settings)
        if isinstance(answer, State):
            taken.append(Reserved(key=name, counter=counter, before=before, after=answer))
        else:
            closed.append(Closed(counter=counter, until=answer))
    return tuple(closed) or tuple(taken)
