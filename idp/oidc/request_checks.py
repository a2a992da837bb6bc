"""Which checks does an authorization request pass, and in which order? The two tables at the end.

A check is a small function that says No, with the protocol's error code and words for the app's developer, or
None. The first table holds until the app and its address are known to be good: its refusals are for the person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from idp import addresses
from idp.apps import App
from idp.oidc import asked_claims

LONGEST_STATE = 2_048
LONGEST_NONCE = 1_000
LONGEST_SCOPE = 500
LONGEST_HINT = 8_192
LONGEST_WISH = 300
ACR_VALUES = (
    *(f"urn:leersleutel:acr:{way}{card}" for way in ("picture", "basic", "own") for card in ("", "+card")),
    "urn:leersleutel:acr:help",
    "urn:leersleutel:acr:card",
)
"""How a pupil can have signed in: with which secret, and whether a card was shown; with help of the school; or with a
card and nothing else, where the school decided so for this pupil."""
STRICT = (
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "claims",
)
"""Parameters that must be right."""
WISHES = ("acr_values", "login_hint", "ui_locales", "display", "id_token_hint")
"""Parameters that we may ignore, and do when they are odd."""

MANY = frozenset({"resource"})
"""Parameters that may come several times (RFC 8707); we ignore them."""
RESPONSE_MODES = ("query", "form_post")
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
UNREADABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_LOOPBACK = re.compile(
    r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[0-9]{1,5})?(?=[/?]|$)(.*)", re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the checks look at."""

    values: Mapping[str, str]
    """The first value of each name; an empty value counts as none (RFC 6749 section 3.1)."""
    repeated: frozenset[str]
    app: App | None
    today: date
    scopes_known: frozenset[str]
    pushed: bool = False
    """The app brought these itself, to /par."""
    signed: bool = False
    """The app signed these."""

    def get(self, name: str) -> str:
        return self.values.get(name, "")

    def wish(self, name: str) -> str:
        """What we may ignore, we ignore when it is too long or unreadable."""
        value, longest = self.get(name), LONGEST_HINT if name == "id_token_hint" else LONGEST_WISH
        return value if len(value) <= longest and not UNREADABLE.search(value) else ""

    @property
    def trusted(self) -> App:
        assert self.app is not None
        return self.app


@dataclass(frozen=True, kw_only=True)
class No:
    """A check's refusal: an error code of the protocol, and why, in words for the app's developer."""

    error: str
    because: str


Check = Callable[[Given], No | None]


# ---------------------------------------------------------------- until the app is known: never a redirect


def client_id_is_given_once(given: Given) -> No | None:
    if "client_id" in given.repeated:
        return No(error="app_unknown", because="client_id is repeated")
    return None if given.get("client_id") else No(error="app_unknown", because="client_id is missing")


def the_app_is_known(given: Given) -> No | None:
    return None if given.app else No(error="app_unknown", because="client_id is not registered")


def the_app_is_enabled(given: Given) -> No | None:
    return No(error="app_disabled", because="the app is disabled") if given.trusted.disabled else None


def redirect_uri_is_given_once(given: Given) -> No | None:
    if "redirect_uri" in given.repeated:
        return No(error="address_unknown", because="redirect_uri is repeated")
    if not given.get("redirect_uri"):
        return No(error="address_unknown", because="redirect_uri is missing")
    return None


def redirect_uri_is_registered(given: Given) -> No | None:
    if may_return_to(given.trusted, given.get("redirect_uri")):
        return None
    return No(error="address_unknown", because="redirect_uri is not registered")


def the_app_signs_people_in(given: Given) -> No | None:
    if "authorization_code" in given.trusted.grant_types:
        return None
    return No(error="app_unknown", because="the app is not registered for authorization_code")


def may_return_to(app: App, uri: str) -> bool:
    """Is this redirect_uri registered, as the same string? A native app on loopback may choose its port (RFC 8252)."""
    if not _may_be_an_address(uri):
        return False
    if uri in app.redirect_uris:
        return True
    received = _LOOPBACK.fullmatch(uri)
    if not app.public or received is None:
        return False
    known = [_LOOPBACK.fullmatch(registered) for registered in app.redirect_uris]
    return any(one is not None and one.groups() == received.groups() for one in known)


@lru_cache(maxsize=2048)
def _may_be_an_address(uri: str) -> bool:
    """Whatever was registered: we go to https, or to http on this machine, and nowhere else. Apps send the same all day."""
    try:
        addresses.read(uri, loopback_http=True)
    except addresses.NotAnAddress:
        return False
    return True


# ---------------------------------------------------------------- now errors go to the app


