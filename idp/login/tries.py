"""Where are tries counted now? In Redis while it answers, else in the database: never nowhere.

While Redis is away the counters of the database count on from what they hold, and the other way round when it is
back: an outage can give a stranger one more round of tries, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from idp.context import House
from idp.login import throttle
from idp.login.counting import Counters
from idp.login.counting_database import InDatabase
from idp.redis_link import RedisLink, Unreachable

T = TypeVar("T")


def elsewhere(house: House, work: Callable[[Counters], T]) -> T | None:
    """Do it in Redis. None: there is none, or it does not answer; do it in a transaction of the database."""
    if house.redis is None:
        return None
    with suppress(Unreachable):
        return _in_redis(house.redis, work)
    return None


def anywhere(house: House, work: Callable[[Counters], T]) -> T:
    """Do it, wherever it can be done. Not inside a transaction."""
    if house.redis is not None:
        with suppress(Unreachable):
            return _in_redis(house.redis, work)
    return house.database.retrying(lambda db: work(InDatabase(db)))


def _in_redis(link: RedisLink, work: Callable[[Counters], T]) -> T:
    from idp.login.counting_redis import InRedis

    return link.ask(lambda client: work(InRedis(client)))


def address_failed(house: House, address: str, now: datetime) -> bool:
    """Count a failed try of any kind from this address; True when it closed."""
    return anywhere(
        house,
        lambda counters: throttle.address_failed(
            counters, key=house.keys.throttle, settings=house.settings, address=address, now=now
        ),
    )


def address_rests(house: House, address: str, now: datetime) -> bool:
    """Failed so much come from this address that it waits?"""
    key = house.keys.throttle
    return anywhere(
        house, lambda counters: throttle.address_rests(counters, key=key, address=address, now=now)
    )


def forget(house: House, names: Iterable[str]) -> None:
    """These counters begin anew, in every place. Not inside a transaction."""
    wanted = [*names]
    elsewhere(house, lambda counters: counters.remove(wanted))
    house.database.retrying(lambda db: InDatabase(db).remove(wanted))
