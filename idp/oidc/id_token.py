"""What does an ID token say? What was released first, the words of the protocol last: nothing can override them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from idp.apps import App
from idp.claims import pseudonym
from idp.context import House
from idp.oidc import signing
from idp.oidc.tokens import Held

_HASHES = {"EdDSA": hashlib.sha512}
"""By algorithm, where it is not SHA-256: Ed25519 hashes with SHA-512."""


def payload(
    house: House,
    app: App,
    held: Held,
    *,
    released: Mapping[str, Any],
    access_token: str,
    nonce: str | None,
    now: datetime,
) -> dict[str, Any]:
    """The claims of an ID token (OpenID Connect Core 2). `released` has `sub`, and claims of this channel only.

    `auth_time`, `acr` and `amr` are of the sign-in, also when this token comes of a refresh.
    """
    claims = dict(released)
    if nonce is not None:
        claims["nonce"] = nonce
    return claims | {
        "iss": house.settings.issuer,
        "sub": released["sub"],
        "aud": app.client_id,
        "exp": int((now + timedelta(minutes=house.settings.id_token_minutes)).timestamp()),
        "iat": int(now.timestamp()),
        "auth_time": int(held.auth_time.timestamp()),
        "acr": held.acr,
        "amr": held.amr,
        "at_hash": at_hash(access_token, app.id_token_signed_response_alg),
        "sid": pseudonym.sid_for(house.keys, app.client_id, held.sid),
    }


def sign(house: House, app: App, claims: Mapping[str, Any]) -> str:
    """The ID token. Outside the transaction that decided it: a signature takes as long as ten statements."""
    return signing.sign(house, claims, app.id_token_signed_response_alg)


def at_hash(access_token: str, alg: str) -> str:
    """The left half of the hash of an access token (OpenID Connect Core 3.1.3.6)."""
    hashed = _HASHES.get(alg, hashlib.sha256)(access_token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(hashed[: len(hashed) // 2]).rstrip(b"=").decode()
