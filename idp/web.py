"""How do we meet a browser? Doors, headers, CSRF, language, cookies, and the page that says no."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from babel import Locale
from flask import Flask, Response, abort, current_app, make_response, render_template, request
from flask_babel import Babel, get_locale
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import Headers, LanguageAccept
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_accept_header
from werkzeug.urls import iri_to_uri

from idp import assets, context, entropy, pushed, sentences
from idp.config import LOOPBACK, Settings

View = TypeVar("View", bound=Callable[..., Any])

LANGUAGES = ("nl", "fr", "de", "en")
LANGUAGE_COOKIE = "language"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST_BODY = 256 * 1024
MOST_PARAMETERS = 200
LONGEST_QUERY = 32_768
EVERYDAY = 200
"""Characters of an Accept-Language that is remembered: nobody fills memory with long ones."""
PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?@!$&'()*+=%]*")
"""All that most addresses and cookies are made of: nothing in it needs quotes in a header."""
SUSPECT = re.compile(rb"%00|%[89A-Fa-f]|[\x00\x80-\xff]")
"""Without these a query is plain ASCII: no zero bytes, and nothing that cannot be read."""


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
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_PARTS=MOST_PARAMETERS,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        BABEL_DEFAULT_LOCALE=LANGUAGES[0],
        BABEL_TRANSLATION_DIRECTORIES=f"{app.root_path}/locales",
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.globals["csrf_token"] = form_word
    babel.init_app(app, locale_selector=_language)
    app.before_request(_begin)
    app.before_request(_enter)
    app.after_request(functools.partial(_headers, for_every_answer(settings)))
    app.context_processor(_words_for_templates)
    assets.prepare(app, settings)


# ---------------------------------------------------------------- coming in


def _begin() -> None:
    context.begin_request(entropy.request_id())
    asked = context.asked()
    query = asked.query_string
    if len(query) > LONGEST_QUERY or query.count(b"&") > MOST_PARAMETERS:
        abort(414)
    given = [*asked.args.items(multi=True)] if SUSPECT.search(query) else []
    if asked.method == "POST" and asked.mimetype == "application/x-www-form-urlencoded":
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
    """A form of ours is sent by a page of ours: browsers say so, and a foreign word is a no.

    What is ours is said by the settings, never by the Host header, which a stranger (or a proxy) may choose.
    """
    headers = context.asked().headers
    origin = headers.get("Origin")
    if origin is None and (referrer := headers.get("Referer")):
        origin = "/".join(referrer.split("/", 3)[:3])
    if origin is not None and not _is_ours(origin):
        raise NotOurs("foreign origin")
    if headers.get("Sec-Fetch-Site") == "cross-site":
        raise NotOurs("foreign site")


def _is_ours(origin: str) -> bool:
    """Is it the issuer, or at home another name of this machine at the same port?"""
    settings = context.house().settings
    scheme, _, host = settings.issuer.partition("://")
    if origin == settings.issuer or not settings.loopback:
        return origin == settings.issuer
    port = "".join(re.findall(r":[0-9]+$", host))
    return origin in {f"{scheme}://{f'[{name}]' if ':' in name else name}{port}" for name in LOOPBACK}


# ---------------------------------------------------------------- going out


def nonce() -> str:
    """The word that lets our own inline script run on this page."""
    notes = context.notes()
    if "nonce" not in notes:
        notes.nonce = entropy.url_safe(12)
    return str(notes.nonce)


def for_every_answer(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The headers of every answer, of pages and of programs. `Server` stands in for the banner of the real server."""
    here = [("X-Content-Type-Options", "nosniff"), ("Server", "idp")]
    if not settings.loopback:
        here.append(("Strict-Transport-Security", "max-age=63072000; includeSubDomains"))
    return tuple(here)


def _headers(always: Sequence[tuple[str, str]], response: Response) -> Response:
    """Whatever the view did not say itself. (`setdefault` of a header list costs ten times as much.)"""
    head = response.headers
    said = {name.lower() for name, _ in head}
    wanted = [*always]
    if context.asked().endpoint != "static" or response.status_code >= 400:
        wanted += [("Cache-Control", "no-store"), ("X-Request-Id", context.request_id())]
        if response.mimetype == "text/html":
            wanted += [("Content-Security-Policy", _policy()), *FOR_PAGES]
            head.add("Vary", "Cookie")
            _keep_page(response)
    for name, value in wanted:
        if name.lower() not in said:
            head.add(name, value)
    return response


