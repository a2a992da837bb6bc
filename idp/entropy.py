"""The one place that draws chance, and the one that knows what a token looks like.

A token is a recognisable prefix and 256 random bits. We keep only its digest; for tokens that live in
large tables the key begins with the time, so that new rows land together and old ones purge cheaply.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import secrets
import uuid
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import uuid_utils

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

T = TypeVar("T")


class Token(StrEnum):
    """One namespace per type: a token of one kind is never accepted as another."""

    CODE = "lsc_"
    ACCESS = "lsa_"
    REFRESH = "lsr_"
    SESSION = "lss_"
    BROWSER = "lsb_"
    SECRET = "lsk_"
    INITIAL_ACCESS = "lsi_"
    REGISTRATION = "lsg_"
    REQUEST = "lsq_"
    RESET = "lsm_"
    CONFIRM = "lsv_"
    STAFF_SESSION = "lst_"
    INVITATION = "lsn_"
    DEVICE = "lsd_"
    OPERATOR_API = "lso_"


TIMED = frozenset({Token.ACCESS, Token.REFRESH})
_TIME_DIGITS = 8


def token(kind: Token, now: datetime, *, mark: str = "") -> str:
    """A new token, shown once to whoever it is for. `mark` stands behind it, and is part of what is looked up."""
    stamp = f"{int(now.timestamp()):08x}" if kind in TIMED else ""
    return kind + stamp + secrets.token_urlsafe(32) + mark


def token_from(kind: Token, now: datetime, key: bytes, *parts: str) -> str:
    """A token that the same key and parts always yield (the successor of a refresh token within its grace)."""
    body = hmac.digest(key, "\x00".join(parts).encode(), "sha256")
    stamp = f"{int(now.timestamp()):08x}" if kind in TIMED else ""
    return kind + stamp + _base64url(body)


def digest(presented: str, kind: Token) -> bytes | None:
    """What is stored of a token, or None when this cannot be one of that kind."""
    if not presented.startswith(kind) or len(presented) > 128 or not presented.isascii():
        return None
    body = hashlib.sha256(presented.encode()).digest()
    if kind not in TIMED:
        return body
    stamp = presented[len(kind) : len(kind) + _TIME_DIGITS]
    try:
        return bytes.fromhex(stamp) + body
    except ValueError:
        return None


def keyed_digest(key: bytes, *parts: str) -> str:
    """HMAC-SHA256 over parts that cannot run into each other, as 64 hex digits."""
    return hmac.digest(key, "\x00".join(parts).encode(), "sha256").hex()


def same(left: str | bytes, right: str | bytes) -> bool:
    """Compare in constant time."""
    as_bytes = [part.encode() if isinstance(part, str) else part for part in (left, right)]
    return hmac.compare_digest(*as_bytes)


def identifier() -> str:
    """A random identifier without structure (UUID version 4), for what outsiders may see."""
    return str(uuid.uuid4())


def row_id() -> str:
    """An identifier that begins with time (UUID version 7), for rows."""
    return str(uuid_utils.uuid7())


def key_bytes(length: int = 32) -> bytes:
    return secrets.token_bytes(length)


def url_safe(length: int = 16) -> str:
    """Random text for URLs and headers; `length` counts bytes."""
    return secrets.token_urlsafe(length)


def request_id() -> str:
    """The number of a request, for the log and for whoever asks about it."""
    return secrets.token_urlsafe(9)


class Chance:
    """Draws for secrets. `Chance()` is the system's; `Chance(seed)` repeats itself, for the sandbox only."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311

    def pick(self, among: Sequence[T]) -> T:
        return self._random.choice(among)

    def below(self, bound: int) -> int:
        return self._random.randrange(bound)

    def token_bytes(self, length: int) -> bytes:
        return self._random.getrandbits(8 * length).to_bytes(length, "big")


def jitter(upper: float) -> float:
    """A wait of 0 to `upper` seconds, so that many who failed together do not return together."""
    return random.uniform(0, upper)  # noqa: S311


def share() -> float:
    """A part of a wait, half of it to all of it, so that many who wait do not come back together."""
    return random.uniform(0.5, 1)  # noqa: S311


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
