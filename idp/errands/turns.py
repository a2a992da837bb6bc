"""Whose turn is it? Work that only one may do at a time, on any number of machines, by a lock on a row."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql

from idp.models import Turn

IMPORTS = "imports"
SIGNING_KEYS = "signing keys"


def take(db: Connection, work: str) -> None:
    """Wait until nobody else does this work; the turn lasts until the transaction ends.

    On SQLite a transaction that changes is alone anyway (BEGIN IMMEDIATE).
    """
    if db.dialect.name == "sqlite":
        return
    there = select(Turn.work).where(Turn.work == work).with_for_update()
    if db.execute(there).first() is None:
        db.execute(postgresql.insert(Turn).values(work=work).on_conflict_do_nothing())
        db.execute(there).one()
