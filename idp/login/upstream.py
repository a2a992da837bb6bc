"""How does a member of staff sign in at the provider that the operator chose? There and back, by Authlib's client.

`begin` sends the browser away with a state, a nonce and a PKCE challenge; what belongs to them stays sealed in a cookie
of this browser. `finish` takes the answer: it must be for this browser, of this provider, and is good once. The code is
exchanged through the guarded fetcher, and the ID token is believed when upstream_token.py finds nothing wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import structlog
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from sqlalchemy import Connection

from idp import entropy, fetching
from idp.audit import staff as audit_staff
from idp.config import Settings
from idp.context import House
from idp.errors import Busy, NotAllowed
from idp.fetching import NotFetched
from idp.login import staff_accounts, upstream_document, upstream_token
from idp.login.staff_sign_in import spend_challenge
from idp.login.throttle import Channel
from idp.login.upstream_document import Provider
from idp.login.upstream_token import KeyUnknown, Untrusted

log = structlog.get_logger(__name__)

START = "/personeel/aanmelden/extern"
BACK = "/personeel/aanmelden/terug"
COOKIE = "upstream"
COOKIE_SECONDS = 10 * 60
LONGEST_PARAMETER = 4096
SAID = frozenset(
    {"staff_step_gone", "staff_unknown", "upstream_stopped", "upstream_unreachable", "upstream_wrong"}
)
"""Codes that the sign-in page explains to who comes back without being signed in."""
_STOPPED = frozenset({"access_denied", "login_required", "interaction_required", "consent_required"})
_UNPROVEN = timedelta(days=1)
"""Who knows when the provider last saw this person, if it does not say: too long ago for what asks a fresh proof."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Where the browser goes, and what it must bring back."""

    url: str
    sealed: str


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """Who came back."""

    person_id: str
    back: str
    proven_at: datetime


def begin(house: House, back: str, *, fresh: bool = False) -> Begun:
    """Send somebody there. `fresh`: the provider must ask again who it is. Raises Busy `upstream_unreachable`."""
    now = house.clock.now()
    state, nonce, verifier = (entropy.url_safe(32) for _ in range(3))
    client = _client(house.settings, house.keys.upstream_secret or "", "client_secret_basic")
    max_age = timedelta(0) if fresh else timedelta(hours=house.settings.staff_session_hours)
    url, _state = client.create_authorization_url(
        _provider(house).authorization_endpoint,
        state=state,
        nonce=nonce,
        code_verifier=verifier,
        max_age=int(max_age.total_seconds()),
        **({"prompt": "login"} if fresh else {}),
    )
    kept = {"s": state, "n": nonce, "v": verifier, "b": back, "f": fresh}
    return Begun(url=url, sealed=house.keys.seal(COOKIE, kept, now))


def finish(house: House, sealed: str, answer: Mapping[str, list[str]]) -> Arrived:
    """Who is it? Raises NotAllowed (`staff_step_gone`, `upstream_stopped`, `upstream_wrong`, `staff_unknown`) and Busy."""
    now = house.clock.now()
    begun = house.keys.unseal(COOKIE, sealed, now, seconds=COOKIE_SECONDS)
    if begun is None:
        raise NotAllowed("staff_step_gone")
    try:
        return _finish(house, begun, answer, now)
    except Untrusted as doubt:
        log.warning("upstream_refused", because=doubt.because)
        _failed(house, None)
        raise NotAllowed("upstream_wrong", doubt.because) from None
    except NotFetched as no:
        log.warning("upstream_not_reached", because=no.because)
        raise Busy("upstream_unreachable", no.because, retry_after=30) from None


def _finish(house: House, begun: dict[str, Any], answer: Mapping[str, list[str]], now: datetime) -> Arrived:
    provider = _provider(house)
    code = _code(house, provider, begun["s"], answer, now)
    token = _exchange(house, provider, code, begun["v"])
    leeway = timedelta(minutes=house.settings.staff_fresh_minutes)
    said = _claims(
        house,
        token,
        nonce=begun["n"],
        now=now,
        max_age=leeway if begun["f"] else timedelta(hours=house.settings.staff_session_hours),
    )
    if begun["f"] and "auth_time" not in said:
        raise Untrusted("auth_time is missing, and a fresh proof was asked")
    name = said.get(house.settings.upstream_claim)
    if not isinstance(name, str) or not name:
        raise Untrusted(f"the claim {house.settings.upstream_claim} is missing")
    with house.database.reading() as db:
        staff = staff_accounts.find(db, name) if len(name) <= staff_accounts.LONGEST_NAME else None
    if staff is None:
        _failed(house, None)
        raise NotAllowed("staff_unknown")
    seen = said.get("auth_time")
    proven = datetime.fromtimestamp(seen, UTC) if seen is not None else now - _UNPROVEN
    return Arrived(person_id=staff.person_id, back=str(begun["b"]), proven_at=min(now, proven))


