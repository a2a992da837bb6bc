"""Which tokens does an app get, and for what? Authlib's grants, each with one transaction of ours.

`validate_token_request` looks at the app and the parameters, `create_token_response` decides and writes in one
transaction, and signs after it has committed. What Authlib would do between the two (find a code now, delete it
later; commit in every hook; an ID token whose claims override the protocol's) does not happen here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
    grants,
)
from sqlalchemy import Connection

from idp import audit, clock, prepared
from idp.apps import App
from idp.claims import catalogue, disclose
from idp.claims.disclose import Channel, Disclosure
from idp.context import House
from idp.lately import Counter
from idp.oidc import app_log, clients, codes, fields, id_token, refresh, tokens
from idp.oidc.tokens import Held, No

VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
FOREIGN_TRIES = 5
"""Other apps may try a code this often (in one process) before it is burnt."""
LONGEST = 2000
"""Of any parameter here."""

_tries = Counter(window=timedelta(minutes=2))
_refusals = Counter(window=clients.WINDOW)

Answer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class _Grant:
    """What the grants share. `request` is a server.Request, `server` a server.Server."""

    GRANT_TYPE: str
    TOKEN_RESPONSE_HEADER: list[tuple[str, str]]
    request: Any
    server: Any

    @property
    def house(self) -> House:
        found: House = self.server.house
        return found

    @property
    def app(self) -> App:
        found: App = self.request.client
        return found

    @property
    def now(self) -> datetime:
        found: datetime = self.request.now
        return found

    def authenticate(self) -> None:
        """Who calls, and may it use this grant?"""
        self.request.client = self.server.authenticate_client(self.request, clients.METHODS)
        if self.GRANT_TYPE not in self.app.grant_types:
            raise UnauthorizedClientError(f"This client is not registered for grant_type {self.GRANT_TYPE}.")

    def given(self, name: str) -> str:
        """A parameter of the body; empty when it is not there."""
        value: str = self.request.form.get(name, "")
        if len(value) > LONGEST:
            raise InvalidRequestError(f"{name} is too long.")
        return value

    def refuse(self, no: No) -> InvalidGrantError:
        """Note the refusal (the first few of an app: the trail cannot be flooded) and say it."""
        key = (id(self.house.database), self.app.client_id, no.because)
        if _refusals.add(key, self.now) <= clients.NOTED:
            with self.house.database.transaction() as db:
                audit.app_refused(
                    db,
                    client_id=self.app.client_id,
                    error="invalid_grant",
                    because=no.because,
                    received=app_log.received([*self.request.form.items()]),
                    registered=app_log.registered(self.app),
                )
        return InvalidGrantError(no.description)

    @property
    def today(self) -> date:
        return clock.day_of_law(self.now)

    def disclosed(self, db: Connection, held: Held, scope: str, row: Any) -> Disclosure:
        """What the ID token may say. It stands in the ledger when there will be one."""
        return disclose.disclose(
            db,
            keys=self.house.keys,
            app=self.app,
            account_uuid=held.account_uuid,
            instellingsnummer=held.instellingsnummer,
            scope=scope,
            asked=held.asked if scope == held.scope else None,
            channel=Channel.ID_TOKEN,
            now=self.now,
            today=self.today,
            record="openid" in scope.split(),
            row=row,
        )

    def access(self, db: Connection, *, held: Held | None, scope: str) -> dict[str, Any]:
        """A new access token, as the start of the answer."""
        ends = self.now + timedelta(minutes=self.house.settings.access_token_minutes)
        if held is not None:
            ends = min(ends, held.expires_at)
        token = tokens.issue_access(
            db,
            client_id=self.app.client_id,
            grant_id=held.id if held else None,
            scope=scope,
            now=self.now,
            expires_at=ends,
        )
        seconds = int((ends - self.now).total_seconds())
        return {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": scope}

    def with_id_token(
        self, body: dict[str, Any], held: Held, released: Disclosure, nonce: str | None
    ) -> Answer:
        """The answer, with an ID token when openid was asked."""
        if "sub" in released.claims:
            claims = id_token.payload(
                self.house,
                self.app,
                held,
                released=released.claims,
                access_token=body["access_token"],
                nonce=nonce,
                now=self.now,
            )
            body["id_token"] = id_token.sign(self.house, self.app, claims)
        return 200, body, self.TOKEN_RESPONSE_HEADER


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """What a transaction decided and wrote."""

    body: dict[str, Any]
    held: Held
    released: Disclosure
    nonce: str | None = None


class AuthorizationCodeGrant(_Grant, grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """RFC 6749 section 4.1.3, with PKCE S256."""

    def validate_token_request(self) -> None:
        self.authenticate()
        if not self.given("code"):
            raise InvalidRequestError("code is missing.")
        verifier = self.given("code_verifier")
        if verifier and not VERIFIER.fullmatch(verifier):
            raise InvalidRequestError("code_verifier must be 43 to 128 unreserved characters.")

    def create_token_response(self) -> Answer:
        # not again when the connection was lost: if the code was spent, it would look like a replay and end everything
        given = self.house.database.at_once(self._redeem, when_lost=False)
        if isinstance(given, No):
            raise self.refuse(given)
        return self.with_id_token(given.body, given.held, given.released, given.nonce)

    def _redeem(self, db: Connection, lock: bool) -> _Given | No:  # noqa: FBT001 - as Database.at_once asks
        asked = codes.Asked(
            code=self.given("code"),
            app=self.app,
            redirect_uri=self.given("redirect_uri"),
            code_verifier=self.given("code_verifier"),
            now=self.now,
            today=self.today,
        )
        with prepared.together(db):
            found = codes.redeem(db, asked, lock=lock)
            if found is codes.FOREIGN_CODE:
                self._count_foreign_try(db)
            if isinstance(found, No):
                return found
            held = found.held
            released = self.disclosed(db, held, held.scope, found.row)
            if not released.alive:
                return codes.ENDED
            body = self.access(db, held=held, scope=held.scope)
            if held.offline:
                body["refresh_token"] = refresh.begin(db, held, self.now)
            return _Given(body=body, held=held, released=released, nonce=found.nonce)

    def _count_foreign_try(self, db: Connection) -> None:
        code = self.given("code")
        if _tries.add(clients.digest(code), self.now) >= FOREIGN_TRIES:
            codes.burn(db, code, self.now)


class RefreshTokenGrant(_Grant, grants.RefreshTokenGrant):  # type: ignore[misc]
    """RFC 6749 section 6, with rotation (RFC 9700 section 4.14)."""

    def validate_token_request(self) -> None:
        self.authenticate()
        if not self.given("refresh_token"):
            raise InvalidRequestError("refresh_token is missing.")

    def create_token_response(self) -> Answer:
        # always again: a token that was used a moment ago gives the same successor
        given = self.house.database.at_once(self._succeed)
        if isinstance(given, No):
            raise self.refuse(given)
        if given is None:
            raise InvalidScopeError("A refresh cannot ask for more than the sign-in did.")
        return self.with_id_token(given.body, given.held, given.released, None)

    def _succeed(self, db: Connection, lock: bool) -> _Given | No | None:  # noqa: FBT001 - as Database.at_once asks
        """None: more is asked than was granted."""
        with prepared.together(db):
            found = refresh.usable(
                db,
                token=self.given("refresh_token"),
                app=self.app,
                grace=timedelta(seconds=self.house.settings.refresh_grace_seconds),
                now=self.now,
                today=self.today,
                lock=lock,
            )
            if isinstance(found, No):
                return found
            held = found.held
            scope = self._scope(held)
            if scope is None:
                return None
            released = self.disclosed(db, held, scope, found.row)
            if not released.alive:
                return codes.ENDED
            body = self.access(db, held=held, scope=scope)
            body["refresh_token"] = refresh.succeed(db, found, self.house.keys.refresh, self.now)
            return _Given(body=body, held=held, released=released)

    def _scope(self, held: Held) -> str | None:
        """The scope asked, never more than was granted; None when it is more."""
        asked = self.given("scope").split()
        granted = held.scope.split()
        if not asked:
            return held.scope
        return " ".join(scope for scope in granted if scope in asked) if set(asked) <= {*granted} else None


class ClientCredentialsGrant(_Grant, grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 section 4.4: the app speaks for itself, so never with a scope about pupils."""

    def validate_token_request(self) -> None:
        self.authenticate()
        asked = set(self.given("scope").split())
        if not asked <= self._own():
            raise InvalidScopeError("This client may not have that scope for itself.")

    def create_token_response(self) -> Answer:
        asked = self.given("scope").split()
        scope = " ".join(sorted(asked or self._own()))
        with self.house.database.each_by_itself() as db:
            body = self.access(db, held=None, scope=scope)
        return 200, body, self.TOKEN_RESPONSE_HEADER

    def _own(self) -> frozenset[str]:
        return self.app.scopes - frozenset((*catalogue.SCOPES, *fields.STAFF_SCOPES))


ALL = (AuthorizationCodeGrant, RefreshTokenGrant, ClientCredentialsGrant)
