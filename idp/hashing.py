"""How do we keep what people remember? Argon2id over a peppered secret, behind a bounded gate.

Pictures hold 14 bits: the salted hash alone would fall at once, so an HMAC with a pepper (a key that is
not in the database) comes first. Hashing takes tens of milliseconds and 19 MiB: the gate lets as many run
as there are cores and lets a short queue wait, so that a classroom cannot starve everything else.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from idp import places
from idp.config import Settings
from idp.errors import Busy
from idp.places import Places
from idp.watching import measures

LONGEST = 512
"""Bytes. Longer input is refused before anything is computed."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the database keeps of a secret."""

    hash: str
    pepper_id: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    right: bool
    stale: bool
    """Right, but made with an older pepper or other parameters: hash it again."""


class Gate:
    """At most `slots` at a time, at most `queue` waiting, each at most `wait` seconds: who came first goes first.

    Nobody keeps a seat here, neither who waits nor who hashes: whoever needs no hash is not kept waiting by those who do.
    """

    def __init__(self, *, slots: int, queue: int, wait: float) -> None:
        self._free = Places(slots)
        self._places = Places(slots + queue)
        self._wait = wait

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Raises Busy when the queue is full or the wait too long."""
        if not self._places.take(0):
            measures.hash_refused("queue_full")
            raise Busy("hash_queue_full")
        with places.away():
            try:
                self._take_turn()
                measures.hash_busy(1)
                try:
                    yield
                finally:
                    measures.hash_busy(-1)
                    self._free.give_back()
            finally:
                self._places.give_back()

    def _take_turn(self) -> None:
        if self._free.take(0):
            measures.hash_waited(0.0)
            return
        began = time.perf_counter()
        measures.hash_queue(1)
        try:
            in_time = self._free.take(self._wait)
        finally:
            measures.hash_queue(-1)
        if not in_time:
            measures.hash_refused("wait_too_long")
            raise Busy("hash_wait_too_long")
        measures.hash_waited(time.perf_counter() - began)


class Hasher:
    """Hash and verify. `peppers` maps id to key; `current` is the id new hashes use."""

    def __init__(self, settings: Settings, *, peppers: Mapping[str, bytes], current: str) -> None:
        self._argon2 = PasswordHasher(
            time_cost=settings.argon2_time,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
            hash_len=32,
            salt_len=16,
            type=Type.ID,
        )
        self._peppers = dict(peppers)
        self._current = current
        self._gate = Gate(
            slots=settings.hashes_at_a_time,
            queue=settings.hash_queue,
            wait=settings.hash_wait_seconds,
        )
        self._decoy = self._argon2.hash(b"nobody")
        self._as_now = self._decoy.rsplit("$", 2)[0]
        """How every hash begins that is made with the parameters of now."""

    def hash(self, secret: str) -> Stored:
        """Hash a canonical secret, at once: for set-up, imports and cards, where nobody waits in a queue."""
        return Stored(hash=self._argon2.hash(self._peppered(secret, self._current)), pepper_id=self._current)

    def hash_waiting(self, secret: str) -> Stored:
        """The same behind the gate, for a person who waits. Raises Busy."""
        with self._gate.enter():
            return self.hash(secret)

    def verify(self, stored: Stored | None, secret: str) -> Verdict:
        """Is this the secret? Without `stored` the same work is done for nothing. Raises Busy."""
        if len(secret.encode()) > LONGEST:
            return Verdict(right=False, stale=False)
        pepper_id = stored.pepper_id if stored else self._current
        known = pepper_id in self._peppers
        peppered = self._peppered(secret, pepper_id if known else self._current)
        with self._gate.enter():
            try:
                self._argon2.verify(stored.hash if stored else self._decoy, peppered)
            except (VerificationError, InvalidHashError):
                return Verdict(right=False, stale=False)
        if stored is None or not known:
            return Verdict(right=False, stale=False)
        stale = pepper_id != self._current or self._is_old(stored.hash)
        return Verdict(right=True, stale=stale)

    def _is_old(self, hash_: str) -> bool:
        """Were other parameters used? Most look like today's in every way, and need no reading."""
        alike = hash_.startswith(f"{self._as_now}$") and len(hash_) == len(self._decoy)
        return not alike and self._argon2.check_needs_rehash(hash_)

    def _peppered(self, secret: str, pepper_id: str) -> bytes:
        return hmac.digest(self._peppers[pepper_id], secret.encode(), "sha256")