def nothing_is_repeated(given: Given) -> No | None:
    if not given.repeated:
        return None
    names = ", ".join(sorted(name for name in given.repeated if name.isidentifier())) or "a parameter"
    return No(error="invalid_request", because=f"{names[:100]}: given more than once")


def everything_can_be_read(given: Given) -> No | None:
    longest = {"state": LONGEST_STATE, "nonce": LONGEST_NONCE, "scope": LONGEST_SCOPE}
    for name in STRICT[2:]:
        value = given.get(name) if name != "claims" else ""
        if UNREADABLE.search(value):
            return No(error="invalid_request", because=f"{name} holds control characters")
        if len(value.encode()) > longest.get(name, LONGEST_WISH):
            return No(error="invalid_request", because=f"{name} is too long")
    return None


def it_came_as_the_app_registered(given: Given) -> No | None:
    """RFC 9126 section 6, RFC 9101 section 10.5: what an app promised, nobody else can leave out for it."""
    if given.trusted.require_pushed_authorization_requests and not given.pushed:
        return No(error="invalid_request", because="this app pushes its requests: send them to /par first")
    if given.trusted.require_signed_request_object and not given.signed:
        return No(error="invalid_request", because="this app signs its requests: put them in request")
    return None


def nothing_is_asked_that_we_do_not_do(given: Given) -> No | None:
    for name in ("request", "request_uri", "registration"):
        if given.get(name):
            return No(error=f"{name}_not_supported", because=f"{name} is not supported")
    return None


def response_type_is_code(given: Given) -> No | None:
    if not given.get("response_type"):
        return No(error="invalid_request", because="response_type is missing")
    if given.get("response_type") != "code":
        return No(error="unsupported_response_type", because="only response_type code is supported")
    return None


def response_mode_is_ours(given: Given) -> No | None:
    if given.get("response_mode") in ("", *RESPONSE_MODES):
        return None
    return No(error="invalid_request", because="response_mode must be query or form_post")


def scope_holds_openid(given: Given) -> No | None:
    if "openid" in given.get("scope").split():
        return None
    error = "invalid_scope" if given.get("scope") else "invalid_request"
    return No(error=error, because="scope must hold openid")


def scope_is_the_apps(given: Given) -> No | None:
    """What we never heard of is ignored (Core 3.1.2.1); what this app may not have is refused."""
    for scope in given.get("scope").split():
        if scope in given.scopes_known and scope not in given.trusted.scopes:
            return No(error="invalid_scope", because=f"scope {scope} is not registered for this app")
    return None


def pkce_is_s256(given: Given) -> No | None:
    challenge, method = given.get("code_challenge"), given.get("code_challenge_method")
    if not challenge:
        if given.trusted.pkce_required(given.today):
            return No(error="invalid_request", because="code_challenge is required (PKCE, RFC 7636)")
        if method:
            return No(error="invalid_request", because="code_challenge_method without code_challenge")
        return None
    if method != "S256":
        return No(error="invalid_request", because="code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        return No(error="invalid_request", because="code_challenge must be 43 characters of base64url")
    return None


def prompt_makes_sense(given: Given) -> No | None:
    asked = set(given.get("prompt").split())
    if not asked <= PROMPTS:
        return No(error="invalid_request", because="prompt must be none, login, consent or select_account")
    if "none" in asked and len(asked) > 1:
        return No(error="invalid_request", because="prompt none goes with no other")
    return None


def max_age_is_a_number(given: Given) -> No | None:
    if not given.get("max_age") or re.fullmatch(r"[0-9]{1,9}", given.get("max_age")):
        return None
    return No(error="invalid_request", because="max_age must be a number of seconds")


def claims_can_be_read(given: Given) -> No | None:
    if not given.get("claims"):
        return None
    try:
        asked_claims.read(given.get("claims"))
    except asked_claims.Unreadable as wrong:
        return No(error="invalid_request", because=str(wrong))
    return None


CHECKS_FOR_THE_PERSON: tuple[Check, ...] = (
    client_id_is_given_once,
    the_app_is_known,
    the_app_is_enabled,
    redirect_uri_is_given_once,
    redirect_uri_is_registered,
    the_app_signs_people_in,
)
CHECKS_FOR_THE_APP: tuple[Check, ...] = (
    nothing_is_repeated,
    everything_can_be_read,
    it_came_as_the_app_registered,
    nothing_is_asked_that_we_do_not_do,
    response_type_is_code,
    response_mode_is_ours,
    scope_holds_openid,
    scope_is_the_apps,
    pkce_is_s256,
    prompt_makes_sense,
    max_age_is_a_number,
    claims_can_be_read,
)
