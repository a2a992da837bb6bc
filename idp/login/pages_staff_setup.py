"""What does a member of staff see who was invited? Choose a passkey, or a password and an app; then codes on paper.

/personeel/uitnodiging/LINK   noted in a cookie, and away from the address at once
/personeel/instellen          a passkey, or a password
/personeel/instellen/app      the app that gives codes; at the end the recovery codes, once
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from idp import context, entropy, web
from idp.errors import Busy, NotFound
from idp.hashing import Stored
from idp.login import (
    pages_frame,
    pages_staff,
    staff_accounts,
    staff_factors,
    staff_password,
    staff_sessions,
    staff_setup,
)
from idp.login.pages_staff import both

blueprint = Blueprint("staff_setup", __name__)

COOKIE = "invitation"
COOKIE_SECONDS = 60 * 60
BEGUN = "set-up"
BEGUN_SECONDS = 60 * 60
SET_UP = "/personeel/instellen"


@blueprint.before_request
def only_upstream() -> None:
    """Where staff sign in at the upstream provider alone, nothing is set up here. Raises NotAllowed."""
    staff_setup.require_own_ways(context.house().settings)


@blueprint.get(f"{staff_setup.PATH}<token>")
@web.door(web.Door.ANYONE)
def invitation(token: str) -> Response:
    house = context.house()
    with house.database.reading() as db:
        staff_setup.invited(db, token, house.clock.now())
    response = web.see_other(SET_UP)
    sealed = house.keys.seal(COOKIE, {"t": token}, house.clock.now())
    web.set_cookie(response, COOKIE, sealed, seconds=COOKIE_SECONDS)
    return response


@blueprint.get(SET_UP)
@web.door(web.Door.ANYONE)
def choose_page() -> Response:
    return _choose_page(_invited(_token()))


@blueprint.post(SET_UP)
@web.door(web.Door.ANYONE)
def password_answer() -> Response:
    """A password: judged, hashed, and carried sealed to the next page."""
    house = context.house()
    staff = _invited(_token())
    typed = request.form.get("password", "")[: pages_frame.LONGEST_SECRET]
    codes = staff_setup.unsuitable(house, staff, typed)
    canonical = staff_password.canonical(typed)
    if codes or canonical is None:
        return _choose_page(staff, [both(code) for code in codes or ["staff_password_too_short"]], 400)
    try:
        stored = house.hasher.hash_waiting(canonical)
    except Busy as busy:
        return _choose_page(staff, [both(busy.code)], 503)
    secret = staff_factors.new_totp_secret(entropy.Chance())
    begun = {"p": staff.person_id, "h": stored.hash, "i": stored.pepper_id, "t": secret}
    return _app_page(staff, house.keys.seal(BEGUN, begun, house.clock.now()), secret)


@blueprint.get(f"{SET_UP}/app")
@web.door(web.Door.ANYONE)
def app_page_again() -> Response:
    """Reloaded: the password is not kept, so begin again."""
    return web.see_other(SET_UP)


@blueprint.post(f"{SET_UP}/app")
@web.door(web.Door.ANYONE)
def app_answer() -> Response:
    house, token = context.house(), _token()
    staff, now = _invited(token), house.clock.now()
    sealed = request.form.get("begun", "")
    begun = house.keys.unseal(BEGUN, sealed, now, seconds=BEGUN_SECONDS)
    if begun is None or begun["p"] != staff.person_id:
        return web.see_other(SET_UP)
    step = staff_factors.totp_step(begun["t"], request.form.get("code", ""), now, after=0)
    if step is None:
        return _app_page(staff, sealed, begun["t"], problem=both("staff_code_wrong"))
    ready = staff_setup.with_password(
        house,
        token,
        stored=Stored(hash=begun["h"], pepper_id=begun["i"]),
        totp_secret=begun["t"],
        step=step,
        device=staff_sessions.device(request.user_agent.string),
    )
    return _done(staff, ready)


@blueprint.post(f"{SET_UP}/passkey")
@web.door(web.Door.ANYONE)
def passkey_answer() -> Response:
    house, token = context.house(), _token()
    staff = _invited(token)
    handle = staff_setup.handle_for(house, token)
    answer = staff_factors.check_new(
        house.settings,
        house.keys,
        house.clock.now(),
        answer=request.form.get("answer", ""),
        sealed=request.form.get("question", ""),
        user_handle=handle,
    )
    if answer is None:
        return _choose_page(staff, [both("staff_passkey_wrong")], 400)
    device = staff_sessions.device(request.user_agent.string)
    ready = staff_setup.with_passkey(
        house, token, answer=answer, user_handle=handle, label=device, device=device
    )
    return _done(staff, ready)


def _done(staff: staff_accounts.Staff, ready: staff_setup.Ready) -> Response:
    """Signed in; the recovery codes are shown this once."""
    if ready.recovery_codes:
        body = render_template(
            "login/staff_recovery_codes.html", codes=ready.recovery_codes, onward=staff_sessions.HOME
        )
        response = make_response(body)
    else:
        response = web.see_other(staff_sessions.HOME)
    web.drop_cookie(response, COOKIE)
    return pages_staff.admit(response, staff.person_id, ready.session, pages_staff.here())


def _token() -> str:
    house = context.house()
    inside = house.keys.unseal(COOKIE, web.read_cookie(COOKIE), house.clock.now(), seconds=COOKIE_SECONDS)
    if inside is None:
        raise NotFound("invitation_unknown")
    return str(inside["t"])


def _invited(token: str) -> staff_accounts.Staff:
    house = context.house()
    with house.database.reading() as db:
        return staff_setup.invited(db, token, house.clock.now())


def _choose_page(
    staff: staff_accounts.Staff, problems: list[str] | None = None, status: int = 200
) -> Response:
    house = context.house()
    question = staff_factors.ask_new(
        house.settings,
        house.keys,
        house.clock.now(),
        user_handle=staff_setup.handle_for(house, _token()),
        name=staff.e_mail or staff.person_id,
        display_name=f"{staff.voornaam} {staff.naam}",
        known=(),
    )
    body = render_template("login/staff_set_up.html", staff=staff, problems=problems or [], question=question)
    return make_response(body, status)


def _app_page(staff: staff_accounts.Staff, begun: str, secret: str, *, problem: str = "") -> Response:
    house = context.house()
    address = staff_factors.totp_address(
        secret, person=staff.e_mail or staff.person_id, brand=house.settings.brand
    )
    body = render_template(
        "login/staff_app.html",
        begun=begun,
        problem=problem,
        picture=staff_factors.totp_picture(address),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    )
    return make_response(body, 400 if problem else 200)
