"""How does an app bring its request itself, ahead of the browser? (RFC 9126)

It proves itself as at /token, public apps by their client_id; what it brings passes the same checks as at
/authorize, and is kept under a name for the browser to bring.
"""

from __future__ import annotations

from typing import Any

import structlog
from authlib.oauth2.base import OAuth2Error

from idp import audit
from idp.apps import App
from idp.context import House
from idp.lately import Counter
from idp.oidc import app_log, arriving, clients, responses
from idp.oidc.arriving import NotKept
from idp.oidc.server import RETRY_AFTER, Answer, Asked, Server

log = structlog.get_logger(__name__)

PROOFS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
"""What proves the app: never part of its request, and never kept."""
HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
_refusals = Counter(window=clients.WINDOW)
_strangers = Counter(window=arriving.WINDOW)


def push(server: Server, asked: Asked) -> Answer:
    """201 with `request_uri` and `expires_in`, or an error of RFC 6749 and OpenID Connect.

    Anybody can be a public app, so of one network there are so many of those, and no more; they take
    nothing from the people there, whose requests have a count of their own.
    """
    house = server.house
    try:
        app = clients.authenticate(house, asked, now=asked.now)
    except OAuth2Error as error:
        return server.refuse(error)
    if app.public and arriving.too_many(_strangers, house, asked.source or ""):
        return _answer(429, {"error": "temporarily_unavailable"}, ("Retry-After", RETRY_AFTER))
    parameters = {name: value for name, value in asked.form.items() if name not in PROOFS}
    kept = arriving.push(house, app, parameters)
    if isinstance(kept, NotKept):
        _note(house, app, kept)
        return _answer(400, {"error": kept.error, "error_description": responses.plain(kept.because)})
    request_uri, seconds = kept
    return _answer(201, {"request_uri": request_uri, "expires_in": seconds})


def _answer(status: int, body: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    return Answer(status=status, body=body, headers=[*HEADERS, *headers])


def _note(house: House, app: App, no: NotKept) -> None:
    """For whoever builds the app: received beside registered; the first few, because the trail cannot be flooded."""
    log.warning("push_refused", client_id=app.client_id, error=no.error, because=no.because)
    if _refusals.add((id(house.database), app.client_id), house.clock.now()) <= clients.NOTED:
        with house.database.transaction() as db:
            audit.authorization_refused(
                db,
                client_id=app.client_id,
                error=no.error,
                because=no.because,
                received=app_log.received(no.said.items()),
                registered=app_log.registered(app),
                at="/par",
            )
