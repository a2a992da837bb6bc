"""How does Authlib's authorization server meet our house? Plain values in, plain values out.

Authlib picks the grant and shapes errors; who calls (clients.py), what stands (tokens.py) and what is released
(claims/disclose.py) is ours.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidRequestError,
    OAuth2Payload,
    OAuth2Request,
)

from idp.apps import App
from idp.context import House
from idp.oidc import clients, grants, revocation

RETRY_AFTER = "60"
"""Seconds, for a client that keeps proving itself wrongly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked(clients.Proof):
    """A request of a program, as it came: also what proves who calls. What stands in the query is never looked at."""

    method: str
    now: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    status: int
    body: Mapping[str, Any]
    headers: list[tuple[str, str]]


class _Payload(OAuth2Payload):  # type: ignore[misc]
    def __init__(self, form: Mapping[str, str]) -> None:
        self.form = form

    @property
    def data(self) -> Mapping[str, str]:
        return self.form

    @property
    def datalist(self) -> dict[str, list[str]]:
        return {name: [value] for name, value in self.form.items()}


class Request(OAuth2Request):  # type: ignore[misc]
    """Authlib's request over our value. Its own constructor asks whether the URL is https: our proxy sees to that."""

    def __init__(self, asked: Asked) -> None:
        self.method, self.uri = asked.method, ""
        self.headers: dict[str, str] = {}
        self.payload = _Payload(asked.form)
        self.asked, self.now = asked, asked.now
        self.client: App | None = None
        self.auth_method = self.user = self.authorization_code = self.refresh_token = self.credential = None
        self._scope = self._body = None

    @property
    def form(self) -> Mapping[str, str]:
        return self.asked.form


class Server(AuthorizationServer):  # type: ignore[misc]
    def __init__(self, house: House) -> None:
        super().__init__()
        logging.getLogger("authlib").setLevel(logging.WARNING)  # at DEBUG it prints whole tokens
        self.house = house
        for grant in grants.ALL:
            self.register_grant(grant)
        self.register_endpoint(revocation.Revocation)

    def create_token_response(self, request: Asked) -> Answer:
        if "grant_type" not in request.form:
            return self.refuse(InvalidRequestError("grant_type is missing."))
        answer: Answer = super().create_token_response(request)
        return answer

    def query_client(self, client_id: str) -> App | None:
        return self.house.apps.find(client_id)

    def authenticate_client(self, request: Request, methods: Any, endpoint: str = "token") -> App:  # noqa: ARG002
        return self.who_calls(request.asked, methods)

    def who_calls(self, asked: Asked, methods: Container[str]) -> App:
        """The app that proved itself, by one of these methods."""
        app = clients.authenticate(self.house, asked, now=asked.now)
        if app.token_endpoint_auth_method not in methods:
            raise clients.refused("This endpoint is for clients that can keep a secret.")
        return app

    def create_oauth2_request(self, request: Asked) -> Request:
        return Request(request)

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        more = [("Retry-After", RETRY_AFTER)] if status == 429 else []
        return Answer(status=status, body=body, headers=[*headers, *more])

    def refuse(self, error: Any) -> Answer:
        """Any OAuth error as an answer."""
        return self.handle_response(*error())

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""
