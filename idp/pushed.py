"""Which authorization requests are kept here, so that an address only has to name them? (RFC 9126)

A request is kept when its app pushed it to /par, when it was signed, or when it came in a large form. Its name is
random and good for one app. A pushed one must come through a browser soon; from then on there is time to sign in,
with Back, reload and a second tab, because only a code uses it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from idp import entropy
from idp.database import Database
from idp.entropy import Token
from idp.models import PushedRequest

URN = "urn:ietf:params:oauth:request_uri:"
AGAIN = timedelta(seconds=30)
"""A double click or reload, in the same session, gets another code this long after the first."""
KEPT = timedelta(days=1)
"""After its end, so that a page left open overnight still leads back to the app."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A request that is kept, good or not."""

    digest: bytes
    client_id: str
    parameters: Mapping[str, str] = field(repr=False)
    pushed: bool
    """By the app itself, at /par."""
    opened: bool
    """A browser came with it before."""
    expires_at: datetime
    used_at: datetime | None

    def stands(self, now: datetime) -> bool:
        return now < self.expires_at and (self.used_at is None or now - self.used_at <= AGAIN)


def keep(
    db: Connection,
    *,
    client_id: str,
    parameters: Mapping[str, str],
    pushed: bool,
    now: datetime,
    life: timedelta,
) -> str:
    """Put a request away; returns the request_uri that names it from now on."""
    token = entropy.token(Token.REQUEST, now)
    row = {
        "digest": entropy.digest(token, Token.REQUEST),
        "client_id": client_id,
        "parameters": dict(parameters),
        "pushed": pushed,
        "created_at": now,
        "opened_at": None if pushed else now,
        "expires_at": now + life,
    }
    db.execute(_INSERT, row)
    return URN + token


def find(db: Connection, request_uri: str, client_id: str) -> Kept | None:
    """The request of that name, if it is this app's; also when it has ended."""
    if not is_name(request_uri):
        return None
    named = digest(request_uri)
    row = db.execute(_FIND, {"digest_": named}).first() if named else None
    if row is None or row.client_id != client_id:
        return None
    return Kept(
        digest=row.digest,
        client_id=row.client_id,
        parameters=row.parameters,
        pushed=row.pushed,
        opened=row.opened_at is not None,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )


def opened(db: Connection, kept: Kept, now: datetime, *, life: timedelta) -> None:
    """A browser came with it in time: from now on there is time to sign in."""
    db.execute(_OPEN, {"digest_": kept.digest, "now_": now, "ends": now + life})


def spend(db: Connection, kept: bytes, sid: str, now: datetime) -> bool:
    """Use it up, in the transaction that writes the code. False: it ended, or another session was first."""
    given = {"digest_": kept, "sid_": sid, "now_": now, "since": now - AGAIN}
    return db.execute(_SPEND, given).rowcount == 1


def digest(request_uri: str) -> bytes | None:
    """What is stored of a name; None when we never gave it."""
    return entropy.digest(request_uri.removeprefix(URN), Token.REQUEST)


def is_name(request_uri: str) -> bool:
    """Is this a name that we give, rather than an address?"""
    return request_uri.startswith(URN)


def words(database: Database, given: Mapping[str, str]) -> Mapping[str, str]:
    """What a query asks, also when it only names a request that is kept: for the words on a page, good or not."""
    request_uri, client_id = given.get("request_uri", ""), given.get("client_id", "")
    if not is_name(request_uri):
        return given
    try:
        with database.reading() as db:
            kept = find(db, request_uri, client_id)
    except SQLAlchemyError:
        return given
    return kept.parameters if kept else given


def words_at(database: Database, address: str) -> Mapping[str, str]:
    """The same of an authorization request at this local address, which anybody can write."""
    query = address.partition("#")[0].partition("?")[2] if address.startswith("/") else ""
    return words(database, dict(parse_qsl(query)))


# ---------------------------------------------------------------- statements, built once

_TABLE = PushedRequest.__table__
_INSERT = insert(PushedRequest)
_FIND = select(_TABLE).where(PushedRequest.digest == bindparam("digest_"))
_OPEN = (
    update(PushedRequest)
    .where(PushedRequest.digest == bindparam("digest_"), PushedRequest.opened_at.is_(None))
    .values(opened_at=bindparam("now_"), expires_at=bindparam("ends"))
)
_SPEND = (
    update(PushedRequest)
    .where(
        PushedRequest.digest == bindparam("digest_"),
        PushedRequest.expires_at > bindparam("now_"),
        PushedRequest.used_at.is_(None)
        | ((PushedRequest.used_by == bindparam("sid_")) & (PushedRequest.used_at >= bindparam("since"))),
    )
    .values(used_at=bindparam("now_"), used_by=bindparam("sid_"))
)
