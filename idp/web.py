"""How do we meet a browser? Doors, headers, CSRF, language, cookies, and the page that says no: `manners`, in Flask."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from babel import Locale
from flask import Flask, Response, abort, current_app, make_response, render_template, request
from flask_babel import Babel, get_locale
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.urls import iri_to_uri

from idp import assets, context, entropy, manners, pushed, sentences
from idp.config import Settings

View = TypeVar("View", bound=Callable[..., Any])

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


FAILED = "idp.failed"
"""Under this word of the environ a doorstep leaves what went wrong there: Flask alone knows what to say then."""


class Door(StrEnum):
    """Who may enter a route. Every route has exactly one; `tests/house` proves it."""

    ANYONE = "anyone"
    PUPIL = "pupil"
    """A pupil who is signed in."""
    STAFF = "staff"
    """A member of staff who is signed in and has the right that the route names (admin/staff_door.py)."""
    APP = "app"
    """A program that authenticates itself inside; cookies mean nothing here."""


PROGRAMS = frozenset({Door.APP})
STAFF_DOOR = "staff_door"
"""Under this word admin/staff_door.py leaves the function that opens `Door.STAFF`, or answers instead of the view."""
AT_ONCE = "at_once"
"""Under this word oidc/pages.py leaves what answers an authorization request in the transaction of a sign-in."""
STAFF_REFUSAL = "staff_refusal"
"""Under this word admin/shell.py leaves the function that makes the page that says no to staff."""
STAFF_PATHS = frozenset({"schoolloket", "beheer", "leverancier", "personeel", "zandbak"})
"""Where staff work, by the first step of an address: what goes wrong there is told to an adult."""


def door(which: Door) -> Callable[[View], View]:
    """Say who may enter this route. Put it under the route decorator."""

    def mark(view: View) -> View:
        view.door = which  # type: ignore[attr-defined]
        return view

    return mark


babel = Babel()


def prepare(app: Flask, settings: Settings) -> None:
    """Teach this Flask app our manners."""
    app.config.update(
        MAX_CONTENT_LENGTH=manners.LARGEST_BODY,
        MAX_FORM_PARTS=manners.MOST_PARAMETERS,
        MAX_FORM_MEMORY_SIZE=manners.LARGEST_BODY,
        BABEL_DEFAULT_LOCALE=manners.LANGUAGES[0],
        BABEL_TRANSLATION_DIRECTORIES=f"{app.root_path}/locales",
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.globals["csrf_token"] = form_word
    babel.init_app(app, locale_selector=_language)
    app.before_request(_begin)
    app.before_request(_enter)
    app.after_request(functools.partial(_headers, manners.for_every_answer(settings)))
    app.context_processor(_words_for_templates)
    assets.prepare(app, settings)


# ---------------------------------------------------------------- coming in


def _begin() -> None:
    context.begin_request(entropy.request_id())
    asked = context.asked()
    if FAILED in asked.environ:
        raise asked.environ[FAILED]
    query = asked.query_string
    if len(query) > manners.LONGEST_QUERY or query.count(b"&") > manners.MOST_PARAMETERS:
        abort(414)
    if "\x00" in asked.path:
        abort(404)  # no name has one, and PostgreSQL breaks off at it
    given = [*asked.args.items(multi=True)] if manners.SUSPECT.search(query) else []
    if asked.method == "POST" and asked.mimetype in FORMS:
        given += [*asked.form.items(multi=True)]
    for name, value in given:
        if "\x00" in name or "\x00" in value or "\ufffd" in value or "\ufffd" in name:
            abort(400)


def _enter() -> Any:
    view = _view()
    if view is None or view.door in PROGRAMS:
        return None
    if context.asked().method not in SAFE:
        _same_origin()
        _has_its_word()
    if view.door is Door.PUPIL and not current_user.is_authenticated:
        return current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
    if view.door is Door.STAFF:
        return current_app.extensions[STAFF_DOOR](view)
    return None


def _view() -> Any:
    endpoint = context.asked().endpoint
    if endpoint is None:
        return None
    view: Any = current_app.view_functions[endpoint]
    if endpoint == "static":
        view.door = Door.ANYONE
    return view


def _same_origin() -> None:
    """A form of ours is sent by a page of ours: browsers say so, and a foreign word is a no."""
    said = context.asked().headers.get
    if why := manners.foreign(
        context.house().settings,
        origin=said("Origin"),
        referrer=said("Referer"),
        site=said("Sec-Fetch-Site"),
    ):
        raise NotOurs(why)


# ---------------------------------------------------------------- going out


def nonce() -> str:
    """The word that lets our own inline script run on this page."""
    notes = context.notes()
    if "nonce" not in notes:
        notes.nonce = entropy.url_safe(12)
    return str(notes.nonce)


def _headers(always: Sequence[tuple[str, str]], response: Response) -> Response:
    """Whatever the view did not say itself. (`setdefault` of a header list costs ten times as much.)"""
    head = response.headers
    said = {name.lower() for name, _ in head}
    wanted = [*always]
    if context.asked().endpoint != "static" or response.status_code >= 400:
        wanted += [("Cache-Control", "no-store"), ("X-Request-Id", context.request_id())]
        if response.mimetype == "text/html":
            wanted += [("Content-Security-Policy", _policy()), *manners.FOR_PAGES]
            head.add("Vary", "Cookie")
            _keep_page(response)
    for name, value in wanted:
        if name.lower() not in said:
            head.add(name, value)
    return response


def _policy() -> str:
    notes = context.notes()
    return manners.policy(nonce(), form_target=notes.get("form_target", ""), reader="reader" in notes)


def allow_form_to(uri: str) -> None:
    """Let the forms of this page end, through redirects, at this app: browsers check every hop."""
    if target := manners.form_target(uri):
        context.notes().form_target = target


def allow_reader() -> None:
    """Let this page compile our reader of QR codes: WebAssembly, of our own host like any script."""
    context.notes().reader = True


class _Onward(Response):
    """A redirect that is in order as it is: Werkzeug would take its address apart, and quote it once more."""

    def get_wsgi_headers(self, environ: Any) -> Headers:  # noqa: ARG002
        return self.headers


def see_other(location: str) -> Response:
    """Go there with a GET (303), whatever the method was: a password never travels on."""
    there = location if manners.PLAIN.fullmatch(location) else iri_to_uri(location)
    return _Onward(status=303, headers=[("Location", there), ("Content-Length", "0")])


# ---------------------------------------------------------------- cookies


def cookie_name(word: str) -> str:
    return manners.cookie_called(context.house().settings.issuer, word)


def set_cookie(response: Response, word: str, value: str, *, seconds: int | None = None) -> None:
    """HttpOnly, Lax, this host only; without `seconds` it ends with the browser."""
    said = manners.cookie(context.house().settings, word, value, seconds=seconds)
    response.headers.add("Set-Cookie", said)


def drop_cookie(response: Response, word: str) -> None:
    set_cookie(response, word, "", seconds=0)


def read_cookie(word: str) -> str:
    name, cookies = cookie_name(word), context.asked().cookies
    return cookies[name] if name in cookies else ""  # noqa: SIM401 - Werkzeug's `get` makes an error of every no


# ---------------------------------------------------------------- forms of ours


class NotOurs(Exception):
    """A form that no page of ours, in this browser and of today, has sent."""


def form_word() -> str:
    """What every form of this page sends back: a digest, with a key of ours, of this browser's cookie for pages."""
    notes = context.notes()
    if "csrf_token" not in notes:
        if _page() is None:
            notes.page = manners.new_page(context.now())
        notes.csrf_token = manners.word_with(context.house().keys, notes.page)
    return str(notes.csrf_token)


