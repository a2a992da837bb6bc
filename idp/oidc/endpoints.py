"""Which addresses do programs call? /token /introspect /revoke /par /userinfo: bodies in, JSON out, cookies mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6750 import InvalidTokenError
from flask import Blueprint, Response, current_app, request

from idp import context, web
from idp.oidc import endpoints_cors, pushing, signing
from idp.oidc.request_checks import MANY
from idp.oidc.server import EXTENSION, Answer, Asked, Server
from idp.oidc.userinfo import userinfo as told

FORM = "application/x-www-form-urlencoded"
JSON_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]

blueprint = Blueprint("oidc", __name__)
blueprint.after_request(endpoints_cors.allow)


@blueprint.post("/token")
@web.door(web.Door.APP)
def token() -> Response:
    """RFC 6749 section 3.2."""
    return _answered(_server().create_token_response)


@blueprint.post("/introspect")
@web.door(web.Door.APP)
def introspect() -> Response:
    """RFC 7662."""
    return _answered(lambda asked: _server().create_endpoint_response("introspection", asked))


@blueprint.post("/revoke")
@web.door(web.Door.APP)
def revoke() -> Response:
    """RFC 7009."""
    return _answered(lambda asked: _server().create_endpoint_response("revocation", asked))


@blueprint.post("/par")
@web.door(web.Door.APP)
def par() -> Response:
    """RFC 9126."""
    return _answered(lambda asked: pushing.push(_server(), asked))


@blueprint.route("/userinfo", methods=["GET", "POST"])
@web.door(web.Door.APP)
def userinfo() -> Response:
    """OpenID Connect Core 5.3: the token comes in the header or in the body, never in the query (RFC 9700)."""
    house = context.house()
    try:
        app, claims = told(house, _bearer(), now=house.clock.now())
    except OAuth2Error as error:
        return _response(_server().refuse(error))
    alg = app.userinfo_signed_response_alg
    if alg is None:
        return _response(Answer(status=200, body=claims, headers=JSON_HEADERS))
    protocol = {"iss": house.settings.issuer, "aud": app.client_id, "iat": int(house.clock.now().timestamp())}
    signed = signing.sign(house, claims | protocol, alg)
    return Response(signed, 200, [("Content-Type", "application/jwt"), ("Cache-Control", "no-store")])


def _server() -> Server:
    found: Server = current_app.extensions[EXTENSION]
    return found


def _answered(work: Callable[[Asked], Any]) -> Response:
    try:
        asked = Asked(
            method=request.method,
            form=_form(),
            authorization=request.headers.get("Authorization"),
            source=request.remote_addr,
            now=context.house().clock.now(),
        )
    except OAuth2Error as error:
        return _response(_server().refuse(error))
    return _response(work(asked))


def _form() -> dict[str, str]:
    """The parameters of the body. Empty ones count as left out, repeated ones are refused (RFC 6749 section 3.2)."""
    if request.mimetype != FORM:
        raise InvalidRequestError(f"The body must be {FORM}.")
    form: dict[str, str] = {}
    seen = set()
    for name, value in request.form.items(multi=True):
        if name in seen and name not in MANY:
            raise InvalidRequestError("A parameter is repeated.")
        seen.add(name)
        if value:
            form[name] = value
    return form


def _bearer() -> str:
    """The access token, from one place (RFC 6750 section 2)."""
    header = request.headers.get("Authorization")
    form = _form() if request.method == "POST" and request.mimetype == FORM else {}
    if header is None and "access_token" not in form:
        raise _NoToken(realm=context.house().settings.issuer)
    if header is not None and "access_token" in form:
        raise InvalidRequestError("Send the access token once.")
    if header is None:
        return form["access_token"]
    scheme, _, presented = header.partition(" ")
    if scheme.lower() != "bearer":
        raise _NoToken(realm=context.house().settings.issuer)
    return presented


class _NoToken(InvalidTokenError):  # type: ignore[misc]
    """No token came at all: say which scheme we speak, and no error (RFC 6750 section 3.1)."""

    def get_headers(self) -> list[tuple[str, str]]:
        return [*JSON_HEADERS, ("WWW-Authenticate", f'Bearer realm="{self.realm}"')]


def _response(answer: Answer) -> Response:
    return Response(orjson.dumps(answer.body), answer.status, answer.headers)
