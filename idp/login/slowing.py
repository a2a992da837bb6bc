"""When does a counter close, and for how long? Pure: a state and a moment in, the next state or the end of the wait out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from idp.clock import day_of_law
from idp.config import Settings

QUIET = timedelta(hours=24)
"""After so long without a try everything about a counter is forgotten."""
HOUR = timedelta(hours=1)
UNTIL_HELP = datetime(9999, 1, 1, tzinfo=UTC)
"""Closed until somebody opens it."""
COLUMNS = ("count", "since", "closed_until", "level", "changed_at")


class Counter(StrEnum):
    BROWSER = "browser"
    CARD = "card"
    STRANGER = "stranger"
    MONTH = "month"
    ADDRESS = "address"
    SYSTEM = "system"
    RECENT = "recent"
    """Mistakes of the last two minutes in one browser: closes nothing, forgives."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A counter as it is kept."""

    count: int
    since: datetime
    """Of the first try that is counted."""
    closed_until: datetime | None = None
    level: int = 0
    """How often it closed in a row."""
    changed_at: datetime
    """Of the last try; of a card that rests until help its end, so that tidying up does not wake it."""


def take(counter: Counter, before: State | None, now: datetime, settings: Settings) -> State | datetime:
    """The state with one try more, or the moment until which there is none to take.

    The try that reaches a limit is let through and closes the counter behind it.
    """
    if before is not None and before.closed_until is not None and before.closed_until > now:
        return before.closed_until
    match counter:
        case Counter.BROWSER:
            return _browser(before, now, settings)
        case Counter.CARD:
            return _card(before, now, settings)
        case Counter.STRANGER:
            return _stranger(before, now, settings)
        case _:
            raise ValueError(f"{counter} is not reserved")


def _browser(before: State | None, now: datetime, settings: Settings) -> State:
    """5 wrong: 30 s; 10: 2 min; then 5 min per 5 more, never longer."""
    if before is None or _quiet(before, now):
        before = State(count=0, since=now, changed_at=now)
    count, free, waits = before.count + 1, settings.throttle_browser_free, settings.throttle_browser_waits
    closed_until = None
    if count % free == 0 and waits:
        closed_until = now + timedelta(seconds=waits[min(count // free, len(waits)) - 1])
    return State(count=count, since=before.since, closed_until=closed_until, changed_at=now)


def _card(before: State | None, now: datetime, settings: Settings) -> State:
    """30 wrong on one day of law: it rests until help."""
    if before is None or day_of_law(before.since) != day_of_law(now):
        before = State(count=0, since=now, changed_at=now)
    count = before.count + 1
    closed_until = UNTIL_HELP if count >= settings.throttle_card_day else None
    return State(count=count, since=before.since, closed_until=closed_until, changed_at=closed_until or now)


def _stranger(before: State | None, now: datetime, settings: Settings) -> State:
    """10 wrong without a quiet hour between: 1 h, doubling to 24 h until 24 hours were quiet.

    The count starts anew after an hour without a try, so that no hour of the day holds more than ten.
    """
    if before is None or _quiet(before, now):
        before = State(count=0, since=now, changed_at=now)
    elif before.closed_until is not None or now - before.changed_at >= HOUR:
        before = State(count=0, since=now, level=before.level, changed_at=now)
    count, level, closed_until = before.count + 1, before.level, None
    if count >= settings.throttle_stranger_hour:
        hours = min(2**level, settings.throttle_stranger_hours_most)
        closed_until, level = now + hours * HOUR, level + 1
    return State(count=count, since=before.since, closed_until=closed_until, level=level, changed_at=now)


def _quiet(before: State, now: datetime) -> bool:
    last = max(before.changed_at, before.closed_until or before.changed_at)
    return now - last >= QUIET
