"""How long do we wait for a request to arrive? Bodies are read before any work begins, for only so many requests at a time.

Whoever sends a byte a minute holds the thread of that request, never one of the seats in which pages are made. Many threads
may wait like that; then whoever else sends a body is told at once to come back, and requests without one go on. The server's
stream knows no timeout, and leaving a body to another thread would be worse: while a request has been answered whose body
somebody still waits for, granian serves nobody in that worker.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from typing import Any

from idp.places import Places

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

SECONDS = 10.0
"""A body, or a part of a large one, that took longer came too late."""


class _Late(Exception):
    """The body did not come in time."""


def before(
    inner: Wsgi,
    *,
    seats: int,
    waiting: int,
    largest: int,
    seconds: float = SECONDS,
    apart: Callable[[dict[str, Any]], bool] = lambda _environ: False,
) -> Wsgi:
    """A WSGI application that hands `inner` whole bodies only, to at most `seats` requests at a time.

    Whoever waits for a hash or for another server leaves its seat meanwhile (`places.away`).
    At most `waiting` requests wait for a body at a time. One that is longer than `largest` bytes is cut off just beyond it,
    and `inner` refuses it. `apart`: requests with a large body, which `inner` reads itself when it knows the sender, and
    which take no seat; each part of it must come within `seconds`.
    """
    free, room = Places(seats), Places(waiting)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        large = apart(environ)
        if large or _has_body(environ):
            if not room.take(0):
                return _refuse("503 Service Unavailable", start_response, ("Retry-After", "1"))
            try:
                if large:
                    return inner(_in_parts(environ, seconds), start_response)
                wrong = _wrong_with(environ, largest, seconds)
            finally:
                room.give_back()
            if wrong:
                return _refuse(wrong, start_response)
        free.sit()
        try:
            return inner(environ, start_response)
        finally:
            free.get_up()

    return answer


def _has_body(environ: dict[str, Any]) -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def _wrong_with(environ: dict[str, Any], largest: int, seconds: float) -> str | None:
    """The status of a request whose body is no whole one; None once the body itself is where the stream was."""
    try:
        _take(environ, largest, seconds)
    except _Late:
        return "408 Request Timeout"
    except ValueError:
        return "400 Bad Request"
    return None


def _take(environ: dict[str, Any], largest: int, seconds: float) -> None:
    """A body that says to be too large is not read at all."""
    said = int(environ.get("CONTENT_LENGTH") or 0)
    if said > largest:
        return
    if said < 0:
        raise ValueError("less than nothing")
    body = _read(environ["wsgi.input"], said or largest + 1, seconds)
    if len(body) < said:
        raise ValueError("shorter than it said")
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def _read(stream: Any, most: int, seconds: float) -> bytes:
    began = time.perf_counter()
    try:
        body = bytes(stream.read(most))
    except Exception:  # noqa: BLE001 - whatever the server's stream raises: there is no body
        raise ValueError("cannot be read") from None
    if time.perf_counter() - began > seconds:
        raise _Late
    return body


def _in_parts(environ: dict[str, Any], seconds: float) -> dict[str, Any]:
    said = environ.get("CONTENT_LENGTH", "")
    length = int(said) if said.isdecimal() else None
    environ["wsgi.input"] = _Patient(environ["wsgi.input"], length, seconds)
    environ["wsgi.input_terminated"] = True
    return environ


class _Patient:
    """A body that is read in parts, each of which must come in time. `length`: None when it ends by itself."""

    def __init__(self, stream: Any, length: int | None, seconds: float) -> None:
        self._stream, self._left, self._seconds = stream, length, seconds

    def read(self, size: int = -1) -> bytes:
        """Raises OSError when it did not come in time."""
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


def _refuse(status: str, start_response: Any, *more: tuple[str, str]) -> Iterable[bytes]:
    start_response(
        status,
        [
            ("Content-Length", "0"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
            *more,
        ],
    )
    return [b""]
