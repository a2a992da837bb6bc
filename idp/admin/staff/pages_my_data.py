"""What can a member of staff see and change of the own account? Password, app, passkeys, recovery codes, sessions.

    /personeel/mijn-gegevens             what there is
    /personeel/mijn-gegevens/wachtwoord, /app, /passkey, /herstelcodes, /sessie    one change each
    /personeel/bevestigen                prove once more that it is you, before a change

Every change needs a proof of the last minutes; a changed password ends all other sessions.
"""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from idp import context, entropy, web
from idp.admin import shell, staff_door
from idp.audit import staff as audit_staff
from idp.errors import Busy, Invalid
from idp.login import (
    pages_frame,
    pages_staff,
    staff_accounts,
    staff_factors,
    staff_password,
    staff_sessions,
    staff_setup,
    staff_sign_in,
    upstream,
)
from idp.login.pages_staff import both
from idp.login.staff_accounts import Staff
from idp.login.staff_sign_in import TOTP, Proven
from idp.login.throttle import Wait

blueprint = Blueprint("staff_own", __name__)

PATH = "/personeel/mijn-gegevens"
PROVE = "/personeel/bevestigen"
NEW_APP = "new-app"
NEW_APP_SECONDS = 15 * 60
LAST = "last_factor"


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def my_data() -> Response:
    house, who, said = context.house(), staff_door.here().who, request.args.get("bericht")
    with house.database.reading() as db:
        staff = _staff(db)
        keys = staff_accounts.passkeys(db, who.person_id)
        left = staff_accounts.recovery_codes_left(db, who.person_id)
        open_ones = staff_sessions.of_person(db, house.settings, who.person_id, house.clock.now())
    return shell.page(
        "admin/my_data.html",
        staff=staff,
        passkeys=keys,
        codes_left=left,
        sessions=sorted(open_ones, key=lambda line: line.sid != who.sid),
        message=said,
        problem=both(LAST) if said == LAST else "",
        only_upstream=house.settings.upstream_only,
    )


# ---------------------------------------------------------------- a password


@blueprint.get(f"{PATH}/wachtwoord")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def password_page() -> Response:
    return staff_door.needs_fresh() or _password_page()


@blueprint.post(f"{PATH}/wachtwoord")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def password_answer() -> Response:
    if (proof := staff_door.needs_fresh(back=f"{PATH}/wachtwoord")) is not None:
        return proof
    house, who = context.house(), staff_door.here().who
    with house.database.reading() as db:
        staff = _staff(db)
    typed = request.form.get("password", "")[: pages_frame.LONGEST_SECRET]
    codes = staff_setup.unsuitable(house, staff, typed)
    canonical = staff_password.canonical(typed)
    if codes or canonical is None or staff.user_handle is None:
        return _password_page([both(code) for code in codes or ["staff_password_too_short"]], 400)
    try:
        stored = house.hasher.hash_waiting(canonical)
    except Busy as busy:
        return _password_page([both(busy.code)], 503)
    now = house.clock.now()
    with house.database.transaction() as db:
        staff_accounts.set_password(db, who.person_id, stored, now)
        staff_sessions.end_others(db, who.person_id, who.sid, "password_changed", now)
        audit_staff.staff_way_changed(db, person_id=who.person_id, what="password", change="changed")
    return web.see_other(f"{PATH}?bericht=wachtwoord")


def _password_page(problems: list[str] | None = None, status: int = 200) -> Response:
    with context.house().database.reading() as db:
        staff = _staff(db)
    return shell.page("admin/my_password.html", status=status, staff=staff, problems=problems or [])


# ---------------------------------------------------------------- an app


@blueprint.get(f"{PATH}/app")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def app_page() -> Response:
    return staff_door.needs_fresh() or _app_page(staff_factors.new_totp_secret(entropy.Chance()))


