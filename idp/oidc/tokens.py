"""Which codes, grants and tokens exist, and do they still stand? All SQL of the hot paths is on this page.

A *grant* is one sign-in at one app, for one school. A code begins it, access and refresh tokens belong to it,
and revoking it ends them all. Nothing about a pupil's classes is ever stored here: claims are decided anew at
every release. Tokens are kept as digests only. Refusals are values, so that what a refusal changes (a burnt
code, a revoked family) commits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, insert

from idp import entropy
from idp.apps import App
from idp.context import House
from idp.entropy import Token
from idp.models import (
    AuthorizationCode,
    Grant,
)

OFFLINE = "offline_access"


class Asked(Protocol):
    """What `begin_grant` reads of a validated authorization request."""

    @property
    def redirect_uri(self) -> str: ...
    @property
    def scope(self) -> str:
        """Scopes between spaces, every one allowed to this app."""
        ...

    @property
    def nonce(self) -> str | None: ...
    @property
    def code_challenge(self) -> str | None:
        """S256 only; None for an app that is exempt from PKCE."""
        ...

    @property
    def claims(self) -> Mapping[str, Any] | None:
        """The parsed `claims` parameter."""
        ...


class SignedIn(Protocol):
    """What `begin_grant` reads of a session."""

    @property
    def sid(self) -> str: ...
    @property
    def account_uuid(self) -> str: ...
    @property
    def auth_time(self) -> datetime: ...
    @property
    def amr(self) -> tuple[str, ...]: ...
    @property
    def acr(self) -> str: ...


def begin_grant(
    db: Connection,
    house: House,
    *,
    app: App,
    request: Asked,
    session: SignedIn,
    instellingsnummer: str | None,
    now: datetime,
) -> str:
    """Write a grant and its code; returns the code, which is shown once (RFC 6749 section 4.1.2).

    The caller has checked that the app is visible for this pupil at this school, in the same transaction.
    """
    settings = house.settings
    offline = OFFLINE in request.scope.split() and "refresh_token" in app.grant_types
    seconds = min(app.code_seconds or settings.code_seconds, 60)
    life = (
        timedelta(days=settings.refresh_days)
        if offline
        else timedelta(seconds=seconds, minutes=settings.access_token_minutes)
    )
    grant_id, code = entropy.row_id(), entropy.token(Token.CODE, now)
    db.execute(
        _INSERT_GRANT,
        {
            "id": grant_id,
            "client_id": app.client_id,
            "account_uuid": session.account_uuid,
            "instellingsnummer": instellingsnummer,
            "sid": session.sid,
            "scope": request.scope,
            "asked": dict(request.claims) if request.claims else None,
            "auth_time": session.auth_time,
            "amr": list(session.amr),
            "acr": session.acr,
            "offline": offline,
            "created_at": now,
            "expires_at": now + life,
        },
    )
    db.execute(
        _INSERT_CODE,
        {
            "digest": entropy.digest(code, Token.CODE),
            "grant_id": grant_id,
            "client_id": app.client_id,
            "redirect_uri": request.redirect_uri,
            "nonce": request.nonce,
            "code_challenge": request.code_challenge,
            "issued_at": now,
            "expires_at": now + timedelta(seconds=seconds),
        },
    )
    return code


_INSERT_GRANT = insert(Grant)
_INSERT_CODE = insert(AuthorizationCode)
