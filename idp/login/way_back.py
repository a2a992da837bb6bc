"""Where does a sign-in lead? Only ever to a page of ours; usually the authorization request of an app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote_plus, urlsplit

import orjson

from idp import manners
from idp.apps import App, Registry
from idp.config import LOOPBACK
from idp.login.sessions import SIGN_IN, WAY_BACK

HOME = "/mijn-apps"
EVERYDAY = frozenset(
    [
        "client_id",
        "redirect_uri",
        "scope",
        "response_type",
        "response_mode",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "ui_locales",
        "claims_locales",
        "login_hint",
        "display",
    ]
)
"""What a request may say that never asks for a fresh sign-in."""
LONGEST = 24_000
CARD_ALONE = "urn:leersleutel:acr:card"


@dataclass(frozen=True, kw_only=True)
class WayBack:
    """After signing in, on to `url`."""

    url: str
    """A local path with query, or empty: nobody sent this person."""
    app: App | None = None
    """The app that sent this person."""
    ends_at: str | None = None
    """The address of the app at which the way ends, when it is one that the app registered."""
    login_hint: str = ""
    """Who the app thinks it is; only ever a suggestion (OpenID Connect Core 3.1.2.1)."""

    needs_card: bool = False
    """The app only takes a sign-in with a secret and a card (the claim acr, essential)."""

    takes_card_alone: bool = True
    """The app does not ask for more than a card."""

    any_session_will_do: bool = False
    """Whoever is signed in already (in another tab) may go on; a fresh sign-in is not asked for."""

    @property
    def authorizes(self) -> bool:
        """It leads to an authorization request."""
        return self.url.startswith("/authorize?")

    @property
    def onward(self) -> str:
        return self.url or HOME

    def page(self, path: str = SIGN_IN, **words: str) -> str:
        """The address of one of our pages that keeps this way back."""
        said = [self._next] if self.url else []
        said += [f"{name}={quote_plus(value)}" for name, value in words.items() if value]
        return f"{path}?{'&'.join(said)}" if said else path

    @cached_property
    def _next(self) -> str:
        """An address inside an address: a page says it five times, and quotes it once."""
        return f"next={quote_plus(self.url)}"


NOWHERE = WayBack(url="", any_session_will_do=True)
"""Nobody sent this person: they go to their own apps."""


def read(given: str, registry: Registry, asked_by: Callable[[str], Mapping[str, str]]) -> WayBack:
    """What a page was told. Anything but a known way of our own counts as nothing.

    `asked_by` says what an authorization request at such an address asks.
    """
    if not manners.local(given) or not given.startswith(WAY_BACK) or len(given) > LONGEST:
        return NOWHERE
    if not given.startswith("/authorize?"):
        return WayBack(url=given, any_session_will_do=True)
    asked = asked_by(given)
    app = registry.find(asked.get("client_id", ""))
    if app is None:
        return WayBack(url=given)
    wanted = _acr_needed(asked["claims"]) if "claims" in asked else []
    return WayBack(
        url=given,
        app=app,
        ends_at=_ends_at(app, asked.get("redirect_uri")),
        login_hint=asked.get("login_hint", "")[:100],
        needs_card=bool(wanted) and all(one.endswith("+card") for one in wanted),
        takes_card_alone=not wanted or CARD_ALONE in wanted,
        any_session_will_do=asked.keys() <= EVERYDAY and app.default_max_age is None,
    )


def _acr_needed(claims: str) -> list[str]:
    """The only values of acr that the `claims` parameter, checked or not, takes. For what a page offers; it decides nothing."""
    try:
        acr = orjson.loads(claims)["id_token"]["acr"]
        wanted = acr.get("values", [acr.get("value", "")]) if acr["essential"] is True else []
        return [str(one) for one in wanted]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []


def _ends_at(app: App, asked: str | None) -> str | None:
    if asked is None:
        return app.redirect_uris[0] if len(app.redirect_uris) == 1 else None
    if asked in app.redirect_uris:
        return asked
    # A native app may listen on any port of this machine (RFC 8252 section 7.3).
    machine = any(urlsplit(uri).hostname in LOOPBACK for uri in app.redirect_uris)
    return asked if machine and _host(asked) in LOOPBACK else None


def _host(uri: str) -> str | None:
    try:
        return urlsplit(uri).hostname
    except ValueError:
        return None
