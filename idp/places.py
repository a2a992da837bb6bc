"""How many may be inside at once, and who is next? Whoever came first."""

from __future__ import annotations

import threading
from collections import deque


class Places:
    """So many, which one takes and gives back. A place that comes free goes to who waits longest.

    Python's own semaphore gives it to whoever happens to come: under load a few wait for seconds then, while others go
    round and round. It costs more, too, right after a hash has emptied the caches.
    """

    __slots__ = ("_free", "_mutex", "_waiting")

    def __init__(self, many: int) -> None:
        self._mutex = threading.Lock()
        self._free = many
        self._waiting: deque[threading.Lock] = deque()
        """Locks that are held, one for each who waits: let go of when its place is there."""

    def take(self, seconds: float = -1) -> bool:
        """False when none came free for so long (0: at once; -1: whoever comes waits until there is one)."""
        with self._mutex:
            if self._free:
                self._free -= 1
                return True
            if not seconds:
                return False
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        return turn.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)) or self._came_after_all(turn)

    def give_back(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _came_after_all(self, turn: threading.Lock) -> bool:
        """At the very last moment, maybe; else nobody waits for it any more."""
        with self._mutex:
            if turn not in self._waiting:
                return True
            self._waiting.remove(turn)
            return False
