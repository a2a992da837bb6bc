"""Which pages of others may call us from a browser? Those of public apps, from their own registered origins.

Metadata and keys are for everyone (discovery.py says `*`). /token, /par, /userinfo and /revoke answer the origin of a
redirect URI of a public app, by name; /introspect, /authorize and our own pages answer nobody. Credentials are never
allowed: no cookie counts at these addresses.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError

from idp import apps, context
from idp.context import House

ENDPOINTS = frozenset({"/token", "/par", "/userinfo", "/revoke"})
SECONDS = 60.0
"""A new browser app waits this long at most."""
EXTENSION = "idp.oidc.cors"


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


def allow(response: Response) -> Response:
    """Let this page read the answer, when it is one of a public app. Runs after every request to an endpoint."""
    if request.path not in ENDPOINTS:
        return response
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin is None or origin not in _known_origins():
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response.headers["Access-Control-Max-Age"] = "600"
    return response


def _known_origins() -> Origins:
    extensions = current_app.extensions
    found: Origins = extensions.get(EXTENSION) or extensions.setdefault(EXTENSION, Origins(context.house()))
    return found


def _origins(registered: list[apps.App]) -> frozenset[str]:
    addresses = [
        urlsplit(uri) for app in registered if app.public and not app.disabled for uri in app.redirect_uris
    ]
    return frozenset(f"{parts.scheme}://{parts.netloc}" for parts in addresses)
