"""Which addresses say who somebody is? Of a card, and a personal URL: typed, scanned, or visited on a host of its own.

Personal URLs may live on a short host that does nothing else (setting `personal_url`): whatever is asked there
leads to the issuer, or is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, urlsplit

from idp.config import Settings

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

LONGEST_NAME = 100
_TOKEN = re.compile(r"/(k/K|h/H)1[0-9A-Z]{26}", re.IGNORECASE)
"""Of a card, or of a help code."""


def hosts(settings: Settings) -> tuple[str, ...]:
    """What an address of ours begins with: the issuer, and the host of personal URLs."""
    short = urlsplit(settings.my_url)
    return tuple(dict.fromkeys((f"{settings.issuer}/", f"{short.scheme}://{short.netloc}/")))


def personal(settings: Settings, typed: str) -> str | None:
    """The user name in a personal URL as somebody types it (with or without https://); None when it is no such URL."""
    given = re.sub(r"^https?://", "", typed.strip(), flags=re.IGNORECASE)
    given = re.split(r"[?#]", given, maxsplit=1)[0].rstrip("/")
    for place in (settings.my_url, f"{settings.issuer}/mijn"):
        under = place.partition("://")[2] + "/"
        if given.lower().startswith(under.lower()):
            name = given[len(under) :]
            return name if name and "/" not in name else None
    return None


def in_front_of(pages: Wsgi, settings: Settings) -> Wsgi:
    """Answer for the host of personal URLs, when they have one of their own."""
    short = urlsplit(settings.my_url)
    if short.netloc.lower() == urlsplit(settings.issuer).netloc.lower():
        return pages
    host, under = short.netloc.lower(), f"{short.path}/"

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("HTTP_HOST", "").lower() != host:
            return pages(environ, start_response)
        asked = str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")
        onward = _onward(asked, under) if environ.get("REQUEST_METHOD") in {"GET", "HEAD"} else None
        head = [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Length", "0"),
        ]
        if not settings.loopback:
            head.append(("Strict-Transport-Security", "max-age=63072000"))
        if onward is None:
            start_response("404 NOT FOUND", head)
        else:
            start_response("303 SEE OTHER", [*head, ("Location", settings.issuer + onward)])
        return [b""]

    return answer


def _onward(asked: str, under: str) -> str | None:
    """The path at the issuer. The query is never carried along."""
    if _TOKEN.fullmatch(asked):
        return asked
    if asked.rstrip("/") + "/" == under:
        return "/aanmelden"
    name = asked[len(under) :].rstrip("/") if asked.startswith(under) else ""
    good = name and "/" not in name and "\\" not in name and len(name) <= LONGEST_NAME
    return f"/mijn/{quote(name)}" if good else None
