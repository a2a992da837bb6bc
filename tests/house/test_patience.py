"""Bodies are read before any work begins, by the thread of their request, and only so many wait at a time."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress

import pytest

from idp import fetching, patience
from idp.hashing import Gate

LARGEST = 64 * 1024


class Waiting:
    """A stream from which nothing comes until it is told to, and that says when somebody began to read it."""

    def __init__(self) -> None:
        self.begun, self.told = threading.Event(), threading.Event()

    def read(self, _most: int) -> bytes:
        self.begun.set()
        assert self.told.wait(60)
        return b"late"


class Broken:
    def read(self, _most: int) -> bytes:
        raise OSError("gone")


class Slow(io.BytesIO):
    def read(self, most: int | None = -1) -> bytes:
        threading.Event().wait(0.05)
        return super().read(most)


class Server:
    """What `before` makes, with room for `waiting` bodies; it remembers what the application inside saw."""

    def __init__(self, *, waiting=1, seconds=60.0, large=False):
        self.seen: list[bytes] = []
        self.app = patience.before(
            self.inner, seats=1, waiting=waiting, largest=LARGEST, seconds=seconds, apart=lambda _: large
        )

    def inner(self, environ, start_response):
        try:
            self.seen.append(environ["wsgi.input"].read())
        except OSError:
            start_response("400 Bad Request", [])
            return [b""]
        start_response("200 OK", [])
        return [b""]

    def asked(self, stream, length="3", **more):
        said = []
        words = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(length), "wsgi.input": stream}
        list(self.app(words | more, lambda status, headers: said.append((status[:3], dict(headers)))))
        return said[0]

    def status(self, stream, length="3", **more):
        return self.asked(stream, length, **more)[0]


@pytest.mark.parametrize(
    "words",
    [{}, {"REQUEST_METHOD": "PUT"}, {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}],
    ids=["post", "put", "no length"],
)
def test_a_whole_body_reaches_the_application(words):
    server = Server()
    assert server.status(io.BytesIO(b"a=1"), **words) == "200"
    assert server.seen == [b"a=1"]


@pytest.mark.parametrize(
    ("stream", "said", "status"),
    [
        (io.BytesIO(b"short"), "6", "400"),
        (io.BytesIO(b"short"), "-6", "400"),
        (io.BytesIO(b"short"), "five", "400"),
        (Broken(), "5", "400"),
        (io.BytesIO(b"long enough"), "4", "200"),
    ],
    ids=["shorter than it said", "less than nothing", "no number", "broken", "longer than it said"],
)
def test_HTTP_04_a_body_is_as_long_as_it_says_and_leaves_its_room_to_the_next(stream, said, status):
    server = Server()
    assert server.status(stream, said) == status
    assert server.seen == ([b"long"] if status == "200" else [])
    assert server.status(io.BytesIO(b"a=1")) == "200"


def test_a_body_that_says_to_be_too_large_is_not_read():
    class Asked(io.BytesIO):
        def read(self, most: int | None = None) -> bytes:
            asked.append(most)
            return super().read(most)

    asked = []
    assert Server().status(Asked(b"x" * (LARGEST + 1)), LARGEST + 1) == "200"
    assert asked == [None], "the application has the stream itself, and refuses by its length"


@pytest.mark.parametrize(("large", "status"), [(False, "408"), (True, "400")])
def test_DOS_03_a_body_that_came_too_late_is_no_request(large, status):
    server = Server(seconds=0.01, large=large)
    assert server.status(Slow(b"a=1")) == status
    assert server.seen == []


@pytest.mark.parametrize("large", [False, True], ids=["forms", "deliveries"])
def test_DOS_03_while_as_many_wait_as_may_another_body_is_refused_at_once_and_the_rest_goes_on(large):
    server, held = Server(waiting=2, large=large), [Waiting(), Waiting()]
    slow = [threading.Thread(target=server.asked, args=(stream, 4)) for stream in held]
    for stream, thread in zip(held, slow, strict=True):
        thread.start()
        assert stream.begun.wait(60)
    status, headers = server.asked(io.BytesIO(b"a=1"))
    assert (status, headers["Retry-After"], headers["Connection"]) == ("503", "1", "close")
    if not large:
        assert server.status(io.BytesIO(), "") == "200", "a page is asked without a body"
    for stream in held:
        stream.told.set()
    for thread in slow:
        thread.join()
    assert server.status(io.BytesIO(b"a=1")) == "200"
    assert server.seen.count(b"late") == 2


def test_bodies_that_come_at_the_same_time_stay_apart():
    server = Server(waiting=40)
    texts = [f"{number:04d}".encode() for number in range(40)]
    threads = [threading.Thread(target=server.asked, args=(io.BytesIO(text), 4)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(server.seen) == texts


class Busy:
    """Every seat of this server is taken by somebody who waits inside; whoever asks `/` needs nothing to wait for."""

    def __init__(self, waits, *, seats=2):
        self.app = patience.before(self.inner, seats=seats, waiting=1, largest=LARGEST)
        self.waits = waits
        self.threads = [threading.Thread(target=self.asked, args=("/wait",)) for _ in range(seats)]
        self.inside = threading.Semaphore(0)
        for thread in self.threads:
            thread.start()
            assert self.inside.acquire(timeout=60)

    def inner(self, environ, start_response):
        if environ["PATH_INFO"] == "/wait":
            self.inside.release()
            self.waits()
        start_response("200 OK", [])
        return [b""]

    def asked(self, path):
        said = []
        list(self.app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, _: said.append(status)))
        return said

    def is_served(self):
        """Is who asks now answered, while the others still wait?"""
        answered = []
        asking = threading.Thread(target=lambda: answered.extend(self.asked("/")), daemon=True)
        asking.start()
        asking.join(60)
        return answered == ["200 OK"] and all(thread.is_alive() for thread in self.threads)


def test_DOS_02_whoever_needs_no_hash_is_served_while_others_wait_for_theirs():
    gate = Gate(slots=1, queue=8, wait=60)

    def hashes():
        with gate.enter():
            pass

    with gate.enter():
        server = Busy(hashes)
        assert server.is_served()
    for thread in server.threads:
        thread.join(60)
        assert not thread.is_alive()


def test_another_server_that_is_slow_takes_no_seat():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"http://localhost:{silent.getsockname()[1]}/"

        def fetches():
            with suppress(fetching.NotFetched):
                fetching.get(where, loopback=True, seconds=60)

        server = Busy(fetches)
        assert server.is_served()
    for thread in server.threads:
        thread.join(60)
        assert not thread.is_alive()
