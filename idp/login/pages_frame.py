"""What does every page of signing in carry? The way back, who says to be there, this browser, and its card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Response, make_response, render_template, request

from idp import blanks, context, web
from idp.login import browsers, cards, devices, first_pages, sessions, way_back
from idp.login.browsers import Browser
from idp.login.cards import HeldCard
from idp.login.devices import Device
from idp.login.first_pages import Page, Who
from idp.login.sign_in import Arrival, SignedIn
from idp.login.way_back import WayBack
from idp.models import DeviceKind

LONGEST_SECRET = 1000


def page(template: str, way: WayBack, *, status: int = 200, **words: Any) -> Response:
    """A page whose form may end, through redirects, at the app that sent this person."""
    if way.ends_at:
        web.allow_form_to(way.ends_at)
    return make_response(render_template(template, next=way.url, **first_pages.about(way), **words), status)


def everyday_page(shown: Page, way: WayBack, *, status: int = 200) -> Response:
    """The same for a page that everybody sees: all that is somebody's own is put into blanks (idp/blanks.py)."""
    if way.ends_at:
        web.allow_form_to(way.ends_at)
    if shown.reader:
        web.allow_reader()
    return make_response(blanks.filled(shown.template, shown.fill, shown.words), status)


def way() -> WayBack:
    return way_back.read(web.given_way_back(), context.house().apps, web.asked_by)


def sealed(who: Who) -> str:
    return first_pages.sealed(context.house().keys, who, context.now())


def unsealed(text: str) -> Who | None:
    """With the card that this browser holds, when it is of this pupil. None when it is older than an hour, or not ours."""
    who = first_pages.unsealed(context.house().keys, text, context.now())
    held = held_card() if who else None
    return replace(who, card=held) if who and held is not None and held.username == who.username else who


def held_card() -> HeldCard | None:
    house = context.house()
    cookie = web.read_cookie(cards.COOKIE)
    if not cookie:
        return None
    with house.database.reading() as db:
        return cards.held(
            db, house.keys, cookie, house.clock.now(), minutes=house.settings.card_cookie_minutes
        )


def give_browser(response: Response, value: str) -> None:
    days = context.house().settings.known_browser_days
    web.set_cookie(response, browsers.COOKIE, value, seconds=days * 24 * 60 * 60)


def class_device() -> Device | None:
    """The device of a school that this browser is. Looks once."""
    notes = context.notes()
    if "class_device" not in notes:
        cookie, house = web.read_cookie(devices.COOKIE), context.house()
        notes.class_device = None
        if cookie:
            with house.database.reading() as db:
                notes.class_device = devices.find(db, cookie, house.clock.now())
    found: Device | None = notes.class_device
    return found


def device_kind() -> DeviceKind:
    return devices.kind_of(
        request.headers.get("User-Agent", ""), says_mobile=request.headers.get("Sec-CH-UA-Mobile", "")
    )


def give_device(response: Response, device: Device, cookie: str) -> None:
    """Until its last day, or as long as browsers keep a cookie; it is renewed long before."""
    days = min((device.einddatum - context.house().clock.today()).days + 1, devices.LONGEST_DAYS)
    web.set_cookie(response, devices.COOKIE, cookie, seconds=days * 24 * 60 * 60)


def renew_device(response: Response) -> Response:
    """With a new cookie for this device of a school, when it is time."""
    house, cookie, device = context.house(), web.read_cookie(devices.COOKIE), class_device()
    if device is None:
        return response
    now = house.clock.now()
    with house.database.reading() as db:
        due = devices.needs_new_cookie(db, cookie, now)
    if due:
        with house.database.transaction() as db:
            fresh = devices.renew(db, cookie, now)
        if fresh:
            give_device(response, device, fresh)
    return response


def browser() -> Browser:
    """This browser, by its cookie; a new one when we never met."""
    house = context.house()
    return browsers.recognise(
        house.keys,
        web.read_cookie(browsers.COOKIE),
        context.now(),
        days=house.settings.known_browser_days,
    )


def arrival(way: WayBack) -> Arrival | None:
    """What the authorization request at the end of this way, if there is one, wants done in the sign-in itself."""
    at_once: Callable[[str], Arrival | None] = context.extensions()[web.AT_ONCE]
    return at_once(way.url) if way.authorizes else None


def welcome(way: WayBack, outcome: SignedIn, *, marked: bool = False) -> Response:
    """This browser has a session now: on to where the person was going. `marked`: it began fresh for that."""
    house = context.house()
    onward = way.page(sessions.NEW_PASSWORD) if outcome.must_change else outcome.onward or way.onward
    if way.authorizes and not marked:
        with house.database.transaction() as db:
            sessions.leave_marker(db, outcome.sid, way.url, house.clock.now())
    web.forget_page()
    response = web.see_other(onward)
    web.set_cookie(response, sessions.COOKIE, outcome.cookie)
    give_browser(response, outcome.browser_cookie)
    if web.read_cookie(cards.COOKIE):
        web.drop_cookie(response, cards.COOKIE)
    return response
