"""How often did something happen lately, in this process? For noise that must not fill a table or a disk."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta


class Counter:
    """Counts by key in a window of time; forgets by itself, never grows beyond `most` keys."""

    def __init__(self, *, window: timedelta, most: int = 10_000) -> None:
        self._window, self._most = window, most
        self._counts: dict[object, tuple[datetime, int]] = {}
        self._lock = threading.Lock()

    def add(self, key: object, now: datetime) -> int:
        """Count one more; returns how many there are in this window."""
        with self._lock:
            since, count = self._counts.pop(key, (now, 0))
            if now - since > self._window:
                since, count = now, 0
            if len(self._counts) >= self._most:
                self._counts.pop(next(iter(self._counts)))
            self._counts[key] = (since, count + 1)
            return count + 1
