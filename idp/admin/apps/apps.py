"""How do apps get in and change? As documents that can be reviewed: read, planned, and then stored, all or none.

Console, command line, REST and /register all come through here. A secret is kept as a digest and shown once. Where two
operators must agree (the setting `four_eyes`), what widens an app waits (admin/apps/app_requests.py); the rest is stored at
once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from idp import apps
from idp.admin.apps import app_history, app_requests, app_secrets, logos
from idp.admin.apps.app_planning import Change, Planned, Refused, gone, plan, read_sectors
from idp.admin.sandbox import sandbox_making
from idp.audit import apps as audit_apps
from idp.clock import day_of_law
from idp.context import House
from idp.errors import Invalid
from idp.models import App as AppRow
from idp.models import AppChange
from idp.oidc import sector_documents


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of one document."""

    client_id: str
    change: Change
    registration: Mapping[str, Any]
    """As stored."""
    sandbox: bool
    version: int = 0
    """Of its history, afterwards."""
    request: str | None = None
    """The request that waits, when it does."""
    widens: tuple[str, ...] = ()
    client_secret: str | None = field(default=None, repr=False)
    """Only when it was made or given just now: it cannot be shown again."""
    logo_problem: str | None = None
    """Why its logo_uri, read just now, gave no logo."""

    def as_json(self) -> dict[str, Any]:
        """For the command line: the stored document, with the secret when there is one to show."""
        shown = {"client_id": self.client_id} | dict(self.registration) | {"sandbox": self.sandbox}
        shown |= {"request": self.request, "widens": [*self.widens]} if self.request else {}
        return shown | ({"client_secret": self.client_secret} if self.client_secret else {})


def import_apps(
    house: House,
    documents: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    expected: Mapping[str, int] | None = None,
    reason: str = "",
) -> tuple[Imported, ...]:
    """Add or change apps, by client_id; all of the documents or none.

    In a demo every imported app is a sandbox app. `expected`: versions that the documents were made from. Raises
    Refused with every problem of every document, Invalid `app_changed_meanwhile`; a logo that cannot be had is none.
    """
    sectors = read_sectors(house, documents)
    with house.database.transaction() as db:
        stored = store(
            db,
            documents,
            loopback_ok=house.settings.demo,
            algorithms=house.settings.signing_algorithms,
            sandbox=True if house.settings.demo else None,
            now=now,
            found=sectors,
            four_eyes=house.settings.four_eyes,
            expected=expected,
            reason=reason,
        )
    without = logos.fetch_missing(house, [one.client_id for one in stored if one.request is None], now)
    return tuple(replace(one, logo_problem=without.get(one.client_id)) for one in stored)


def store(
    db: Connection,
    documents: Sequence[Mapping[str, Any]],
    *,
    loopback_ok: bool,
    algorithms: Sequence[str],
    sandbox: bool | None,
    now: datetime,
    found: Mapping[int, sector_documents.Problem] | None = None,
    four_eyes: bool = False,
    expected: Mapping[str, int] | None = None,
    reason: str = "",
    asked_by: tuple[str, str] | None = None,
) -> tuple[Imported, ...]:
    """`import_apps` inside a transaction of the caller, who has read the documents at `sector_identifier_uri`.

    `asked_by`: who asked for it and who approved it, when that took two.
    """
    planned = plan(
        db,
        documents,
        loopback_ok=loopback_ok,
        algorithms=algorithms,
        sandbox=sandbox,
        now=now,
        found=found,
        lock=True,
    )
    for one in planned:
        version = one.row["version"] if one.row else 0
        if (expected or {}).get(one.client_id, version) != version:
            raise Invalid("app_changed_meanwhile", one.client_id)
    stored = tuple(
        _ask(db, one, reason=reason, now=now)
        if one.waits(four_eyes=four_eyes)
        else _store(db, one, asked_by=asked_by, now=now)
        for one in planned
    )
    if sandbox is None:
        _show_in_sandbox(db, planned, stored, now)
    if any(one.change in {Change.ADDED, Change.CHANGED} for one in stored):
        apps.changed(db)
    return stored


# ---------------------------------------------------------------- inside


def _show_in_sandbox(
    db: Connection, planned: Sequence[Planned], stored: Sequence[Imported], now: datetime
) -> None:
    """An app that is for the sandbox from now on is visible there at once."""
    for one, done in zip(planned, stored, strict=True):
        before = one.row is not None and one.row["sandbox"] and not gone(one.row)
        if one.sandbox and not before and done.request is None:
            app = apps.load(db, one.client_id)
            if app is not None:
                sandbox_making.show(db, app, now, day_of_law(now))


def _ask(db: Connection, one: Planned, *, reason: str, now: datetime) -> Imported:
    if one.secret is not None:
        told = "cannot wait for an approval: leave it out, and renew the secret afterwards"
        raise Refused({one.client_id: {"client_secret": [told]}})
    request = app_requests.keep(
        db,
        client_id=one.client_id,
        changed=one.differences,
        widens=one.widens,
        reason=reason,
        supplier=None,
        now=now,
    )
    return Imported(
        client_id=one.client_id,
        change=Change.WAITING,
        registration=one.registration,
        sandbox=one.sandbox,
        version=one.row["version"] if one.row else 0,
        request=request,
        widens=one.widens,
    )


def _store(db: Connection, one: Planned, *, asked_by: tuple[str, str] | None, now: datetime) -> Imported:
    document, client_id = dict(one.registration), one.client_id
    columns: dict[str, Any] = {
        "client_name": document["client_name"],
        "registration": document,
        "sandbox": one.sandbox,
        "supplier": one.supplier,
        "changed_at": now,
    }
    by, approved_by = asked_by or (None, None)
    told: dict[str, Any] = {"by": by, "approved_by": approved_by, "now": now}
    version = one.row["version"] if one.row else 0
    shown = None
    if one.row is None:
        fixed = {"client_id": client_id, "sector": document["sector"], "created_at": now}
        try:
            db.execute(insert(AppRow), columns | fixed | {"disabled_at": None})
        except IntegrityError:  # somebody registered it since we looked
            raise Invalid("app_changed_meanwhile", client_id) from None
        shown = app_secrets.settle(db, document, one.secret, now)
        names = [each.field for each in one.differences]
        version = app_history.record(db, client_id, AppChange.REGISTERED, fields=names, **told)
        audit_apps.app_registered(db, client_id=client_id)
    elif one.change is Change.CHANGED:
        if one.row["paused_at"] is None:
            columns["disabled_at"] = None
        db.execute(update(AppRow).where(AppRow.client_id == client_id).values(columns))
        shown = app_secrets.settle(db, document, one.secret, now)
        names = _fields(one, shown)
        before = app_history.snapshot(one.row)
        version = app_history.record(db, client_id, AppChange.CHANGED, fields=names, before=before, **told)
        logos.forget_stale(db, client_id, document.get("logo_uri"))
        audit_apps.app_changed(db, client_id=client_id, fields=names)
    return Imported(
        client_id=client_id,
        change=one.change,
        registration=document,
        sandbox=one.sandbox,
        version=version,
        client_secret=shown,
    )


def _fields(one: Planned, secret: str | None) -> list[str]:
    back = one.row is not None and gone(one.row)
    return [each.field for each in one.differences] + ["removed"] * back + ["client_secret"] * bool(secret)
