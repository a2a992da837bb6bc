"""Who may change an app that is somebody's, and who agrees? Ask for a change; approve, refuse or take it back.

A supplier asks for its own apps only, and always waits for an operator. Of operators who must be two, nobody approves
what they asked for themselves, also not through a token that they made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from idp import audit
from idp.admin.apps import app_history, app_planning, app_requests, apps, logos
from idp.admin.apps.app_planning import Planned
from idp.admin.apps.app_requests import Request
from idp.admin.apps.apps import Imported
from idp.context import House
from idp.errors import Invalid, NotAllowed, NotFound
from idp.models import App as AppRow
from idp.models import RequestState
from idp.oidc import registration

FOR_SUPPLIERS = frozenset(registration.FIELDS) - {"client_id", "sector", "open_to_every_pupil"}
"""Fields that a supplier may ask to change."""


def request_change(
    house: House,
    client_id: str,
    changes: Mapping[str, Any],
    *,
    supplier: str,
    reason: str = "",
    now: datetime,
) -> str:
    """A supplier asks for another registration of its own app; returns the id of the request, which waits.

    `changes` names fields and what they should become (None: leave it out). Raises NotFound `app_unknown` (also for an
    app of somebody else), NotAllowed `field_of_operator`, Refused for what could never be stored, Invalid
    `nothing_changed`.
    """
    with house.database.reading() as db:
        document, version = app_planning.document_of(db, client_id)
    if document.get("supplier") != supplier:
        raise NotFound("app_unknown", client_id[:100])
    theirs = sorted({*changes} & {*registration.FIELDS} - FOR_SUPPLIERS)
    if theirs or "supplier" in changes:
        raise NotAllowed("field_of_operator", ", ".join(theirs or ["supplier"]))
    wanted = merged(document, changes)
    wrong = app_planning.read_sectors(house, [wanted])
    with house.database.transaction() as db:
        one = _planned(db, house, wanted, now=now, found=wrong)
        if not one.differences:
            raise Invalid("nothing_changed", client_id)
        if one.row is None or one.row["version"] != version or one.row["supplier"] != supplier:
            raise Invalid("app_changed_meanwhile", client_id)
        return app_requests.keep(
            db,
            client_id=client_id,
            changed=one.differences,
            widens=one.widens,
            reason=reason,
            supplier=supplier,
            now=now,
        )


def approve(house: House, request_id: str, *, answer: str | None = None, now: datetime) -> Imported:
    """Do what was asked. Raises NotFound `request_unknown`, Invalid `request_decided` or `request_outdated`,
    NotAllowed `four_eyes`, Refused when it can no longer be stored.
    """
    with house.database.reading() as db:
        request = app_requests.find(db, request_id)
        _check_waits(request)
        wanted = _wanted(db, request)
    wrong = app_planning.read_sectors(house, [wanted])
    with house.database.transaction() as db:
        request = app_requests.find(db, request_id, lock=True)
        _check_second(db, request)
        _check_waits(request)
        wanted = _wanted(db, request)
        (done,) = apps.store(
            db,
            [wanted],
            loopback_ok=house.settings.demo,
            algorithms=house.settings.signing_algorithms,
            sandbox=True if house.settings.demo else None,
            now=now,
            found=wrong,
            asked_by=(request.requested_by, audit.actor()),
        )
        app_requests.decide(db, request, RequestState.APPROVED, answer=answer, now=now)
    logos.fetch_missing(house, [done.client_id], now)
    return done


def refuse(db: Connection, request_id: str, *, answer: str | None = None, now: datetime) -> None:
    """It is not done. Whoever asked takes it back with this too."""
    request = app_requests.find(db, request_id, lock=True)
    _check_waits(request)
    own = _principals_meet(db, request)
    state = RequestState.WITHDRAWN if own else RequestState.REFUSED
    app_requests.decide(db, request, state, answer=answer, now=now)


def merged(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396, of one level: a field that becomes None is left out."""
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def outdated(db: Connection, request: Request) -> bool:
    """Did the app change since, in a field that the request is about?"""
    current = _current(db, request.client_id)
    if request.new or current is None:
        return request.new != (current is None)
    absent: tuple[Any, ...] = (None, False, [], {}, "")
    return any(
        current.get(name) != pair["before"] and not (current.get(name) in absent and pair["before"] in absent)
        for name, pair in request.changes.items()
    )


def _wanted(db: Connection, request: Request) -> dict[str, Any]:
    """The document that the request asks for, on top of the app as it is now."""
    if outdated(db, request):
        raise Invalid("request_outdated", request.id)
    current = _current(db, request.client_id) or {}
    asked = {name: pair["after"] for name, pair in request.changes.items()}
    return merged(current, asked) | {"client_id": request.client_id}


def _current(db: Connection, client_id: str) -> dict[str, Any] | None:
    where = AppRow.client_id == client_id
    row = db.execute(select(AppRow.__table__).where(where)).mappings().first()
    return app_history.snapshot(row) if row and not app_planning.gone(row) else None


def _check_waits(request: Request) -> None:
    if not request.waits:
        raise Invalid("request_decided", request.id)


def _check_second(db: Connection, request: Request) -> None:
    if _principals_meet(db, request):
        raise NotAllowed("four_eyes", request.id)


def _principals_meet(db: Connection, request: Request) -> bool:
    mine = app_requests.principal(db, audit.actor())
    return mine == app_requests.principal(db, request.requested_by)


def _planned(
    db: Connection, house: House, document: Mapping[str, Any], *, now: datetime, found: Any
) -> Planned:
    (one,) = app_planning.plan(
        db,
        [document],
        loopback_ok=house.settings.demo,
        algorithms=house.settings.signing_algorithms,
        sandbox=True if house.settings.demo else None,
        now=now,
        found=found,
        lock=True,
    )
    return one
