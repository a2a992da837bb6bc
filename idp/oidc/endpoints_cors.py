"""Which pages of others may call us from a browser? Those of public apps, from their own registered origins.

Metadata and keys are for everyone (discovery.py says `*`). /token, /par, /userinfo and /revoke answer the origin of a
redirect URI of a public app, by name; /introspect, /authorize and our own pages answer nobody. Credentials are never
allowed: no cookie counts at these addresses.
"""

from __future__ import annotations

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
        return origin in self._known


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
    addresses = [
        urlsplit(uri) for app in registered if app.public and not app.disabled for uri in app.redirect_uris
    ]
    return frozenset(f"{parts.scheme}://{parts.netloc}" for parts in addresses)
