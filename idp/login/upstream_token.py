"""Is this ID token of the upstream provider good, and for the sign-in that began here? Pure: no network, clock or chance."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from idp import entropy

ALGORITHMS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
"""What may sign, and with which kind of key. Nothing else verifies: no `none`, no shared secrets."""
LONGEST = 20_000
LEEWAY = timedelta(seconds=60)
"""Clocks of two machines differ."""
OLDEST = timedelta(minutes=10)
"""A token is made for us while we wait: an older one was kept by somebody."""
MOST_KEYS = 20
LEAST_RSA_BITS = 2048


class Untrusted(Exception):
    """The token is not good; `because` is for our log: it holds nothing of the token's contents."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


class KeyUnknown(Untrusted):
    """Signed with a key that we do not know (yet)."""


def keys(document: object) -> tuple[Key, ...]:
    """The keys of a key set that may sign for us; others are passed by. Raises Untrusted."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise Untrusted("the key set is none")
    found = []
    for given in listed[:MOST_KEYS]:
        if isinstance(given, dict) and _may_sign(given):
            try:
                found.append(jwk.import_key(given))
            except (JoseError, ValueError, TypeError):
                continue
    return tuple(found)


def _may_sign(given: dict[str, Any]) -> bool:
    if given.get("use", "sig") != "sig" or "d" in given or not isinstance(given.get("kid", ""), str):
        return False
    if given.get("kty") == "RSA":
        modulus = given.get("n")
        return isinstance(modulus, str) and len(modulus) * 6 >= LEAST_RSA_BITS
    return given.get("kty") == "EC" and given.get("crv") == "P-256"


def claims(
    token: object,
    known: Iterable[Key],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    now: datetime,
    max_age: timedelta,
) -> dict[str, Any]:
    """What the token says, once everything about it is right. Raises Untrusted, or KeyUnknown."""
    if not isinstance(token, str) or len(token) > LONGEST or token.count(".") != 2 or not token.isascii():
        raise Untrusted("there is no signed ID token")
    header, said = _object(token.split(".")[0]), _object(token.split(".")[1])
    _check_signature(token, header, known)
    _check_parties(said, issuer=issuer, client_id=client_id)
    _check_times(said, now, max_age)
    if not isinstance(said.get("nonce"), str) or not entropy.same(said["nonce"], nonce):
        raise Untrusted("the nonce is another one")
    return said


def _check_signature(token: str, header: dict[str, Any], known: Iterable[Key]) -> None:
    alg, kid = header.get("alg"), header.get("kid")
    kind = ALGORITHMS.get(alg) if isinstance(alg, str) else None
    if kind is None or not isinstance(kid, str | None):
        raise Untrusted("the algorithm is not one that we take")
    fitting = [
        key
        for key in known
        if key.key_type == kind and key.get("alg", alg) == alg and kid in {None, key.get("kid")}
    ]
    if not fitting:
        raise KeyUnknown("no key of the provider fits")
    for key in fitting:
        try:
            jws.deserialize_compact(token, key, algorithms=[str(alg)])
        except (JoseError, ValueError, TypeError):
            continue
        return
    raise KeyUnknown("the signature is wrong")


def _check_parties(said: dict[str, Any], *, issuer: str, client_id: str) -> None:
    if said.get("iss") != issuer:
        raise Untrusted("iss is another provider")
    subject = said.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise Untrusted("sub is missing")
    meant = said.get("aud")
    audience = [meant] if isinstance(meant, str) else meant
    if not isinstance(audience, list) or client_id not in audience:
        raise Untrusted("aud is not us")
    if said.get("azp", client_id) != client_id or (len(audience) > 1 and "azp" not in said):
        raise Untrusted("azp is not us")


def _check_times(said: dict[str, Any], now: datetime, max_age: timedelta) -> None:
    at = now.timestamp()
    leeway = LEEWAY.total_seconds()
    ends, made, begins = _moment(said, "exp"), _moment(said, "iat"), _moment(said, "nbf")
    if ends is None or ends + leeway <= at:
        raise Untrusted("exp is past, or missing")
    if made is None or made - leeway > at or at - made > OLDEST.total_seconds() + leeway:
        raise Untrusted("iat is not now")
    if begins is not None and begins - leeway > at:
        raise Untrusted("nbf has not come")
    signed_in = _moment(said, "auth_time")
    if signed_in is not None and at - signed_in > max_age.total_seconds() + leeway:
        raise Untrusted("auth_time is longer ago than we asked")


def _moment(said: dict[str, Any], name: str) -> float | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 40:
        raise Untrusted(f"{name} is no moment")
    return float(value)


def _object(part: str) -> dict[str, Any]:
    """A JSON object in base64url in which no name comes twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name comes twice")
        return dict(pairs)

    try:
        read = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Untrusted("the token cannot be read") from None
    if not isinstance(read, dict):
        raise Untrusted("the token cannot be read")
    return read
