"""What does a pupil see whose card is enough by itself? A greeting and one button; the secret stays one tap away."""

from __future__ import annotations

from flask import Response, request

from idp import context, web
from idp.login import cards, pages_frame, sessions, support
from idp.login.first_pages import Who
from idp.login.let_in import Visit
from idp.login.way_back import WayBack


def enough(way: WayBack, who: Who) -> bool:
    """Is the card that this browser was just shown enough, here, for where this pupil is going?"""
    if who.card is None or not way.takes_card_alone or "geheim" in request.args:
        return False
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        shown = support.shown_now(db, house, web.read_cookie(cards.COOKIE), now)
        return shown is not None and support.opens(db, shown, now, device_of=_device_of())


def ask(way: WayBack, who: Who) -> Response:
    sealed = pages_frame.sealed(who)
    return pages_frame.page(
        "login/card_alone.html",
        way,
        action=way.page(wie=sealed),
        wie=sealed,
        name=who.card.given_name if who.card else None,
        secret=way.page(wie=sealed, geheim="1"),
        ask_shared=not who.asked and pages_frame.class_device() is None,
    )


def come_in(way: WayBack, who: Who) -> Response:
    """The button. When the card is not enough any more, the page for the secret."""
    house, device, signed_in = context.house(), pages_frame.class_device(), sessions.current()
    visit = Visit(
        browser=pages_frame.browser(),
        address=request.remote_addr or "",
        shared=who.shared,
        device=pages_frame.device_kind(),
        class_device=device.id if device else None,
        previous=signed_in.sid if signed_in else None,
    )
    outcome = None
    if enough(way, who) and who.card is not None:
        outcome = support.enter(house, who.card, visit, device_of=_device_of())
    if outcome is None:
        return web.see_other(way.page(wie=pages_frame.sealed(who), geheim="1"))
    return pages_frame.welcome(way, outcome)


def _device_of() -> str | None:
    device = pages_frame.class_device()
    return device.instellingsnummer if device else None
