"""How long do we wait for a request to arrive? Bodies are read before any work begins, and not for ever.

Somebody who sends a byte a minute holds a thread that does nothing else, never one of the seats in which pages are
made. A proxy that buffers requests makes this idle; without one it keeps the school in.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

SECONDS = 10.0
"""A body that is not there by then is not coming."""


class _Late(Exception):
    """The body did not come in time."""


def before(inner: Wsgi, *, seats: int, largest: int, seconds: float = SECONDS) -> Wsgi:
    """A WSGI application that hands `inner` whole bodies only, to at most `seats` requests at a time.

    A body that is longer than `largest` bytes is cut off just beyond it, and `inner` refuses it.
    """
    free = threading.BoundedSemaphore(seats)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if _has_body(environ):
            try:
                _take(environ, largest, seconds)
            except _Late:
                return _refuse("408 Request Timeout", start_response)
            except ValueError:
                return _refuse("400 Bad Request", start_response)
        with free:
            return inner(environ, start_response)

    return answer


def _has_body(environ: dict[str, Any]) -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def _take(environ: dict[str, Any], largest: int, seconds: float) -> None:
    """Put the body itself where the stream was; a body that says to be too large is not read at all."""
    said = int(environ.get("CONTENT_LENGTH") or 0)
    if said > largest:
        return
    body = _read(environ["wsgi.input"], said or largest + 1, seconds)
    if len(body) < said:
        raise ValueError("shorter than it said")
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def _read(stream: Any, most: int, seconds: float) -> bytes:
    """The server's stream knows no timeout: a thread of its own waits, and we leave when it is late."""
    read: list[bytes] = []

    def wait() -> None:
        with suppress(Exception):
            read.append(bytes(stream.read(most)))

    reader = threading.Thread(target=wait, daemon=True)
    reader.start()
    reader.join(seconds)
    if reader.is_alive():
        raise _Late
    if not read:
        raise ValueError("cannot be read")
    return read[0]


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
