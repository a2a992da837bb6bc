"""How many may be inside at once, and who is next? Whoever came first; who only stepped out comes in before them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Places:
    """So many, which one takes and gives back. A place that comes free goes to who waits longest.

    Python's own semaphore gives it to whoever happens to come: under load a few wait for seconds then, while others go
    round and round. It costs more, too, right after a hash has emptied the caches.
    """

    __slots__ = ("_free", "_mutex", "_returning", "_waiting")

    def __init__(self, many: int) -> None:
        self._mutex = threading.Lock()
        self._free = many
        self._waiting: deque[threading.Lock] = deque()
        """Locks that are held, one for each who waits: let go of when its place is there."""
        self._returning: deque[threading.Lock] = deque()
        """Of those who had a place and were `away` for a while: they go first, since their work is half done."""

    def take(self, seconds: float = -1) -> bool:
        """False when none came free for so long (0: at once; -1: whoever comes waits until there is one)."""
        with self._mutex:
            if self._free:
                self._free -= 1
                return True
            if not seconds:
                return False
            turn = _a_turn(self._waiting)
        return turn.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)) or self._came_after_all(turn)

    def give_back(self) -> None:
        with self._mutex:
            if line := self._returning or self._waiting:
                line.popleft().release()
            else:
                self._free += 1

    def sit(self) -> None:
        """Take a place for the work of this thread, which it leaves for the blocks that it is `away`."""
        self.take()
        _here.seat = self

    def get_up(self) -> None:
        """The work is done."""
        _here.seat = None
        self.give_back()

    def _come_back(self) -> None:
        with self._mutex:
            if self._free:
                self._free -= 1
                return
            turn = _a_turn(self._returning)
        turn.acquire()

    def _came_after_all(self, turn: threading.Lock) -> bool:
        """At the very last moment, maybe; else nobody waits for it any more."""
        with self._mutex:
            if turn not in self._waiting:
                return True
            self._waiting.remove(turn)
            return False


def _a_turn(line: deque[threading.Lock]) -> threading.Lock:
    turn = threading.Lock()
    turn.acquire()
    line.append(turn)
    return turn


_here = threading.local()
"""`seat`: the places of which this thread holds one."""


@contextmanager
def away() -> Iterator[None]:
    """Whoever waits in this block, for a hash or for another server, lets somebody else have its seat meanwhile.

    Nothing of a database may be held here. Without a seat (a job, a command) nothing happens.
    """
    seat: Places | None = getattr(_here, "seat", None)
    if seat is None:
        yield
        return
    _here.seat = None
    seat.give_back()
    try:
        yield
    finally:
        seat._come_back()  # noqa: SLF001 - our own
        _here.seat = seat
