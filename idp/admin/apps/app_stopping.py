"""How does an app stop? For a while (disable, enable) or for good (remove); either way its tokens are refused at once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from idp import apps
from idp.admin.apps import app_history, logos
from idp.audit import apps as audit_apps
from idp.errors import Invalid, NotFound
from idp.models import AccessToken, AppChange, AppSecret, Grant, VisibilityRule
from idp.models import App as AppRow


def disable(db: Connection, client_id: str, *, now: datetime) -> None:
    """Nobody gets in any more, and every token ends; secrets, what schools made visible, and subjects stay.

    Raises NotFound `app_unknown`, Invalid `app_disabled_already`.
    """
    if _state(db, client_id):
        raise Invalid("app_disabled_already", client_id)
    _close(db, client_id, paused_at=now, because="app_disabled", now=now)
    _told(db, client_id, AppChange.DISABLED, now)
    audit_apps.app_disabled(db, client_id=client_id)


def enable(db: Connection, client_id: str, *, now: datetime) -> None:
    """It works again as it did; pupils sign in anew. Raises NotFound `app_unknown`, Invalid `app_works_already`."""
    if not _state(db, client_id):
        raise Invalid("app_works_already", client_id)
    open_again = {"disabled_at": None, "paused_at": None, "changed_at": now}
    db.execute(update(AppRow).where(AppRow.client_id == client_id).values(open_again))
    _told(db, client_id, AppChange.ENABLED, now)
    audit_apps.app_enabled(db, client_id=client_id)


def remove(db: Connection, client_id: str, *, now: datetime) -> None:
    """The app stops at once: its secrets, its tokens and what schools made visible are gone.

    Its name, its history and its subjects stay, so that what it once got can be explained, and the same app
    registered again knows the same pupils. Raises NotFound `app_unknown`.
    """
    _state(db, client_id)
    _close(db, client_id, paused_at=None, because="app_removed", now=now)
    db.execute(delete(AppSecret).where(AppSecret.client_id == client_id))
    logos.forget(db, client_id)
    db.execute(delete(VisibilityRule).where(VisibilityRule.client_id == client_id))
    _told(db, client_id, AppChange.REMOVED, now)
    audit_apps.app_removed(db, client_id=client_id)


def _state(db: Connection, client_id: str) -> bool:
    """Is it disabled? The row is locked. Raises NotFound for an app that is removed or never was."""
    columns = select(AppRow.disabled_at, AppRow.paused_at).where(AppRow.client_id == client_id)
    row = db.execute(columns.with_for_update()).first()
    if row is None or (row.disabled_at is not None and row.paused_at is None):
        raise NotFound("app_unknown", client_id[:100])
    return row.disabled_at is not None


def _close(
    db: Connection, client_id: str, *, paused_at: datetime | None, because: str, now: datetime
) -> None:
    closed = {"disabled_at": now, "paused_at": paused_at, "changed_at": now}
    db.execute(update(AppRow).where(AppRow.client_id == client_id).values(closed))
    db.execute(
        update(Grant)
        .where(Grant.client_id == client_id, Grant.revoked_at.is_(None))
        .values(revoked_at=now, revoked_because=because)
    )
    own = AccessToken.grant_id.is_(None) & (AccessToken.client_id == client_id)
    db.execute(update(AccessToken).where(own, AccessToken.revoked_at.is_(None)).values(revoked_at=now))


def _told(db: Connection, client_id: str, what: AppChange, now: datetime) -> None:
    app_history.record(db, client_id, what, now=now)
    apps.changed(db)
