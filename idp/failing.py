"""What does somebody get when it does not work? A page for a person, JSON for a program, and a line in the log."""

from __future__ import annotations

from traceback import format_tb
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, jsonify, make_response, request
from flask_login import AnonymousUserMixin
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from idp import context
from idp.errors import Busy, Refusal
from idp.web import PROGRAMS, refusal_page

log = structlog.get_logger(__name__)
AWAY_SECONDS = 5
"""After which a request may be tried again when the database is away."""


def prepare(app: Flask) -> None:
    """Teach this Flask app to fail like us."""
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(HTTPException, _http)
    for away in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(away, _away)
    app.register_error_handler(Exception, _unexpected)


def _refused(refusal: Refusal) -> Response:
    log.info(
        "refused",
        code=refusal.code,
        detail=refusal.detail,
        status=refusal.status,
        request_id=context.request_id(),
    )
    if _wants_json():
        response = make_response(jsonify(error=refusal.code, incident=context.request_id()), refusal.status)
    else:
        response = refusal_page(refusal.code, refusal.status)
    if isinstance(refusal, Busy):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _expired(_error: CSRFError) -> Response:
    log.info("csrf_refused", request_id=context.request_id())
    return refusal_page("page_expired", 400, back=_here())


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
    _log_failure("database_away", error)
    if _wants_json():
        response = make_response(
            jsonify(error="temporarily_unavailable", incident=context.request_id()), Busy.status
        )
    else:
        response = refusal_page("database_away", Busy.status)
    response.headers["Retry-After"] = str(AWAY_SECONDS)
    return response


def _unexpected(error: Exception) -> Response:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return _away(error)
    _log_failure("unexpected", error)
    if _wants_json():
        return make_response(jsonify(error="server_error", incident=context.request_id()), 500)
    return refusal_page("broken", 500)


def _log_failure(event: str, error: Exception) -> None:
    """Where it broke. What a database says about its rows is left out: it quotes names and digests from them.

    Nobody is looked up for the page that says so: what failed would fail again, in Flask-Login's `current_user`.
    """
    g._login_user = AnonymousUserMixin()  # noqa: SLF001 - where Flask-Login keeps it
    if isinstance(error, DBAPIError):
        where = "".join(format_tb(error.__traceback__))
        said = str(error.orig).partition("\n")[0] if isinstance(error, OperationalError) else None
        log.error(
            event, request_id=context.request_id(), kind=type(error.orig).__name__, said=said, where=where
        )
    else:
        log.error(event, request_id=context.request_id(), kind=type(error).__name__, exc_info=error)


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
    return request.full_path.rstrip("?") if request.endpoint else None
