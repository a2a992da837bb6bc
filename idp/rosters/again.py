"""May this app begin this list at its first page again, and have its lists looked at anew? Counted for all processes together.

So often a minute it may begin; later pages and conditional requests begin nothing and are not counted. This bounds how often
the same pupils are told, and written down, once more. And looks that took long let the app's looks rest four times as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from idp import entropy
from idp.apps import App
from idp.context import House
from idp.errors import Refusal
from idp.login import tries

WINDOW = timedelta(minutes=1)
LONG = 1.0
"""Seconds of looking in one request, from which the looks of an app rest."""
RESTED = timedelta(hours=1)
"""While they rest, only what was not looked at for so long is looked at."""


class TooOften(Refusal):
    """RFC 6585: the same request works after `retry_after` seconds."""

    status = 429

    def __init__(self, code: str, detail: str, *, retry_after: int) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


def begin(house: House, app: App, path: str, query: Iterable[tuple[str, str]], *, now: datetime) -> None:
    """Count one more beginning of this list, asked in this way. Raises TooOften. Not inside a transaction."""
    most = house.settings.roster_begins_minute
    name = entropy.keyed_digest(
        house.keys.throttle, "roster", app.client_id, path, *(word for pair in sorted(query) for word in pair)
    )
    count = tries.anywhere(house, lambda counters: counters.bump(name, now, kept=WINDOW, after=WINDOW))
    if count <= most:
        return
    state = tries.anywhere(house, lambda counters: counters.states([name])).get(name)
    left = (state.since + WINDOW - now).total_seconds() if state else 0
    raise TooOften(
        "too_many_requests",
        f"this list was begun at its first page {most} times in a minute: wait for Retry-After, follow the Link of a page, "
        "or send If-None-Match with its ETag",
        retry_after=max(1, -int(-left // 1)),
    )


def looks_rest(house: House, app: App, now: datetime) -> bool:
    """Did the looks of this app take so much lately that they rest?"""
    name = _looks(house, app)
    return bool(tries.anywhere(house, lambda counters: counters.closed([name], now)))


def looked(house: House, app: App, took: float, now: datetime) -> None:
    """Looking at the lists of this app took so many seconds."""
    if took > LONG:
        name, until = _looks(house, app), now + timedelta(seconds=5 * took)
        tries.anywhere(house, lambda counters: counters.close(name, until, now))


def _looks(house: House, app: App) -> str:
    return entropy.keyed_digest(house.keys.throttle, "roster_looks", app.client_id)
