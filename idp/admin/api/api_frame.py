"""How does a program of an operator reach what it may? A token, one table of operations, and problems in one shape.

`operation(...)` is the only way in: it makes the route, asks for the token and its scope, checks what was sent against
what the description says, and answers every refusal as `application/problem+json` (RFC 9457). admin/api/api_description.py
writes the OpenAPI document from the same table, so that the two cannot say different things.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import orjson
from flask import Blueprint, Response, request

from idp import audit, context, web
from idp.admin.api import api_tokens
from idp.admin.api.api_fields import PATH_NAMES, NotAsDescribed, check, read_body, read_query
from idp.admin.api.api_tokens import ApiToken, Scope
from idp.admin.apps import app_planning
from idp.errors import Refusal
from idp.lately import Counter

blueprint = Blueprint("operators_api", __name__)
ROOT = "/api/beheer/v1"
LARGEST = 4 * 1024 * 1024
MANY, NOTED = 30, 10
"""Refused tokens from one address in ten minutes: after so many it waits; so many are in the trail."""
STATUSES = {
    "app_changed_meanwhile": 412,
    "registration_refused": 422,
    "app_exists": 409,
    "app_disabled_already": 409,
    "app_works_already": 409,
    "app_has_no_secret": 409,
    "last_secret": 409,
    "two_secrets": 409,
    "request_decided": 409,
    "request_outdated": 409,
    "school_does_not_share": 409,
    "app_not_for_school": 409,
    "kind_is_frozen": 409,
}
"""Refusals that are about how things are now, not about what was sent."""
_refusals = Counter(window=timedelta(minutes=10))
ETAG = re.compile(r'(?:W/)?"[^"\s]*"')
"""One entity tag (RFC 9110 section 8.8.3)."""
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Given:
    """What came with a request, as described."""

    query: Mapping[str, Any]
    body: Any
    if_match: int | None
    token: ApiToken


@dataclass(frozen=True, kw_only=True)
class Answer:
    body: Any = None
    status: int = 200
    version: int | None = None
    """Becomes the ETag."""
    text: str | None = field(default=None, repr=False)
    """Instead of JSON."""
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One line of the table."""

    method: str
    path: str
    name: str
    summary: str
    scope: Scope | None
    """None: any good token."""
    query: Mapping[str, Mapping[str, Any]]
    body: Mapping[str, Any] | None
    match: bool
    """It changes something that others change too: If-Match is asked."""
    answers: Mapping[int, Any]
    """Status → schema, or None for an empty answer."""


OPERATIONS: list[Operation] = []


def operation(
    method: str,
    path: str,
    *,
    summary: str,
    scope: Scope | None,
    query: Mapping[str, Mapping[str, Any]] | None = None,
    body: Mapping[str, Any] | None = None,
    match: bool = False,
    answers: Mapping[int, Any],
) -> Callable[[View], View]:
    """Make this view an operation of the API; it gets a Given and the names in the path, and returns an Answer."""

    def mark(view: View) -> View:
        line = Operation(
            method=method,
            path=path,
            name=view.__name__,
            summary=summary,
            scope=scope,
            query=query or {},
            body=body,
            match=match,
            answers=answers,
        )
        OPERATIONS.append(line)

        @web.door(web.Door.APP)
        def answer(**names: str) -> Response:
            return _answer(line, view, names)

        route = ROOT + path.replace("{", "<").replace("}", ">")
        blueprint.add_url_rule(route, view.__name__, answer, methods=[method])
        return view

    return mark


@blueprint.after_app_request
def as_problem(response: Response) -> Response:
    """What was refused before it came here (a body too large, a path that is none, a broken day) has the same shape."""
    ours = request.path.startswith(f"{ROOT}/") and response.status_code >= 400
    if not ours or response.mimetype == "application/problem+json":
        return response
    code = (response.get_json(silent=True) or {}).get("error", "not_found")
    problem = _problem(response.status_code, str(code))
    problem.headers.extend(
        (name, value) for name, value in response.headers if name in {"Allow", "Retry-After", "X-Request-Id"}
    )
    return problem


# ---------------------------------------------------------------- inside


class _No(Exception):
    """The answer is a problem."""

    def __init__(self, status: int, code: str, detail: str = "", **more: Any) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.more = status, code, detail, more


