"""What does a person see who signs in? First *Wie ben je?*, then pictures or a password; the address is the state.

    /aanmelden              who are you; with a sealed `wie` (or a card): prove it
    /, /mijn                the same page
    /mijn/NAME, /k/TOKEN    a personal URL and a card: both only say who, and lead to the same page
    /hulp, /h/TOKEN         a code from the school, and its link (pages_help)
    /nieuw-wachtwoord       a password of one's own: forced after a temporary one, or wished
    /afmelden, /taal        done; and another language
    /mijn-aanmeldingen      where a pupil is signed in, and who helped (pages_mine)
    /toestel                a browser becomes a device of a school (pages_device)

No name stands in an address: `wie` is sealed. Nothing personal shows before the secret is right, unless this
browser holds a card. A name that does not exist gets the same pages in the same time.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import timedelta

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext, lazy_gettext
from markupsafe import Markup

from idp import audit, context, web
from idp.errors import Busy
from idp.lately import Counter
from idp.login import (
    browsers,
    cards,
    first_pages,
    own_addresses,
    pages_card,
    pages_device,
    pages_frame,
    pages_help,
    pages_mail,
    pages_mine,
    pages_own,
    pictures,
    sessions,
    sign_in,
    throttle,
    tries,
    usernames,
)
from idp.login.first_pages import Who
from idp.login.sessions import SIGN_IN
from idp.login.way_back import NOWHERE, WayBack

blueprint = Blueprint("login", __name__)
blueprint.register_blueprint(pages_own.blueprint)
blueprint.register_blueprint(pages_help.blueprint)
blueprint.register_blueprint(pages_mail.blueprint)
blueprint.register_blueprint(pages_device.blueprint)
blueprint.register_blueprint(pages_mine.blueprint)

CARDS_NOTED = 20
"""Cards that do not work, in one minute from one network, that the audit trail keeps."""
_cards_refused = Counter(window=timedelta(minutes=1))
AGAIN = "again"
AGAIN_SECONDS = 120
WHO_MESSAGES = frozenset({"kaart", "naam", "met kaart", "hulp", "klaar"})
"""What the page that asks for a name may say; anybody can write an address."""
NOT_WHO = frozenset({"kaart", "naam", "hulp"})
"""What somebody just showed says nobody: then a card that this browser still holds says nothing either."""
COUNTABLE = 10 * 60
"""A wait longer than this is not counted down: a child should do something else."""


QUESTIONS = (
    lazy_gettext("Welk dier?"),
    lazy_gettext("Welk eten?"),
    lazy_gettext("Waarmee ga je?"),
    lazy_gettext("Waar woon je?"),
)
"""The questions of pictures.SCREENS, for the translators."""


# ---------------------------------------------------------------- who are you, and prove it


@blueprint.get(SIGN_IN)
@web.door(web.Door.ANYONE)
def sign_in_page() -> Response:
    way, said = pages_frame.way(), context.asked().args
    if said.get("wie"):
        who = pages_frame.unsealed(said["wie"])
        fresh = "nieuw" if said.get("bericht") == "nieuw" else None
        if who and way.any_session_will_do and _is_signed_in(who.username):
            return web.see_other(way.onward)
        return _prove_page(way, who, message=fresh) if who else web.see_other(way.page())
    if way.any_session_will_do and _is_signed_in():
        return web.see_other(way.onward)
    held = pages_frame.held_card()
    if held is not None and said.get("bericht") not in NOT_WHO:
        return _prove_page(way, Who(username=held.username, shared=False, card=held))
    return _who_page(way, message=said.get("bericht") or ("met kaart" if way.needs_card else None))


@blueprint.post(SIGN_IN)
@web.door(web.Door.ANYONE)
def sign_in_answer() -> Response:
    way, sent = pages_frame.way(), context.asked().form
    if "wissel" in sent:
        response = web.see_other(way.page())
        web.drop_cookie(response, cards.COOKIE)
        return response
    if "wie" not in sent:
        return _identify(way)
    who = pages_frame.unsealed(sent["wie"])
    if who is None:
        return web.see_other(way.page())
    if "shared" in sent:
        who = replace(who, shared=True)
    if "kaart" in sent:
        return pages_card.come_in(way, who)
    secret = _secret(who)
    if secret is None:
        return _prove_page(way, who, message="incomplete")
    return _prove(way, who, secret)


def _is_signed_in(username: str | None = None) -> bool:
    """Somebody is; with a (canonical) name, that pupil."""
    who = sessions.current()
    return who is not None and not who.must_change and username in {None, who.username}


def _identify(way: WayBack) -> Response:
    typed = request.form.get("username", "")[:300]
    shared = "shared" in request.form
    if card := first_pages.CARD_ADDRESS.fullmatch(typed.strip()):
        return _take_card(card.group(1), way, shared=shared, asked=True)
    if link := first_pages.HELP_ADDRESS.fullmatch(typed.strip()):
        return pages_help.take(link.group(1), way)
    username = usernames.canonical(own_addresses.personal(context.house().settings, typed) or typed)
    if username is None:
        return _who_page(way, message="naam", typed=typed[:60], shared=shared, status=400)
    return web.see_other(way.page(wie=pages_frame.sealed(Who(username=username, shared=shared, asked=True))))


def _prove(way: WayBack, who: Who, secret: str) -> Response:
    house, now = context.house(), context.now()
    signed_in = sessions.current()
    browser = pages_frame.browser()
    attempt = sign_in.Attempt(
        username=who.username,
        secret=secret,
        browser=browser,
        address=request.remote_addr or "",
        card=who.card,
        class_device=pages_frame.class_device(),
        device=pages_frame.device_kind(),
        shared=who.shared,
        previous=signed_in.sid if signed_in else None,
        onward=way.url if way.authorizes else "",
        arrive=pages_frame.arrival(way),
    )
    try:
        outcome = sign_in.prove(house, attempt)
    except Busy as busy:
        return _busy_page(way, who, secret, busy)
    match outcome:
        case sign_in.SignedIn():
            return pages_frame.welcome(way, outcome, marked=True)
        case sign_in.Wait():
            response = _wait_page(way, who, outcome)
        case sign_in.Wrong():
            response = (
                _wait_page(way, who, outcome.wait)
                if outcome.wait
                else _prove_page(way, who, message="wrong", status=401)
            )
        case sign_in.Expired():
            response = web.refusal_page("password_expired", 403, back=way.page())
    if browser.fresh:
        pages_frame.give_browser(response, browsers.cookie(house.keys, browser, now))
    return response


def _secret(who: Who) -> str | None:
    """What was typed, sealed for another try, or tapped; None when not every screen has its tap."""
    if "opnieuw" in request.form:
        house = context.house()
        kept = house.keys.unseal(AGAIN, request.form["opnieuw"], house.clock.now(), seconds=AGAIN_SECONDS)
        return str(kept["secret"]) if kept and kept.get("u") == who.username else None
    typed = request.form.get("password", "")[: pages_frame.LONGEST_SECRET]
    if typed:
        return typed
    taps = [request.form.get(screen.name, "") for screen in pictures.SCREENS]
    return pictures.taps([int(tap) for tap in taps]) if all(_is_number(tap) for tap in taps) else None


def _is_number(tap: str) -> bool:
    return tap.isascii() and tap.isdigit() and len(tap) <= 2


# ---------------------------------------------------------------- other ways to say who


@blueprint.get("/")
@blueprint.get("/mijn", strict_slashes=False, endpoint="personal_url_unfinished")
@web.door(web.Door.ANYONE)
def front() -> Response:
    """Who types no more than where we are wants to sign in."""
    return web.see_other(SIGN_IN)


@blueprint.get("/mijn/<username>", strict_slashes=False)
@web.door(web.Door.ANYONE)
def personal_url(username: str) -> Response:
    """A personal URL is public and guessable: it only fills in the name."""
    way = NOWHERE
    canonical = usernames.canonical(username[:300])
    if canonical is None:
        return web.see_other(way.page(bericht="naam"))
    return web.see_other(way.page(wie=pages_frame.sealed(Who(username=canonical, shared=False))))


@blueprint.get("/k/<token>")
@blueprint.get("/K/<token>", endpoint="card_in_capitals")
@web.door(web.Door.ANYONE)
def card(token: str) -> Response:
    """A scanned card: noted in a cookie for some minutes, and away from the address at once."""
    return _take_card(token, NOWHERE)


def _take_card(token: str, way: WayBack, *, shared: bool = False, asked: bool = False) -> Response:
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        found = cards.find(db, token, now)
    if found is None:
        many = _cards_refused.add((id(house.database), throttle.network(request.remote_addr or "")), now)
        if many <= CARDS_NOTED:
            with house.database.transaction() as db:
                audit.card_refused(db, because="unknown")
        tries.address_failed(house, request.remote_addr or "", now)
        response = web.see_other(way.page(bericht="kaart"))
        web.drop_cookie(response, cards.COOKIE)
        return response
    who = Who(username=found.username, shared=shared, asked=asked)
    response = web.see_other(way.page(wie=pages_frame.sealed(who)))
    minutes = house.settings.card_cookie_minutes
    web.set_cookie(response, cards.COOKIE, cards.hold(house.keys, found, now), seconds=60 * minutes)
    return response


# ---------------------------------------------------------------- the pages


def _who_page(
    way: WayBack, *, message: str | None, typed: str = "", shared: bool = False, status: int = 200
) -> Response:
    shown = first_pages.who_are_you(
        context.house().settings,
        way,
        message=message if message in WHO_MESSAGES else None,
        typed=typed,
        shared=shared,
        class_device=pages_frame.class_device() is not None,
    )
    return pages_frame.renew_device(pages_frame.everyday_page(shown, way, status=status))


def _prove_page(way: WayBack, who: Who, *, message: str | None = None, status: int = 200) -> Response:
    if message is None and pages_card.enough(way, who):
        return pages_card.ask(way, who)
    shown = first_pages.prove_it(
        context.house(),
        way,
        who,
        pages_frame.browser(),
        context.now(),
        message=message,
        class_device=pages_frame.class_device() is not None,
        typed=message == "wrong" and bool(request.form.get("password")),
    )
    return pages_frame.everyday_page(shown, way, status=status)


@blueprint.app_template_global("four_screens")
def _four_screens() -> Markup:
    return _screens(web.language())


@functools.cache
def _screens(language: str) -> Markup:
    """The four questions with their pictures, once for each language: they are half of the page's work."""
    screens = [
        {
            "name": screen.name,
            "question": gettext(screen.question),
            "pictures": [
                {"index": index, "key": picture.key, "word": picture.words[language]}
                for index, picture in enumerate(screen.pictures)
            ],
        }
        for screen in pictures.SCREENS
    ]
    return Markup(render_template("login/_screens.html", screens=screens))  # noqa: S704 - a template of ours


