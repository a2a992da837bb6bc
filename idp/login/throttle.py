"""Who must wait before trying again? A channel is slowed; a child is never locked out.

A try is reserved before its secret is looked at, and given back when the secret is right: thirty tries at once
count as thirty. Every counter is one row under a keyed digest, so that the table names nobody. A name that does
not exist is counted exactly like one that does. The rules are those of the table in docs (signing in, 3):

| counter    | counts wrong tries on                | closes                                              |
|------------|--------------------------------------|-----------------------------------------------------|
| `browser`  | one name in one browser, C1 to C3    | this browser for this name: 30 s, 2 min, 5 min      |
| `card`     | one card in a day                    | this card, until help                               |
| `stranger` | one name from all C4, in an hour     | C4 for this name: 1 h, doubling to 24 h             |
| `month`    | one secret from C2 to C4, in 30 days | C2 to C4 for this name, until it has a new secret   |
| `address`  | one network address in 10 minutes    | C4 from this address for 10 minutes                 |
| `system`   | pictures over C4 in 10 minutes       | C4 with pictures, for everyone, for 30 minutes      |
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from statistics import median

from idp import entropy
from idp.clock import BRUSSELS
from idp.config import Settings
from idp.login import counting, slowing
from idp.login.counting import Closed, Counters, Reserved
from idp.login.slowing import Counter

__all__ = [
    "Channel",
    "Counter",
    "Failed",
    "Pass",
    "Subject",
    "Wait",
    "failed",
    "release",
    "reserve",
    "succeeded",
]

UNTIL_HELP = frozenset({Counter.CARD, Counter.MONTH})
"""What waiting does not open: the school is told."""

SLOT = timedelta(minutes=10)
_RECENT = timedelta(minutes=2)
_MOST_FORGIVEN = 3
MONTH_DAYS = 30
_MOST_PER_ADDRESS = 20
_BREAKER_RESTS = timedelta(minutes=30)
_WEEKS = 4
_COMPARED = timedelta(weeks=_WEEKS, days=1)
_LONGEST_WAIT = 24 * 60 * 60


class Channel(StrEnum):
    CARD = "C1"
    """This browser presented a live card of this pupil."""
    KNOWN = "C2"
    """This pupil signed in here before."""
    CLASS_DEVICE = "C3"
    """A device that the school enrolled."""
    OTHER = "C4"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who tries what, from where."""

    channel: Channel
    username: str
    """Canonical, whether it exists or not."""
    secret_since: str
    """When the secret was set (any text; empty for a name that does not exist): a new secret starts a new month."""
    browser: str
    """The id of the browser; on C3 that of the device."""
    card: str | None
    """The id of the card, on C1."""
    address: str
    pictures: bool


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A reserved try: hand it to `succeeded`, `failed` or `release`."""

    subject: Subject
    reserved: tuple[Reserved, ...]

    def wait(self, now: datetime) -> Wait | None:
        """What comes after this try, should it be wrong."""
        waits = [
            _wait(one.counter, one.after.closed_until, now) for one in self.reserved if one.after.closed_until
        ]
        return max(waits, key=lambda wait: wait.seconds, default=None)


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Not now."""

    seconds: int
    """1 to 86,400. After `card` and `month` waiting does not help: another card, or help, does."""
    counter: Counter


@dataclass(frozen=True, kw_only=True)
class Failed:
    counted: bool
    """False: the same mistake was made, and counted, before."""
    wait: Wait | None
    """This try closed a counter."""


# ---------------------------------------------------------------- before the secret is looked at


