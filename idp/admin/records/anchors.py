"""What do we tell an outsider about our trail and ledger? A signed statement a day, and one at every purge.

A statement is a compact JWS (EdDSA over Ed25519), so that anybody checks it with any library and our public key:

    {"kind": "anchor", "number": 7, "at": …, "issuer": …, "previous": SHA-256 of statement 6, "heads": [
        {"trail": "audit_event", "number": 512, "hash": …}, {"trail": "release", …}]}
    {"kind": "purge", "number": 8, …, "trail": "release", "through": 480, "hash": …, "before": …}

Whoever keeps them elsewhere (`anchors.txt` beside the database, or the log) can prove later that nothing of before was
changed, even by somebody who has the database and the keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from idp.context import House
from idp.models import Anchor

log = structlog.get_logger(__name__)
FILE = "anchors.txt"
NOTHING = "0" * 64
"""The digest of what comes before the first of anything."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One anchor as it was read, and whether its signature holds."""

    number: int
    jws: str
    said: Mapping[str, Any]
    """Empty when it cannot be read."""
    kid: str
    good: bool
    """Signed by a key of ours, and about the number under which it stands."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.jws.encode()).hexdigest()


def state(house: House, kind: str, now: datetime, **words: Any) -> Statement | None:
    """Sign and keep a statement: in the database, in the file, in the log. None: another process was first."""
    with house.database.reading() as db:
        before = newest(db, house)
    number = before.number + 1 if before else 1
    said = {
        "kind": kind,
        "number": number,
        "at": now.isoformat(),
        "issuer": house.settings.issuer,
        "previous": before.sha256 if before else NOTHING,
        **words,
    }
    jws = _sign(house, said)
    try:
        with house.database.transaction() as db:
            db.execute(insert(Anchor), {"number": number, "made_at": now, "statement": jws})
    except IntegrityError:
        return None
    with file_of(house).open("a", encoding="ascii") as file:
        file.write(f"{jws}\n")
    log.info("anchor", number=number, kind=kind, statement=jws)
    return read(house, number, jws)


def file_of(house: House) -> Path:
    """Where this machine writes the statements that it made."""
    return house.settings.data / FILE


def all_of(db: Connection, house: House) -> list[Statement]:
    """Every statement in the database, in order."""
    rows = db.execute(select(Anchor.number, Anchor.statement).order_by(Anchor.number))
    return [read(house, row.number, row.statement) for row in rows]


def newest(db: Connection, house: House, kind: str | None = None) -> Statement | None:
    """The last statement, of one kind when that is named."""
    rows = db.execute(select(Anchor.number, Anchor.statement).order_by(Anchor.number.desc()))
    for row in rows:
        one = read(house, row.number, row.statement)
        if kind in (None, one.said.get("kind")):
            return one
    return None


def newest_purge(db: Connection, house: House, trail: str) -> Statement | None:
    """The last statement, under our signature, that a part of this trail went."""
    rows = db.execute(select(Anchor.number, Anchor.statement).order_by(Anchor.number.desc()))
    for row in rows:
        one = read(house, row.number, row.statement)
        if one.good and one.said.get("kind") == "purge" and one.said.get("trail") == trail:
            return one
    return None


def read(house: House, number: int, jws: str) -> Statement:
    """A statement and what is to be thought of it; never raises."""
    said, kid, good = {}, "", False
    try:
        head, body, signature = (_from_base64(part) for part in jws.split("."))
        header, said = json.loads(head), json.loads(body)
        kid = str(header["kid"])
        key = {name: public for name, public, _ in _keys(house)}[kid]
        key.verify(signature, jws.rpartition(".")[0].encode())
        good = header["alg"] == "EdDSA" and said["number"] == number
    except (ValueError, KeyError, TypeError, InvalidSignature, binascii.Error):
        good = False
    return Statement(number=number, jws=jws, said=said if isinstance(said, dict) else {}, kid=kid, good=good)


def made_at(house: House, jws: str) -> datetime | None:
    """When we signed this statement, wherever it was kept; None: it is not ours."""
    try:
        number = int(json.loads(_from_base64(jws.split(".")[1]))["number"])
        one = read(house, number, jws)
        return datetime.fromisoformat(str(one.said["at"])) if one.good else None
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def public_keys(house: House) -> dict[str, Any]:
    """Our public keys of statements, as a JWK set for whoever checks them."""
    return {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "alg": "EdDSA",
                "kid": kid,
                "x": _base64(_raw(key)),
            }
            for kid, key, _ in _keys(house)
        ]
    }


def _keys(house: House) -> list[tuple[str, Ed25519PublicKey, Ed25519PrivateKey]]:
    """Newest first, with an id that tells two keys of the same name apart."""
    found = []
    for name, seed in house.keys.anchors.items():
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key()
        found.append((f"{name}.{hashlib.sha256(_raw(public)).hexdigest()[:8]}", public, private))
    return found


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _sign(house: House, said: Mapping[str, Any]) -> str:
    kid, _, key = _keys(house)[0]
    parts = ({"alg": "EdDSA", "kid": kid, "typ": "anchor"}, said)
    signed = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{signed}.{_base64(key.sign(signed.encode()))}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _from_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
