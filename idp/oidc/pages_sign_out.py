"""What does a person meet who signs out at the request of an app? /end_session.

GET  /end_session              end the session, or ask first
POST /end_session              the same request from an app's form; goes on as a GET
POST /end_session/antwoord     ja or nee
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from flask import Blueprint, Response, make_response, render_template
from flask import request as http
from werkzeug.exceptions import MethodNotAllowed

from idp import audit, context, web
from idp.lately import Counter
from idp.login import sessions
from idp.login.sessions import SignedIn
from idp.oidc import app_log, logout, signing
from idp.oidc import request as requests
from idp.oidc.logout import Confused, SignOut

log = structlog.get_logger(__name__)
blueprint = Blueprint("oidc_sign_out", __name__)
FORM = "application/x-www-form-urlencoded"
NOTED = 20
"""Refusals in one minute, from one address, that are kept for the app's developer."""
_refusals = Counter(window=timedelta(minutes=1))


@blueprint.get("/end_session")
@web.door(web.Door.ANYONE)
def end_session() -> Response:
    """RP-Initiated Logout 1.0 section 2. Asks first, unless the hint names this very session."""
    if http.method != "GET":
        raise MethodNotAllowed(valid_methods=["GET", "OPTIONS", "POST"])  # HEAD, which would end a session
    asked = _asked([])
    if isinstance(asked, Confused):
        return _confused(asked)
    session = sessions.current()
    if session is None:
        return _done(asked)
    if asked.certain(context.house().keys, session):
        return _end(asked, session)
    if asked.back:
        web.allow_form_to(asked.back)
    page = render_template(
        "oidc/sign_out.html",
        app_name=asked.app.client_name if asked.app else None,
        app_logo=asked.app.logo if asked.app else None,
        name=session.given_name,
        action=f"/end_session/antwoord?{asked.query}",
        hidden={},
    )
    return make_response(page)


@blueprint.post("/end_session")
@web.door(web.Door.APP)
def end_session_by_form() -> Response:
    """A request in a form: goes on as a GET. No cookie counts here."""
    if http.mimetype != FORM:
        return web.refusal_page("bad_request", 400)
    asked = _asked(list(http.form.items(multi=True)))
    return _confused(asked) if isinstance(asked, Confused) else web.see_other(f"/end_session?{asked.query}")


@blueprint.get("/end_session/antwoord")
@web.door(web.Door.ANYONE)
def question_again() -> Response:
    """The question was reloaded or had been open too long: it is asked again."""
    asked = _asked([])
    return _confused(asked) if isinstance(asked, Confused) else web.see_other(f"/end_session?{asked.query}")


@blueprint.post("/end_session/antwoord")
@web.door(web.Door.ANYONE)
def answer() -> Response:
    asked = _asked([])
    if isinstance(asked, Confused):
        return _confused(asked)
    if http.form.get("antwoord") != "ja":
        return web.see_other("/mijn-apps")
    session = sessions.current()
    return _end(asked, session) if session is not None else _done(asked)


def _asked(form: list[tuple[str, str]]) -> SignOut | Confused:
    house = context.house()
    given = requests.pairs(http.query_string)
    if given is None:
        return Confused(code="bad_request", because="the query cannot be read", client_id=None)
    return logout.read(
        [*given, *form], find_app=house.apps.find, verify=lambda token: signing.verify(house, token)
    )


def _end(asked: SignOut, session: SignedIn) -> Response:
    logout.end(context.house(), session)
    web.forget_page()
    response = _done(asked)
    web.drop_cookie(response, sessions.COOKIE)
    return response


def _done(asked: SignOut) -> Response:
    if asked.back:
        return web.see_other(asked.back)
    return make_response(render_template("oidc/signed_out.html", back=None, app_name=None))


def _confused(no: Confused) -> Response:
    """Nobody stays signed in because an app made a mistake: the way on asks whether to sign out."""
    log.warning(
        "sign_out_refused", client_id=no.client_id, because=no.because, request_id=context.request_id()
    )
    house = context.house()
    app = house.apps.find(no.client_id) if no.client_id else None
    if (
        _refusals.add((id(house.database), app and app.client_id, http.remote_addr), house.clock.now())
        <= NOTED
    ):
        with house.database.transaction() as db:
            audit.sign_out_refused(
                db,
                client_id=no.client_id,
                error=no.code,
                because=no.because,
                received=app_log.received([*http.args.items(multi=True), *http.form.items(multi=True)]),
                registered=app_log.registered(app),
            )
    return web.refusal_page(no.code, 400, back="/end_session")
