"""Where do apps register themselves? /register, behind a token of the operator (RFC 7591, RFC 7592).

POST   /register             a new app, with an initial access token
GET    /register/CLIENT_ID   the registration, with the token that came with it
PUT    /register/CLIENT_ID   another registration in its place
DELETE /register/CLIENT_ID   the app stops
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
from flask import Blueprint, Response, abort, request

from idp import audit, context, web
from idp.admin.apps import registering
from idp.admin.apps.registering import Refused, Registered
from idp.lately import Counter
from idp.oidc import app_log

blueprint = Blueprint("registering", __name__)
MANY = 30
"""Refusals in ten minutes from one address; after that it has to wait."""
NOTED = 10
"""Of these the audit trail keeps so many."""
_refusals = Counter(window=timedelta(minutes=10))
LARGEST = 64 * 1024


@blueprint.post("/register")
@web.door(web.Door.APP)
def register() -> Response:
    """RFC 7591 section 3.1."""
    house = context.house()
    return _answered(
        lambda: registering.register(house, _token(), _metadata(), now=house.clock.now()), status=201
    )


@blueprint.get("/register/<client_id>")
@web.door(web.Door.APP)
def read(client_id: str) -> Response:
    """RFC 7592 section 2.1."""
    house = context.house()
    return _answered(lambda: registering.read(house, client_id, _token()), client_id=client_id)


@blueprint.put("/register/<client_id>")
@web.door(web.Door.APP)
def change(client_id: str) -> Response:
    """RFC 7592 section 2.2."""
    house = context.house()
    return _answered(
        lambda: registering.change(house, client_id, _token(), _metadata(), now=house.clock.now()),
        client_id=client_id,
    )


@blueprint.delete("/register/<client_id>")
@web.door(web.Door.APP)
def remove(client_id: str) -> Response:
    """RFC 7592 section 2.3."""
    house = context.house()
    return _answered(
        lambda: registering.remove(house, client_id, _token(), now=house.clock.now()), client_id=client_id
    )


def _answered(
    work: Callable[[], Registered | None], *, status: int = 200, client_id: str | None = None
) -> Response:
    house = context.house()
    if not house.settings.dynamic_registration:
        abort(404)
    actor = audit.app(client_id[:100]) if client_id else "initial-token"
    these = audit.Circumstances(
        now=house.clock.now(), actor=actor, source=request.remote_addr, request_id=context.request_id()
    )
    with audit.circumstances(these):
        try:
            done = work()
        except Refused as refused:
            return _refused(refused, client_id)
    if done is None:
        return Response(status=204)
    return _json(done.as_json(house.settings.issuer), status)


def _token() -> str:
    """The bearer token of the header, or nothing."""
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    return presented.strip() if scheme.lower() == "bearer" and len(presented) <= 200 else ""


def _metadata() -> Any:
    body = request.get_data()
    if request.mimetype != "application/json" or len(body) > LARGEST:
        raise Refused("invalid_client_metadata", "The body must be a JSON object (application/json).")
    try:
        return orjson.loads(body)
    except ValueError:
        raise Refused("invalid_client_metadata", "The body cannot be read as JSON.") from None


def _refused(refused: Refused, client_id: str | None) -> Response:
    """Note the first few and say it; who is refused all day long has to wait."""
    house = context.house()
    count = _refusals.add((id(house.database), request.remote_addr), house.clock.now())
    known = house.apps.find(client_id) if client_id else None
    if count <= NOTED:
        with house.database.transaction() as db:
            audit.registration_refused(
                db,
                client_id=known.client_id if known else None,
                error=refused.error,
                because=refused.description,
                received=app_log.received(_said()),
                registered=app_log.registered(known),
            )
    if count > MANY:
        return _json({"error": "temporarily_unavailable"}, 429, ("Retry-After", "600"))
    body = {"error": refused.error, "error_description": _plain(refused.description)}
    if refused.status != 401:
        return _json(body, refused.status)
    challenge = f'Bearer realm="{house.settings.issuer}"'
    if "Authorization" in request.headers:  # who sent nothing did nothing wrong (RFC 6750 section 3.1)
        challenge += f', error="{refused.error}"'
    return _json(body, 401, ("WWW-Authenticate", challenge))


def _said() -> list[tuple[str, str]]:
    """What of the metadata may be kept: the words that are no secret."""
    try:
        read = orjson.loads(request.get_data())
    except ValueError:
        return []
    flat = (
        [(name, value) for name, value in read.items() if isinstance(value, str)]
        if isinstance(read, dict)
        else []
    )
    return flat[:40]


def _plain(description: str) -> str:
    """The characters that an error_description may have (RFC 6749 section 5.2)."""
    return "".join(one if " " <= one <= "~" and one not in '"\\' else "'" for one in description)[:1000]


def _json(body: dict[str, Any], status: int, *headers: tuple[str, str]) -> Response:
    always = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]
    return Response(orjson.dumps(body), status, [*always, *headers])
