"""Does Redis answer? One client for a process, that gives up at once and looks again a little later.

Everything in Redis can also be done in the database: whoever asks hears `Unreachable`, and goes there. After a failure
nobody waits for Redis again until `PAUSE` seconds later one request may look whether it is back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import structlog

from idp.clock import Clock

T = TypeVar("T")
log = structlog.get_logger(__name__)
PAUSE = 3.0
"""Seconds during which a Redis that failed is left alone."""
PATIENCE = 0.3
"""Seconds for one answer. Redis needs a thousandth of that."""


class Unreachable(Exception):
    """Not now: do it in the database."""


class RedisLink:
    """The way to one Redis or Valkey."""

    def __init__(self, url: str, *, clock: Clock, connections: int) -> None:
        import redis  # five MiB that only a process with a Redis needs
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._clock = clock
        self._failures = (redis.RedisError, OSError)
        self._client = redis.Redis(
            connection_pool=redis.BlockingConnectionPool.from_url(
                url,
                max_connections=connections,
                timeout=PATIENCE,
                socket_timeout=PATIENCE,
                socket_connect_timeout=PATIENCE,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=0,
                decode_responses=True,
            )
        )
        self._lock = threading.Lock()
        self._look_again = float("-inf")
        self._works = True

    def ask(self, work: Callable[[Any], T]) -> T:
        """What `work(client)` answers. Raises Unreachable when Redis does not answer, or did not lately."""
        if not self._may_ask():
            raise Unreachable
        try:
            answer = work(self._client)
        except self._failures as failure:
            self._leave_alone(failure)
            raise Unreachable from failure
        if not self._works:
            with self._lock:
                self._works = True
            log.warning("redis_is_back")
        return answer

    def answers(self) -> bool:
        """For who checks an installation."""
        try:
            return bool(self.ask(lambda client: client.ping()))
        except Unreachable:
            return False

    def policy(self) -> str | None:
        """What it forgets when it is full; None when it does not say, or sets itself no limit."""
        try:
            said = self.ask(lambda client: client.info("memory"))
        except Unreachable:
            return None
        return str(said["maxmemory_policy"]) if said.get("maxmemory") else None

    def close(self) -> None:
        self._client.close()

    def _may_ask(self) -> bool:
        if self._works:
            return True
        moment = self._clock.monotonic()
        with self._lock:
            if moment < self._look_again:
                return False
            self._look_again = moment + PAUSE
            return True

    def _leave_alone(self, failure: Exception) -> None:
        with self._lock:
            first, self._works = self._works, False
            self._look_again = self._clock.monotonic() + PAUSE
        if first:
            log.error("redis_is_away", kind=type(failure).__name__)
