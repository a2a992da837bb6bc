"""Is this token still good, and what may its app know? (RFC 7662) An app asks about its own tokens only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from sqlalchemy import Connection

from idp import clock
from idp.apps import App
from idp.claims import disclose
from idp.claims.disclose import Channel
from idp.context import House
from idp.oidc import clients, refresh, tokens
from idp.oidc.endpoints_frame import JSON_HEADERS
from idp.oidc.server import Answer, Asked, Server
from idp.oidc.tokens import Living

INACTIVE: dict[str, Any] = {"active": False}


def introspect(server: Server, asked: Asked) -> Answer:
    """For apps that can keep a secret. The hint is not needed: a token says what it is."""
    house = server.house
    try:
        app = server.who_calls(asked, clients.CONFIDENTIAL)
        token = asked.form.get("token")
        if not token:
            raise InvalidRequestError("token is missing.")
        with house.database.each_by_itself() as db:
            meaning = _meaning(db, house, app, token, asked.now)
    except OAuth2Error as error:
        return server.refuse(error)
    return Answer(status=200, body=meaning or INACTIVE, headers=JSON_HEADERS)


def _meaning(db: Connection, house: House, app: App, token: str, now: datetime) -> dict[str, Any] | None:
    today = clock.day_of_law(now)
    access, row = tokens.find_access_and_facts(db, token, today)
    if access is not None:
        if access.client_id != app.client_id or not access.stands(now):
            return None
        about = {"scope": access.scope, "exp": _seconds(access.expires_at), "iat": _seconds(access.issued_at)}
        about["token_type"] = "Bearer"
        if access.held is None:
            return {"active": True, "client_id": app.client_id, "iss": house.settings.issuer} | about
        asked = Question(scope=access.scope, asked=access.asked, now=now, today=today, row=row)
        return _released(db, house, app, access.held, asked, about=about)
    found = refresh.find(db, token, lock=False)
    if found is None or found.client_id != app.client_id or not found.stands(now) or found.rotated_at:
        return None
    held = found.held
    about = {"scope": held.scope, "exp": _seconds(found.expires_at), "iat": _seconds(found.issued_at)}
    asked = Question(scope=held.scope, asked=held.asked, now=now, today=today)
    return _released(db, house, app, held, asked, about=about)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What somebody asks of the grant of a token."""

    scope: str
    asked: dict[str, Any] | None
    now: datetime
    today: date
    row: Any = None
    """The facts, when they were found together with the token."""


def _released(
    db: Connection, house: House, app: App, held: Living, asked: Question, *, about: dict[str, Any]
) -> dict[str, Any] | None:
    released = disclose.disclose(
        db,
        keys=house.keys,
        app=app,
        account_uuid=held.account_uuid,
        instellingsnummer=held.instellingsnummer,
        scope=asked.scope,
        asked=asked.asked,
        channel=Channel.INTROSPECTION,
        now=asked.now,
        today=asked.today,
        record=True,
        row=asked.row,
    )
    if not released.alive:
        return None
    protocol = {
        "active": True,
        "client_id": app.client_id,
        "aud": app.client_id,
        "iss": house.settings.issuer,
    }
    return released.claims | about | protocol


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
