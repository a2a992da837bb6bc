"""Which token does an app give back? (RFC 7009) A refresh token takes its whole family with it."""

from __future__ import annotations

from typing import Any

from authlib.oauth2 import rfc7009
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError

from idp.apps import App
from idp.context import House
from idp.oidc import clients, refresh, tokens


class Revocation(rfc7009.RevocationEndpoint):  # type: ignore[misc]
    """Also for public apps, with their own tokens. Unknown tokens are no error; those of others stay as they are."""

    CLIENT_AUTH_METHODS = clients.METHODS
    server: Any

    def authenticate_token(self, request: Any, client: App) -> None:
        """Find the token and end it, in one transaction."""
        token = request.form.get("token", "")
        if not token:
            raise InvalidRequestError("token is missing.")
        house: House = self.server.house
        with house.database.transaction() as db:
            found = tokens.find_access(db, token) or refresh.find(db, token, lock=True)
            mine = found is not None and found.client_id == client.client_id
            if mine and isinstance(found, tokens.Access):
                tokens.revoke_access(db, token, request.now)
            elif mine and isinstance(found, refresh.Refresh):
                tokens.revoke_grant(db, found.held.id, because="revoked by the app", now=request.now)
        if found is not None and not mine:
            raise InvalidGrantError("The token is not of this client.")
