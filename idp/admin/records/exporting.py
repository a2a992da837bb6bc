"""How do the audit trail and the ledger leave the house? As JSON Lines, row by row, whole or about one school or pupil."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select

from idp import audit
from idp.admin.records import anchors, sealing
from idp.context import House
from idp.models import Anchor, Seal, SealedRows

PAGE = 1_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rows. `end` is not included."""

    begin: datetime | None = None
    end: datetime | None = None
    instellingsnummer: str | None = None
    account_uuid: str | None = None


def lines(db: Connection, house: House, wanted: Wanted) -> Iterator[str]:
    """One JSON object a line: `table` and every column. Everything comes with seals, anchors and public keys."""
    for model in sealing.TRAILS:
        table = sealing.table_of(model)
        for row in rows(db, table, wanted):
            yield _line(table.name, row)
    if wanted.instellingsnummer is None and wanted.account_uuid is None:
        for seal in db.execute(
            select(Seal.__table__, SealedRows.rows)
            .join(SealedRows, and_(SealedRows.trail == Seal.trail, SealedRows.number == Seal.number))
            .order_by(Seal.trail, Seal.number)
        ).mappings():
            yield _line("seal", dict(seal) | {"rows": seal["rows"].hex()})
        for anchor in db.execute(select(Anchor.__table__).order_by(Anchor.number)).mappings():
            yield _line("anchor", anchor)
        yield _line("anchor_keys", anchors.public_keys(house))


def rows(db: Connection, table: Table, wanted: Wanted) -> Iterator[Any]:
    """The rows of one trail, oldest first, page by page."""
    last: str | None = None
    while True:
        query = select(table).where(*_conditions(table, wanted)).order_by(table.c.id).limit(PAGE)
        found = db.execute(query if last is None else query.where(table.c.id > last)).mappings().all()
        yield from found
        if len(found) < PAGE:
            return
        last = found[-1]["id"]


def _conditions(table: Table, wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.begin is not None:
        yield table.c.at >= wanted.begin
    if wanted.end is not None:
        yield table.c.at < wanted.end
    if wanted.account_uuid is not None:
        yield _about_pupil(table, wanted.account_uuid)
    if wanted.instellingsnummer is not None:
        yield table.c.instellingsnummer == wanted.instellingsnummer


def _about_pupil(table: Table, account_uuid: str) -> ColumnElement[bool]:
    if "account_uuid" in table.c:
        return table.c.account_uuid == account_uuid
    return or_(table.c.object == audit.pupil(account_uuid), table.c.actor == audit.pupil(account_uuid))


def _line(table: str, row: Any) -> str:
    return orjson.dumps({"table": table, **row}, option=orjson.OPT_UTC_Z).decode()