def for_every_redirect() -> tuple[tuple[str, str], ...]:
    """The headers of an answer that only leads on, beside those of every answer."""
    return (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", "0"),
        ("Cache-Control", "no-store"),
        (
            "Content-Security-Policy",
            "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        *FOR_PAGES,
        ("Vary", "Cookie"),
    )


FOR_PAGES = (
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(self), microphone=(), geolocation=(), interest-cohort=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)


def _policy() -> str:
    return (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; font-src 'self'; connect-src 'self'; "
        f"script-src 'self' 'nonce-{nonce()}'{_reader()}; form-action {' '.join(_form_targets())}; "
        "frame-ancestors 'none'; base-uri 'none'; "
        "object-src 'none'; manifest-src 'self'"
    )


def allow_form_to(uri: str) -> None:
    """Let the forms of this page end, through redirects, at this app: browsers check every hop."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and parts.netloc and not re.search(r"[\s;,'\"*@]", parts.netloc):
        context.notes().form_target = f"{parts.scheme}://{parts.netloc}"


def allow_reader() -> None:
    """Let this page compile our reader of QR codes: WebAssembly, of our own host like any script."""
    context.notes().reader = True


def _reader() -> str:
    return " 'wasm-unsafe-eval'" if "reader" in context.notes() else ""


def _form_targets() -> list[str]:
    notes = context.notes()
    return ["'self'", *([notes.form_target] if "form_target" in notes else [])]


class _Onward(Response):
    """A redirect that is in order as it is: Werkzeug would take its address apart, and quote it once more."""

    def get_wsgi_headers(self, environ: Any) -> Headers:  # noqa: ARG002
        return self.headers


def see_other(location: str) -> Response:
    """Go there with a GET (303), whatever the method was: a password never travels on."""
    there = location if PLAIN.fullmatch(location) else iri_to_uri(location)
    return _Onward(status=303, headers=[("Location", there), ("Content-Length", "0")])


# ---------------------------------------------------------------- cookies


def cookie_name(word: str) -> str:
    """`__Host-idp-word`; on plain http on this machine without the prefix but with the port, since ports share cookies."""
    return cookie_called(context.house().settings.issuer, word)


@functools.cache
def cookie_called(issuer: str, word: str) -> str:
    """The same for a house with this address."""
    if issuer.startswith("https://"):
        return f"__Host-idp-{word}"
    port = re.sub(r"\D", "", issuer.rpartition(":")[2]) or "80"
    return f"idp-{port}-{word}"


def set_cookie(response: Response, word: str, value: str, *, seconds: int | None = None) -> None:
    """HttpOnly, Lax, this host only; without `seconds` it ends with the browser."""
    assert PLAIN.fullmatch(value), f"the cookie {word} would need quotes"
    until = "" if seconds is None else f"; Max-Age={seconds}"
    https = "" if context.house().settings.loopback else "; Secure"
    said = f"{cookie_name(word)}={value}{until}{https}; HttpOnly; Path=/; SameSite=Lax"
    response.headers.add("Set-Cookie", said)


def drop_cookie(response: Response, word: str) -> None:
    set_cookie(response, word, "", seconds=0)


def read_cookie(word: str) -> str:
    return context.asked().cookies.get(cookie_name(word), "")


# ---------------------------------------------------------------- forms of ours

PAGE = "page"
"""Word of the cookie with which forms go: chance, and when it was drawn."""
PAGE_SECONDS = 60 * 60 * 12


class NotOurs(Exception):
    """A form that no page of ours, in this browser and of today, has sent."""


def form_word() -> str:
    """What every form of this page sends back: a digest, with a key of ours, of this browser's cookie for pages."""
    notes = context.notes()
    if "csrf_token" not in notes:
        if _page() is None:
            notes.page = f"{int(context.now().timestamp()):x}.{entropy.url_safe(16)}"
        notes.csrf_token = _word_with(notes.page)
    return str(notes.csrf_token)


def forget_page() -> None:
    """After signing in or out the word of forms starts anew."""
    notes = context.notes()
    notes.pop("csrf_token", None)
    notes.page = None


def _has_its_word() -> None:
    page = _page()
    if page is None or not entropy.same(request.form.get("csrf_token", ""), _word_with(page)):
        raise NotOurs("without the word of a page of ours")


def _word_with(page: str) -> str:
    return entropy.keyed_digest(context.house().keys.throttle, "form", page)


def _page() -> str | None:
    """The cookie for pages, while it is in time; the one that this answer gives, when it gives one."""
    notes = context.notes()
    if "page" not in notes:
        page = read_cookie(PAGE)
        drawn = re.match(r"([0-9a-f]{1,12})\.", page)
        age = context.now().timestamp() - int(drawn[1], 16) if drawn else PAGE_SECONDS
        notes.page = page if age < PAGE_SECONDS else None
    found: str | None = notes.page
    return found


def _keep_page(response: Response) -> None:
    """The browser has what its forms go with, or what it had is taken away."""
    had, notes = read_cookie(PAGE), context.notes()
    if "page" in notes and notes.page != had:
        if notes.page:
            set_cookie(response, PAGE, notes.page)
        elif had:
            drop_cookie(response, PAGE)


# ---------------------------------------------------------------- words


def _language() -> Locale:
    """What the person chose here, what the app asked (ui_locales), what the browser says; Dutch otherwise."""
    try:
        asked = _asked_locales()
    except (HTTPException, SQLAlchemyError):
        asked = ""  # the page that says no to this body, or that the database is away, needs a language too
    for tag in [read_cookie(LANGUAGE_COOKIE), *asked.split()]:
        short = tag.lower().partition("-")[0]
        if short in LANGUAGES:
            return _locale(short)
    accepted = context.asked().headers.get("Accept-Language", "")
    return _locale((_wished if len(accepted) <= EVERYDAY else _wished.__wrapped__)(accepted))


@functools.lru_cache(maxsize=200)
def _wished(accepted: str) -> str:
    """Browsers say one of some dozen lines, and reading one costs a twentieth of a page."""
    return parse_accept_header(accepted, LanguageAccept).best_match(LANGUAGES) or LANGUAGES[0]


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
        query = address.partition("#")[0].partition("?")[2] if address.startswith("/") else ""
        notes.asked_by = address, pushed.words(context.house().database, dict(parse_qsl(query)))
    found: Mapping[str, str] = notes.asked_by[1]
    return found


def language() -> str:
    """The language of this page: nl, fr, de or en."""
    locale = get_locale()
    return locale.language if locale else LANGUAGES[0]


def _words_for_templates() -> dict[str, Any]:
    settings = context.house().settings
    return {
        "brand": settings.brand,
        "helpdesk": settings.helpdesk,
        "language": language(),
        "languages": LANGUAGES,
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
