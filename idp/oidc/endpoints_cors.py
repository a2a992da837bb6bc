"""Which pages of others may call us from a browser? Those of public apps, from their own registered origins.

Metadata and keys are for everyone (discovery.py says `*`). /token, /par, /userinfo and /revoke answer the origin of a
redirect URI of a public app, by name; /introspect, /authorize and our own pages answer nobody. Credentials are never
allowed: no cookie counts at these addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from idp import apps
from idp.context import House

ENDPOINTS = frozenset({"/token", "/par", "/userinfo", "/revoke"})
SECONDS = 60.0
"""A new browser app waits this long at most."""
FOR_OTHERS = [("Vary", "Origin")]


class Origins:
    """Origins of public apps, read again every minute."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._known: frozenset[str] = frozenset()
        self._looked = float("-inf")

    def __contains__(self, origin: str) -> bool:
        now = self._house.clock.monotonic()
        if now - self._looked >= SECONDS:
            self._looked = now
            try:
                with self._house.database.reading() as db:
                    self._known = _origins(apps.load_all(db))
            except SQLAlchemyError:
                pass  # the request itself says that the database is away
        here = _HERE.fullmatch(origin)
        return (here[1] if here else origin) in self._known


def headers(origins: Origins, path: str, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What lets the page that asks read the answer, when it is one of a public app."""
    if path not in ENDPOINTS:
        return []
    origin = environ.get("HTTP_ORIGIN")
    if origin is None or origin not in origins:
        return FOR_OTHERS
    allowed = [*FOR_OTHERS, ("Access-Control-Allow-Origin", origin)]
    if environ["REQUEST_METHOD"] == "OPTIONS":
        allowed += [
            ("Access-Control-Allow-Methods", "GET, POST"),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
            ("Access-Control-Max-Age", "600"),
        ]
    return allowed


def _origins(registered: list[apps.App]) -> frozenset[str]:
    public = [app for app in registered if app.public and not app.disabled]
    return frozenset(_origin(uri) for app in public for uri in app.redirect_uris)


def _origin(uri: str) -> str:
    """As browsers say it: in small letters, without a port that everybody knows. On this machine any port is the app's."""
    parts = urlsplit(uri)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    named = f"{parts.scheme}://{host}"
    if parts.port in {None, _USUAL.get(parts.scheme)} or _HERE.fullmatch(named):
        return named
    return f"{named}:{parts.port}"


_HERE = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[0-9]{1,5})?")
"""A public app on the machine of its user chooses its port (request_checks.may_return_to, RFC 8252 section 7.3)."""
_USUAL = {"https": 443, "http": 80}
