"""What may the bearer of this access token know about the pupil, now? (OpenID Connect Core 5.3)"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6750 import InsufficientScopeError, InvalidTokenError

from idp import clock
from idp.apps import App
from idp.claims import disclose
from idp.claims.disclose import Channel
from idp.context import House
from idp.oidc import tokens


def userinfo(house: House, token: str, *, now: datetime) -> tuple[App, dict[str, Any]]:
    """The app of this token, and `sub` with whatever is released. Every use stands in the ledger.

    Raises InvalidTokenError (401) when the token, its sign-in, its app or the visibility is gone, and
    InsufficientScopeError (403) when the token is not about a person.
    """
    today = clock.day_of_law(now)
    with house.database.each_by_itself() as db:
        access, row = tokens.find_access_and_facts(db, token, today)
        app = house.apps.find(access.client_id) if access is not None and access.stands(now) else None
        if access is None or app is None or app.disabled:
            raise InvalidTokenError(realm=house.settings.issuer)
        if access.held is None or "openid" not in access.scope.split():
            raise _NotAboutAnybody(house.settings.issuer)
        released = disclose.disclose(
            db,
            keys=house.keys,
            app=app,
            account_uuid=access.held.account_uuid,
            instellingsnummer=access.held.instellingsnummer,
            scope=access.scope,
            asked=access.asked,
            channel=Channel.USERINFO,
            now=now,
            today=today,
            record=True,
            row=row,
        )
    if not released.alive:
        raise InvalidTokenError(realm=house.settings.issuer)
    return app, released.claims


class _NotAboutAnybody(InsufficientScopeError):  # type: ignore[misc]
    """With the challenge that belongs to it (RFC 6750 section 3)."""

    def __init__(self, realm: str) -> None:
        super().__init__()
        self.realm = realm

    def get_headers(self) -> list[tuple[str, str]]:
        challenge = f'Bearer realm="{self.realm}", error="{self.error}", scope="openid"'
        return [*super().get_headers(), ("WWW-Authenticate", challenge)]