def reserve(
    counters: Counters, *, key: bytes, settings: Settings, subject: Subject, now: datetime
) -> Pass | Wait:
    """Take one try, or hear how long to wait. `key` is keys.throttle. Changes nothing when the answer is Wait."""
    watched = {_key(key, counter, subject): counter for counter in _watched(subject)}
    wanted = {_key(key, counter, subject): counter for counter in _reserved_counters(subject)}
    first = counting.first_try(wanted, now, settings)
    if first is not None and counters.take_first(first, [*watched], now):
        return Pass(subject=subject, reserved=(first,))
    if watched and (closed := _closed(counters, watched, now)) is not None:
        return closed
    taken, waits = [], []
    for one in counters.take(wanted, now, settings):
        if isinstance(one, Closed):
            waits.append(_wait(one.counter, one.until, now))
        else:
            taken.append(one)
    if waits:
        return max(waits, key=lambda wait: wait.seconds)
    return Pass(subject=subject, reserved=tuple(taken))


def _reserved_counters(subject: Subject) -> tuple[Counter, ...]:
    if subject.channel is Channel.OTHER:
        return (Counter.STRANGER,)
    return (Counter.BROWSER, Counter.CARD) if subject.channel is Channel.CARD else (Counter.BROWSER,)


def _watched(subject: Subject) -> tuple[Counter, ...]:
    """The counters that only wrong tries write to, and that may be closed."""
    if subject.channel is Channel.CARD:
        return ()
    if subject.channel is not Channel.OTHER:
        return (Counter.MONTH,)
    strange = (Counter.MONTH, Counter.ADDRESS)
    return (*strange, Counter.SYSTEM) if subject.pictures else strange


def _closed(counters: Counters, watched: Mapping[str, Counter], now: datetime) -> Wait | None:
    waits = [_wait(watched[name], until, now) for name, until in counters.closed([*watched], now)]
    return max(waits, key=lambda wait: wait.seconds, default=None)


# ---------------------------------------------------------------- after


def succeeded(counters: Counters, *, key: bytes, passed: Pass, now: datetime) -> None:
    """The secret was right: give the try back, and forgive up to three mistakes of the last two minutes here."""
    subject = passed.subject
    recent = _key(key, Counter.RECENT, subject)
    reset = [recent, *(one.key for one in passed.reserved if one.counter is Counter.BROWSER)]
    refund = [one for one in passed.reserved if one.counter is not Counter.BROWSER]
    gone = counters.settle(reset=reset, refund=[one.key for one in refund])
    mistakes, last = gone.get(recent, (0, now))
    forgiven = min(mistakes, _MOST_FORGIVEN) if last > now - _RECENT else 0
    counters.give_back([one for one in refund if one.key not in gone], tries=1 + forgiven)
    if forgiven and subject.channel is not Channel.CARD:
        counters.untally(_key(key, Counter.MONTH, subject), now, forgiven)


def failed(
    counters: Counters, *, key: bytes, settings: Settings, passed: Pass, secret: str, now: datetime
) -> Failed:
    """The secret was wrong: the try stays, unless the same mistake was counted in the last 24 hours."""
    subject = passed.subject
    if subject.channel is Channel.OTHER:
        closed = _count_stranger(counters, key, settings, subject, now)
    else:
        closed = None
        address_failed(counters, key=key, settings=settings, address=subject.address, now=now)
    digest = entropy.keyed_digest(key, "wrong", subject.username, subject.secret_since, secret)
    if not counters.is_new_mistake(digest, now, hours=settings.keep_wrong_secret_hours):
        release(counters, passed)
        return Failed(counted=False, wait=closed)
    counters.bump(_key(key, Counter.RECENT, subject), now, kept=_RECENT, after_quiet=_RECENT)
    if subject.channel is not Channel.CARD and _count_month(counters, key, settings, subject, now):
        return Failed(counted=True, wait=_wait(Counter.MONTH, slowing.UNTIL_HELP, now))
    return Failed(counted=True, wait=passed.wait(now) or closed)


def release(counters: Counters, passed: Pass) -> None:
    """The try was not made after all (too busy), or does not count: give it back."""
    counters.give_back(passed.reserved, tries=1)


def address_failed(
    counters: Counters, *, key: bytes, settings: Settings, address: str, now: datetime
) -> bool:
    """Count a failed try from this address; True when it closed. Also for cards that do not exist."""
    name = entropy.keyed_digest(key, Counter.ADDRESS, network(address))
    count = counters.bump(name, now, kept=SLOT, after=SLOT)
    if count < settings.throttle_address:
        return False
    counters.close(name, now + SLOT, now)
    return True


