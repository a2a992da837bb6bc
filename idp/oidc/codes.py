"""May this code be redeemed? Once, by its own app, with the same address and the right verifier."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from idp import audit, driver, entropy
from idp.apps import App
from idp.entropy import Token
from idp.oidc.tokens import CODES, GRANT, GRANTS, SESSIONS, Held, No, held_of, revoke_grant, with_facts
from idp.prepared import Prepared


@dataclass(frozen=True, kw_only=True, slots=True)
class Redeemed:
    held: Held
    nonce: str | None
    row: Any
    """What is true of its pupil (`claims/facts.py`), when it was found together with the code."""


UNKNOWN_CODE = No(because="code unknown", description="The code is unknown, has expired, or was used before.")
FOREIGN_CODE = No(because="code of another app", description=UNKNOWN_CODE.description)
ENDED = No(because="grant ended", description="The sign-in has ended.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What an app sends."""

    code: str
    app: App
    redirect_uri: str
    code_verifier: str
    now: datetime
    today: date


def redeem(  # noqa: PLR0911 - one answer for each way in which a code can be wrong
    db: Connection, asked: Asked, *, lock: bool
) -> Redeemed | No:
    """Spend a code, once (RFC 6749 section 4.1.3, RFC 7636 section 4.6), at the end of the block of `together`.

    The right app with the wrong address or verifier burns the code; a code that was spent before ends all that
    came of it. Another app changes nothing and learns nothing. Commit also when the answer is No.

    With `lock` its row is ours until the transaction ends. Without, whoever spends it first has it: Overtaken is raised
    for the others, and where something must end.
    """
    app, now = asked.app, asked.now
    digest = entropy.digest(asked.code, Token.CODE)
    by_today = {} if lock else {"today": asked.today}
    row = (_LOCK if lock else _LOOK).first(db, {"digest": digest} | by_today) if digest else None
    if row is None:
        return UNKNOWN_CODE
    if row.client_id != app.client_id:
        return FOREIGN_CODE
    held = held_of(row)
    if row.spent_at is not None:
        return _replayed(db, app, held, now, lock=lock)
    if now >= row.expires_at:
        return No(because="code expired", description=UNKNOWN_CODE.description)
    wrong = _wrong_with(row, asked)
    if wrong and not lock:
        raise driver.Overtaken
    _SPEND.later(db, {"code": digest, "at": now})
    if wrong:
        revoke_grant(db, held.id, because="code burnt", now=now)
        return No(because=f"code burnt: {wrong.partition(' ')[0]}", description=wrong)
    if not held.stands(now) or not held.session_lives(now):
        return ENDED
    return Redeemed(held=held, nonce=row.nonce, row=None if lock else row)


def _replayed(db: Connection, app: App, held: Held, now: datetime, *, lock: bool) -> No:
    if not lock:
        raise driver.Overtaken
    if revoke_grant(db, held.id, because="code replayed", now=now):
        audit.code_replayed(db, client_id=app.client_id, account_uuid=held.account_uuid, grant_id=held.id)
    return No(because="code replayed", description=UNKNOWN_CODE.description)


def _wrong_with(row: Any, asked: Asked) -> str | None:
    if asked.redirect_uri != row.redirect_uri:
        return "redirect_uri is not the one of the authorization request."
    if not _is_verifier(asked.code_verifier, row.code_challenge):
        return "code_verifier does not fit the code_challenge of the authorization request."
    return None


def burn(db: Connection, code: str, now: datetime) -> None:
    """Spend a code without giving anything for it, when others try to redeem it again and again."""
    _SPEND.run(db, {"code": entropy.digest(code, Token.CODE), "at": now})


def _is_verifier(verifier: str, challenge: str | None) -> bool:
    """S256. Without a challenge there must be no verifier either (RFC 9700 section 4.8.2)."""
    if challenge is None:
        return not verifier
    hashed = hashlib.sha256(verifier.encode()).digest()
    return entropy.same(base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(), challenge)


# ---------------------------------------------------------------- statements, prepared once

_CODE = (
    CODES.c.client_id,
    CODES.c.redirect_uri,
    CODES.c.nonce,
    CODES.c.code_challenge,
    CODES.c.expires_at,
    CODES.c.spent_at,
    *GRANT,
)
_HELD = CODES.join(GRANTS, GRANTS.c.id == CODES.c.grant_id).join(SESSIONS, SESSIONS.c.sid == GRANTS.c.sid)
_THIS_ONE = CODES.c.digest == bindparam("digest")
_LOOK = Prepared(with_facts(_CODE, _HELD, CODES.c.client_id).where(_THIS_ONE))
_LOCK = Prepared(select(*_CODE).select_from(_HELD).where(_THIS_ONE).with_for_update(of=CODES))
"""Without the facts: they are as they were before it waited for the lock."""
_SPEND = Prepared(
    update(CODES)
    .where(CODES.c.digest == bindparam("code"), CODES.c.spent_at.is_(None))
    .values(spent_at=bindparam("at")),
    guards=True,
)