def _wait_page(way: WayBack, who: Who, wait: sign_in.Wait) -> Response:
    reasons = {
        throttle.Counter.CARD: "card",
        throttle.Counter.MONTH: "help",
        throttle.Counter.SYSTEM: "scan",
    }
    own = wait.counter is throttle.Counter.BROWSER and wait.seconds <= COUNTABLE
    reason = reasons.get(wait.counter, "soon" if own else "later")
    again = way.page(wie=pages_frame.sealed(who)) if reason == "soon" else way.page()
    response = pages_frame.page(
        "login/wait.html",
        way,
        status=429,
        seconds=wait.seconds,
        reason=reason,
        again=again,
        help=way.page(sessions.HELP, wie=pages_frame.sealed(who)),
    )
    response.headers["Retry-After"] = str(wait.seconds)
    if reason == "card":
        web.drop_cookie(response, cards.COOKIE)
    return response


def _busy_page(way: WayBack, who: Who, secret: str, busy: Busy) -> Response:
    """The try goes out again by itself, sealed: nobody has to tap the four pictures twice."""
    house = context.house()
    again = house.keys.seal(AGAIN, {"u": who.username, "secret": secret}, house.clock.now())
    sealed = pages_frame.sealed(who)
    response = pages_frame.page(
        "login/busy.html",
        way,
        status=503,
        action=way.page(wie=sealed),
        wie=sealed,
        again=again,
        shared=who.shared,
        seconds=busy.retry_after,
    )
    response.headers["Retry-After"] = str(busy.retry_after)
    return response