def _answer(line: Operation, view: Callable[..., Answer], names: Mapping[str, str]) -> Response:
    try:
        token = _token(line)
        _check_names(names)
        with audit.circumstances(
            audit.Circumstances(
                now=context.house().clock.now(),
                actor=f"operator-token:{token.id}",
                source=request.remote_addr,
                request_id=context.request_id(),
            )
        ):
            done = view(_given(line, token), **names)
    except _No as no:
        return _problem(no.status, no.code, no.detail, **no.more)
    except app_planning.Refused as refused:
        problems = {which: dict(told) for which, told in refused.problems.items()}
        return _problem(422, refused.code, "The registration cannot be stored.", problems=problems)
    except Refusal as refusal:
        status = STATUSES.get(refusal.code, refusal.status)
        return _problem(status, refusal.code, refusal.detail)
    return _response(done)


def _response(done: Answer) -> Response:
    headers = [("Cache-Control", "no-store")]
    if done.version is not None:
        headers.append(("ETag", f'"{done.version}"'))
    if done.location is not None:
        headers.append(("Location", done.location))
    if done.text is not None:
        return Response(
            done.text, done.status, [*headers, ("Content-Type", "application/yaml; charset=utf-8")]
        )
    if done.body is None:
        return Response(status=204, headers=headers)
    return Response(orjson.dumps(done.body), done.status, [*headers, ("Content-Type", "application/json")])


def _token(line: Operation) -> ApiToken:
    """The good token that came, if it may do this. Raises _No."""
    house = context.house()
    now = house.clock.now()
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    found = None
    if scheme.lower() == "bearer" and presented:
        with house.database.reading() as db:
            found = api_tokens.find(db, presented.strip())
    if found is None or not found.good(now):
        raise _refused(found, "the token is unknown, has ended, or is missing", status=401)
    if line.scope is not None and line.scope not in found.scopes:
        raise _refused(found, f"this takes a token with the scope {line.scope}", status=403)
    today = house.clock.today()
    if found.last_used_on != today:
        with house.database.transaction() as db:
            api_tokens.used(db, found, today)
    return found


def _refused(found: ApiToken | None, because: str, *, status: int) -> _No:
    house = context.house()
    count = _refusals.add((id(house.database), request.remote_addr), house.clock.now())
    if count <= NOTED:
        with house.database.transaction() as db:
            api_tokens.refused(db, found, because)
    if status == 401 and count > MANY:
        return _No(
            429, "too_many_requests", "Too many refused tokens came from this address: wait ten minutes."
        )
    return _No(
        status, "token_refused" if status == 401 else "scope_missing", f"{because[0].upper()}{because[1:]}."
    )


def _check_names(names: Mapping[str, str]) -> None:
    for name, value in names.items():
        try:
            check(name, value, PATH_NAMES[name])
        except NotAsDescribed as mistake:
            raise _No(404, "not_found", str(mistake)) from None


def _given(line: Operation, token: ApiToken) -> Given:
    try:
        query = read_query(line.query, request.args)
        body = _body(line)
    except NotAsDescribed as mistake:
        raise _No(400, "not_as_described", str(mistake)) from None
    return Given(query=query, body=body, if_match=_if_match(line), token=token)


def _body(line: Operation) -> Any:
    if line.body is None:
        return None
    if request.mimetype not in {"application/json", "application/merge-patch+json"}:
        raise _No(415, "not_json", "The body must be JSON (application/json).")
    data = request.get_data()
    if len(data) > LARGEST:
        raise _No(413, "too_large", f"A body has at most {LARGEST} bytes.")
    try:
        read = orjson.loads(data)
    except ValueError:
        raise _No(400, "not_json", "The body cannot be read as JSON.") from None
    return read_body(line.body, read)


def _if_match(line: Operation) -> int | None:
    """The version that the change was made from (RFC 9110 section 13.1.1)."""
    if not line.match:
        return None
    said = request.headers.get("If-Match", "").strip()
    if not said:
        raise _No(428, "if_match_missing", 'Send If-Match with the ETag of what you read, such as "3".')
    if not ETAG.fullmatch(said):
        raise _No(400, "if_match_unreadable", 'If-Match holds one ETag, with its quotes, such as "3".')
    number = said.removeprefix("W/").strip('"')
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        raise _No(412, "app_changed_meanwhile", "This is no ETag of ours: read it again.")
    return int(number)


def _problem(status: int, code: str, detail: str = "", **more: Any) -> Response:
    body = {"type": f"urn:leersleutel:problem:{code}", "title": code.replace("_", " "), "status": status}
    body |= {"code": code, "detail": detail, "incident": context.request_id()} | more
    response = Response(
        orjson.dumps(body),
        status,
        [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")],
    )
    if status == 401:
        response.headers["WWW-Authenticate"] = f'Bearer realm="{context.house().settings.issuer}"'
    if status == 429:
        response.headers["Retry-After"] = "600"
    return response
