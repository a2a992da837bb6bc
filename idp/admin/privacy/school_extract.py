"""What were apps told about pupils of this school, and what was done in its name? The school's own extract.

The ledger is told by app and pupil, with days and names of claims: when a child signed in is nobody's business. The audit
trail holds what bears the school's number, without addresses; beside it the digests and anchors that it hangs on.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from idp.admin.operators import school_list
from idp.admin.records import anchors, exporting, sealing
from idp.clock import day_of_law
from idp.context import House
from idp.models import App, AuditEvent, Release


@dataclass(frozen=True, kw_only=True)
class Told:
    """One app, and what it was told about pupils of the school."""

    client_id: str
    name: str
    pupils: int
    claims: tuple[str, ...]
    first: date


def told(db: Connection, instellingsnummer: str, since: datetime) -> list[Told]:
    """By app, the most pupils first."""
    wanted = exporting.Wanted(begin=since, instellingsnummer=instellingsnummer)
    pupils: dict[str, set[str]] = defaultdict(set)
    claims: dict[str, set[str]] = defaultdict(set)
    first: dict[str, datetime] = {}
    for row in exporting.rows(db, sealing.table_of(Release), wanted):
        pupils[row["client_id"]].add(row["account_uuid"])
        claims[row["client_id"]] |= _released(row)
        first.setdefault(row["client_id"], row["at"])
    names = _names(db)
    lines = [
        Told(
            client_id=one,
            name=names.get(one, one),
            pupils=len(who),
            claims=tuple(sorted(claims[one])),
            first=day_of_law(first[one]),
        )
        for one, who in pupils.items()
    ]
    return sorted(lines, key=lambda line: (-line.pupils, line.name))


def document(db: Connection, house: House, instellingsnummer: str) -> dict[str, Any]:
    """Everything of this school that is kept, as one document. Raises NotFound `school_unknown`."""
    school_list.require(db, instellingsnummer)
    wanted = exporting.Wanted(instellingsnummer=instellingsnummer)
    claims: dict[tuple[str, str], set[str]] = defaultdict(set)
    first: dict[tuple[str, str], datetime] = {}
    for row in exporting.rows(db, sealing.table_of(Release), wanted):
        key = row["client_id"], row["account_uuid"]
        claims[key] |= _released(row)
        first.setdefault(key, row["at"])
    names = _names(db)
    return {
        "school": instellingsnummer,
        "made_at": house.clock.now(),
        "by": house.settings.issuer,
        "told": [
            {
                "client_id": client_id,
                "name": names.get(client_id),
                "account_uuid": who,
                "first_on": day_of_law(first[client_id, who]),
                "claims": sorted(claims[client_id, who]),
            }
            for client_id, who in sorted(claims)
        ],
        "audit_trail": [_act(row) for row in exporting.rows(db, sealing.table_of(AuditEvent), wanted)],
        "anchors": [one.jws for one in anchors.all_of(db, house)],
        "anchor_keys": anchors.public_keys(house),
    }


def _act(row: Any) -> dict[str, Any]:
    """An event without the address it came from; its digest is the one in our seal, so that it can be held against it."""
    kept = {name: value for name, value in row.items() if name not in {"source", "request_id", "mark"}}
    return kept | {"digest": sealing.digest(AuditEvent.__tablename__, row).hex()}


def _released(row: Any) -> set[str]:
    return {name for name, word in row["claims"].items() if word == "released"}


def _names(db: Connection) -> dict[str, str]:
    return {row.client_id: row.client_name for row in db.execute(select(App.client_id, App.client_name))}
