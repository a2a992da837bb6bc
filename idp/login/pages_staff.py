"""How does a member of staff sign in? Name and password, then a second factor; or a passkey alone.

    /personeel/aanmelden           name and password, or a passkey
    /personeel/aanmelden/code      the second step: a code, or a passkey
    /personeel/aanmelden/passkey   a passkey alone, or as the second step
    /personeel/afmelden            done

What was proven first is sealed in a cookie for ten minutes; no name and no secret stands in an address.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, render_template, request

from idp import context, manners, sentences, web
from idp.errors import Busy
from idp.login import (
    browsers,
    pages_frame,
    staff_accounts,
    staff_factors,
    staff_sessions,
    staff_setup,
    staff_sign_in,
    throttle,
    upstream,
)
from idp.login.staff_sessions import HOME, SIGN_IN
from idp.login.staff_sign_in import Proven, Visitor
from idp.login.throttle import Wait

blueprint = Blueprint("staff", __name__)

SIGN_OUT = "/personeel/afmelden"
STEP_COOKIE = "staff-step"
STEP_SECONDS = 10 * 60


@blueprint.before_request
def only_upstream() -> None:
    """Where staff sign in at the upstream provider alone, no other way is open. Raises NotAllowed."""
    if request.method not in web.SAFE and request.path != SIGN_OUT:
        staff_setup.require_own_ways(context.house().settings)


@blueprint.get(SIGN_IN)
@web.door(web.Door.ANYONE)
def sign_in_page() -> Response:
    said = request.args.get("bericht", "")
    problem = both(said) if said in upstream.SAID else ""
    if staff_sessions.current() is not None and not problem:
        return web.see_other(way_back())
    return page(problem=problem)


@blueprint.post(SIGN_IN)
@web.door(web.Door.ANYONE)
def sign_in_answer() -> Response:
    house = context.house()
    name = request.form.get("name", "")[: staff_accounts.LONGEST_NAME]
    typed = request.form.get("password", "")[: pages_frame.LONGEST_SECRET]
    visitor = here()
    try:
        outcome = staff_sign_in.password(house, name, typed, visitor)
    except Busy as busy:
        response = page(problem=both(busy.code), name=name, status=503)
        response.headers["Retry-After"] = str(busy.retry_after)
        return response
    if not isinstance(outcome, Proven):
        return remember(no(outcome, "staff_sign_in_wrong", name=name), visitor)
    stamp = outcome.set_at.isoformat() if outcome.set_at else ""
    sealed = house.keys.seal(STEP_COOKIE, {"p": outcome.person_id, "s": stamp}, house.clock.now())
    response = web.see_other(_with_way_back(f"{SIGN_IN}/code"))
    web.set_cookie(response, STEP_COOKIE, sealed, seconds=STEP_SECONDS)
    return remember(response, visitor)


@blueprint.get(f"{SIGN_IN}/code")
@web.door(web.Door.ANYONE)
def code_page() -> Response:
    staff = first_step()
    return _code_page(staff) if staff else web.see_other(_with_way_back(SIGN_IN))


@blueprint.post(f"{SIGN_IN}/code")
@web.door(web.Door.ANYONE)
def code_answer() -> Response:
    staff = first_step()
    if staff is None:
        return page(problem=both("staff_step_gone"), status=403)
    visitor = here()
    outcome = staff_sign_in.code(context.house(), staff.person_id, request.form.get("code", "")[:60], visitor)
    if isinstance(outcome, Proven):
        return welcome(outcome.person_id, ("pwd", *outcome.amr), visitor)
    wait = outcome if isinstance(outcome, Wait) else outcome.wait
    if wait is not None:
        return remember(wait_page(wait), visitor)
    return remember(_code_page(staff, problem=both("staff_code_wrong"), status=401), visitor)


@blueprint.post(f"{SIGN_IN}/passkey")
@web.door(web.Door.ANYONE)
def passkey_answer() -> Response:
    house, staff, visitor = context.house(), first_step(), here()
    second = "second" in request.form
    if second and staff is None:
        return page(problem=both("staff_step_gone"), status=403)
    outcome = staff_sign_in.passkey(
        house,
        request.form.get("answer", ""),
        request.form.get("question", ""),
        visitor,
        person_id=staff.person_id if second and staff else None,
    )
    if isinstance(outcome, Proven):
        amr = ("pwd", *outcome.amr) if second else outcome.amr
        return welcome(outcome.person_id, amr, visitor)
    problem = both("staff_passkey_wrong")
    if second and staff:
        return remember(_code_page(staff, problem=problem, status=401), visitor)
    return remember(page(problem=problem, status=401), visitor)


@blueprint.post(SIGN_OUT)
@web.door(web.Door.ANYONE)
def sign_out() -> Response:
    house, who = context.house(), staff_sessions.current()
    if who is not None:
        context.acting(f"person:{who.person_id}")
        with house.database.transaction() as db:
            staff_sessions.end(db, who.person_id, who.sid, "signed_out", house.clock.now())
    web.forget_page()
    response = web.see_other(f"{SIGN_IN}?bericht=afgemeld")
    web.drop_cookie(response, staff_sessions.COOKIE)
    web.drop_cookie(response, STEP_COOKIE)
    return response


# ---------------------------------------------------------------- what others share


def here() -> Visitor:
    return Visitor(browser=pages_frame.browser(), address=request.remote_addr or "")


def remember(response: Response, visitor: Visitor) -> Response:
    """A browser that is new to us gets its cookie."""
    if visitor.browser.fresh:
        house = context.house()
        value = browsers.cookie(house.keys, visitor.browser, house.clock.now())
        pages_frame.give_browser(response, value)
    return response


def welcome(
    person_id: str,
    amr: tuple[str, ...],
    visitor: Visitor,
    *,
    back: str | None = None,
    proven_at: datetime | None = None,
) -> Response:
    """Signed in: a new session and cookie, whatever was there before ends. `back`: as `way_back` found it earlier."""
    house = context.house()
    now, previous = house.clock.now(), staff_sessions.current()
    with house.database.transaction() as db:
        if previous is not None:
            staff_sessions.end(db, previous.person_id, previous.sid, "signed_in_anew", now)
        started = staff_sessions.start(
            db,
            house,
            person_id=person_id,
            amr=amr,
            device=staff_sessions.device(request.user_agent.string),
            now=now,
            proven_at=proven_at,
        )
    return admit(web.see_other(back or way_back()), person_id, started, visitor)


def admit(response: Response, person_id: str, started: staff_sessions.Started, visitor: Visitor) -> Response:
    """Give this browser its session, and let it know this person from now on."""
    house = context.house()
    web.forget_page()
    web.set_cookie(response, staff_sessions.COOKIE, started.cookie)
    web.drop_cookie(response, STEP_COOKIE)
    now = house.clock.now()
    met = browsers.after_meeting(visitor.browser, staff_sign_in.mark(house, person_id), now)
    pages_frame.give_browser(response, browsers.cookie(house.keys, met, now))
    return response


def way_back() -> str:
    """Where this sign-in leads: a page of staff, whatever was asked."""
    asked = request.form.get("next") or request.args.get("next", "")
    return (
        asked
        if manners.local(asked) and asked.startswith(staff_sessions.WAY_BACK) and len(asked) < 2000
        else HOME
    )


def with_way_back(path: str, back: str) -> str:
    return path if back == HOME else f"{path}?{urlencode({'next': back})}"


def _with_way_back(path: str) -> str:
    return with_way_back(path, way_back())


def first_step() -> staff_accounts.Staff | None:
    """Who proved a password here in the last ten minutes, if it still is their password."""
    house = context.house()
    inside = house.keys.unseal(
        STEP_COOKIE, web.read_cookie(STEP_COOKIE), house.clock.now(), seconds=STEP_SECONDS
    )
    if inside is None:
        return None
    with house.database.reading() as db:
        staff = staff_accounts.find(db, str(inside["p"]))
    stamp = staff.secret_set_at.isoformat() if staff and staff.secret_set_at else None
    return staff if stamp == inside["s"] else None


def no(outcome: Any, code: str, **words: Any) -> Response:
    """The page again with what is wrong, or the wait."""
    wait = outcome if isinstance(outcome, Wait) else outcome.wait
    return wait_page(wait) if wait is not None else page(problem=both(code), status=401, **words)


def why_wait(wait: Wait) -> str:
    """The code of what is wrong: waiting helps, or only a new password or app does."""
    return "staff_start_anew" if wait.counter in throttle.UNTIL_HELP else "staff_too_many_tries"


def wait_page(wait: Wait) -> Response:
    code = why_wait(wait)
    seconds = wait.seconds if code == "staff_too_many_tries" else 0
    response = page(problem=both(code), status=429, wait=seconds)
    response.headers["Retry-After"] = str(wait.seconds)
    return response


def page(*, problem: str = "", name: str = "", status: int = 200, wait: int = 0) -> Response:
    house = context.house()
    body = render_template(
        "login/staff_sign_in.html",
        problem=problem,
        name=name,
        wait=wait,
        message=request.args.get("bericht") if request.method == "GET" else None,
        next=way_back(),
        question=staff_factors.ask(house.settings, house.keys, house.clock.now()),
        upstream=with_way_back(upstream.START, way_back()) if house.settings.upstream_issuer else "",
        upstream_name=house.settings.upstream_label,
        only_upstream=house.settings.upstream_only,
    )
    return make_response(body, status)


def _code_page(staff: staff_accounts.Staff, *, problem: str = "", status: int = 200) -> Response:
    house = context.house()
    with house.database.reading() as db:
        known = staff_accounts.passkeys(db, staff.person_id)
    question = (
        staff_factors.ask(house.settings, house.keys, house.clock.now(), known=known) if known else None
    )
    body = render_template(
        "login/staff_code.html",
        problem=problem,
        next=way_back(),
        has_app=staff.totp_secret is not None,
        question=question,
    )
    return make_response(body, status)


def both(code: str) -> str:
    """What is wrong, and what to do."""
    return f"{sentences.sentence(code)} {sentences.advice(code)}"
