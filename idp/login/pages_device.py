"""How does a browser become a device of a school? Somebody of the school types a code here, once."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from idp import context, web
from idp.login import cards, devices, pages_frame, sessions, tries
from idp.login.devices import Device
from idp.login.sessions import SIGN_IN

blueprint = Blueprint("device", __name__)
PAGE = "/toestel"


@blueprint.get(PAGE)
@web.door(web.Door.ANYONE)
def device_page() -> Response:
    return pages_frame.renew_device(_page(pages_frame.class_device()))


@blueprint.post(PAGE)
@web.door(web.Door.ANYONE)
def device_answer() -> Response:
    """Wrong, used and expired codes look alike, and count as failed tries from this address."""
    house, address = context.house(), request.remote_addr or ""
    now = house.clock.now()
    if tries.address_rests(house, address, now):
        return _page(None, message="wait", status=429)
    with house.database.transaction() as db:
        made = devices.enrol(db, house.keys, house.settings, typed=request.form.get("code", ""), now=now)
    if made is None:
        tries.address_failed(house, address, now)
        return _page(None, message="wrong", status=400)
    response = web.see_other(PAGE)
    _nobody_stays(response)
    pages_frame.give_device(response, made.device, made.cookie)
    return response


def _nobody_stays(response: Response) -> None:
    """Whoever signed in here before it was everybody's would stay as long as on a device of their own; a card is nobody's here."""
    web.drop_cookie(response, cards.COOKIE)
    house, there = context.house(), sessions.current()
    if there is not None:
        with house.database.transaction() as db:
            sessions.end(db, there.sid, "signed_out", house.clock.now())
        web.drop_cookie(response, sessions.COOKIE)


def _page(device: Device | None, *, message: str | None = None, status: int = 200) -> Response:
    body = render_template("login/device.html", device=device, message=message, sign_in=SIGN_IN)
    return make_response(body, status)
