"""Which key signs now, which are published, and how does a key live? Announced, signing, retired, gone.

    announced_at ── signs_from ───── retires_at ────── gone_at
        published, not used │ signs │ published still │ in no JWKS any more

A key is published for `key_announce_days` before it signs, signs for `key_sign_days`, and stays published
until the longest token that it signed has ended, plus clock skew. The public half and the life are a row,
the private half is a file (idp/keys.py); a node signs only with a key whose private half it has. What is
known of a house's keys stays in memory and is looked up again every RING_SECONDS, never per request.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from idp import audit, entropy
from idp.config import ConfigurationError
from idp.context import House
from idp.database import Database
from idp.errands import turns
from idp.models import SigningKey

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""What we can sign with; `signing_algorithms` says which of them have a key."""
RING_SECONDS = 20.0
"""A change of the keys is seen by every worker at most this much later."""
SKEW = timedelta(minutes=5)
"""How far the clocks of apps may be off, and how long a node may still sign with the key it knew."""
HINT_DAYS = 30
"""An `id_token_hint` is recognised this long after its key has left the JWKS (never after a revocation)."""
LONGEST_TOKEN = 16_384
_RSA_BITS = 2048


class State(StrEnum):
    ANNOUNCED = "announced"
    SIGNS = "signs"
    RETIRED = "retired"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True)
class KeyLine:
    """One signing key and its life, as the command line lists it."""

    kid: str
    alg: str
    announced_at: datetime
    signs_from: datetime
    retires_at: datetime | None
    gone_at: datetime | None
    public_jwk: Mapping[str, Any] = field(repr=False)

    def state(self, now: datetime) -> State:
        if self.gone_at is not None and self.gone_at <= now:
            return State.GONE
        if self.retires_at is not None and self.retires_at <= now:
            return State.RETIRED
        return State.SIGNS if self.signs_from <= now else State.ANNOUNCED

    @property
    def revoked(self) -> bool:
        """It went at once: whatever it signed counts for nothing."""
        return self.gone_at is not None and self.retires_at is not None and self.gone_at <= self.retires_at


@dataclass(frozen=True, kw_only=True)
class Published:
    """The JWKS as it is sent."""

    body: bytes
    etag: str


@dataclass(frozen=True, kw_only=True)
class _Signer:
    """The private key that signs now."""

    kid: str
    key: Key
    alg: str

    def signed(self, payload: bytes, typ: str) -> str:
        """A JWS in the compact serialization (RFC 7515 section 7.1).

        Ours: joserfc's judges the header anew for every signature, which costs a twentieth of one with RSA.
        """
        algorithm = _ALGORITHMS.get_alg(self.alg)
        algorithm.check_key(self.key)
        header = orjson.dumps({"alg": self.alg, "typ": typ, "kid": self.kid})
        said = _base64url(header) + b"." + _base64url(payload)
        return (said + b"." + _base64url(algorithm.sign(said, self.key))).decode()


@dataclass(frozen=True, kw_only=True)
class _Ring:
    looked: float
    signers: Mapping[str, _Signer]
    """By algorithm."""
    verifiers: Mapping[str, tuple[str, Key]]
    """By key id: its algorithm and public key."""
    published: Published


class _Algorithms(JWSRegistry):
    """joserfc's, less one warning: EdDSA is the name that apps know (OpenID Connect), also after RFC 9864."""

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"{name} is not ours")
        return self.algorithms[name]


_ALGORITHMS = _Algorithms(algorithms=ALGORITHMS)
_rings: WeakKeyDictionary[Database, _Ring] = WeakKeyDictionary()
_lock = threading.Lock()


# ---------------------------------------------------------------- signing and checking


def sign(house: House, payload: Mapping[str, Any], alg: str, typ: str = "JWT") -> str:
    """A compact JWT of this payload (UTF-8 JSON), with `kid` and `typ` in its header (RFC 7515, RFC 8725).

    Raises ConfigurationError when this node has no key for `alg`.
    """
    found = _ring(house).signers.get(alg)
    if found is None:
        raise ConfigurationError([f"no signing key for {alg} on this node: run `idp keys list`"])
    return found.signed(orjson.dumps(payload), typ)


def verify(house: House, token: str, typ: str = "JWT") -> dict[str, Any] | None:
    """The claims of a token that we ourselves signed with `iss` ours, or None. Does not look at `exp`.

    For hints (`id_token_hint`): keys that retired in the last weeks still count, revoked ones never.
    """
    if len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:
        return None
    header = _header(token)
    found = _ring(house).verifiers.get(str(header.get("kid", "")))
    if found is None or header.get("alg") != found[0] or header.get("typ", "JWT") != typ:
        return None
    try:
        claims = orjson.loads(jws.deserialize_compact(token, found[1], registry=_ALGORITHMS).payload)
    except (JoseError, ValueError):
        return None
    if not isinstance(claims, dict) or claims.get("iss") != house.settings.issuer:
        return None
    return claims


