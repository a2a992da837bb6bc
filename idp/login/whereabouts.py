"""Where is a pupil signed in? For the pupil alone: a word for the device, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from idp.config import Settings
from idp.login import sessions
from idp.models import DeviceKind, Grant, Session


@dataclass(frozen=True, kw_only=True)
class Live:
    """A session that is alive."""

    sid: str
    device: DeviceKind
    of_school: bool
    """It began on a device of a school."""
    since: datetime


def live(db: Connection, settings: Settings, account_uuid: str, now: datetime) -> list[Live]:
    """Every live session of this pupil, the latest first."""
    rows = db.execute(
        select(
            Session.sid,
            Session.device,
            Session.class_device,
            Session.auth_time,
            Session.shared,
            Session.last_seen_at,
            Session.expires_at,
        )
        .where(Session.account_uuid == account_uuid, Session.ended_at.is_(None))
        .order_by(Session.auth_time.desc(), Session.sid)
    ).all()
    return [
        Live(sid=row.sid, device=row.device, of_school=row.class_device is not None, since=row.auth_time)
        for row in rows
        if sessions.alive(row, settings, now)
    ]


def remembering_apps(db: Connection, account_uuid: str, now: datetime) -> int:
    """How many apps hold something of this pupil that outlives a session (refresh tokens)."""
    return db.execute(
        select(func.count(func.distinct(Grant.client_id))).where(
            Grant.account_uuid == account_uuid,
            Grant.offline.is_(True),
            Grant.revoked_at.is_(None),
            Grant.expires_at > now,
        )
    ).scalar_one()


def end(db: Connection, account_uuid: str, sid: str, now: datetime) -> bool:
    """End one session of this pupil; False when it is not theirs, or had ended."""
    row = db.execute(select(Session.account_uuid).where(Session.sid == sid)).one_or_none()
    return row is not None and row.account_uuid == account_uuid and sessions.end(db, sid, "signed_out", now)
