"""Which questions did this pupil answer for this very request? Rows of `marker`, good for two minutes, once.

A fresh sign-in is left by the sign-in page (login/sessions.py); the other answers by the questions of /authorize.
Every row is bound to one session and one request (its query in the spelling of AuthorizationRequest.query), and
the code that it leads to uses it up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from idp.models import Marker
from idp.oidc.next_step import Evidence


def leave(db: Connection, sid: str, query: str, evidence: Evidence, now: datetime) -> None:
    """Remember an answer; the same answer again counts from now."""
    mine = (Marker.sid == sid) & (Marker.request_digest == _digest(query, evidence))
    db.execute(delete(Marker).where(mine))
    db.execute(insert(Marker), {"sid": sid, "request_digest": _digest(query, evidence), "created_at": now})


def found(db: Connection, sid: str, query: str, now: datetime, *, seconds: int) -> frozenset[Evidence]:
    """The answers that still count. `seconds` is how long they do."""
    known = {_digest(query, one): one for one in Evidence}
    mine = (Marker.sid == sid) & Marker.request_digest.in_(known) & _good(now, seconds)
    return frozenset(
        known[digest] for digest in db.execute(select(Marker.request_digest).where(mine)).scalars()
    )


def take(
    db: Connection, sid: str, query: str, evidence: Iterable[Evidence], now: datetime, *, seconds: int
) -> bool:
    """Use answers up, in the transaction that writes the code. False: another tab was first, or too late."""
    wanted = [_digest(query, one) for one in evidence]
    mine = (Marker.sid == sid) & Marker.request_digest.in_(wanted) & _good(now, seconds)
    return db.execute(delete(Marker).where(mine)).rowcount == len(wanted)


def _digest(query: str, evidence: Evidence) -> str:
    """For a fresh sign-in the digest that sessions.leave_marker writes; the other answers are kept apart from it."""
    named = query if evidence is Evidence.FRESH else f"{evidence}\x00{query}"
    return hashlib.sha256(named.encode()).hexdigest()


def _good(now: datetime, seconds: int) -> ColumnElement[bool]:
    return Marker.created_at >= now - timedelta(seconds=seconds)
