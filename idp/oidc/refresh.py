"""May this refresh token be used, and what comes after it? One chain for each grant.

Every use gives a successor. Asking again within the grace gives the same successor, because it is derived from
its predecessor: however many refreshes run at once, there is one family. Reuse after the grace ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from idp import audit, driver, entropy
from idp.apps import App
from idp.entropy import Token
from idp.models import RefreshToken
from idp.oidc.tokens import GRANT, GRANTS, SESSIONS, Held, No, held_of, revoke_grant, table, with_facts
from idp.prepared import Prepared
from idp.watching import measures

REFRESH = table(RefreshToken)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refresh:
    """A refresh token that exists. `rotated_at` is set once it has a successor."""

    token: str
    client_id: str
    issued_at: datetime
    expires_at: datetime
    rotated_at: datetime | None
    held: Held
    row: Any = None
    """What is true of its pupil (`claims/facts.py`), when it was found together with the token."""

    def stands(self, now: datetime) -> bool:
        return now < self.expires_at and self.held.offline and self.held.stands(now)


def begin(db: Connection, held: Held, now: datetime) -> str:
    """The first refresh token of a grant, shown once."""
    token = entropy.token(Token.REFRESH, now)
    _insert_refresh(db, held, token, now)
    return token


def find(db: Connection, token: str, *, lock: bool) -> Refresh | None:
    """The refresh token, dead or alive. With `lock` its row is ours until the transaction ends."""
    digest = entropy.digest(token, Token.REFRESH)
    row = (_LOCK_REFRESH if lock else _REFRESH).first(db, {"digest": digest}) if digest else None
    return None if row is None else _refresh_of(token, row)


def _find_with_facts(db: Connection, token: str, today: date) -> Refresh | None:
    digest = entropy.digest(token, Token.REFRESH)
    row = _REFRESH_AND_FACTS.first(db, {"digest": digest, "today": today}) if digest else None
    return None if row is None else _refresh_of(token, row, facts=row)


def _refresh_of(token: str, row: Any, *, facts: Any = None) -> Refresh:
    return Refresh(
        token=token,
        client_id=row.client_id,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        rotated_at=row.rotated_at,
        held=held_of(row),
        row=facts,
    )


def usable(
    db: Connection, *, token: str, app: App, grace: timedelta, now: datetime, today: date, lock: bool
) -> Refresh | No:
    """The refresh token, if this app may use it now: never used, or used within the grace (RFC 9700 section 4.14).

    Reuse after that ends the whole family. Commit also when the answer is No. With `lock` its row is ours until the
    transaction ends; without, Overtaken is raised where a family must end.
    """
    found = find(db, token, lock=True) if lock else _find_with_facts(db, token, today)
    if found is None or found.client_id != app.client_id:
        because = "refresh token of another app" if found else "refresh token unknown"
        return No(because=because, description="The refresh token is unknown or no longer valid.")
    if not found.stands(now):
        return No(because="grant ended", description="The refresh token is unknown or no longer valid.")
    if found.rotated_at is not None and now > found.rotated_at + grace:
        if not lock:
            raise driver.Overtaken
        if revoke_grant(db, found.held.id, because="refresh replayed", now=now):
            account = found.held.account_uuid
            audit.refresh_replayed(db, client_id=app.client_id, account_uuid=account, grant_id=found.held.id)
        return No(because="refresh replayed", description="The refresh token was used before.")
    return found


def succeed(db: Connection, found: Refresh, key: bytes, now: datetime) -> str:
    """The successor of a refresh token: always the same one, however often it is asked for.

    The first who asks writes it (at the end of the block of `together`; Overtaken, when somebody else just did).
    """
    rotated_at = found.rotated_at or now
    successor = entropy.token_from(Token.REFRESH, rotated_at, key, found.token)
    if found.rotated_at is None:
        _ROTATE.later(db, {"token": entropy.digest(found.token, Token.REFRESH), "at": now})
        _insert_refresh(db, found.held, successor, now)
    return successor


def _insert_refresh(db: Connection, held: Held, token: str, now: datetime) -> None:
    _INSERT_REFRESH.later(
        db,
        {
            "digest": entropy.digest(token, Token.REFRESH),
            "grant_id": held.id,
            "client_id": held.client_id,
            "issued_at": now,
            "expires_at": held.expires_at,
        },
    )
    measures.issued("refresh")


# ---------------------------------------------------------------- statements, prepared once

_INSERT_REFRESH = Prepared(insert(REFRESH))
_FOUND = (
    REFRESH.c.client_id,
    REFRESH.c.issued_at,
    REFRESH.c.expires_at,
    REFRESH.c.rotated_at,
    *GRANT,
)
_HELD = REFRESH.join(GRANTS, GRANTS.c.id == REFRESH.c.grant_id).join(SESSIONS, SESSIONS.c.sid == GRANTS.c.sid)
_THIS_ONE = REFRESH.c.digest == bindparam("digest")
_PLAIN = select(*_FOUND).select_from(_HELD).where(_THIS_ONE)
_REFRESH, _LOCK_REFRESH = Prepared(_PLAIN), Prepared(_PLAIN.with_for_update(of=REFRESH))
_REFRESH_AND_FACTS = Prepared(with_facts(_FOUND, _HELD, REFRESH.c.client_id).where(_THIS_ONE))
_ROTATE = Prepared(
    update(REFRESH)
    .where(REFRESH.c.digest == bindparam("token"), REFRESH.c.rotated_at.is_(None))
    .values(rotated_at=bindparam("at")),
    guards=True,
)
