"""What does somebody get when it does not work? A page for a person, JSON for a program, and a line in the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from traceback import format_tb
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, jsonify, make_response, request
from flask_login import AnonymousUserMixin
from sqlalchemy.exc import DBAPIError, OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from idp import assets, context, database, manners
from idp.errors import Busy, Refusal
from idp.web import PROGRAMS, NotOurs, refusal_page

log = structlog.get_logger(__name__)
AWAY_SECONDS = 5
"""After which a request may be tried again when the database is away."""


def prepare(app: Flask) -> None:
    """Teach this Flask app to fail like us."""
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(NotOurs, _expired)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


@dataclass(frozen=True, kw_only=True)
class No:
    """What went wrong, for a program."""

    status: int
    error: str
    headers: list[tuple[str, str]] = field(default_factory=list)


def to_program(error: Exception, request_id: str) -> No:
    """Log it, and say what a program may know of it. Nothing of Flask is needed."""
    if isinstance(error, Refusal):
        _log_refusal(error, request_id)
        wait = [("Retry-After", str(error.retry_after))] if isinstance(error, Busy) else []
        return No(status=error.status, error=error.code, headers=wait)
    if database.is_away(error):
        _log_failure("database_away", error, request_id)
        wait = [("Retry-After", str(AWAY_SECONDS))]
        return No(status=Busy.status, error="temporarily_unavailable", headers=wait)
    _log_failure("unexpected", error, request_id)
    return No(status=500, error="server_error")


def _answer(error: Exception) -> Response:
    """The same, as Flask wants it."""
    no = to_program(error, context.request_id())
    response = make_response(jsonify(error=no.error, incident=context.request_id()), no.status)
    response.headers.extend(no.headers)
    return response


def _refused(refusal: Refusal) -> Response:
    if _wants_json():
        return _answer(refusal)
    _log_refusal(refusal, context.request_id())
    response = refusal_page(refusal.code, refusal.status)
    if isinstance(refusal, Busy):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _expired(_error: NotOurs) -> Response:
    log.info("csrf_refused", request_id=context.request_id())
    named = request.form.get("terug", "")
    return refusal_page("page_expired", 400, back=named if manners.local(named) else _here())


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code = {404: "not_found", 405: "not_found", 413: "too_large", 414: "too_large"}.get(status, "bad_request")
    if _wants_json():
        word = "not_found" if status == 404 else "invalid_request"
        response = make_response(jsonify(error=word, incident=context.request_id()), status)
    else:
        response = refusal_page(code, status)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _away(error: Exception) -> Response:
    """The database cannot be reached, or has no room: nothing was done, and the same request may work soon."""
    _forget_who()
    if _wants_json():
        return _answer(error)
    _log_failure("database_away", error, context.request_id())
    response = refusal_page("database_away", Busy.status)
    response.headers["Retry-After"] = str(AWAY_SECONDS)
    return response


def _unexpected(error: Exception) -> Response:
    if database.is_away(error):
        return _away(error)
    _forget_who()
    if _wants_json():
        return _answer(error)
    _log_failure("unexpected", error, context.request_id())
    return refusal_page("broken", 500)


def _forget_who() -> None:
    """Nobody is looked up for the page that says so: what failed would fail again, in Flask-Login's `current_user` too.

    Whoever the door of staff let in before it failed is known, and keeps the desk.
    """
    g.setdefault("desk", None)
    g._login_user = AnonymousUserMixin()  # noqa: SLF001 - where Flask-Login keeps it


def _log_refusal(refusal: Refusal, request_id: str) -> None:
    log.info(
        "refused", code=refusal.code, detail=refusal.detail, status=refusal.status, request_id=request_id
    )


def _log_failure(event: str, error: Exception, request_id: str) -> None:
    """Where it broke. What a database says about its rows is left out: it quotes names and digests from them."""
    if isinstance(error, DBAPIError):
        where = "".join(format_tb(error.__traceback__))
        said = str(error.orig).partition("\n")[0] if isinstance(error, OperationalError) else None
        log.error(event, request_id=request_id, kind=type(error.orig).__name__, said=said, where=where)
    else:
        log.error(event, request_id=request_id, kind=type(error).__name__, exc_info=error)


def _wants_json() -> bool:
    """Do only programs come to this address, whatever the method? And where nothing is: what does the asker read?"""
    doors = _doors_here()
    if doors:
        return doors <= PROGRAMS
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _doors_here() -> set[Any]:
    here = current_app.url_map.bind("")
    found = set()
    for method in here.allowed_methods(request.path):
        endpoint, _values = here.match(request.path, method=method)
        found.add(getattr(current_app.view_functions[endpoint], "door", None))
    return found


def _here() -> str | None:
    """Where a page that expired starts again: the same address, asked for anew."""
    return assets.here() if request.endpoint else None
