"""Who comes to sign in as most people do? *Wie ben je?*, a name, and the page for the secret: before Flask.

A browser without a session, a card or a device of a school gets what `pages` would say, from the same functions
(`first_pages`, `manners`), for half the work. Everything else goes on to it, and nothing was changed here then: pages that
were never shown yet, names that are none, cards and links that were typed, forms that no page of ours has sent.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.http import parse_cookie

from idp import blanks, entropy, manners, pushed, web
from idp.blanks import Kept
from idp.context import House
from idp.login import browsers, cards, devices, first_pages, sessions, way_back
from idp.login.first_pages import Page, Who
from idp.login.way_back import WayBack

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

FORM = "application/x-www-form-urlencoded"
IN_ADDRESS = frozenset({"next", "wie"})
IN_FORM = frozenset({"csrf_token", "next", "shared", "username"})
LONGEST = 8_192
"""Characters of a query or a form that are read here."""


@dataclass(frozen=True, kw_only=True)
class _Visit:
    """What a browser brought."""

    given: Mapping[str, str]
    """The words of its address."""
    sent: Mapping[str, str] | None
    """Those of its form, when it sent one that a page of ours made."""
    cookies: Mapping[str, str]
    """By our words for them."""
    here: str
    now: datetime
    way: WayBack
    language: str


def in_front_of(inner: Wsgi, house: House, kept: Kept) -> Wsgi:
    """A WSGI application that answers those who come as most do, and leaves the rest to `inner`."""
    always = manners.for_every_answer(house.settings)
    for_redirects = [*always, *manners.for_every_redirect()]
    for_pages = [*always, *manners.for_every_page()]

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != sessions.SIGN_IN:
            return inner(environ, start_response)
        try:
            visit = _visit(house, environ)
            said = _said(house, kept, visit) if visit else None
        except Exception as failure:  # noqa: BLE001 - raised again where there is a page to say so
            environ[web.FAILED] = failure
            said = None
        if said is None:
            return inner(environ, start_response)
        number = ("X-Request-Id", entropy.request_id())
        if isinstance(said, str):
            start_response("303 SEE OTHER", [("Location", said), *for_redirects, number])
            return []
        body, own = said
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [*for_pages, length, *own, number])
        return [body]

    return answer


# ---------------------------------------------------------------- who comes


def _visit(house: House, environ: dict[str, Any]) -> _Visit | None:
    """None: there is more to look at than is looked at here."""
    query, method = environ.get("QUERY_STRING", ""), environ["REQUEST_METHOD"]
    given = _words(query, IN_ADDRESS)
    cookies = _cookies(house, environ)
    if given is None or cookies is None or method not in {"GET", "POST"}:
        return None
    now = house.clock.now()
    sent = None
    if method == "POST":
        sent = _form(house, environ, cookies, now)
        if sent is None or "wie" in given:
            return None
    back = (sent or {}).get("next") or given.get("next", "")
    asked = pushed.words_at(house.database, back)
    wishes = [cookies[manners.LANGUAGE_COOKIE], *asked.get("ui_locales", "").split()]
    return _Visit(
        given=given,
        sent=sent,
        cookies=cookies,
        here=f"{sessions.SIGN_IN}?{query}" if query else sessions.SIGN_IN,
        now=now,
        way=way_back.read(back, house.apps, lambda _address: asked),
        language=manners.spoken(wishes, environ.get("HTTP_ACCEPT_LANGUAGE", "")),
    )


def _words(text: str, known: frozenset[str]) -> dict[str, str] | None:
    """Known words, each once, in plain ASCII."""
    if len(text) > LONGEST or manners.SUSPECT.search(text.encode("latin-1")):
        return None
    pairs = parse_qsl(text, keep_blank_values=True)
    words = dict(pairs)
    return words if len(words) == len(pairs) and words.keys() <= known else None


def _cookies(house: House, environ: dict[str, Any]) -> dict[str, str] | None:
    """Those of a browser of nobody in particular; None when it holds a session, a card, or is a device of a school."""
    found, issuer = parse_cookie(environ).to_dict(), house.settings.issuer
    if any(
        found.get(manners.cookie_called(issuer, word))
        for word in (sessions.COOKIE, cards.COOKIE, devices.COOKIE)
    ):
        return None
    plain = (manners.PAGE, manners.LANGUAGE_COOKIE, browsers.COOKIE)
    return {word: found.get(manners.cookie_called(issuer, word), "") for word in plain}


def _form(
    house: House, environ: dict[str, Any], cookies: Mapping[str, str], now: datetime
) -> dict[str, str] | None:
    """The words of a form that a page of ours made; None, and the body is there still, when it is another one."""
    length = environ.get("CONTENT_LENGTH", "")
    if environ.get("CONTENT_TYPE") != FORM or not length.isdecimal() or int(length) > LONGEST:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    sent = _words(body.decode("latin-1"), IN_FORM)
    page = manners.page_in_time(cookies[manners.PAGE], now)
    if sent is None or page is None or "username" not in sent:
        return None
    is_ours = not manners.foreign(
        house.settings,
        origin=environ.get("HTTP_ORIGIN"),
        referrer=environ.get("HTTP_REFERER"),
        site=environ.get("HTTP_SEC_FETCH_SITE"),
    ) and entropy.same(sent.get("csrf_token", ""), manners.word_with(house.keys, page))
    return sent if is_ours else None


# ---------------------------------------------------------------- what they are told


def _said(house: House, kept: Kept, visit: _Visit) -> str | tuple[bytes, list[tuple[str, str]]] | None:
    """Where it goes on, or a page with its own headers; None when `inner` has to say it."""
    way = visit.way
    if visit.sent is not None:
        name = first_pages.plain_name(visit.sent["username"])
        if name is None:
            return None
        who = Who(username=name, shared="shared" in visit.sent, asked=True)
        return way.page(wie=first_pages.sealed(house.keys, who, visit.now))
    if not visit.given.get("wie"):
        message = "met kaart" if way.needs_card else None
        shown = first_pages.who_are_you(house.settings, way, message=message)
        return _page(house, kept, visit, shown)
    claimed = first_pages.unsealed(house.keys, visit.given["wie"], visit.now)
    if claimed is None:
        return None
    days = house.settings.known_browser_days
    browser = browsers.recognise(house.keys, visit.cookies[browsers.COOKIE], visit.now, days=days)
    return _page(house, kept, visit, first_pages.prove_it(house, way, claimed, browser, visit.now))


def _page(house: House, kept: Kept, visit: _Visit, shown: Page) -> tuple[bytes, list[tuple[str, str]]] | None:
    parts = kept.look(shown.template, visit.language, shown.fill, shown.words)
    if parts is None:
        return None
    had = visit.cookies[manners.PAGE]
    page = manners.page_in_time(had, visit.now) or manners.new_page(visit.now)
    nonce = entropy.url_safe(12)
    word = manners.word_with(house.keys, page)
    body = blanks.put_together(parts, shown.fill, csrf_token=word, nonce=nonce, here=visit.here)
    ends_at = manners.form_target(visit.way.ends_at or "")
    own = [("Content-Security-Policy", manners.policy(nonce, form_target=ends_at, reader=shown.reader))]
    if page != had:
        own.append(("Set-Cookie", manners.cookie(house.settings, manners.PAGE, page)))
    return body.encode(), own