def _code(
    house: House, provider: Provider, state: str, answer: Mapping[str, list[str]], now: datetime
) -> str:
    """The code of this answer, when it is one to our question, from our provider, for the first time."""
    if any(len(values) != 1 or len(values[0]) > LONGEST_PARAMETER for values in answer.values()):
        raise Untrusted("a parameter comes twice, or is too long")
    said = {name: values[0] for name, values in answer.items()}
    if not entropy.same(said.get("state", ""), state):
        raise Untrusted("the state is another one")
    spent = hashlib.sha256(f"{COOKIE}\x00{state}".encode()).digest()
    if not house.database.retrying(lambda db: spend_challenge(db, spent, now)):
        raise Untrusted("this answer came before")
    if said.get("iss", None if provider.says_iss else provider.issuer) != provider.issuer:
        raise Untrusted("iss of the answer is another provider")
    if "error" in said:
        if said["error"] in _STOPPED:
            raise NotAllowed("upstream_stopped")
        raise Untrusted("the provider answers with an error")
    if not said.get("code"):
        raise Untrusted("there is no code")
    return said["code"]


def _exchange(house: House, provider: Provider, code: str, verifier: str) -> object:
    client = _client(
        house.settings,
        house.keys.upstream_secret or "",
        provider.auth_method,
        session=_Line(loopback=house.settings.loopback),
    )
    try:
        got = client.fetch_token(
            provider.token_endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
        )
    except OAuth2Error:
        raise Untrusted("the provider refuses the code, or us") from None
    except ValueError:
        raise Untrusted("the answer of the token endpoint cannot be read") from None
    return got.get("id_token")


def _claims(house: House, token: object, *, nonce: str, now: datetime, max_age: timedelta) -> dict[str, Any]:
    words: dict[str, Any] = {
        "issuer": house.settings.upstream_issuer,
        "client_id": house.settings.upstream_client_id,
        "nonce": nonce,
        "now": now,
        "max_age": max_age,
    }
    try:
        return upstream_token.claims(token, upstream_document.keys(house), **words)
    except KeyUnknown:
        return upstream_token.claims(token, upstream_document.keys(house, anew=True), **words)


def _provider(house: House) -> Provider:
    try:
        return upstream_document.provider(house)
    except (NotFetched, Untrusted) as no:
        log.warning("upstream_not_reached", because=no.because)
        raise Busy("upstream_unreachable", no.because, retry_after=30) from None


def _failed(house: House, person_id: str | None) -> None:
    def note(db: Connection) -> None:
        audit_staff.staff_sign_in_failed(db, person_id=person_id, channel=Channel.OTHER, way="upstream")

    house.database.retrying(note)


# ---------------------------------------------------------------- Authlib's client


def _client(settings: Settings, secret: str, method: str, *, session: Any = None) -> Any:
    return OAuth2Client(
        session,
        client_id=settings.upstream_client_id,
        client_secret=secret,
        token_endpoint_auth_method=method,
        scope=" ".join(settings.upstream_scopes),
        redirect_uri=f"{settings.issuer}{BACK}",
        code_challenge_method="S256",
    )


class _Line:
    """What Authlib's client sends a form with: our guarded fetcher."""

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> _Answer:
        url, given, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        got = fetching.post(url, dict(parse_qsl(body)), headers=given, loopback=self._loopback)
        return _Answer(got.status, got.body)


class _Answer:
    """As much of an answer as Authlib's client looks at."""

    def __init__(self, status_code: int, body: bytes) -> None:
        self.status_code = status_code
        self._body = body

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise NotFetched(f"the token endpoint answers with status {self.status_code}")

    def json(self) -> Any:
        try:
            return json.loads(self._body)
        except RecursionError:
            raise ValueError("nested too deeply") from None
