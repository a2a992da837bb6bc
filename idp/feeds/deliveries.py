"""What arrived, and what became of it? One row per school and file, with counts and line numbers, never a name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from idp import entropy
from idp.errands import turns
from idp.models import Delivery, DeliveryState

ENROLMENTS, CLASSES, SCHOOLS, DIRECTORS = "enrolments", "classes", "schools", "directors"


def one_at_a_time(db: Connection) -> None:
    """Wait until no other import is writing; lasts until the transaction ends."""
    turns.take(db, turns.IMPORTS)


def receive(
    db: Connection,
    *,
    kind: str,
    form: str,
    now: datetime,
    instellingsnummer: str | None,
    snapshot_at: datetime | None,
) -> str:
    """It is here, and nobody looked at it yet; returns its id."""
    return record(
        db,
        kind=kind,
        form=form,
        sha256="",
        state=DeliveryState.RECEIVED,
        report={},
        now=now,
        instellingsnummer=instellingsnummer,
        snapshot_at=snapshot_at,
    )


def checked(db: Connection, delivery: str) -> None:
    """It was read and compared; nothing is decided yet."""
    waiting = (Delivery.id == delivery, Delivery.state == DeliveryState.RECEIVED)
    db.execute(update(Delivery).where(*waiting).values(state=DeliveryState.CHECKED))


def is_open(db: Connection, delivery: str) -> bool:
    """Nothing is decided yet."""
    state = db.scalar(select(Delivery.state).where(Delivery.id == delivery))
    return state in {DeliveryState.RECEIVED, DeliveryState.CHECKED}


def record(
    db: Connection,
    *,
    delivery: str | None = None,
    kind: str,
    form: str,
    sha256: str,
    state: DeliveryState,
    report: Mapping[str, Any],
    now: datetime,
    instellingsnummer: str | None = None,
    snapshot_at: datetime | None = None,
) -> str:
    """Remember what became of a delivery; returns its id. `report` holds counts, codes and line numbers only.

    `delivery`: it was received before.
    """
    found = {"format": form, "sha256": sha256, "state": state, "report": dict(report)}
    if delivery is not None:
        db.execute(update(Delivery).where(Delivery.id == delivery).values(found))
        return delivery
    new: dict[str, Any] = {"id": entropy.row_id(), "kind": kind, "instellingsnummer": instellingsnummer}
    new |= {"snapshot_at": snapshot_at, "received_at": now, "decided_at": None, "decided_by": None}
    db.execute(insert(Delivery), new | found)
    return str(new["id"])


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