def forget_page() -> None:
    """After signing in or out the word of forms starts anew."""
    notes = context.notes()
    notes.pop("csrf_token", None)
    notes.page = None


def _has_its_word() -> None:
    page = _page()
    if page is None or not entropy.same(
        request.form.get("csrf_token", ""), manners.word_with(context.house().keys, page)
    ):
        raise NotOurs("without the word of a page of ours")


def _page() -> str | None:
    """The cookie for pages, while it is in time; the one that this answer gives, when it gives one."""
    notes = context.notes()
    if "page" not in notes:
        notes.page = manners.page_in_time(read_cookie(manners.PAGE), context.now())
    found: str | None = notes.page
    return found


def _keep_page(response: Response) -> None:
    """The browser has what its forms go with, or what it had is taken away."""
    had, notes = read_cookie(manners.PAGE), context.notes()
    if "page" in notes and notes.page != had:
        if notes.page:
            set_cookie(response, manners.PAGE, notes.page)
        elif had:
            drop_cookie(response, manners.PAGE)


# ---------------------------------------------------------------- words


def _language() -> Locale:
    """What the person chose here, what the app asked (ui_locales), what the browser says; Dutch otherwise."""
    try:
        asked = _asked_locales()
    except (HTTPException, SQLAlchemyError):
        asked = ""  # the page that says no to this body, or that the database is away, needs a language too
    wishes = [read_cookie(manners.LANGUAGE_COOKIE), *asked.split()]
    return _locale(manners.spoken(wishes, context.asked().headers.get("Accept-Language", "")))


@functools.cache
def _locale(language: str) -> Locale:
    """Read once: Babel reads it anew for every text otherwise."""
    return Locale(language)


def _asked_locales() -> str:
    """The ui_locales of this authorization request, or of the one that this page leads back to."""
    said = context.asked().args
    if "ui_locales" in said:
        return said["ui_locales"]
    if "request_uri" in said:
        return pushed.words(context.house().database, said).get("ui_locales", "")
    return asked_by(given_way_back()).get("ui_locales", "")


def given_way_back() -> str:
    """The local address to which this page leads back, as it came: anybody can write one."""
    asked = context.asked()
    sent = asked.form.get("next") if asked.method == "POST" else None
    return sent or asked.args.get("next", "")


def asked_by(address: str) -> Mapping[str, str]:
    """What an authorization request at this local address asks, in order or not. Reads the one of a page once."""
    notes = context.notes()
    if "asked_by" not in notes or notes.asked_by[0] != address:
        notes.asked_by = address, pushed.words_at(context.house().database, address)
    found: Mapping[str, str] = notes.asked_by[1]
    return found


def language() -> str:
    """The language of this page: nl, fr, de or en."""
    locale = get_locale()
    return locale.language if locale else manners.LANGUAGES[0]


def _words_for_templates() -> dict[str, Any]:
    settings = context.house().settings
    return {
        "brand": settings.brand,
        "helpdesk": settings.helpdesk,
        "language": language(),
        "languages": manners.LANGUAGES,
        "nonce": nonce,
    }


# ---------------------------------------------------------------- saying no


def refusal_page(code: str, status: int, *, back: str | None = None, **words: Any) -> Response:
    """A page for the person: what happened, what to do, the incident number, and a way back."""
    if request.path.split("/")[1] in STAFF_PATHS:
        answer: Response = current_app.extensions[STAFF_REFUSAL](code, status, back)
        return answer
    body = render_template(
        "web/refusal.html",
        sentence=sentences.sentence(code),
        advice=sentences.advice(code),
        code=code,
        incident=context.request_id(),
        back=back,
        **words,
    )
    return make_response(body, status)
