"""How do programs come in and go out? Before Flask, whose manners are for people: a body in, JSON out.

No cookie, no session and no language counts here. Bodies and their number of parameters are bounded, and whatever goes
wrong is JSON with a number that is also in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_input_stream

from idp import audit, entropy, failing, manners
from idp.context import House
from idp.oidc import endpoints_cors

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
Headers = list[tuple[str, str]]

FORM = "application/x-www-form-urlencoded"
JSON_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]
STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """What a program sent."""

    now: datetime
    method: str
    authorization: str | None
    source: str | None
    fields: tuple[tuple[str, str], ...] | None
    """The parameters of the body, as they came; None when the body is no form."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Headers


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    methods: frozenset[str]
    answer: Callable[[House, Call], Reply]


def in_front_of(inner: Wsgi, house: House, endpoints: Mapping[str, Endpoint]) -> Wsgi:
    """A WSGI application that answers `endpoints` by their paths, and leaves the rest to `inner`."""
    always = manners.for_every_answer(house.settings)
    origins = endpoints_cors.Origins(house)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        endpoint = endpoints.get(path)
        if endpoint is None:
            return inner(environ, start_response)
        request_id = entropy.request_id()
        reply = _reply(house, endpoint, environ, request_id)
        start_response(
            STATUS[reply.status],
            [
                *reply.headers,
                *always,
                *endpoints_cors.headers(origins, path, environ),
                ("X-Request-Id", request_id),
                ("Content-Length", str(len(reply.body))),
            ],
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    return answer


def _reply(house: House, endpoint: Endpoint, environ: dict[str, Any], request_id: str) -> Reply:
    method = environ["REQUEST_METHOD"]
    if method in endpoint.methods:
        now = house.clock.now()
        these = audit.Circumstances(now=now, source=environ.get("REMOTE_ADDR"), request_id=request_id)
        with audit.circumstances(these):
            return _served(house, endpoint, environ, these)
    allowed = ("Allow", ", ".join(sorted({*endpoint.methods, "OPTIONS"})))
    if method == "OPTIONS":
        return Reply(status=200, body=b"", headers=[allowed, ("Cache-Control", "no-store")])
    return _no(405, "invalid_request", request_id, more=[allowed])


def _served(house: House, endpoint: Endpoint, environ: dict[str, Any], these: audit.Circumstances) -> Reply:
    request_id = these.request_id or ""
    try:
        return endpoint.answer(house, _call(environ, these.now))
    except RequestEntityTooLarge:
        return _no(413, "invalid_request", request_id)
    except _Unreadable as unreadable:
        return _no(unreadable.status, "invalid_request", request_id)
    except Exception as error:  # noqa: BLE001 - a program always gets JSON with a number, and the log the reason
        no = failing.to_program(error, request_id)
        return _no(no.status, no.error, request_id, more=no.headers)


class _Unreadable(Exception):
    """This is no request that a program of good will sends."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _call(environ: dict[str, Any], now: datetime) -> Call:
    """What stands in the query is never looked at."""
    if len(environ.get("QUERY_STRING", "")) > manners.LONGEST_QUERY:
        raise _Unreadable(414)
    return Call(
        now=now,
        method=environ["REQUEST_METHOD"],
        authorization=environ.get("HTTP_AUTHORIZATION"),
        source=environ.get("REMOTE_ADDR"),
        fields=_fields(environ),
    )


def _fields(environ: dict[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """Refused: what is no UTF-8, holds a NUL or has too many parameters."""
    kind = environ.get("CONTENT_TYPE", "")
    if not kind or (kind != FORM and parse_options_header(kind)[0] != FORM):
        return None
    try:
        text = _body(environ).decode()
        fields = _pairs(text)
    except ValueError:
        raise _Unreadable(400) from None
    if "\x00" in text or "%00" in text:
        raise _Unreadable(400)
    return tuple(fields)


def _pairs(text: str) -> list[tuple[str, str]]:
    """As `parse_qsl` reads them. Most bodies have nothing to unquote, and then it does twice the work for the same pairs."""
    if "%" in text or "+" in text or text.count("&") >= manners.MOST_PARAMETERS:
        return parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=manners.MOST_PARAMETERS
        )
    return [(name, value) for name, _, value in [pair.partition("=") for pair in text.split("&") if pair]]


def _body(environ: dict[str, Any]) -> bytes:
    """All of it, as patience.py has it ready; without a length, what the server says that there is."""
    said = environ.get("CONTENT_LENGTH", "")
    if not said.isdecimal() or "HTTP_TRANSFER_ENCODING" in environ:
        body = get_input_stream(environ, max_content_length=manners.LARGEST_BODY + 1).read()
    elif int(said) > manners.LARGEST_BODY:
        raise RequestEntityTooLarge
    else:
        body = environ["wsgi.input"].read(int(said))
        if len(body) < int(said):
            raise _Unreadable(400)
    if len(body) > manners.LARGEST_BODY:
        raise RequestEntityTooLarge
    return body


def _no(status: int, error: str, request_id: str, *, more: Headers | None = None) -> Reply:
    body = orjson.dumps({"error": error, "incident": request_id})
    return Reply(status=status, body=body, headers=[*JSON_HEADERS, *(more or [])])
