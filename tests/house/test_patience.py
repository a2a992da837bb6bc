"""Bodies are read before any work begins, one after another by the same threads, and not for ever."""

from __future__ import annotations

import io
import threading

from idp import patience


class Silent:
    """A stream from which nothing comes until it is told to."""

    def __init__(self) -> None:
        self.told = threading.Event()

    def read(self, _most: int) -> bytes:
        self.told.wait(10)
        return b"late"


class Broken:
    def read(self, _most: int) -> bytes:
        raise OSError("gone")


def answer(stream, length, *, seconds=60):
    """The status, and the body that the application inside saw."""
    seen = []

    def inner(environ, start_response):
        seen.append(environ["wsgi.input"].read())
        start_response("200 OK", [])
        return [b""]

    said = []
    whole = patience.before(inner, seats=1, largest=100, seconds=seconds)
    environ = {"CONTENT_LENGTH": str(length), "wsgi.input": stream}
    list(whole(environ, lambda status, _headers: said.append(status[:3])))
    return said[0], b"".join(seen)


def test_a_whole_body_reaches_the_application():
    assert answer(io.BytesIO(b"a=1"), 3) == ("200", b"a=1")


def test_a_body_that_breaks_off_or_cannot_be_read_is_refused():
    assert answer(io.BytesIO(b"a="), 3) == ("400", b"")
    assert answer(Broken(), 3) == ("400", b"")


def test_a_body_that_does_not_come_is_given_up_and_never_becomes_that_of_another_request():
    silent = Silent()
    assert answer(silent, 4, seconds=0.05) == ("408", b"")
    silent.told.set()
    assert [answer(io.BytesIO(b"mine"), 4) for _ in range(20)] == [("200", b"mine")] * 20


def test_bodies_that_come_at_the_same_time_stay_apart():
    found = {}
    texts = [f"{number:04d}".encode() for number in range(40)]

    def send(text):
        found[text] = answer(io.BytesIO(text), 4)

    threads = [threading.Thread(target=send, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {text: ("200", text) for text in texts}
