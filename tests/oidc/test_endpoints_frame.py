"""Bodies of programs are read as a form is, whole, and never more of them than they say."""

from __future__ import annotations

import io
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import manners
from idp.oidc import endpoints_frame
from idp.oidc.endpoints_frame import FORM


def pairs(text: str) -> object:
    try:
        return endpoints_frame._pairs(text)
    except ValueError:
        return ValueError


def as_the_library_reads(text: str) -> object:
    try:
        return parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=manners.MOST_PARAMETERS
        )
    except ValueError:
        return ValueError


@pytest.mark.parametrize(
    "text",
    ["", "&", "&&a=1&", "a", "a=", "=a", "=", "a=b=c", "a=1&a=1", "a+b=c", "a=%62", "a=%ff", "a=%zz", "é=ü"]
    + ["&".join(["a=1"] * many) for many in (manners.MOST_PARAMETERS, manners.MOST_PARAMETERS + 1)],
)
def test_a_body_without_anything_to_unquote_reads_as_any_other(text):
    assert pairs(text) == as_the_library_reads(text)


@given(st.text(st.sampled_from("ab=&%+0é\x00 "), max_size=30))
def test_whatever_a_body_holds_it_reads_as_the_library_reads_it(text):
    assert pairs(text) == as_the_library_reads(text)


class App:
    """The frame around an endpoint that says what it got."""

    def __init__(self, house):
        answer = endpoints_frame.Endpoint(
            methods=frozenset({"POST"}),
            answer=lambda _, call: endpoints_frame.Reply(
                status=200, body=repr(call.fields).encode(), headers=[]
            ),
        )
        self.wsgi = endpoints_frame.in_front_of(lambda *_: [b"inside"], house, {"/asked": answer})

    def ask(self, body: bytes, **words) -> tuple[str, bytes]:
        said = []
        asked = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/asked",
            "CONTENT_TYPE": FORM,
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
        }
        answer = b"".join(self.wsgi(asked | words, lambda status, _: said.append(status[:3])))
        return said[0], answer


@pytest.mark.parametrize(
    ("body", "words", "status"),
    [
        (b"a=1", {"CONTENT_LENGTH": "3"}, "200"),
        (b"a=1", {"HTTP_TRANSFER_ENCODING": "chunked"}, "200"),
        (b"a=1", {"CONTENT_LENGTH": "3", "HTTP_TRANSFER_ENCODING": "chunked"}, "200"),
        (b"a=1&b=of another request", {"CONTENT_LENGTH": "3"}, "200"),
        (b"a=", {"CONTENT_LENGTH": "3"}, "400"),
        (b"a=1", {"CONTENT_LENGTH": "²"}, "200"),
        (b"a=1", {"CONTENT_LENGTH": str(manners.LARGEST_BODY + 1)}, "413"),
        (b"a=" + b"1" * manners.LARGEST_BODY, {"HTTP_TRANSFER_ENCODING": "chunked"}, "413"),
        (b"a=%00", {"CONTENT_LENGTH": "5"}, "400"),
        (b"a=\x00", {"CONTENT_LENGTH": "3"}, "400"),
        (b"%00=1", {"CONTENT_LENGTH": "5"}, "400"),
        (b"a=\xff", {"CONTENT_LENGTH": "3"}, "400"),
        (b"a=%ff", {"CONTENT_LENGTH": "5"}, "400"),
        (b"a=%2500", {"CONTENT_LENGTH": "7"}, "200"),
    ],
)
def test_HTTP_04_a_body_is_read_as_far_as_it_says_and_refused_when_it_is_not_text(house, body, words, status):
    said, answer = App(house).ask(body, **words)
    assert said == status
    if status == "200":
        assert answer == (b"(('a', '%00'),)" if b"%25" in body else b"(('a', '1'),)")
