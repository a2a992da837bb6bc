"""What can a pupil do with an e-mail address? Keep one here, and choose a new password with a mail when the old is forgotten.

/mijn-gegevens            my address and my password
/wachtwoord-vergeten      have a mail sent: the same answer for every name
/m/TOKEN                  a link that was mailed: noted in a cookie, and away from the address at once
/e-mail-bevestigen        the button behind a link; mail scanners that look press nothing
/wachtwoord-kiezen        the other one
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from idp import context, web
from idp.errors import Busy, NotFound
from idp.login import (
    mail_address,
    own_password,
    pages_frame,
    pages_own,
    recovery,
    sessions,
    usernames,
)
from idp.login.first_pages import FORGOT, Who
from idp.login.pages_frame import LONGEST_SECRET
from idp.login.recovery import Link
from idp.login.way_back import NOWHERE
from idp.models import LinkKind

blueprint = Blueprint("mail", __name__)
MINE = "/mijn-gegevens"
CONFIRM, CHOOSE = "/e-mail-bevestigen", "/wachtwoord-kiezen"
_BEHIND = {LinkKind.CONFIRM: CONFIRM, LinkKind.RESET: CHOOSE}


# ---------------------------------------------------------------- my own page


@blueprint.get(MINE)
@web.door(web.Door.PUPIL)
def mine() -> Response:
    return _mine()


@blueprint.post(f"{MINE}/e-mail")
@web.door(web.Door.PUPIL)
def change_address() -> Response:
    """Another address, or none: after the password, since whoever has the address has the account."""
    house, who = context.house(), pages_own.signed_in()
    if not own_password.may_choose(house, who) or not house.settings.sends_mail:
        raise NotFound("not_found")
    typed = request.form.get("email", "")[:300]
    leave = "weg" in request.form
    address = None if leave else mail_address.canonical(typed)
    if address is None and not leave:
        return _mine(problem=pages_own.both("email_unclear"), typed=typed, unclear=True)
    try:
        problem = pages_own.current_is_wrong(who)
    except Busy:
        return _mine(problem=pages_own.both("hash_queue_full"), typed=typed, status=503)
    if problem:
        return _mine(problem=problem, typed=typed)
    language, done = web.language(), True
    if address is None:
        with house.database.transaction() as db:
            recovery.remove(db, account_uuid=who.account_uuid, language=language, now=house.clock.now())
    else:
        done = recovery.ask_to_confirm(
            house, account_uuid=who.account_uuid, address=address, language=language
        )
    return web.see_other(MINE) if done else _mine(problem=pages_own.both("too_many_mails"), typed=typed)


def _mine(
    *, problem: str | None = None, typed: str = "", unclear: bool = False, status: int = 200
) -> Response:
    house, who = context.house(), pages_own.signed_in()
    with house.database.reading() as db:
        there = recovery.addresses(db, who.account_uuid)
    return pages_frame.page(
        "login/my_details.html",
        NOWHERE,
        status=status,
        action=f"{MINE}/e-mail",
        name=who.given_name,
        username=who.username,
        advanced=own_password.may_choose(house, who),
        mail=house.settings.sends_mail,
        address=there.address,
        pending=there.pending,
        problem=problem,
        unclear=unclear,
        typed=typed,
        shared=who.shared,
    )


# ---------------------------------------------------------------- a forgotten password


@blueprint.get(FORGOT)
@web.door(web.Door.ANYONE)
def forgot() -> Response:
    _only_with_mail()
    way = pages_frame.way()
    who = pages_frame.unsealed(request.args.get("wie", ""))
    return pages_frame.page("login/forgot.html", way, **_forgot_words(who))


@blueprint.post(FORGOT)
@web.door(web.Door.ANYONE)
def forgot_answer() -> Response:
    """The same page for every name, after the same work."""
    _only_with_mail()
    house, way = context.house(), pages_frame.way()
    who, typed = pages_frame.unsealed(request.form.get("wie", "")), request.form.get("username", "")[:300]
    name = who.username if who else usernames.canonical(typed)
    if name is None:
        return pages_frame.page(
            "login/forgot.html", way, status=400, **_forgot_words(None, message="naam", typed=typed)
        )
    recovery.ask_to_reset(house, username=name, address=request.remote_addr or "", language=web.language())
    return pages_frame.page("login/forgot_sent.html", way, away=way.page())


def _forgot_words(who: Who | None, *, message: str | None = None, typed: str = "") -> dict[str, Any]:
    way = pages_frame.way()
    sealed = pages_frame.sealed(who) if who else ""
    return {
        "action": way.page(FORGOT),
        "wie": sealed,
        "message": message,
        "typed": typed,
        "class_device": pages_frame.class_device() is not None,
        "away": way.page(wie=sealed) if who else way.page(),
    }


# ---------------------------------------------------------------- behind a link


@blueprint.get("/m/<token>")
@web.door(web.Door.ANYONE)
def link(token: str) -> Response:
    """Links that do not work any more, and those that never did, look alike."""
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        found = recovery.find(db, token, now)
    if found is None:
        return _gone()
    response = web.see_other(_BEHIND[found.kind])
    seconds = 60 * house.settings.mail_reset_minutes
    web.set_cookie(response, recovery.COOKIE, recovery.hold(house, found, now), seconds=seconds)
    return response


@blueprint.get(CONFIRM)
@web.door(web.Door.ANYONE)
def confirm_page() -> Response:
    found = _held(LinkKind.CONFIRM)
    return pages_frame.page("login/confirm_mail.html", NOWHERE, action=CONFIRM) if found else _gone()


@blueprint.post(CONFIRM)
@web.door(web.Door.ANYONE)
def confirm_answer() -> Response:
    found = _held(LinkKind.CONFIRM)
    done = recovery.confirm(context.house(), found, language=web.language()) if found else False
    if not done:
        return _gone()
    return _drop(pages_frame.page("login/confirmed_mail.html", NOWHERE))


@blueprint.get(CHOOSE)
@web.door(web.Door.ANYONE)
def choose_page() -> Response:
    return _choose_page() if _held(LinkKind.RESET) else _gone()


@blueprint.post(CHOOSE)
@web.door(web.Door.ANYONE)
def choose_answer() -> Response:
    house, found = context.house(), _held(LinkKind.RESET)
    if found is None:
        return _gone()
    chosen = request.form.get("password", "")[:LONGEST_SECRET]
    try:
        outcome = recovery.reset(house, found, chosen, pages_frame.browser(), language=web.language())
    except Busy:
        return _choose_page([pages_own.both("hash_queue_full")], status=503)
    if isinstance(outcome, own_password.Unsuitable):
        return _choose_page([pages_own.both(code) for code in outcome.codes])
    if outcome is None:
        return _gone()
    if (there := sessions.current()) is not None:
        with house.database.transaction() as db:
            sessions.end(db, there.sid, "signed_out", house.clock.now())
    web.forget_page()
    who = pages_frame.sealed(Who(username=outcome.username, shared=False))
    response = web.see_other(NOWHERE.page(wie=who, bericht="nieuw"))
    web.drop_cookie(response, sessions.COOKIE)
    pages_frame.give_browser(response, outcome.browser_cookie)
    return _drop(response)


def _choose_page(problems: list[str] | None = None, *, status: int = 200) -> Response:
    return pages_frame.page(
        "login/choose_password.html",
        NOWHERE,
        status=status,
        action=CHOOSE,
        problems=problems or [],
        class_device=pages_frame.class_device() is not None,
    )


def _held(kind: LinkKind) -> Link | None:
    house = context.house()
    cookie = web.read_cookie(recovery.COOKIE)
    if not cookie:
        return None
    with house.database.reading() as db:
        return recovery.held(db, house, cookie, kind, house.clock.now())


def _gone() -> Response:
    return _drop(web.refusal_page("link_gone", 404, back=sessions.SIGN_IN))


def _drop(response: Response) -> Response:
    web.drop_cookie(response, recovery.COOKIE)
    return response


def _only_with_mail() -> None:
    if not context.house().settings.sends_mail:
        raise NotFound("not_found")
