"""Which changes of apps wait for somebody else? Asked by a supplier, or by one operator when two must agree.

A request keeps what each field was and should become, never a secret. It says nothing about whether it may be done:
admin/apps/app_approving.py does it, by the same door as every change.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from idp import audit, entropy
from idp.admin.apps.differences import Difference, differences
from idp.audit import apps as audit_apps
from idp.errors import Invalid, NotFound
from idp.models import AppRequest, OperatorToken, RequestState

LONGEST_REASON = 1000
MOST = 200


@dataclass(frozen=True, kw_only=True)
class Request:
    """A change that waits, or how it ended."""

    id: str
    client_id: str
    supplier: str | None
    changes: Mapping[str, Mapping[str, Any]]
    widens: tuple[str, ...]
    reason: str
    requested_by: str
    requested_at: datetime
    state: RequestState
    decided_by: str | None
    decided_at: datetime | None
    answer: str | None

    @property
    def new(self) -> bool:
        """Is it an app that does not exist yet?"""
        return "new" in self.widens

    @property
    def waits(self) -> bool:
        return self.state is RequestState.WAITING

    def differences(self) -> tuple[Difference, ...]:
        return differences(self._half("before"), self._half("after"))

    def _half(self, which: str) -> dict[str, Any]:
        return {name: pair[which] for name, pair in self.changes.items() if pair[which] is not None}

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "client_id": self.client_id,
            "supplier": self.supplier,
            "differences": [one.as_json() for one in self.differences()],
            "widens": [*self.widens],
            "reason": self.reason,
            "requested_by": self.requested_by,
            "requested_at": self.requested_at.isoformat(),
            "state": self.state.value,
            "decided_by": self.decided_by,
            "decided_at": self.decided_at.isoformat() if self.decided_at else None,
            "answer": self.answer,
        }


def keep(
    db: Connection,
    *,
    client_id: str,
    changed: Sequence[Difference],
    widens: Sequence[str],
    reason: str,
    supplier: str | None = None,
    now: datetime,
) -> str:
    """A change that waits; returns its id. The same question of the same asker is one request."""
    changes = {one.field: {"before": one.before, "after": one.after} for one in changed}
    by = audit.actor()
    for waiting in listing(db, client_id=client_id, state=RequestState.WAITING):
        if waiting.requested_by == by and dict(waiting.changes) == changes:
            return waiting.id
    request = entropy.row_id()
    row = {
        "id": request,
        "client_id": client_id,
        "supplier": supplier,
        "changes": changes,
        "widens": [*widens],
        "reason": reason[:LONGEST_REASON],
        "requested_by": by,
        "requested_at": now,
        "state": RequestState.WAITING,
        "decided_by": None,
        "decided_at": None,
        "answer": None,
    }
    db.execute(insert(AppRequest), row)
    audit_apps.app_change_requested(
        db, client_id=client_id, request=request, fields=[*changes], widens=[*widens]
    )
    return request


def listing(
    db: Connection,
    *,
    client_id: str | None = None,
    supplier: str | None = None,
    state: RequestState | None = None,
    most: int = MOST,
) -> list[Request]:
    """Requests, the newest first."""
    given = (
        (client_id, AppRequest.client_id == client_id),
        (supplier, AppRequest.supplier == supplier),
        (state, AppRequest.state == state),
    )
    wanted = select(AppRequest.__table__).where(*(clause for word, clause in given if word is not None))
    newest = wanted.order_by(AppRequest.requested_at.desc(), AppRequest.id.desc()).limit(min(most, MOST))
    return [_request(row) for row in db.execute(newest).mappings()]


def waiting(db: Connection) -> int:
    """How many wait."""
    mine = select(func.count()).select_from(AppRequest).where(AppRequest.state == RequestState.WAITING)
    return int(db.execute(mine).scalar_one())


def find(db: Connection, request_id: str, *, lock: bool = False) -> Request:
    """Raises NotFound `request_unknown`."""
    try:
        known = str(uuid.UUID(request_id[:40]))
    except ValueError:
        raise NotFound("request_unknown", request_id[:40]) from None
    wanted = select(AppRequest.__table__).where(AppRequest.id == known)
    row = db.execute(wanted.with_for_update() if lock else wanted).mappings().first()
    if row is None:
        raise NotFound("request_unknown", request_id[:40])
    return _request(row)


def decide(
    db: Connection, request: Request, state: RequestState, *, answer: str | None = None, now: datetime
) -> None:
    """It waits no longer. Raises Invalid `request_decided` when somebody else was first."""
    still = (AppRequest.id == request.id) & (AppRequest.state == RequestState.WAITING)
    words = {"state": state, "decided_by": audit.actor(), "decided_at": now}
    words["answer"] = answer[:LONGEST_REASON] if answer else None
    if not db.execute(update(AppRequest).where(still).values(words)).rowcount:
        raise Invalid("request_decided", request.id)
    audit_apps.app_change_decided(
        db,
        client_id=request.client_id,
        request=request.id,
        decision=state.value,
        asked_by=request.requested_by,
    )


def principal(db: Connection, actor: str) -> str:
    """Who stands behind this actor: of a token of the REST API, whoever made it."""
    kind, _, name = actor.partition(":")
    if kind != "operator-token":
        return actor
    made_by = db.execute(select(OperatorToken.created_by).where(OperatorToken.id == name)).scalar()
    return str(made_by) if made_by else actor


def _request(row: Mapping[Any, Any]) -> Request:
    return Request(**(dict(row) | {"widens": tuple(row["widens"])}))
