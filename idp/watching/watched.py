"""What does one request leave behind for whoever watches? A number, a span, and, when asked, a line in the log.

None of the three tells who asked for what: requests have a kind (a closed list), and the line has no query, no address and
nothing of a path behind its first word, since tokens, user names and identifiers live there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from idp.clock import Clock
from idp.config import Settings
from idp.watching import measures, spans

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
log = structlog.get_logger("access")

KINDS = {
    "": "page",
    "authorize": "authorize",
    "token": "token",
    "userinfo": "userinfo",
    "introspect": "introspect",
    "revoke": "revoke",
    "par": "par",
    "register": "register",
    "jwks": "jwks",
    ".well-known": "metadata",
    "end_session": "end_session",
    "aanmelden": "sign_in",
    "k": "card",
    "h": "help",
    "m": "mail",
    "mijn": "personal",
    "static": "static",
    "schoolloket": "staff",
    "beheer": "staff",
    "personeel": "staff",
    "health": "health",
}
"""By the first word of the path, in small letters; anything else is a page."""


def in_front_of(inner: Wsgi, settings: Settings, clock: Clock) -> Wsgi:
    """`inner`, watched as the settings say; itself when nobody watches."""
    if not (settings.metrics_port or settings.traces_to or settings.access_log):
        return inner
    lines = settings.access_log

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        began = clock.monotonic()
        said: list[Any] = ["500", ()]

        def start(status: str, headers: Any, *more: Any) -> Any:
            said[0], said[1] = status, headers
            return start_response(status, headers, *more)

        kind = kind_of(environ.get("PATH_INFO", ""))
        with spans.request(kind) as span:
            try:
                return inner(environ, start)
            finally:
                seconds = clock.monotonic() - began
                measures.request(kind, said[0][:1], seconds)
                if span is not None:
                    span.set_attribute("http.response.status_code", int(said[0][:3]))
                if lines:
                    _line(environ, kind, said, seconds)

    return answer


def kind_of(path: str) -> str:
    return KINDS.get(path.lstrip("/").partition("/")[0].lower(), "page")


def _line(environ: dict[str, Any], kind: str, said: list[Any], seconds: float) -> None:
    number = next((value for name, value in said[1] if name == "X-Request-Id"), None)
    method = environ.get("REQUEST_METHOD", "")
    log.info(
        "request",
        kind=kind,
        method=method if method in {"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"} else "other",
        status=int(said[0][:3]),
        ms=round(seconds * 1000, 1),
        request_id=number,
        trace=spans.number(),
    )
