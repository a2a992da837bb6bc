"""May this code be redeemed? Once, by its own app, with the same address and the right verifier."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from idp import audit, entropy
from idp.apps import App
from idp.entropy import Token
from idp.oidc.tokens import CODES, GRANT, GRANTS, SESSIONS, Held, No, held_of, revoke_grant
from idp.prepared import Prepared


@dataclass(frozen=True, kw_only=True, slots=True)
class Redeemed:
    held: Held
    nonce: str | None


UNKNOWN_CODE = No(because="code unknown", description="The code is unknown, has expired, or was used before.")
FOREIGN_CODE = No(because="code of another app", description=UNKNOWN_CODE.description)
ENDED = No(because="grant ended", description="The sign-in has ended.")


def redeem(  # noqa: PLR0911 - one answer for each way in which a code can be wrong
    db: Connection, *, code: str, app: App, redirect_uri: str, code_verifier: str, now: datetime
) -> Redeemed | No:
    """Spend a code, once (RFC 6749 section 4.1.3, RFC 7636 section 4.6). Locks its row until the transaction ends.

    The right app with the wrong address or verifier burns the code; a code that was spent before ends all that
    came of it. Another app changes nothing and learns nothing. Commit also when the answer is No.
    """
    digest = entropy.digest(code, Token.CODE)
    row = _CODE.first(db, {"digest": digest}) if digest else None
    if row is None:
        return UNKNOWN_CODE
    if row.client_id != app.client_id:
        return FOREIGN_CODE
    held = held_of(row)
    if row.spent_at is not None:
        if revoke_grant(db, held.id, because="code replayed", now=now):
            audit.code_replayed(db, client_id=app.client_id, account_uuid=held.account_uuid, grant_id=held.id)
        return No(because="code replayed", description=UNKNOWN_CODE.description)
    if now >= row.expires_at:
        return No(because="code expired", description=UNKNOWN_CODE.description)
    _SPEND.later(db, {"code": digest, "at": now})
    wrong = None
    if redirect_uri != row.redirect_uri:
        wrong = "redirect_uri is not the one of the authorization request."
    elif not _is_verifier(code_verifier, row.code_challenge):
        wrong = "code_verifier does not fit the code_challenge of the authorization request."
    if wrong:
        revoke_grant(db, held.id, because="code burnt", now=now)
        return No(because=f"code burnt: {wrong.partition(' ')[0]}", description=wrong)
    if not held.stands(now) or not held.session_lives(now):
        return ENDED
    return Redeemed(held=held, nonce=row.nonce)


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

_CODE = Prepared(
    select(
        CODES.c.client_id,
        CODES.c.redirect_uri,
        CODES.c.nonce,
        CODES.c.code_challenge,
        CODES.c.expires_at,
        CODES.c.spent_at,
        *GRANT,
    )
    .join(GRANTS, GRANTS.c.id == CODES.c.grant_id)
    .join(SESSIONS, SESSIONS.c.sid == GRANTS.c.sid)
    .where(CODES.c.digest == bindparam("digest"))
    .with_for_update(of=CODES)
)
_SPEND = Prepared(update(CODES).where(CODES.c.digest == bindparam("code")).values(spent_at=bindparam("at")))
