"""What stands on the two pages that everybody meets, *Wie ben je?* and the one for the secret?

Flask is not known here: `pages` shows them, and `doorstep` does to whoever comes as most people do.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from idp.config import Settings
from idp.context import House
from idp.keys import Keys
from idp.login import own_addresses, sessions, sign_in, support, usernames
from idp.login.browsers import Browser
from idp.login.cards import HeldCard
from idp.login.way_back import WayBack

FORGOT = "/wachtwoord-vergeten"
WHO = "who"
WHO_SECONDS = 60 * 60
CARD_ADDRESS = re.compile(r"(?:https?://[^/\s]+/k/)?(K1[0-9A-Z]{26})", re.IGNORECASE)
"""What a scanner types, or reads: the address on the card, or its token."""
HELP_ADDRESS = re.compile(r"(?:https?://[^/\s]+/h/)?(H1[0-9A-Z]{26})", re.IGNORECASE)
"""The same of a help code."""


class About(NamedTuple):
    """What an app says of itself, for parents."""

    policy: str | None
    tos: str | None


@dataclass(frozen=True, kw_only=True)
class Who:
    """Whoever says to be at the keyboard."""

    username: str
    """Canonical."""
    shared: bool
    asked: bool = False
    """The first page asked whether this device is shared; a card and a personal URL pass it by."""
    card: HeldCard | None = None
    """Set when this browser holds a card of this pupil."""


def sealed(keys: Keys, who: Who, now: datetime) -> str:
    inside = {"u": who.username, "s": int(who.shared), "a": int(who.asked)}
    return keys.seal(WHO, inside, now)


def unsealed(keys: Keys, text: str, now: datetime) -> Who | None:
    """Without a card. None when it is older than an hour, or not ours: the person starts again with the same request."""
    inside = keys.unseal(WHO, text, now, seconds=WHO_SECONDS)
    if inside is None:
        return None
    return Who(username=str(inside["u"]), shared=bool(inside["s"]), asked=bool(inside["a"]))


def plain_name(typed: str) -> str | None:
    """The user name that was typed; None when it cannot be one, or may be an address or what stands on a card."""
    if "/" in typed or CARD_ADDRESS.fullmatch(typed.strip()) or HELP_ADDRESS.fullmatch(typed.strip()):
        return None
    return usernames.canonical(typed)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A template with its words (idp/blanks.py)."""

    template: str
    fill: Mapping[str, str]
    """What is somebody's own."""
    words: Mapping[str, Hashable]
    """What is one of a small choice."""
    reader: bool = False
    """It may compile our reader of QR codes."""


def who_are_you(
    settings: Settings,
    way: WayBack,
    *,
    message: str | None,
    typed: str = "",
    shared: bool = False,
    class_device: bool = False,
) -> Page:
    """*Wie ben je?* `message`: what it says above the form, or None; `class_device`: of a school, so nobody is asked whether it is shared."""
    return Page(
        template="login/who.html",
        reader=True,
        fill={
            "next": way.url,
            "action": way.page(),
            "typed": typed or (usernames.canonical(way.login_hint) or ""),
        },
        words={
            **about(way),
            "message": message,
            "hosts": " ".join(own_addresses.hosts(settings)),
            "shared": shared,
            "class_device": class_device,
        },
    )


def prove_it(
    house: House,
    way: WayBack,
    who: Who,
    browser: Browser,
    now: datetime,
    *,
    message: str | None = None,
    class_device: bool = False,
    typed: bool = False,
) -> Page:
    """Four pictures or a password, as this name has; a name without account has one of the two. `typed`: words were typed, and were wrong."""
    today = house.clock.today()
    with house.database.reading() as db:
        step = sign_in.next_step(db, house.keys, who.username, today)
    wie = sealed(house.keys, who, now)
    fill = {
        "next": way.url,
        "action": way.page(wie=wie),
        "wie": wie,
        "name": who.card.given_name if who.card else "",
        "username": who.username,
        "away": way.page(),
        "help": way.page(sessions.HELP, wie=wie),
        "forgot": way.page(FORGOT, wie=wie) if house.settings.sends_mail else "",
    }
    words: dict[str, Hashable] = {
        **about(way),
        "message": message,
        "ask_shared": not who.asked and not class_device,
        "shared": who.shared or class_device,
    }
    if step is sign_in.Step.PASSWORD:
        return Page(template="login/password.html", fill=fill, words=words)
    words["typing"] = typed or _words_first(house, who, browser)
    return Page(template="login/pictures.html", fill=fill, words=words)


def about(way: WayBack) -> dict[str, Hashable]:
    """What these pages say of the app that sent this person."""
    app = way.app
    if app is None:
        return {"app_name": None, "app_logo": None, "app_about": About(policy=None, tos=None)}
    links = About(policy=app.policy_uri, tos=app.tos_uri)
    return {"app_name": app.client_name, "app_logo": app.logo, "app_about": links}


def _words_first(house: House, who: Who, browser: Browser) -> bool:
    """Do words to type come first? Only on a browser that knows this pupil, by a card or by an earlier sign-in."""
    if who.card is None and browser.fresh:
        return False
    with house.database.reading() as db:
        account_uuid = support.who_types(db, who.username)
    if account_uuid is None:
        return False
    days = house.settings.known_browser_days
    return who.card is not None or browser.knows(account_uuid, house.clock.today(), days=days)
