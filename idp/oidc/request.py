"""What does an app ask at /authorize, and may it? Parsed once, checked in one visible order.

`read` looks at the parameters as they came and answers with one of three values: a request that is in order,
a refusal for the app, or, until client_id and redirect_uri are known to be good, a refusal for the person
alone: then nothing is ever redirected. The whole order is two tables in request_checks.py. Nobody has to be signed in for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode

from idp.apps import App
from idp.oidc import asked_claims
from idp.oidc.request_checks import (
    CHECKS_FOR_THE_APP,
    CHECKS_FOR_THE_PERSON,
    LONGEST_STATE,
    MANY,
    RESPONSE_MODES,
    STRICT,
    UNREADABLE,
    WISHES,
    Given,
    No,
)

LONGEST_QUERY = 16_384


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """A request that is in order. Names are those of OpenID Connect Core 3.1.2.1."""

    app: App = field(repr=False)
    redirect_uri: str
    response_mode: str = "query"
    scope: str = "openid"
    """What this app may have of what it asked, in the order asked, between spaces."""
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    """S256; None for an app that is exempt from PKCE and sent none."""
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    """Seconds; the app's default_max_age when the request has none."""
    acr_values: tuple[str, ...] = ()
    """How the app would like somebody to have signed in, dearest first; its default when the request has none."""
    login_hint: str = ""
    id_token_hint: str = field(default="", repr=False)
    claims: Mapping[str, Any] | None = None
    """Claims asked by name, by place, that this app may know: what a grant keeps."""
    acr_needed: tuple[str, ...] = ()
    """The sign-in must be one of these (the claim acr, essential); empty: whatever it is."""
    sub_needed: tuple[str, ...] = ()
    """It must be one of these pupils, by the app's own names for them; empty: whoever it is."""
    kept: bytes | None = field(default=None, repr=False)
    """The request is kept here, by this digest: `said` only names it, and a code uses it up."""
    said: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What we know of the request in its address, and nothing else, in one fixed order."""

    @cached_property
    def query(self) -> str:
        """The request in one fixed spelling. It names the request everywhere."""
        return urlencode(self.said)

    @property
    def url(self) -> str:
        """Where this request is looked at again: every step leads back to it."""
        return f"/authorize?{self.query}"

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())

    @property
    def silent(self) -> bool:
        return "none" in self.prompt


@dataclass(frozen=True, kw_only=True)
class Untrusted:
    """A refusal for the person: we do not know the app, or not this address of it."""

    code: str
    """For the sentence on the page."""
    client_id: str
    because: str
    received: str = ""
    """The address as it came, shortened: for the log, never for a page."""
    app: App | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A refusal for the app, at an address that is registered (RFC 6749 section 4.1.2.1)."""

    app: App = field(repr=False)
    redirect_uri: str
    response_mode: str
    state: str | None
    error: str
    description: str


def pairs(query: bytes) -> list[tuple[str, str]] | None:
    """The parameters of a query string, in order, or None when they cannot be read."""
    if len(query) > LONGEST_QUERY:
        return None
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        return None


def read(
    parameters: Iterable[tuple[str, str]],
    *,
    find_app: Callable[[str], App | None],
    scopes_known: frozenset[str],
    today: date,
    pushed: bool = False,
    signed: bool = False,
) -> AuthorizationRequest | Refused | Untrusted:
    """What these parameters ask. `find_app` knows registered apps; `today` is the day of law.

    `pushed` and `signed`: how they came. What is in `request` or named by `request_uri` is looked up before
    (arriving.py); here those two are refused.
    """
    values: dict[str, str] = {}
    repeated: set[str] = set()
    for name, value in parameters:
        if name in values and name not in MANY:
            repeated.add(name)
        values.setdefault(name, value)
    client_id = values.get("client_id", "")
    findable = client_id and not UNREADABLE.search(client_id) and len(client_id) <= 100
    app = find_app(client_id) if findable else None
    given = Given(
        values={name: value for name, value in values.items() if value},
        repeated=frozenset(repeated),
        app=app,
        today=today,
        scopes_known=scopes_known,
        pushed=pushed,
        signed=signed,
    )
    for check in CHECKS_FOR_THE_PERSON:
        no = check(given)
        if no:
            return _untrusted(given, no)
    for check in CHECKS_FOR_THE_APP:
        no = check(given)
        if no:
            return _refused(given, no)
    return _in_order(given)


# ---------------------------------------------------------------- the three answers


def _untrusted(given: Given, no: No) -> Untrusted:
    return Untrusted(
        code=no.error,
        client_id=given.get("client_id")[:100],
        because=no.because,
        received=given.get("redirect_uri")[:500],
        app=given.app,
    )


def _refused(given: Given, no: No) -> Refused:
    mode = given.get("response_mode")
    return Refused(
        app=given.trusted,
        redirect_uri=given.get("redirect_uri"),
        response_mode=mode if mode in RESPONSE_MODES and "response_mode" not in given.repeated else "query",
        state=_state(given),
        error=no.error,
        description=no.because,
    )


def _state(given: Given) -> str | None:
    """To be echoed exactly, or not at all: a state that is repeated or unreadable is nobody's."""
    state = given.get("state")
    if "state" in given.repeated or UNREADABLE.search(state) or len(state.encode()) > LONGEST_STATE:
        return None
    return state or None


def _in_order(given: Given) -> AuthorizationRequest:
    asked = dict.fromkeys(given.get("scope").split())
    max_age = given.get("max_age")
    wanted = asked_claims.read(given.get("claims")) if given.get("claims") else {}
    named = asked_claims.of(given.trusted, wanted) if wanted else None
    strict = {name: given.get(name) for name in STRICT if given.get(name)}
    if "claims" in strict:
        strict["claims"] = asked_claims.written(wanted)
    return AuthorizationRequest(
        app=given.trusted,
        redirect_uri=given.get("redirect_uri"),
        response_mode=given.get("response_mode") or "query",
        scope=" ".join(scope for scope in asked if scope in given.trusted.scopes),
        state=given.get("state") or None,
        nonce=given.get("nonce") or None,
        code_challenge=given.get("code_challenge") or None,
        prompt=frozenset(given.get("prompt").split()),
        max_age=int(max_age) if max_age else given.trusted.default_max_age,
        acr_values=tuple(given.wish("acr_values").split()) or given.trusted.default_acr_values,
        login_hint=given.wish("login_hint"),
        id_token_hint=given.wish("id_token_hint"),
        claims=named.names or None if named else None,
        acr_needed=named.acr if named else (),
        sub_needed=named.sub if named else (),
        said=strict | {name: wish for name in WISHES if (wish := given.wish(name))},
    )
