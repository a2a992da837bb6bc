"""What does a person meet between an app and us? /authorize, and the questions it may ask.

    GET  /authorize            look at the request: sign in, ask, issue or refuse
    POST /authorize            the same request from an app's form; goes on as a GET
    POST /authorize/antwoord   the answer to a question of ours; goes back to /authorize
    GET  /authorize/terug      back to the app with access_denied, from the page of an app that is not visible

The address holds the whole request, so every step leads back to /authorize with the same query.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import structlog
from flask import Blueprint, Flask, Response, make_response, render_template
from flask import request as http
from sqlalchemy import Connection
from werkzeug.exceptions import MethodNotAllowed

from idp import audit, context, pushed, web
from idp.claims import explain
from idp.claims import pages as claims_pages
from idp.lately import Counter
from idp.login import sessions, throttle
from idp.login.sessions import SignedIn
from idp.login.sign_in import Arrival
from idp.models import AccountType
from idp.oidc import app_log, arriving, authorize, responses
from idp.oidc import request as requests
from idp.oidc.arriving import Arrived
from idp.oidc.authorize import Considered, Issued
from idp.oidc.next_step import (
    NOT_VISIBLE,
    ChangePassword,
    ConfirmPupil,
    Evidence,
    NotVisible,
    PickSchool,
    RefuseToApp,
    ShowRelease,
    SignIn,
)
from idp.oidc.request import AuthorizationRequest, Refused, Untrusted
from idp.oidc.responses import ToApp

log = structlog.get_logger(__name__)
blueprint = Blueprint("oidc_pages", __name__)
FORM = "application/x-www-form-urlencoded"
EVERYDAY = frozenset({"login_required", "interaction_required", "consent_required"})
"""Answers to prompt=none that an app asks for all day: no business of the audit trail."""


NOTED = 20
"""Refusals of one kind, in one minute, from one network, that the audit trail keeps; the log has them all."""
_refusals = Counter(window=timedelta(minutes=1))


def prepare(app: Flask) -> None:
    """Tell the floor below how a request is answered at once when somebody signs in for it."""
    app.extensions[web.AT_ONCE] = _at_once


@blueprint.get("/authorize")
@web.door(web.Door.ANYONE)
def authorize_page() -> Response:
    """OpenID Connect Core 3.1.2."""
    if http.method != "GET":
        raise MethodNotAllowed(valid_methods=["GET", "OPTIONS", "POST"])  # HEAD, which would issue a code
    asked = _asked(http.query_string)
    if not isinstance(asked, AuthorizationRequest):
        return _not_in_order(asked)
    if asked.kept is not None and not pushed.is_name(http.args.get("request_uri", "")):
        return web.see_other(asked.url)
    session = sessions.current()
    return _step(asked, session, authorize.consider(context.house(), asked, session))


@blueprint.post("/authorize")
@web.door(web.Door.APP)
def authorize_by_form() -> Response:
    """A request in a form: checked as any other, then named by an address like any other. No cookie counts here."""
    if http.mimetype != FORM:
        return web.refusal_page("bad_request", 400)
    asked = _asked(http.query_string, list(http.form.items(multi=True)))
    if not isinstance(asked, AuthorizationRequest):
        return _not_in_order(asked)
    return web.see_other(asked.url)


@blueprint.get("/authorize/antwoord")
@web.door(web.Door.ANYONE)
def question_again() -> Response:
    """A question that was reloaded or had been open too long: the request starts again."""
    asked = _asked(http.query_string)
    return web.see_other(asked.url) if isinstance(asked, AuthorizationRequest) else _not_in_order(asked)


@blueprint.post("/authorize/antwoord")
@web.door(web.Door.ANYONE)
def answer() -> Response:
    """Ja, nee, or a school. Whatever it was, /authorize looks at everything again."""
    asked = _asked(http.query_string)
    if not isinstance(asked, AuthorizationRequest):
        return _not_in_order(asked)
    house, session = context.house(), sessions.current()
    if session is None:
        return web.see_other(asked.url)
    yes = http.form.get("antwoord") == "ja"
    match http.form.get("vraag"):
        case "wie" if yes:
            authorize.answered(house, asked, session, Evidence.CONFIRMED)
        case "wie":
            return _somebody_else(asked, session)
        case "school":
            authorize.pick(house, asked, session, http.form.get("school", ""))
        case "tonen" if yes:
            authorize.answered(house, asked, session, Evidence.INFORMED)
        case "tonen":
            return _refuse(asked, RefuseToApp(error="access_denied", description="the pupil said: not now"))
    return web.see_other(asked.url)


@blueprint.get("/authorize/terug")
@web.door(web.Door.ANYONE)
def back_to_app() -> Response:
    asked = _asked(http.query_string)
    return _refuse(asked, NOT_VISIBLE) if isinstance(asked, AuthorizationRequest) else _not_in_order(asked)


# ---------------------------------------------------------------- the steps


def _at_once(url: str) -> Arrival | None:
    """The answer to the request at this address for whoever has just signed in for it: on to the app with a code.

    None when the answer is a page: a reload of that must not send a secret again.
    """
    query = url.partition("#")[0].partition("?")[2]
    given = requests.pairs(query.encode())
    if given is None or any(
        name == "request" or (name == "request_uri" and not pushed.is_name(value)) for name, value in given
    ):
        return None
    asked = arriving.arrive(context.house(), given, source=http.remote_addr or "")
    if not isinstance(asked, AuthorizationRequest) or asked.response_mode != "query":
        return None
    house = context.house()

    def arrive(db: Connection, session: SignedIn, now: datetime) -> str | None:
        code = authorize.at_once(db, house, asked, session, now)
        return responses.with_code(asked, code, house.settings.issuer).location if code else None

    return arrive


def _asked(query: bytes, form: list[tuple[str, str]] | None = None) -> Arrived:
    house = context.house()
    given = requests.pairs(query)
    if given is None:
        return Untrusted(code="bad_request", client_id="", because="the query cannot be read")
    source = http.remote_addr or ""
    if form is None:
        return arriving.arrive(house, given, source=source)
    return arriving.by_form(house, [*given, *form], source=source)


def _step(asked: AuthorizationRequest, session: SignedIn | None, considered: Considered) -> Response:
    step = considered.step
    match step:
        case Issued():
            return _send(asked, responses.with_code(asked, step.code, context.house().settings.issuer))
        case SignIn():
            return _to_sign_in(asked)
        case ChangePassword():
            return web.see_other(f"{sessions.NEW_PASSWORD}?{urlencode({'next': asked.url})}")
        case RefuseToApp():
            return _refuse(asked, step)
        case NotVisible():
            _note(asked, NOT_VISIBLE)
            back = f"/authorize/terug?{asked.query}"
            young = session is None or session.type is AccountType.BASIC
            page = _question(asked, "oidc/not_visible.html", back=back, school=None, young=young)
            return make_response(page, 403)
    assert session is not None
    match step:
        case ConfirmPupil():
            page = _question(asked, "oidc/is_it_you.html", vraag="wie", name=session.given_name)
        case PickSchool():
            page = _question(asked, "oidc/pick_school.html", vraag="school", schools=considered.schools)
        case ShowRelease():
            page = _show_release(asked, session, step.school, considered)
    return make_response(page)


def _to_sign_in(asked: AuthorizationRequest) -> Response:
    return web.see_other(f"{sessions.SIGN_IN}?{urlencode({'next': asked.url})}")


def _somebody_else(asked: AuthorizationRequest, session: SignedIn) -> Response:
    """*Dat ben ik niet*: the session of whoever was here before ends, and the next one signs in."""
    house = context.house()
    with house.database.transaction() as db:
        sessions.end(db, session.sid, "somebody_else", house.clock.now())
    web.forget_page()
    response = _to_sign_in(asked)
    web.drop_cookie(response, sessions.COOKIE)
    return response


def _show_release(asked: AuthorizationRequest, session: SignedIn, school: str, considered: Considered) -> str:
    answers = authorize.would_be_told(context.house(), asked, session, school)
    gets, not_gets = explain.for_pupil(asked.app, answers)
    return _question(
        asked,
        "oidc/show_release.html",
        vraag="tonen",
        school=considered.school_name(school),
        gets=gets,
        not_gets=not_gets,
    )


def _question(asked: AuthorizationRequest, template: str, *, vraag: str | None = None, **words: Any) -> str:
    """A page about this request; its form may end at the app."""
    web.allow_form_to(asked.redirect_uri)
    return render_template(
        template,
        app_name=asked.app.client_name,
        app_logo=asked.app.logo,
        action=f"/authorize/antwoord?{asked.query}",
        hidden={"vraag": vraag},
        **words,
    )


# ---------------------------------------------------------------- leaving


def _refuse(asked: AuthorizationRequest, refusal: RefuseToApp) -> Response:
    _note(asked, refusal)
    return _send(asked, responses.with_refusal(asked, refusal, context.house().settings.issuer))


def _send(to: AuthorizationRequest | Refused, answer: ToApp) -> Response:
    if answer.mode != "form_post":
        return web.see_other(answer.location)
    web.allow_form_to(answer.uri)
    page = render_template(
        "oidc/form_post.html", app_name=to.app.client_name, action=answer.uri, fields=answer.fields
    )
    return make_response(page)


def _not_in_order(no: Refused | Untrusted) -> Response:
    if isinstance(no, Refused):
        _remember(no.app.client_id, no.error, no.description)
        return _send(no, responses.refused(no, context.house().settings.issuer))
    _remember(no.client_id or None, no.code, no.because)
    known = no.app if no.app is not None and not no.app.disabled else None
    back = claims_pages.start_url(known, context.house().settings.issuer) if known else None
    return web.refusal_page(no.code, 400, back=back, app_name=known.client_name if known else None)


def _note(asked: AuthorizationRequest, refusal: RefuseToApp) -> None:
    if refusal.error in EVERYDAY:
        log.info("authorization_refused", client_id=asked.app.client_id, error=refusal.error)
    else:
        _remember(asked.app.client_id, refusal.error, refusal.description)


def _remember(client_id: str | None, error: str, because: str) -> None:
    """For whoever builds the app: what was wrong, with the number that the person saw."""
    log.warning(
        "authorization_refused",
        client_id=client_id,
        error=error,
        because=because,
        request_id=context.request_id(),
    )
    house = context.house()
    known = client_id if client_id and house.apps.find(client_id) else None
    kind = (id(house.database), known, error, throttle.network(http.remote_addr or ""))
    count = _refusals.add(kind, house.clock.now())
    if count > NOTED + 1:
        return
    noted = because if count <= NOTED else "and more, from the same network in the same minute: see the log"
    with house.database.transaction() as db:
        audit.authorization_refused(
            db,
            client_id=client_id,
            error=error,
            because=noted,
            received=app_log.received([*http.args.items(multi=True), *http.form.items(multi=True)]),
            registered=app_log.registered(house.apps.find(known) if known else None),
        )
