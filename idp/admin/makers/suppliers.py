"""Who makes apps? Suppliers that the operator knows; an app belongs to one of them, or to none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from idp.audit import apps as audit_apps
from idp.errors import Invalid, NotFound
from idp.models import App as AppRow
from idp.models import Supplier as SupplierRow

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Supplier:
    supplier_id: str
    naam: str
    contact: str | None
    created_at: datetime
    ended_at: datetime | None
    apps: int
    """How many belong to it."""

    def as_json(self) -> dict[str, Any]:
        return {
            "supplier_id": self.supplier_id,
            "naam": self.naam,
            "contact": self.contact,
            "created_at": self.created_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "apps": self.apps,
        }


def listing(db: Connection) -> list[Supplier]:
    """Everyone, by name."""
    theirs = (
        select(AppRow.supplier, func.count())
        .where(AppRow.supplier.is_not(None), AppRow.disabled_at.is_(None) | AppRow.paused_at.is_not(None))
        .group_by(AppRow.supplier)
    )
    counted = {row[0]: row[1] for row in db.execute(theirs)}
    rows = db.execute(select(SupplierRow.__table__).order_by(func.lower(SupplierRow.naam))).mappings()
    return [Supplier(**row, apps=counted.get(row["supplier_id"], 0)) for row in rows]


def exists(db: Connection, supplier_id: Any) -> bool:
    """Is there such a supplier, and has it not ended?"""
    if not isinstance(supplier_id, str) or not _ID.fullmatch(supplier_id):
        return False
    mine = (SupplierRow.supplier_id == supplier_id) & SupplierRow.ended_at.is_(None)
    return db.execute(select(SupplierRow.supplier_id).where(mine)).first() is not None


def keep(db: Connection, supplier_id: str, *, naam: str, contact: str | None = None, now: datetime) -> bool:
    """Make a supplier known, or change its name and contact; True when it is new. Raises Invalid `supplier_refused`."""
    naam, contact = naam.strip(), (contact or "").strip() or None
    if not _ID.fullmatch(supplier_id):
        raise Invalid("supplier_refused", "an id has 1 to 40 small letters, digits and dashes")
    if not 0 < len(naam) <= 200 or not naam.isprintable():
        raise Invalid("supplier_refused", "a name has 1 to 200 characters")
    if contact is not None and (len(contact) > 254 or not contact.isprintable()):
        raise Invalid("supplier_refused", "a contact has at most 254 characters")
    words = {"naam": naam, "contact": contact, "ended_at": None}
    mine = SupplierRow.supplier_id == supplier_id
    new = not db.execute(update(SupplierRow).where(mine).values(words)).rowcount
    if new:
        db.execute(insert(SupplierRow), words | {"supplier_id": supplier_id, "created_at": now})
    audit_apps.supplier_changed(db, supplier=supplier_id, change="added" if new else "changed")
    return new


def end(db: Connection, supplier_id: str, *, now: datetime) -> None:
    """Nothing new comes from this supplier; its apps stay as they are. Raises NotFound `supplier_unknown`."""
    if not exists(db, supplier_id):
        raise NotFound("supplier_unknown", supplier_id[:40])
    where = SupplierRow.supplier_id == supplier_id
    db.execute(update(SupplierRow).where(where).values(ended_at=now))
    audit_apps.supplier_changed(db, supplier=supplier_id, change="ended")
