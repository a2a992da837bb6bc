"""How does a sandbox go away, so that nothing of its pupils stays but the audit trail and the ledger?

Nobody here was ever real, so nothing has to be kept: whatever table names a sandbox school or one of its pupils loses
those rows, and rows that lean on them, in one transaction. Sessions end first, so that apps hear of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, or_, select

from idp.audit import apps as audit_apps
from idp.context import House
from idp.login import sessions
from idp.models import AuditEvent, Base, Enrolment, Person, Release, School, SchoolKind

KEPT = frozenset({AuditEvent.__tablename__, Release.__tablename__})
"""What happened stays, under identifiers that are nobody's."""


def remove(house: House, person_id: str) -> int:
    """Every sandbox school, its pupils, and the person who agreed for it; returns how many pupils."""
    now = house.clock.now()

    def work(db: Connection) -> int:
        here = select(School.instellingsnummer).where(School.kind == SchoolKind.SANDBOX)
        schools = db.execute(here.order_by(School.instellingsnummer)).scalars().all()
        mine = select(Enrolment.account_uuid).where(Enrolment.instellingsnummer.in_(schools)).distinct()
        pupils = db.execute(mine).scalars().all()
        for one in pupils:
            sessions.end_all(db, one, "sandbox_removed", now, grants=True)
        for table, gone in _rows(schools, pupils):
            db.execute(delete(table).where(gone))
        db.execute(delete(Person).where(Person.person_id == person_id))
        for school in schools:
            audit_apps.sandbox_changed(db, instellingsnummer=school, change="removed", pupils=len(pupils))
        return len(pupils)

    return house.database.retrying(work)


def _rows(schools: Sequence[str], pupils: Sequence[str]) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Every table that has something of them, those that lean on others first, with which rows go."""
    gone: dict[Table, ColumnElement[bool]] = {}
    for table in Base.metadata.sorted_tables:
        if table.name in KEPT:
            continue
        reasons: list[ColumnElement[bool]] = []
        for name, values in (("instellingsnummer", schools), ("account_uuid", pupils)):
            if name in table.c:
                reasons.append(table.c[name].in_(values))
        for column in table.c:
            for key in column.foreign_keys:
                other: Any = key.column.table
                if other is not table and other in gone:
                    reasons.append(column.in_(select(key.column).where(gone[other])))
        if reasons:
            gone[table] = or_(*reasons)
    yield from reversed(gone.items())
