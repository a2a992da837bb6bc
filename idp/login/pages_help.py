"""What does a pupil see who asks for help? A page for the six digits of the school, and one behind its link.

`/hulp` takes the code; the name came along, sealed. `/h/TOKEN`, the link in a QR code, is noted in a cookie and leaves
the address at once; a button spends it.
"""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, request

from idp import context, web
from idp.login import browsers, let_in, pages_frame, sessions, sign_in
from idp.login import help as helping
from idp.login.first_pages import Who
from idp.login.sessions import HELP
from idp.login.way_back import NOWHERE, WayBack

blueprint = Blueprint("help", __name__)


@blueprint.get(HELP)
@web.door(web.Door.ANYONE)
def help_page() -> Response:
    way = pages_frame.way()
    who = pages_frame.unsealed(request.args.get("wie", ""))
    if who is not None:
        return _code_page(way, who)
    door = _held_link()
    return _link_page(way, door) if door else web.see_other(way.page())


@blueprint.post(HELP)
@web.door(web.Door.ANYONE)
def help_answer() -> Response:
    way = pages_frame.way()
    if "wissel" in request.form:
        return _away(way.page())
    who = pages_frame.unsealed(request.form.get("wie", ""))
    if who is None:
        return _come_in_by_link(way) if "link" in request.form else web.see_other(way.page())
    if "shared" in request.form:
        who = replace(who, shared=True)
    code = helping.digits(request.form.get("code", ""))
    if code is None:
        return _code_page(way, who, message="incomplete")
    visit = _visit(shared=who.shared)
    outcome = helping.redeem(context.house(), who.username, code, visit)
    if isinstance(outcome, sign_in.SignedIn):
        return _drop_link(pages_frame.welcome(way, outcome))
    if isinstance(outcome, sign_in.Wait):
        response = _code_page(way, who, message="busy", status=429)
        response.headers["Retry-After"] = str(outcome.seconds)
    else:
        response = _code_page(way, who, message="wrong", status=401)
    if visit.browser.fresh:
        house = context.house()
        pages_frame.give_browser(response, browsers.cookie(house.keys, visit.browser, house.clock.now()))
    return response


@blueprint.get("/h/<token>")
@blueprint.get("/H/<token>", endpoint="link_in_capitals")
@web.door(web.Door.ANYONE)
def link(token: str) -> Response:
    """The QR code of a help code. Opening it changes nothing: a button does."""
    return take(token, NOWHERE)


def take(token: str, way: WayBack) -> Response:
    """On to the page behind a link; one that does not open looks the same, whatever is the matter with it."""
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        door = helping.find_link(db, house, token, now)
    if door is None:
        return _away(way.page(bericht="hulp"))
    response = web.see_other(way.page(HELP))
    minutes = house.settings.help_code_minutes
    web.set_cookie(response, helping.COOKIE, helping.hold(house, door, now), seconds=60 * minutes)
    return response


def _come_in_by_link(way: WayBack) -> Response:
    door = _held_link()
    shared = "shared" in request.form
    outcome = helping.redeem_link(context.house(), door.id, _visit(shared=shared)) if door else None
    if outcome is None:
        return _away(way.page(bericht="hulp"))
    return _drop_link(pages_frame.welcome(way, outcome))


def _held_link() -> helping.Door | None:
    house = context.house()
    cookie = web.read_cookie(helping.COOKIE)
    if not cookie:
        return None
    with house.database.reading() as db:
        return helping.held(db, house, cookie, house.clock.now())


def _visit(*, shared: bool) -> let_in.Visit:
    signed_in, device = sessions.current(), pages_frame.class_device()
    return let_in.Visit(
        browser=pages_frame.browser(),
        address=request.remote_addr or "",
        shared=shared,
        device=pages_frame.device_kind(),
        class_device=device.id if device else None,
        previous=signed_in.sid if signed_in else None,
    )


def _code_page(way: WayBack, who: Who, *, message: str | None = None, status: int = 200) -> Response:
    sealed = pages_frame.sealed(who)
    return pages_frame.page(
        "login/help.html",
        way,
        status=status,
        action=way.page(HELP, wie=sealed),
        wie=sealed,
        message=message,
        away=way.page(wie=sealed),
        shared=who.shared,
        ask_shared=not who.asked and pages_frame.class_device() is None,
    )


def _link_page(way: WayBack, door: helping.Door) -> Response:
    return pages_frame.page(
        "login/help_link.html",
        way,
        action=way.page(HELP),
        name=door.given_name,
        ask_shared=pages_frame.class_device() is None,
    )


def _away(location: str) -> Response:
    return _drop_link(web.see_other(location))


def _drop_link(response: Response) -> Response:
    web.drop_cookie(response, helping.COOKIE)
    return response