@blueprint.post(f"{PATH}/app")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def app_answer() -> Response:
    """A new app instead of the old one; recovery codes come with the first."""
    if (proof := staff_door.needs_fresh(back=f"{PATH}/app")) is not None:
        return proof
    house, who = context.house(), staff_door.here().who
    now = house.clock.now()
    sealed = request.form.get("begun", "")
    begun = house.keys.unseal(NEW_APP, sealed, now, seconds=NEW_APP_SECONDS)
    if begun is None or begun["p"] != who.person_id:
        return web.see_other(f"{PATH}/app")
    secret = str(begun["t"])
    step = staff_factors.totp_step(secret, request.form.get("code", ""), now, after=0)
    if step is None:
        return _app_page(secret, problem=both("staff_code_wrong"))
    with house.database.transaction() as db:
        if _staff(db).user_handle is None:
            raise Invalid("staff_unknown")
        staff_accounts.set_totp(db, who.person_id, house.keys.keep(TOTP, secret), step=step, now=now)
        first = staff_accounts.recovery_codes_left(db, who.person_id) == 0
        audit_staff.staff_way_changed(db, person_id=who.person_id, what="app", change="added")
        codes = _new_codes(db, who.person_id) if first else []
    return _codes_page(codes) if codes else web.see_other(f"{PATH}?bericht=app")


def _app_page(secret: str, *, problem: str = "") -> Response:
    house, who = context.house(), staff_door.here().who
    address = staff_factors.totp_address(secret, person=who.person_id, brand=house.settings.brand)
    begun = house.keys.seal(NEW_APP, {"p": who.person_id, "t": secret}, house.clock.now())
    return shell.page(
        "admin/my_app.html",
        status=400 if problem else 200,
        begun=begun,
        problem=problem,
        picture=staff_factors.totp_picture(address),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    )


# ---------------------------------------------------------------- recovery codes


@blueprint.post(f"{PATH}/herstelcodes")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def recovery_codes() -> Response:
    """Ten new ones; those of before stop working."""
    if (proof := staff_door.needs_fresh()) is not None:
        return proof
    with context.house().database.transaction() as db:
        if _staff(db).user_handle is None:
            raise Invalid("staff_unknown")
        codes = _new_codes(db, staff_door.here().person_id)
    return _codes_page(codes)


def _new_codes(db: Connection, person_id: str) -> list[str]:
    now = context.house().clock.now()
    codes = staff_accounts.new_recovery_codes(db, person_id, entropy.Chance(), now)
    audit_staff.staff_way_changed(db, person_id=person_id, what="recovery codes", change="renewed")
    return codes


def _codes_page(codes: list[str]) -> Response:
    return shell.page("login/staff_recovery_codes.html", codes=codes, onward=PATH)


# ---------------------------------------------------------------- passkeys


@blueprint.get(f"{PATH}/passkey")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def passkey_page() -> Response:
    return staff_door.needs_fresh() or _passkey_page()


@blueprint.post(f"{PATH}/passkey")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def passkey_answer() -> Response:
    if (proof := staff_door.needs_fresh(back=f"{PATH}/passkey")) is not None:
        return proof
    house, who = context.house(), staff_door.here().who
    now = house.clock.now()
    with house.database.reading() as db:
        handle = _staff(db).user_handle or ""
    answer = staff_factors.check_new(
        house.settings,
        house.keys,
        now,
        answer=request.form.get("answer", ""),
        sealed=request.form.get("question", ""),
        user_handle=handle,
    )
    if answer is None or not handle:
        return _passkey_page(both("staff_passkey_wrong"), 400)
    label = request.form.get("label", "").strip() or staff_sessions.device(request.user_agent.string)
    with house.database.transaction() as db:
        fresh = staff_sign_in.spend_challenge(db, answer.challenge, now)
        if fresh and staff_accounts.passkey(db, answer.credential_id) is None:
            staff_accounts.add_passkey(db, staff_setup.new_key(who.person_id, answer, label, now))
            audit_staff.staff_way_changed(db, person_id=who.person_id, what="passkey", change="added")
    return web.see_other(f"{PATH}?bericht=passkey")


@blueprint.post(f"{PATH}/passkey/weg")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def remove_passkey() -> Response:
    """Never the last way in."""
    if (proof := staff_door.needs_fresh()) is not None:
        return proof
    who = staff_door.here().who
    with context.house().database.transaction() as db:
        staff = _staff(db)
        others = len(staff_accounts.passkeys(db, who.person_id)) > 1
        if not others and (staff.stored is None or staff.totp_secret is None):
            return web.see_other(f"{PATH}?bericht={LAST}")
        if staff_accounts.remove_passkey(db, who.person_id, request.form.get("key", "")[:40]):
            audit_staff.staff_way_changed(db, person_id=who.person_id, what="passkey", change="removed")
    return web.see_other(f"{PATH}?bericht=passkey-weg")


