"""Which apps must hear that a session ended? A line for each, written with the ending itself.

Every app that got tokens in the session and has a `backchannel_logout_uri` hears of it (OpenID Connect
Back-Channel Logout). What is sent, and when it is tried again, is the business of oidc/backchannel.py; nobody who
signs out ever waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, Connection, Insert, String, bindparam, exists, insert, literal, select

from idp.models import AccessToken, App, AppPupil, ErrandState, Grant, LogoutDelivery, Moment
from idp.prepared import Prepared


def note(db: Connection, sids: Sequence[str], now: datetime) -> None:
    """Write down whom to tell, in the transaction in which these sessions end."""
    if len(sids) == 1:  # what a sign-in pays for when it ends another session
        _note_one().run(db, {"sid": sids[0], "now": now})
    else:
        db.execute(_note(Grant.sid.in_(bindparam("sids", expanding=True))), {"sids": sids, "now": now})


@cache
def _note_one() -> Prepared:
    return Prepared(_note(Grant.sid == bindparam("sid")))


def _note(of: ColumnElement[bool]) -> Insert:
    now = bindparam("now", type_=Moment())
    heard = (
        select(
            Grant.sid,
            Grant.client_id,
            AppPupil.sub,
            literal(ErrandState.WAITING.value, String()),
            literal(0),
            now,
            now,
        )
        .join(App, App.client_id == Grant.client_id)
        .join(
            AppPupil,
            (AppPupil.client_id == Grant.client_id) & (AppPupil.account_uuid == Grant.account_uuid),
        )
        .where(
            of,
            App.disabled_at.is_(None),
            App.registration["backchannel_logout_uri"].as_string().is_not(None),
            exists().where(AccessToken.grant_id == Grant.id),
        )
        .distinct()
    )
    columns = ("sid", "client_id", "sub", "state", "tries", "next_at", "created_at")
    return insert(LogoutDelivery).from_select(columns, heard)
