"""How did a registration come to be what it is? Every change is a version: who, when, what, and the whole of it.

Whoever changes an app calls `record` in the same transaction, after the change. An app from before there was a
history gets its first version with its first change. Versions are never changed; a secret is never in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, or_, select, update

from idp import audit, entropy
from idp.admin.apps.differences import Difference, differences
from idp.errors import NotFound
from idp.models import App as AppRow
from idp.models import AppChange, AppVersion

UNKNOWN = "unknown"
"""Who registered an app before there was a history."""
MOST = 200
"""Changes that are shown at a time."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One change, without the registration itself."""

    id: str
    client_id: str
    client_name: str
    number: int
    at: datetime
    by: str
    approved_by: str | None
    what: AppChange
    fields: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "client_id": self.client_id,
            "client_name": self.client_name,
            "version": self.number,
            "at": self.at.isoformat(),
            "by": self.by,
            "approved_by": self.approved_by,
            "what": self.what.value,
            "fields": [*self.fields],
        }


def snapshot(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What a version keeps of the row of an app."""
    beside = {"sandbox": row["sandbox"]} | ({"supplier": row["supplier"]} if row["supplier"] else {})
    return {**row["registration"], **beside}


def record(
    db: Connection,
    client_id: str,
    what: AppChange,
    *,
    now: datetime,
    fields: Sequence[str] = (),
    before: Mapping[str, Any] | None = None,
    by: str | None = None,
    approved_by: str | None = None,
) -> int:
    """Keep the app as it is now; returns the number of the version.

    `before`: its snapshot until now, if it differs; `by`: who asked for it, if that is not who is at work now.
    """
    mine = AppRow.client_id == client_id
    row = db.execute(select(AppRow.__table__).where(mine).with_for_update()).mappings().one()
    number = row["version"]
    if number == 0 and what is not AppChange.REGISTERED:
        first = {"by": UNKNOWN, "what": AppChange.REGISTERED, "fields": [], "at": row["created_at"]}
        number = _keep(db, client_id, 1, before or snapshot(row), approved_by=None, **first)
    words = {"by": by or audit.actor(), "what": what, "fields": [*fields], "at": now}
    number = _keep(db, client_id, number + 1, snapshot(row), approved_by=approved_by, **words)
    db.execute(update(AppRow).where(mine).values(version=number))
    return number


def history(db: Connection, client_id: str) -> list[Version]:
    """Every change of one app, newest first. Raises NotFound `app_unknown`."""
    known = db.execute(select(AppRow.client_id).where(AppRow.client_id == client_id)).first()
    if known is None:
        raise NotFound("app_unknown", client_id[:100])
    wanted = _versions().where(AppVersion.client_id == client_id).order_by(AppVersion.number.desc())
    return [_version(row) for row in db.execute(wanted).mappings()]


def changes(
    db: Connection,
    *,
    client_id: str | None = None,
    by: str | None = None,
    what: AppChange | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: tuple[datetime, str] | None = None,
    most: int = 50,
) -> list[Version]:
    """Changes of all apps, newest first; `before` is (at, id) of the last one of the page before."""
    version = AppVersion
    given = (
        (client_id, version.client_id == client_id),
        (by, version.by == by),
        (what, version.what == what),
        (since, version.at >= since if since else None),
        (until, version.at < until if until else None),
    )
    wanted = _versions().where(*(clause for word, clause in given if word is not None and clause is not None))
    if before is not None:
        at, last = before
        wanted = wanted.where(or_(version.at < at, and_(version.at == at, version.id < last)))
    newest = wanted.order_by(version.at.desc(), version.id.desc()).limit(min(most, MOST))
    return [_version(row) for row in db.execute(newest).mappings()]


def at_version(db: Connection, client_id: str, number: int) -> dict[str, Any]:
    """The registration as it was. Raises NotFound `version_unknown`."""
    mine = (AppVersion.client_id == client_id) & (AppVersion.number == number)
    found = db.execute(select(AppVersion.snapshot).where(mine)).scalar()
    if found is None:
        raise NotFound("version_unknown", f"{client_id[:100]} {number}")
    return dict(found)


def compare(db: Connection, client_id: str, earlier: int, later: int) -> tuple[Difference, ...]:
    """In what two versions differ. 0 is the time before it was registered. Raises NotFound `version_unknown`."""
    before = at_version(db, client_id, earlier) if earlier else None
    return differences(before, at_version(db, client_id, later))


def count(db: Connection) -> int:
    return int(db.execute(select(func.count()).select_from(AppVersion)).scalar_one())


def _keep(
    db: Connection,
    client_id: str,
    number: int,
    kept: Mapping[str, Any],
    *,
    approved_by: str | None,
    **words: Any,
) -> int:
    row = {"id": entropy.row_id(), "client_id": client_id, "number": number, "snapshot": dict(kept)}
    db.execute(insert(AppVersion), row | {"approved_by": approved_by} | words)
    return number


def _versions() -> Select[Any]:
    version = AppVersion
    names = ("id", "client_id", "number", "at", "by", "approved_by", "what", "fields")
    columns: list[Any] = [getattr(version, name) for name in names]
    return select(*columns, AppRow.client_name).join(AppRow, AppRow.client_id == version.client_id)


def _version(row: Mapping[Any, Any]) -> Version:
    return Version(**(dict(row) | {"fields": tuple(row["fields"])}))
