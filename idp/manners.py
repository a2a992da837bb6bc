"""What goes with every page and form of ours, whoever makes it? Headers, cookies' names, languages, and the word of a form.

Nothing here knows Flask: `web` says the same for it, and a doorstep (`login/doorstep`, `oidc/doorstep`) without it.
"""

from __future__ import annotations

import functools
import re
from datetime import datetime
from urllib.parse import urlsplit

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from idp import entropy
from idp.config import LOOPBACK, Settings
from idp.keys import Keys

LANGUAGES = ("nl", "fr", "de", "en")
LANGUAGE_COOKIE = "language"
LARGEST_BODY = 256 * 1024
MOST_PARAMETERS = 200
LONGEST_QUERY = 32_768
EVERYDAY = 200
"""Characters of an Accept-Language that is remembered: nobody fills memory with long ones."""
PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?@!$&'()*+=%]*")
"""All that most addresses and cookies are made of: nothing in it needs quotes in a header."""
SUSPECT = re.compile(rb"%00|%[89A-Fa-f]|[\x00\x80-\xff]")
"""Without these a query is plain ASCII: no zero bytes, and nothing that cannot be read."""

Headers = tuple[tuple[str, str], ...]

FOR_PAGES: Headers = (
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(self), microphone=(), geolocation=(), interest-cohort=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)


# ---------------------------------------------------------------- headers


def for_every_answer(settings: Settings) -> Headers:
    """The headers of every answer, of pages and of programs. `Server` stands in for the banner of the real server."""
    here = [("X-Content-Type-Options", "nosniff"), ("Server", "idp")]
    if not settings.loopback:
        here.append(("Strict-Transport-Security", "max-age=63072000; includeSubDomains"))
    return tuple(here)


def for_every_page() -> Headers:
    """The headers of an answer to a person, beside those of every answer."""
    return (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        *FOR_PAGES,
        ("Vary", "Cookie"),
    )


def for_every_redirect() -> Headers:
    """The same of one that only leads on."""
    policy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    return (*for_every_page(), ("Content-Length", "0"), ("Content-Security-Policy", policy))


def policy(nonce: str, *, form_target: str = "", reader: bool = False) -> str:
    """The Content-Security-Policy of a page. `form_target`: where else its forms may end; `reader`: ours of QR codes may be compiled."""
    compiles = " 'wasm-unsafe-eval'" if reader else ""
    targets = f"'self' {form_target}".rstrip()
    return (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; font-src 'self'; connect-src 'self'; "
        f"script-src 'self' 'nonce-{nonce}'{compiles}; form-action {targets}; "
        "frame-ancestors 'none'; base-uri 'none'; "
        "object-src 'none'; manifest-src 'self'"
    )


def form_target(uri: str) -> str:
    """The origin of an app's address, as browsers check it on every hop of a form; empty when there is none to name."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and parts.netloc and not re.search(r"[\s;,'\"*@]", parts.netloc):
        return f"{parts.scheme}://{parts.netloc}"
    return ""


# ---------------------------------------------------------------- cookies and forms

PAGE = "page"
"""Word of the cookie with which forms go: chance, and when it was drawn."""
PAGE_SECONDS = 60 * 60 * 12


@functools.cache
def cookie_called(issuer: str, word: str) -> str:
    """`__Host-idp-word`; on plain http on this machine without the prefix but with the port, since ports share cookies."""
    if issuer.startswith("https://"):
        return f"__Host-idp-{word}"
    port = re.sub(r"\D", "", issuer.rpartition(":")[2]) or "80"
    return f"idp-{port}-{word}"


def cookie(settings: Settings, word: str, value: str, *, seconds: int | None = None) -> str:
    """The header that sets it: HttpOnly, Lax, this host only; without `seconds` it ends with the browser.

    Raises ValueError when the value would need quotes: none of ours does.
    """
    if not PLAIN.fullmatch(value):
        raise ValueError(f"the cookie {word} would need quotes")
    until = "" if seconds is None else f"; Max-Age={seconds}"
    https = "" if settings.loopback else "; Secure"
    name = cookie_called(settings.issuer, word)
    return f"{name}={value}{until}{https}; HttpOnly; Path=/; SameSite=Lax"


def new_page(now: datetime) -> str:
    """A value for the cookie of forms."""
    return f"{int(now.timestamp()):x}.{entropy.url_safe(16)}"


def page_in_time(cookie: str, now: datetime) -> str | None:
    """The cookie of forms that a browser shows, while forms go with it."""
    drawn = re.match(r"([0-9a-f]{1,12})\.", cookie)
    age = now.timestamp() - int(drawn[1], 16) if drawn else PAGE_SECONDS
    return cookie if age < PAGE_SECONDS else None


def word_with(keys: Keys, page: str) -> str:
    """What a form sends back that goes with this cookie: its digest, with a key of ours."""
    return entropy.keyed_digest(keys.throttle, "form", page)


def foreign(settings: Settings, *, origin: str | None, referrer: str | None, site: str | None) -> str:
    """Why the page that sent a form is none of ours; empty when it is. By the headers Origin, Referer and Sec-Fetch-Site.

    What is ours is said by the settings, never by the Host header, which a stranger (or a proxy) may choose.
    """
    if origin is None and referrer:
        origin = "/".join(referrer.split("/", 3)[:3])
    if origin is not None and origin not in _ours(settings.issuer, settings.loopback):
        return "foreign origin"
    return "foreign site" if site == "cross-site" else ""


@functools.cache
def _ours(issuer: str, loopback: bool) -> frozenset[str]:  # noqa: FBT001 - so that it is remembered
    """The issuer, and at home the other names of this machine at the same port."""
    scheme, _, host = issuer.partition("://")
    port = re.search(r":[0-9]+$", host)
    names = LOOPBACK if loopback else ()
    others = {
        f"{scheme}://{f'[{name}]' if ':' in name else name}{port.group() if port else ''}" for name in names
    }
    return frozenset({issuer, *others})


def local(path: str) -> bool:
    """Is this a path of ours, which no browser takes for another host?"""
    return re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", path) is not None


# ---------------------------------------------------------------- languages


def spoken(wishes: list[str], accepted: str) -> str:
    """The first of these wishes (tags, as people and apps write them) that we speak; else of what the browser says; Dutch."""
    for tag in wishes:
        short = tag.lower().partition("-")[0]
        if short in LANGUAGES:
            return short
    return (_wished if len(accepted) <= EVERYDAY else _wished.__wrapped__)(accepted)


@functools.lru_cache(maxsize=200)
def _wished(accepted: str) -> str:
    """Browsers say one of some dozen lines, and reading one costs a twentieth of a page."""
    return parse_accept_header(accepted, LanguageAccept).best_match(LANGUAGES) or LANGUAGES[0]