def address_rests(counters: Counters, *, key: bytes, address: str, now: datetime) -> bool:
    """Failed so much come from this address that it waits, for whatever is not tied to a pupil."""
    return bool(counters.closed([entropy.keyed_digest(key, Counter.ADDRESS, network(address))], now))


@lru_cache(maxsize=200)
def network(address: str) -> str:
    """The address, or for IPv6 its /64: one household or one machine owns at least that."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


# ---------------------------------------------------------------- counters that only failures write


def _count_stranger(
    counters: Counters, key: bytes, settings: Settings, subject: Subject, now: datetime
) -> Wait | None:
    """Address and system. One address moves the breaker by at most twenty a slot."""
    full = address_failed(counters, key=key, settings=settings, address=subject.address, now=now)
    closed = _wait(Counter.ADDRESS, now + SLOT, now) if full else None
    if not subject.pictures:
        return closed
    slot = _slot(now)
    here = entropy.keyed_digest(key, Counter.SYSTEM, str(slot), network(subject.address))
    if counters.bump(here, now, kept=SLOT) > _MOST_PER_ADDRESS:
        return closed
    count = counters.bump(_slot_key(key, slot), now, kept=_COMPARED)
    if count <= settings.throttle_system:
        return closed
    if count <= settings.throttle_system + _normal(counters, key, now):
        return closed
    counters.close(_key(key, Counter.SYSTEM, subject), now + _BREAKER_RESTS, now)
    return _wait(Counter.SYSTEM, now + _BREAKER_RESTS, now)


def _count_month(counters: Counters, key: bytes, settings: Settings, subject: Subject, now: datetime) -> bool:
    """One more different wrong secret today; True when thirty days hold too many."""
    name = _key(key, Counter.MONTH, subject)
    if counters.tally(name, now, days=MONTH_DAYS) < settings.throttle_month:
        return False
    counters.close(name, slowing.UNTIL_HELP, now)
    return True


def _normal(counters: Counters, key: bytes, now: datetime) -> float:
    """The median of this slot, by the clock on the wall, in the last four weeks."""
    wall = now.astimezone(BRUSSELS).replace(tzinfo=None)
    weeks = [_slot((wall - timedelta(weeks=back)).replace(tzinfo=BRUSSELS)) for back in range(1, _WEEKS + 1)]
    counts = [state.count for state in counters.states({_slot_key(key, slot) for slot in weeks}).values()]
    return float(median([*counts, *[0] * (_WEEKS - len(counts))]))


# ---------------------------------------------------------------- names of counters


def _key(key: bytes, counter: Counter, subject: Subject) -> str:
    return name_of(key, counter, *_named_by(counter, subject))


def name_of(key: bytes, counter: Counter, *named_by: str) -> str:
    """What a counter is kept under: user name; user name and when its secret was set; id of a card; …"""
    return entropy.keyed_digest(key, counter, *named_by)


def _named_by(counter: Counter, subject: Subject) -> tuple[str, ...]:
    match counter:
        case Counter.BROWSER | Counter.RECENT:
            return (subject.username, subject.browser)
        case Counter.CARD:
            return (subject.card or "",)
        case Counter.STRANGER:
            return (subject.username,)
        case Counter.MONTH:
            return (subject.username, subject.secret_since)
        case Counter.ADDRESS:
            return (network(subject.address),)
        case Counter.SYSTEM:
            return ()


def _slot(moment: datetime) -> int:
    return int(moment.timestamp() // SLOT.total_seconds())


def _slot_key(key: bytes, slot: int) -> str:
    return entropy.keyed_digest(key, Counter.SYSTEM, str(slot))


def _wait(counter: Counter, until: datetime, now: datetime) -> Wait:
    seconds = -int(-(until - now).total_seconds() // 1)
    return Wait(seconds=max(1, min(_LONGEST_WAIT, seconds)), counter=counter)
