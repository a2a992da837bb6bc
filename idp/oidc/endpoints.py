"""Which addresses do programs call? /token /introspect /revoke /par /userinfo: bodies in, JSON out, cookies mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6750 import InvalidTokenError

from idp.context import House
from idp.oidc import endpoints_frame, introspection, pushing, signing
from idp.oidc.endpoints_frame import FORM, JSON_HEADERS, Call, Endpoint, Reply, Wsgi
from idp.oidc.request_checks import MANY
from idp.oidc.server import Answer, Asked, Server
from idp.oidc.userinfo import userinfo as told

Work = Callable[[Server, Asked], Any]


def in_front_of(inner: Wsgi, house: House) -> Wsgi:
    """A WSGI application that answers programs itself, and leaves the rest to `inner`."""
    server = Server(house)

    def asks(work: Work) -> Endpoint:
        return Endpoint(methods=frozenset({"POST"}), answer=lambda _, call: _answered(server, call, work))

    return endpoints_frame.in_front_of(
        inner,
        house,
        {
            "/token": asks(Server.create_token_response),
            "/introspect": asks(introspection.introspect),
            "/revoke": asks(lambda to, asked: to.create_endpoint_response("revocation", asked)),
            "/par": asks(pushing.push),
            "/userinfo": Endpoint(
                methods=frozenset({"GET", "HEAD", "POST"}),
                answer=lambda _, call: _userinfo(server, call),
            ),
        },
    )


def _userinfo(server: Server, call: Call) -> Reply:
    """OpenID Connect Core 5.3: the token comes in the header or in the body, never in the query (RFC 9700)."""
    house, now = server.house, call.now
    try:
        app, claims = told(house, _bearer(house, call), now=now)
    except OAuth2Error as error:
        return _reply(server.refuse(error))
    alg = app.userinfo_signed_response_alg
    if alg is None:
        return Reply(status=200, body=orjson.dumps(claims), headers=JSON_HEADERS)
    protocol = {"iss": house.settings.issuer, "aud": app.client_id, "iat": int(now.timestamp())}
    signed = signing.sign(house, claims | protocol, alg)
    headers = [("Content-Type", "application/jwt"), ("Cache-Control", "no-store")]
    return Reply(status=200, body=signed.encode(), headers=headers)


def _answered(server: Server, call: Call, work: Work) -> Reply:
    """RFC 6749 section 3.2, RFC 7662, RFC 7009, RFC 9126."""
    try:
        asked = Asked(
            method=call.method,
            form=_form(call),
            authorization=call.authorization,
            source=call.source,
            now=call.now,
        )
    except OAuth2Error as error:
        return _reply(server.refuse(error))
    return _reply(work(server, asked))


def _form(call: Call) -> dict[str, str]:
    """The parameters of the body. Empty ones count as left out, repeated ones are refused (RFC 6749 section 3.2)."""
    if call.fields is None:
        raise InvalidRequestError(f"The body must be {FORM}.")
    form: dict[str, str] = {}
    seen = set()
    for name, value in call.fields:
        if name in seen and name not in MANY:
            raise InvalidRequestError("A parameter is repeated.")
        seen.add(name)
        if value:
            form[name] = value
    return form


def _bearer(house: House, call: Call) -> str:
    """The access token, from one place (RFC 6750 section 2)."""
    header = call.authorization
    form = _form(call) if call.fields is not None and call.method == "POST" else {}
    if header is None and "access_token" not in form:
        raise _NoToken(realm=house.settings.issuer)
    if header is not None and "access_token" in form:
        raise InvalidRequestError("Send the access token once.")
    if header is None:
        return form["access_token"]
    scheme, _, presented = header.partition(" ")
    if scheme.lower() != "bearer":
        raise _NoToken(realm=house.settings.issuer)
    return presented


class _NoToken(InvalidTokenError):  # type: ignore[misc]
    """No token came at all: say which scheme we speak, and no error (RFC 6750 section 3.1)."""

    def get_headers(self) -> list[tuple[str, str]]:
        return [*JSON_HEADERS, ("WWW-Authenticate", f'Bearer realm="{self.realm}"')]


def _reply(answer: Answer) -> Reply:
    return Reply(status=answer.status, body=orjson.dumps(answer.body), headers=answer.headers)
