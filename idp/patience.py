"""How long do we wait for a request to arrive? Bodies are read before any work begins, and not for ever.

Somebody who sends a byte a minute holds a thread that does nothing else, never one of the seats in which pages are
made. Most often that is the thread of the request itself, since handing a body to another and back costs as much as checking
who calls, and since granian serves nobody while a request has been answered whose body somebody still waits for. Only so many
may do so at a time; then others wait, and are left. Behind a proxy that sends small bodies whole (setting `buffered_bodies`)
those are there already.
"""

from __future__ import annotations

import io
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

SECONDS = 10.0
"""A body that is not there by then is not coming."""


SMALL = 16 * 1024
"""A POST that says to have so much body, or less, is whole when it comes, behind a proxy like those of deploy/."""


class _Late(Exception):
    """The body did not come in time."""


def before(
    inner: Wsgi,
    *,
    seats: int,
    largest: int,
    seconds: float = SECONDS,
    buffered: bool = False,
    by_itself: int = 0,
    apart: Callable[[dict[str, Any]], bool] = lambda _environ: False,
) -> Wsgi:
    """A WSGI application that hands `inner` whole bodies only, to at most `seats` requests at a time.

    A body that is longer than `largest` bytes is cut off just beyond it, and `inner` refuses it. `by_itself`: the threads of so
    many requests at a time wait for their bodies themselves, as long as these take; the others leave after `seconds`.
    `buffered`: a proxy in front sends no SMALL body of a POST before it has all of it. `apart`: requests with a large body, which
    `inner` reads itself when it knows the sender, and which take no seat; each part of it must come within `seconds`.
    """
    free, near = _places(seats), _places(by_itself)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if apart(environ):
            said = environ.get("CONTENT_LENGTH", "")
            length = int(said) if said.isdecimal() else None
            environ["wsgi.input"] = _Patient(environ["wsgi.input"], length, seconds)
            environ["wsgi.input_terminated"] = True
            return inner(environ, start_response)
        if _has_body(environ):
            try:
                _take(environ, largest, seconds, near, buffered=buffered)
            except _Late:
                return _refuse("408 Request Timeout", start_response)
            except ValueError:
                return _refuse("400 Bad Request", start_response)
        free.get()
        try:
            return inner(environ, start_response)
        finally:
            free.put(None)

    return answer


Places = SimpleQueue[None]
"""A semaphore that costs a tenth: all of it is C."""


def _places(count: int) -> Places:
    places: Places = SimpleQueue()
    for _ in range(count):
        places.put(None)
    return places


def _has_body(environ: dict[str, Any]) -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def _take(environ: dict[str, Any], largest: int, seconds: float, near: Places, *, buffered: bool) -> None:
    """Put the body itself where the stream was; a body that says to be too large is not read at all."""
    said = int(environ.get("CONTENT_LENGTH") or 0)
    if said > largest:
        return
    if said < 0:
        raise ValueError("less than nothing")
    stream = environ["wsgi.input"]
    if buffered and 0 < said <= SMALL and _by_length(environ):
        body = _whole(stream, said)
    elif _has_place(near):
        body = _near(stream, said or largest + 1, seconds, near)
    else:
        body = _read(stream, said or largest + 1, seconds)
    if len(body) < said:
        raise ValueError("shorter than it said")
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def _by_length(environ: dict[str, Any]) -> bool:
    """A POST whose length alone says where it ends. Other methods carry uploads, which no proxy keeps back."""
    return environ.get("REQUEST_METHOD") == "POST" and "HTTP_TRANSFER_ENCODING" not in environ


def _has_place(near: Places) -> bool:
    try:
        near.get_nowait()
    except Empty:
        return False
    return True


def _near(stream: Any, most: int, seconds: float, near: Places) -> bytes:
    """A body that came with its request, most likely; one that came too late does not count."""
    began = time.perf_counter()
    try:
        body = _whole(stream, most)
    finally:
        near.put(None)
    if time.perf_counter() - began > seconds:
        raise _Late
    return body


def _whole(stream: Any, most: int) -> bytes:
    """A body, read here."""
    try:
        return bytes(stream.read(most))
    except Exception:  # noqa: BLE001 - as in a thread of its own
        raise ValueError("cannot be read") from None


def _read(stream: Any, most: int, seconds: float) -> bytes:
    """The server's stream knows no timeout: a thread of its own waits, and we leave when it is late."""
    try:
        reader = _idle.pop()
    except IndexError:
        reader = _Reader()
    body = reader.read(stream, most, seconds)
    _idle.append(reader)
    if body is None:
        raise ValueError("cannot be read")
    return body


class _Patient:
    """A body that is read in parts, each of which must come in time. `length`: None when it ends by itself."""

    def __init__(self, stream: Any, length: int | None, seconds: float) -> None:
        self._stream, self._left, self._seconds = stream, length, seconds

    def read(self, size: int = -1) -> bytes:
        """Raises OSError when it does not come."""
        if self._left is not None:
            size = self._left if size < 0 else min(size, self._left)
            if not size:
                return b""
        try:
            part = _read(self._stream, size, self._seconds)
        except (_Late, ValueError):
            raise OSError("the body did not come in time") from None
        if self._left is not None:
            self._left -= len(part)
        return part


class _Reader:
    """A thread that reads one body after another: starting one for each costs more than most bodies."""

    def __init__(self) -> None:
        self._asked, self._answered = threading.Lock(), threading.Lock()
        self._asked.acquire()
        self._answered.acquire()
        self._what: tuple[Any, int] = (None, 0)
        self._body: bytes | None = None
        self._left = False
        threading.Thread(target=self._work, daemon=True).start()

    def read(self, stream: Any, most: int, seconds: float) -> bytes | None:
        """The body, or None when it cannot be read. Raises _Late; this reader must not be asked again then."""
        self._what = (stream, most)
        self._asked.release()
        if not self._answered.acquire(timeout=seconds):
            self._left = True
            self._asked.release()
            raise _Late
        body, self._body = self._body, None
        return body

    def _work(self) -> None:
        while self._asked.acquire() and not self._left:
            stream, most = self._what
            try:
                self._body = bytes(stream.read(most))
            except Exception:  # noqa: BLE001 - whatever the server's stream raises: there is no body
                self._body = None
            self._what = (None, 0)
            self._answered.release()


_idle: deque[_Reader] = deque()


def _refuse(status: str, start_response: Any) -> Iterable[bytes]:
    start_response(
        status,
        [
            ("Content-Length", "0"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ],
    )
    return [b""]