def _passkey_page(problem: str = "", status: int = 200) -> Response:
    house = context.house()
    with house.database.reading() as db:
        staff = _staff(db)
        known = staff_accounts.passkeys(db, staff.person_id)
    question = staff_factors.ask_new(
        house.settings,
        house.keys,
        house.clock.now(),
        user_handle=staff.user_handle or "",
        name=staff.e_mail or staff.person_id,
        display_name=f"{staff.voornaam} {staff.naam}",
        known=known,
    )
    device = staff_sessions.device(request.user_agent.string).strip("?")
    return shell.page(
        "admin/my_passkey.html", status=status, problem=problem, question=question, device=device
    )


# ---------------------------------------------------------------- sessions


@blueprint.post(f"{PATH}/sessie")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def end_session() -> Response:
    """End one of the own sessions, or all but this one."""
    house, who, sid = context.house(), staff_door.here().who, request.form.get("sid", "")
    now = house.clock.now()
    with house.database.transaction() as db:
        if sid == "alle":
            staff_sessions.end_others(db, who.person_id, who.sid, "ended_by_oneself", now)
        elif sid in {line.sid for line in staff_sessions.of_person(db, house.settings, who.person_id, now)}:
            staff_sessions.end(db, who.person_id, sid, "ended_by_oneself", now)
    return web.see_other(f"{PATH}?bericht=sessie")


# ---------------------------------------------------------------- prove it once more


@blueprint.get(PROVE)
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def prove_page() -> Response:
    return _prove_page()


@blueprint.post(PROVE)
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def prove_answer() -> Response:
    """A passkey; or the password and a code, both."""
    house, who, visitor = context.house(), staff_door.here().who, pages_staff.here()
    staff_setup.require_own_ways(house.settings)
    outcome: staff_sign_in.Outcome
    if request.form.get("answer"):
        answer, question = request.form["answer"], request.form.get("question", "")
        outcome = staff_sign_in.passkey(house, answer, question, visitor, person_id=who.person_id)
    else:
        try:
            outcome = _password_and_code(visitor)
        except Busy as busy:
            return _prove_page(both(busy.code), 503)
    if not isinstance(outcome, Proven):
        wait = outcome if isinstance(outcome, Wait) else outcome.wait
        code = pages_staff.why_wait(wait) if wait else "staff_sign_in_wrong"
        return _prove_page(both(code), 429 if wait else 401)
    with house.database.transaction() as db:
        staff_sessions.proved_again(db, who.sid, who.person_id, outcome.amr, house.clock.now())
    return web.see_other(pages_staff.way_back())


def _password_and_code(visitor: staff_sign_in.Visitor) -> staff_sign_in.Outcome:
    house, who = context.house(), staff_door.here().who
    typed = request.form.get("password", "")[: pages_frame.LONGEST_SECRET]
    first = staff_sign_in.password(house, who.person_id, typed, visitor)
    if not isinstance(first, Proven):
        return first
    return staff_sign_in.code(house, who.person_id, request.form.get("code", "")[:60], visitor)


def _prove_page(problem: str = "", status: int = 200) -> Response:
    house = context.house()
    with house.database.reading() as db:
        staff = _staff(db)
        known = staff_accounts.passkeys(db, staff.person_id)
    question = (
        staff_factors.ask(house.settings, house.keys, house.clock.now(), known=known) if known else None
    )
    again = urlencode({"opnieuw": "1", "next": pages_staff.way_back()})
    return shell.page(
        "admin/prove.html",
        status=status,
        upstream=f"{upstream.START}?{again}" if house.settings.upstream_issuer else "",
        upstream_name=house.settings.upstream_label,
        only_upstream=house.settings.upstream_only,
        problem=problem,
        staff=staff,
        question=question,
        next=pages_staff.way_back(),
    )


def _staff(db: Connection) -> Staff:
    found = staff_accounts.find(db, staff_door.here().person_id)
    assert found is not None, "a session belongs to a person"
    return found