def jwks(house: House) -> Published:
    """The public keys that apps may meet, now or soon (RFC 7517), as bytes with an ETag."""
    return _ring(house).published


def forget(house: House) -> None:
    """Look at the keys again at the next use: after the command line changed them in this process."""
    _rings.pop(house.database, None)


def _base64url(said: bytes) -> bytes:
    return base64.urlsafe_b64encode(said).rstrip(b"=")


def _header(token: str) -> dict[str, Any]:
    part = token.partition(".")[0]
    try:
        header = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


# ---------------------------------------------------------------- what a process remembers


def _ring(house: House) -> _Ring:
    ring = _rings.get(house.database)
    if ring is not None and abs(house.clock.monotonic() - ring.looked) < RING_SECONDS:
        return ring
    if not _lock.acquire(blocking=ring is None) and ring is not None:
        return ring
    try:
        ring = _rings.get(house.database)
        if ring is None or abs(house.clock.monotonic() - ring.looked) >= RING_SECONDS:
            ring = _rings[house.database] = _look(house, ring)
    finally:
        _lock.release()
    return ring


def _look(house: House, before: _Ring | None) -> _Ring:
    """As the database says; while it cannot be reached, what was known goes on."""
    try:
        with house.database.reading() as db:
            lines = listing(db)
    except SQLAlchemyError:
        if before is None:
            raise
        return replace(before, looked=house.clock.monotonic())
    return _make_ring(house, lines, before)


def _make_ring(house: House, lines: tuple[KeyLine, ...], before: _Ring | None) -> _Ring:
    now = house.clock.now()
    known = {one.kid: one.key for one in before.signers.values()} if before else {}
    verifiers = dict(before.verifiers) if before else {}
    signers: dict[str, _Signer] = {}
    for line in lines:
        if line.state(now) is State.SIGNS:
            private = known.get(line.kid) or _private(house, line.kid)
            if private is not None:
                signers[line.alg] = _Signer(kid=line.kid, key=private, alg=line.alg)
    shown = [line for line in lines if line.state(now) is not State.GONE]
    hints = [line for line in lines if not line.revoked and _hinted(line, now)]
    return _Ring(
        looked=house.clock.monotonic(),
        signers=signers,
        verifiers={
            line.kid: verifiers.get(line.kid) or (line.alg, import_key(dict(line.public_jwk)))
            for line in hints
        },
        published=_publish([dict(line.public_jwk) for line in shown]),
    )


def _hinted(line: KeyLine, now: datetime) -> bool:
    return line.gone_at is None or now < line.gone_at + timedelta(days=HINT_DAYS)


