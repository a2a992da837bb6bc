"""Bodies are read before any work begins, one after another by the same threads, and not for ever."""

from __future__ import annotations

import io
import threading

import pytest

from idp import config, patience


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


# ---------------------------------------------------------------- behind a proxy that buffers


class Who(io.BytesIO):
    """A body that knows which thread read it, and how much was asked."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.threads: list[int] = []
        self.most: list[int | None] = []

    def read(self, most: int | None = -1) -> bytes:
        self.threads.append(threading.get_ident())
        self.most.append(most)
        return super().read(most)


LARGEST = 64 * 1024
SMALL = b"a" * patience.SMALL


@pytest.mark.parametrize(
    ("words", "body", "here"),
    [
        ({}, b"a=1", True),
        ({}, SMALL, True),
        ({}, SMALL + b"a", False),
        ({"REQUEST_METHOD": "PUT"}, b"a=1", False),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, b"a=1", False),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, b"a=1", False),
    ],
    ids=["small", "the most", "more", "another method", "no length", "length and chunks"],
)
@pytest.mark.parametrize("buffered", [True, False])
def test_only_a_small_post_that_says_its_length_is_read_at_once_and_only_behind_a_proxy_that_buffers(
    words, body, here, buffered
):
    stream, seen = Who(body), []
    app = patience.before(
        lambda environ, _: [seen.append(environ["wsgi.input"].read()) or b""],
        seats=1,
        largest=LARGEST,
        buffered=buffered,
    )
    asked = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), "wsgi.input": stream}
    assert list(app(asked | words, None)) == [b""]
    assert seen == [body]
    assert (stream.threads == [threading.get_ident()]) == (here and buffered)
    assert all(most is not None and 0 < most <= LARGEST + 1 for most in stream.most)


@pytest.mark.parametrize(
    ("stream", "said", "status"),
    [
        (io.BytesIO(b"short"), "6", "400"),
        (io.BytesIO(b"short"), "-6", "400"),
        (Broken(), "5", "400"),
        (io.BytesIO(b"long enough"), "4", "200"),
    ],
    ids=["shorter than it said", "less than nothing", "broken", "longer than it said"],
)
def test_HTTP_04_behind_a_proxy_a_body_is_as_long_as_it_says_too(stream, said, status):
    answers, seen = [], []

    def inner(environ, start_response):
        seen.append(environ["wsgi.input"].read())
        start_response("200 OK", [])
        return [b""]

    app = patience.before(inner, seats=1, largest=LARGEST, buffered=True)
    asked = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": said, "wsgi.input": stream}
    list(app(asked, lambda status, _: answers.append(status[:3])))
    assert answers == [status]
    assert seen == ([b"long"] if status == "200" else [])


def test_DOS_03_what_a_proxy_does_not_keep_back_is_still_waited_for_in_a_thread_of_its_own():
    silent, said = Silent(), []
    app = patience.before(lambda *_: [b""], seats=1, largest=LARGEST, seconds=0.05, buffered=True)
    asked = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(LARGEST), "wsgi.input": silent}
    list(app(asked, lambda status, _: said.append(status[:3])))
    silent.told.set()
    assert said == ["408"]


def test_nobody_says_that_bodies_are_buffered_without_a_proxy():
    assert not config.read({}).buffered_bodies
    assert config.read({"IDP_BUFFERED_BODIES": "true", "IDP_TRUSTED_PROXIES": "1"}).buffered_bodies
    with pytest.raises(config.ConfigurationError, match="buffered_bodies: only behind a proxy of yours"):
        config.read({"IDP_BUFFERED_BODIES": "true"})


# ---------------------------------------------------------------- who waits


def asks(app, stream, *, length=3, **more):
    """The status of a POST."""
    said = []
    asked = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(length), "wsgi.input": stream}
    list(app(asked | more, lambda status, _: said.append(status[:3])))
    return said[0]


def reading_by_itself(count, *, seconds=patience.SECONDS):
    """An application that says 200, `count` threads of whose requests may read by themselves."""

    def inner(_environ, start_response):
        start_response("200 OK", [])
        return [b""]

    return patience.before(inner, seats=1, largest=LARGEST, seconds=seconds, by_itself=count)


@pytest.mark.parametrize(
    "words",
    [{}, {"REQUEST_METHOD": "PUT"}, {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}],
    ids=["post", "put", "no length"],
)
def test_a_body_is_read_by_the_thread_of_its_request_as_long_as_not_too_many_do(words):
    app = reading_by_itself(1)
    for body in (b"a=1", SMALL + b"a"):
        stream = Who(body)
        assert asks(app, stream, **({"CONTENT_LENGTH": str(len(body))} | words)) == "200"
        assert stream.threads == [threading.get_ident()]
        assert stream.most[0] in {len(body), LARGEST + 1}


class Held(Silent):
    """A stream that also says when somebody began to read it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def read(self, most: int) -> bytes:
        self.begun.set()
        return super().read(most)


def test_DOS_03_slow_senders_hold_no_more_threads_than_may_read_by_themselves():
    app, held, slow = reading_by_itself(2), [Held() for _ in range(2)], []
    for stream in held:
        slow.append(threading.Thread(target=asks, args=(app, stream), kwargs={"length": 4}))
        slow[-1].start()
        assert stream.begun.wait(10)
    third = Who(b"a=1")
    assert asks(app, third) == "200"
    assert third.threads != [threading.get_ident()]
    for stream, thread in zip(held, slow, strict=True):
        stream.told.set()
        thread.join()
    again = Who(b"a=1")
    assert asks(app, again) == "200"
    assert again.threads == [threading.get_ident()]


def test_DOS_03_a_body_that_came_too_late_is_no_request():
    class Late(io.BytesIO):
        def read(self, most: int | None = -1) -> bytes:
            threading.Event().wait(0.05)
            return super().read(most)

    assert asks(reading_by_itself(1, seconds=0.01), Late(b"a=1")) == "408"


@pytest.mark.parametrize(
    ("stream", "length"), [(io.BytesIO(b"a="), 3), (Broken(), 3)], ids=["shorter than it said", "broken"]
)
def test_HTTP_04_a_place_to_read_is_free_again_after_a_body_that_was_refused(stream, length):
    app = reading_by_itself(1)
    assert asks(app, stream, length=length) == "400"
    good = Who(b"a=1")
    assert asks(app, good) == "200"
    assert good.threads == [threading.get_ident()]
