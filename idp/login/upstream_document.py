"""What does the upstream provider say of itself? Its discovery document and its keys, read through the guard and kept a while."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from joserfc.jwk import Key

from idp import addresses, fetching
from idp.context import House
from idp.database import Database
from idp.fetching import NotFetched
from idp.login import upstream_token
from idp.login.upstream_token import Untrusted

DISCOVERY = "/.well-known/openid-configuration"
FRESH_SECONDS = 600.0
AGAIN_SECONDS = 30.0
"""Keys are not read more often than this, whatever key ids we are shown."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What we need of the discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    auth_method: str
    """How we prove at the token endpoint who we are."""
    says_iss: bool
    """Answers carry `iss` (RFC 9207): one without it is not an answer of this provider."""


@dataclass
class _Remembered:
    lock: threading.Lock = field(default_factory=threading.Lock)
    provider: Provider | None = None
    provider_until: float = float("-inf")
    keys: tuple[Key, ...] = ()
    keys_until: float = float("-inf")
    keys_again: float = float("-inf")


_remembered: WeakKeyDictionary[Database, _Remembered] = WeakKeyDictionary()


def provider(house: House) -> Provider:
    """Never inside a transaction. Raises NotFetched, or Untrusted when the document is not that of our provider."""
    mine = _remembered.setdefault(house.database, _Remembered())
    with mine.lock:
        if mine.provider is None or house.clock.monotonic() >= mine.provider_until:
            mine.provider = _provider(house)
            mine.provider_until = house.clock.monotonic() + FRESH_SECONDS
        return mine.provider


def keys(house: House, *, anew: bool = False) -> tuple[Key, ...]:
    """The provider's keys; `anew`: one that we do not know was used. Raises NotFetched and Untrusted."""
    uri = provider(house).jwks_uri
    mine = _remembered[house.database]
    with mine.lock:
        at = house.clock.monotonic()
        if at >= mine.keys_until or (anew and at >= mine.keys_again):
            mine.keys = upstream_token.keys(_json(house, uri))
            mine.keys_until, mine.keys_again = at + FRESH_SECONDS, at + AGAIN_SECONDS
        return mine.keys


def _provider(house: House) -> Provider:
    issuer = house.settings.upstream_issuer
    said = _json(house, issuer.rstrip("/") + DISCOVERY)
    if not isinstance(said, dict) or said.get("issuer") != issuer:
        raise Untrusted("the discovery document belongs to another issuer")
    return Provider(
        issuer=issuer,
        authorization_endpoint=_address(house, said, "authorization_endpoint"),
        token_endpoint=_address(house, said, "token_endpoint"),
        jwks_uri=_address(house, said, "jwks_uri"),
        auth_method=_auth_method(said),
        says_iss=said.get("authorization_response_iss_parameter_supported") is True,
    )


def _auth_method(said: dict[str, Any]) -> str:
    offered = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if not isinstance(offered, list):
        offered = []
    for known in ("client_secret_basic", "client_secret_post"):
        if known in offered:
            return known
    raise Untrusted("the provider takes no client secret")


def _address(house: House, said: dict[str, Any], name: str) -> str:
    uri = said.get(name)
    try:
        addresses.read(uri, loopback_http=house.settings.loopback)
    except addresses.NotAnAddress:
        raise Untrusted(f"{name} is no address that we may use") from None
    return str(uri)


def _json(house: House, uri: str) -> Any:
    answer = fetching.get(uri, loopback=house.settings.loopback)
    if answer.status != 200:
        raise NotFetched(f"the answer has status {answer.status}")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise NotFetched("the answer is no JSON") from None
