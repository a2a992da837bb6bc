"""Did this app sign that? With its public keys, as registered or read from its `jwks_uri`: never with what a header says.

Keys at a `jwks_uri` are read when they are needed and kept for a while. A key id that is not among them, or a
signature that none of them fits, makes us read again, but never more often than once in AGAIN_SECONDS: a key
that was added counts at once, a key that was removed counts for FRESH_SECONDS at most.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import orjson
import structlog
from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from idp import fetching
from idp.apps import App
from idp.context import House
from idp.database import Database
from idp.oidc import fields

log = structlog.get_logger(__name__)

FRESH_SECONDS = 600.0
AGAIN_SECONDS = 30.0
STALE_SECONDS = 86_400.0
"""How long keys still count that cannot be read again: the app's own server is down."""
MOST_KEYS = 20
JSON = ("application/jwk-set+json", "application/json")
MOST_ADDRESSES = 1_000


def verified(house: House, app: App, token: str, *, alg: str | None) -> dict[str, Any] | None:
    """The claims of a compact JWT that this app signed, or None. `alg`: the only algorithm it registered."""
    if not token.isascii() or token.count(".") != 2:
        return None
    try:
        header = strictly(token.partition(".")[0])
        named, kid = header.get("alg"), header.get("kid")
        if (
            not isinstance(named, str)
            or (alg and not fields.same_algorithm(named, alg))
            or not isinstance(kid, str | None)
        ):
            return None
        for keys in _offers(house, app):
            if any(_fits(token, key, named, kid) for key in keys):
                return strictly(token.split(".")[1])
    except (JoseError, ValueError, TypeError, RecursionError):
        return None
    return None


def strictly(part: str) -> dict[str, Any]:
    """A JSON object in base64url, of whole characters, in which no name comes twice. Raises ValueError."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name comes twice")
        return dict(pairs)

    text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
    read = json.loads(text, object_pairs_hook=once)
    if "\\u" in text:
        orjson.loads(text)  # it refuses half a character (\\ud800), which Python reads and no database takes
    if not isinstance(read, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of mistake for the caller
    return read


class _Pinned(JWSRegistry):
    """joserfc's algorithms, only those named, without its warning about the name EdDSA."""

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise JoseError(f"algorithm {name[:20]} is not allowed")
        return self.algorithms[name]


def _fits(token: str, key: Key, alg: str, kid: str | None) -> bool:
    own = key.get("kid")
    if not fields.signs(key.key_type, str(key.get("alg", alg)), alg):
        return False
    if kid is not None and own is not None and kid != own:
        return False
    if key.get("alg", alg) != alg:  # the other name; joserfc compares letters
        key = jwk.import_key({**key.as_dict(private=False), "alg": alg})
    try:
        jws.deserialize_compact(token, key, registry=_Pinned(algorithms=[alg]))
    except (JoseError, ValueError):
        return False
    return True


def _offers(house: House, app: App) -> Iterator[tuple[Key, ...]]:
    """The keys that we know, and when those did not do, the keys as they are now."""
    if app.jwks is not None:
        yield _registered(orjson.dumps(app.jwks))
    elif app.jwks_uri:
        known = _published(house, app.jwks_uri, anew=False)
        yield known
        now = _published(house, app.jwks_uri, anew=True)
        if now is not known:
            yield now


@lru_cache(maxsize=512)
def _registered(jwks: bytes) -> tuple[Key, ...]:
    """Public keys of a registration, read once; they come from `registration.validate`, never from a header."""
    return tuple(jwk.import_key(key) for key in orjson.loads(jwks)["keys"])


# ---------------------------------------------------------------- keys at an address


class _Remembered:
    """What stood at one address."""

    __slots__ = ("again_from", "fresh_until", "keys", "lock", "stale_from")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.keys: tuple[Key, ...] = ()
        self.fresh_until = self.again_from = self.stale_from = float("-inf")


_remembered: WeakKeyDictionary[Database, dict[str, _Remembered]] = WeakKeyDictionary()


def _published(house: House, uri: str, *, anew: bool) -> tuple[Key, ...]:
    mine = _remembered.setdefault(house.database, {})
    if uri not in mine and len(mine) >= MOST_ADDRESSES:
        mine.pop(next(iter(mine)), None)
    known = mine.setdefault(uri, _Remembered())
    if _good(known, house, anew=anew):
        return known.keys
    # One reads; who has keys goes on with them, who has none waits for the one who reads.
    if not known.lock.acquire(blocking=not known.keys):
        return known.keys
    try:
        if not _good(known, house, anew=anew):
            _read(house, uri, known)
        return known.keys
    finally:
        known.lock.release()


def _good(known: _Remembered, house: House, *, anew: bool) -> bool:
    at = house.clock.monotonic()
    return at < known.again_from or (not anew and at < known.fresh_until)


def _read(house: House, uri: str, known: _Remembered) -> None:
    at = house.clock.monotonic()
    known.again_from = at + AGAIN_SECONDS
    try:
        keys = _fetched(uri, loopback=house.settings.calls_this_machine)
    except fetching.NotFetched as no:
        log.warning("jwks_uri_not_read", uri=uri, because=no.because)
        if at >= known.stale_from:
            known.keys = ()
        return
    known.keys = keys
    known.fresh_until, known.stale_from = at + FRESH_SECONDS, at + STALE_SECONDS


def _fetched(uri: str, *, loopback: bool) -> tuple[Key, ...]:
    """The keys for signing that stand there; what we cannot use is passed by. Raises NotFetched."""
    answer = fetching.get(uri, loopback=loopback, accept=", ".join(JSON))
    if answer.status != 200:
        raise fetching.NotFetched(f"the answer has status {answer.status}")
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() not in JSON:
        raise fetching.NotFetched("the answer is no JSON")
    try:
        listed = orjson.loads(answer.body)["keys"]
    except (ValueError, TypeError, KeyError):
        raise fetching.NotFetched("the answer is no key set") from None
    if not isinstance(listed, list):
        raise fetching.NotFetched("the answer is no key set")
    keys = []
    for number, given in enumerate(listed[:MOST_KEYS], 1):
        try:
            keys.append(jwk.import_key({**fields.key(number, given)}))
        except fields.Mistake:
            continue
    return tuple(keys)
