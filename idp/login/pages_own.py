"""What else does a signed-in pupil do here? Choose a password of their own, be done, and read another language."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from idp import context, manners, sentences, web
from idp.errors import Busy
from idp.login import cards, own_password, pages_frame, sessions, sign_in, throttle, way_back
from idp.login.pages_frame import LONGEST_SECRET
from idp.login.sessions import SIGN_IN
from idp.login.way_back import NOWHERE, WayBack

blueprint = Blueprint("own", __name__)


# ---------------------------------------------------------------- a password of one's own


@blueprint.get(sessions.NEW_PASSWORD)
@web.door(web.Door.PUPIL)
def new_password() -> Response:
    who = signed_in()
    if not own_password.may_choose(context.house(), who):
        return web.see_other(way_back.HOME)
    return _new_password_page(pages_frame.way(), who)


@blueprint.post(sessions.NEW_PASSWORD)
@web.door(web.Door.PUPIL)
def new_password_answer() -> Response:
    house, who, way = context.house(), signed_in(), pages_frame.way()
    if not own_password.may_choose(house, who):
        return web.see_other(way_back.HOME)
    try:
        if not who.must_change and (problem := current_is_wrong(who)):
            return _new_password_page(way, who, problems=[problem])
        outcome = own_password.change(
            house, who, request.form.get("password", "")[:LONGEST_SECRET], language=web.language()
        )
    except Busy:
        return _new_password_page(way, who, problems=[both("hash_queue_full")], status=503)
    if isinstance(outcome, own_password.Unsuitable):
        return _new_password_page(way, who, problems=[both(code) for code in outcome.codes])
    if way.authorizes:
        with house.database.transaction() as db:
            sessions.leave_marker(db, outcome.session.sid, way.url, house.clock.now())
    web.forget_page()
    response = web.see_other(way.onward)
    web.set_cookie(response, sessions.COOKIE, outcome.session.cookie)
    return response


def both(code: str) -> str:
    """What is wrong, and what to do."""
    return f"{sentences.sentence(code)} {sentences.advice(code)}"


def current_is_wrong(who: sessions.SignedIn) -> str | None:
    """Proving the present password counts as a try, like any other."""
    house = context.house()
    outcome = sign_in.confirm(
        house,
        sign_in.Attempt(
            username=who.username,
            secret=request.form.get("current", "")[:LONGEST_SECRET],
            browser=pages_frame.browser(),
            address=request.remote_addr or "",
            shared=who.shared,
        ),
    )
    if isinstance(outcome, sign_in.Confirmed):
        return None
    if isinstance(outcome, sign_in.Wait):
        return both("password_rests" if outcome.counter in throttle.UNTIL_HELP else "too_many_tries")
    return both("password_wrong")


# ---------------------------------------------------------------- done, and another language


@blueprint.get("/afmelden")
@web.door(web.Door.ANYONE)
def sign_out() -> Response:
    who = sessions.current()
    if who is None:
        return web.see_other(SIGN_IN)
    return make_response(
        render_template(
            "login/sign_out.html",
            app_name=None,
            app_logo=None,
            name=who.given_name,
            action="/afmelden",
            hidden={},
        )
    )


@blueprint.post("/afmelden")
@web.door(web.Door.ANYONE)
def sign_out_answer() -> Response:
    """*Klaar*: our session ends, and the next child lands on *Wie ben je?*"""
    if request.form.get("antwoord") == "nee":
        return web.see_other(way_back.HOME)
    house, who = context.house(), sessions.current()
    if who is not None:
        with house.database.transaction() as db:
            sessions.end(db, who.sid, "signed_out", house.clock.now())
    return goodbye()


def goodbye() -> Response:
    """Nobody is signed in on this browser any more, and it holds no card."""
    web.forget_page()
    response = web.see_other(NOWHERE.page(bericht="klaar"))
    web.drop_cookie(response, sessions.COOKIE)
    web.drop_cookie(response, cards.COOKIE)
    return response


@blueprint.post("/taal")
@web.door(web.Door.ANYONE)
def choose_language() -> Response:
    back = request.form.get("terug", "")
    response = web.see_other(back if manners.local(back) else SIGN_IN)
    if request.form.get("taal") in manners.LANGUAGES:
        web.set_cookie(response, manners.LANGUAGE_COOKIE, request.form["taal"])
    return response


def _new_password_page(
    way: WayBack, who: sessions.SignedIn, *, problems: list[str] | None = None, status: int = 200
) -> Response:
    return pages_frame.page(
        "login/new_password.html",
        way,
        status=status,
        action=way.page(sessions.NEW_PASSWORD),
        forced=who.must_change,
        problems=problems or [],
        username=who.username,
        shared=who.shared,
    )


def signed_in() -> sessions.SignedIn:
    who = sessions.current()
    assert who is not None, "the door let in somebody who is not signed in"
    return who
