"""What arrived, and what became of it? One row per school and file, with counts and line numbers, never a name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from idp import entropy, turns
from idp.models import Delivery, DeliveryState

ENROLMENTS, CLASSES, SCHOOLS, DIRECTORS = "enrolments", "classes", "schools", "directors"


def one_at_a_time(db: Connection) -> None:
    """Wait until no other import is writing; lasts until the transaction ends."""
    turns.take(db, turns.IMPORTS)


def record(
    db: Connection,
    *,
    kind: str,
    form: str,
    sha256: str,
    state: DeliveryState,
    report: Mapping[str, Any],
    now: datetime,
    instellingsnummer: str | None = None,
    snapshot_at: datetime | None = None,
) -> str:
    """Remember a delivery; returns its id. `report` holds counts, codes and line numbers only."""
    delivery = entropy.row_id()
    db.execute(
        insert(Delivery),
        {
            "id": delivery,
            "kind": kind,
            "instellingsnummer": instellingsnummer,
            "format": form,
            "sha256": sha256,
            "snapshot_at": snapshot_at,
            "received_at": now,
            "state": state,
            "report": dict(report),
        },
    )
    return delivery


def last_applied(db: Connection, *, kind: str, instellingsnummer: str) -> datetime | None:
    """The moment of the newest snapshot of this school that was applied, or None."""
    found: datetime | None = db.execute(
        select(func.max(Delivery.snapshot_at)).where(
            Delivery.kind == kind,
            Delivery.instellingsnummer == instellingsnummer,
            Delivery.state == DeliveryState.APPLIED,
        )
    ).scalar()
    return found