def _publish(keys: list[dict[str, Any]]) -> Published:
    body = orjson.dumps({"keys": keys})
    return Published(body=body, etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _private(house: House, kid: str) -> Key | None:
    try:
        return house.keys.private(kid)
    except ConfigurationError:
        return None


# ---------------------------------------------------------------- the life of keys


def listing(db: Connection) -> tuple[KeyLine, ...]:
    """Every key, by the moment it begins to sign: of two that sign, the later one is used."""
    rows = db.execute(select(SigningKey.__table__).order_by(SigningKey.signs_from, SigningKey.kid)).mappings()
    return tuple(KeyLine(**row) for row in rows)


def ensure(db: Connection, house: House, now: datetime) -> list[str]:
    """Make the keys that are due: first ones (which sign at once) and announced successors.

    Idempotent; meant for every start and for once a day. Returns the ids of new keys. Making an RSA key
    takes up to a second, once in a season: the one piece of work that we do inside a transaction.
    """
    _one_at_a_time(db)
    made = []
    for alg in house.settings.signing_algorithms:
        lines = [line for line in listing(db) if line.alg == alg and line.state(now) is not State.GONE]
        at_work = [line for line in lines if line.state(now) is State.SIGNS]
        coming = [line for line in lines if line.state(now) is State.ANNOUNCED]
        if not at_work:
            made.append(_begin(db, house, alg, now, signs_from=now))
        elif not coming and now >= _ends(house, at_work[-1]) - _announced(house):
            signs_from = max(_ends(house, at_work[-1]), now + _announced(house))
            made.append(_begin(db, house, alg, now, signs_from=signs_from))
    return made


def rotate(db: Connection, house: House, alg: str, now: datetime) -> str:
    """Announce a new key ahead of time; it takes over after `key_announce_days`. Returns its id."""
    _one_at_a_time(db)
    return _begin(db, house, alg, now, signs_from=now + _announced(house))


def revoke(db: Connection, house: House, kid: str, now: datetime) -> str | None:
    """Take a key out at once: nothing it signed counts any more. Returns the id of the key that signs instead.

    An announced key steps in when there is one, because apps know it already; else a new one is made.
    Other nodes follow within RING_SECONDS. None: there is no such key.
    """
    _one_at_a_time(db)
    lines = listing(db)
    line = next((line for line in lines if line.kid == kid), None)
    if line is None:
        return None
    db.execute(update(SigningKey).where(SigningKey.kid == kid).values(retires_at=now, gone_at=now))
    audit.signing_key_retired(db, kid=kid, because="revoked")
    if line.state(now) is State.ANNOUNCED:
        _goes_on(db, line, now)
    rest = [other for other in lines if other.alg == line.alg and other.kid != kid]
    at_work = [other for other in rest if other.state(now) is State.SIGNS]
    coming = [other for other in rest if other.state(now) is State.ANNOUNCED]
    if at_work:
        return at_work[-1].kid
    if coming:
        db.execute(update(SigningKey).where(SigningKey.kid == coming[0].kid).values(signs_from=now))
        return coming[0].kid
    return _begin(db, house, line.alg, now, signs_from=now)


def forget_gone(house: House, now: datetime) -> int:
    """Delete the private halves, on this machine, of keys that will never sign again. Returns how many.

    What is not needed cannot be stolen. The public halves stay: they still recognise hints.
    """
    with house.database.reading() as db:
        gone = [line.kid for line in listing(db) if line.state(now) is State.GONE]
    return sum(house.keys.forget_private(kid) for kid in gone)


def check(house: House) -> list[str]:
    """Can this node sign and verify, now and after the next change of keys? One sentence per problem."""
    now, problems = house.clock.now(), []
    with house.database.reading() as db:
        lines = listing(db)
    for alg in house.settings.signing_algorithms:
        mine = [line for line in lines if line.alg == alg]
        at_work = [line for line in mine if line.state(now) is State.SIGNS]
        if not at_work:
            problems.append(f"{alg}: no key signs; run `idp keys rotate`")
        for line in (line for line in mine if line.state(now) in {State.SIGNS, State.ANNOUNCED}):
            problems += _wrong_with(house, line)
    return problems


def _wrong_with(house: House, line: KeyLine) -> list[str]:
    private = _private(house, line.kid)
    if private is None:
        when = f"signs from {line.signs_from:%Y-%m-%d}"
        return [f"{line.kid} {when}, but its private half is not on this node: copy it"]
    try:
        probe = jws.serialize_compact({"alg": line.alg}, b"probe", private, registry=_ALGORITHMS)
        jws.deserialize_compact(probe, import_key(dict(line.public_jwk)), registry=_ALGORITHMS)
    except (JoseError, ValueError) as failure:
        return [f"{line.kid}: the private half does not fit the published one ({type(failure).__name__})"]
    return []


def _begin(db: Connection, house: House, alg: str, now: datetime, *, signs_from: datetime) -> str:
    """Write a new key, and retire those of its algorithm at the moment it takes over."""
    key = _generate(alg)
    kid = f"{alg.lower()}-{now:%Y%m%d}-{entropy.key_bytes(4).hex()}"
    public = {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": alg}
    house.keys.save_private(kid, key)
    older = (SigningKey.alg == alg) & (SigningKey.retires_at.is_(None) | (SigningKey.retires_at > signs_from))
    db.execute(
        update(SigningKey).where(older).values(retires_at=signs_from, gone_at=signs_from + _kept(house))
    )
    values = {"kid": kid, "alg": alg, "public_jwk": public, "announced_at": now, "signs_from": signs_from}
    db.execute(insert(SigningKey), values)
    audit.signing_key_made(db, kid=kid, alg=alg)
    return kid


def _goes_on(db: Connection, line: KeyLine, now: datetime) -> None:
    """The key that would have made way for this one does not: its successor never comes."""
    waits = (SigningKey.alg == line.alg) & (SigningKey.retires_at == line.signs_from)
    waits &= SigningKey.retires_at > now
    db.execute(update(SigningKey).where(waits).values(retires_at=None, gone_at=None))


def _generate(alg: str) -> RSAKey | ECKey | OKPKey:
    match alg:
        case "RS256" | "PS256":
            return RSAKey.generate_key(_RSA_BITS)
        case "ES256":
            return ECKey.generate_key("P-256")
        case "EdDSA":
            return OKPKey.generate_key("Ed25519")
    raise ConfigurationError([f"signing_algorithms: {alg} is not one of {', '.join(ALGORITHMS)}"])


def _one_at_a_time(db: Connection) -> None:
    """Two nodes that start together make one key, not two. (On SQLite the transaction itself sees to it.)"""
    turns.take(db, turns.SIGNING_KEYS)


def _ends(house: House, line: KeyLine) -> datetime:
    return line.signs_from + timedelta(days=house.settings.key_sign_days)


def _announced(house: House) -> timedelta:
    return timedelta(days=house.settings.key_announce_days)


def _kept(house: House) -> timedelta:
    """How long a retired key stays published: the longest life of what it signed, and clocks that are off."""
    longest = max(house.settings.id_token_minutes, house.settings.access_token_minutes)
    return timedelta(minutes=longest) + SKEW
