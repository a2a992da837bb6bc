"""Which apps are connected, what may each of them know, why, on which ground, and for how many schools? For anybody.

Nothing here is about a person: no pupil, no contact, no address of a program. Apps for trying out are left out, but in
a demo, where there are no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from weakref import WeakKeyDictionary

from flask_babel import LazyString
from sqlalchemy import Connection, func, or_, select

from idp import apps
from idp.apps import App
from idp.claims.catalogue import CATALOGUE, CLASS_CLAIMS, claims_of
from idp.context import House
from idp.database import Database
from idp.models import App as AppRow
from idp.models import AppLogo, School, SchoolKind, VisibilityRule

SECONDS = 60.0
"""A stranger may ask as often as they like; we look this often."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """One claim that an app may get."""

    claim: str
    label: LazyString
    why: str
    """The app's own reason; empty: it gave none."""
    klasinformatie: bool


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One app, as anybody may read it."""

    client_id: str
    name: str
    logo: str | None
    home: str | None
    privacy: str | None
    purpose: str
    legal_ground: str
    processor_agreement: str
    retention: str
    open_to_every_pupil: bool
    reads_lists: bool
    """It gets its pupils as lists too, without anybody signing in."""
    schools: int
    """Where it is visible for somebody today."""
    claims: tuple[Known, ...]

    def said(self) -> dict[str, Any]:
        """For programs; words that are ours are in Dutch, the language of the law here."""
        return {
            "client_id": self.client_id,
            "name": self.name,
            "home": self.home,
            "privacy": self.privacy,
            "purpose": self.purpose,
            "legal_ground": self.legal_ground,
            "processor_agreement": self.processor_agreement,
            "retention": self.retention,
            "open_to_every_pupil": self.open_to_every_pupil,
            "reads_lists": self.reads_lists,
            "schools": self.schools,
            "claims": [
                {"claim": one.claim, "reason": one.why or None, "klasinformatie": one.klasinformatie}
                for one in self.claims
            ],
        }


_looked: WeakKeyDictionary[Database, tuple[float, tuple[Entry, ...]]] = WeakKeyDictionary()


def entries(house: House) -> tuple[Entry, ...]:
    """Every app that is connected, by name; at most a minute old."""
    moment = house.clock.monotonic()
    known = _looked.get(house.database)
    if known is not None and 0 <= moment - known[0] < SECONDS:
        return known[1]
    with house.database.reading() as db:
        found = look(db, house.clock.today(), sandbox=house.settings.demo)
    _looked[house.database] = (moment, found)
    return found


def look(db: Connection, today: date, *, sandbox: bool) -> tuple[Entry, ...]:
    """The register as it is today; with `sandbox` that of a demo."""
    rows = db.execute(
        select(AppRow.client_id, AppRow.client_name, AppRow.sector, AppRow.registration, AppLogo.sha256)
        .outerjoin(AppLogo, AppLogo.client_id == AppRow.client_id)
        .where(
            AppRow.disabled_at.is_(None),
            AppRow.sandbox.is_(sandbox) if not sandbox else AppRow.client_id != "",
        )
        .order_by(func.lower(AppRow.client_name), AppRow.client_id)
    ).all()
    counts = _schools(db, today, sandbox=sandbox)
    return tuple(
        _entry(
            apps.from_registration(
                row.client_id,
                row.registration,
                client_name=row.client_name,
                sector=row.sector,
                logo_sha256=row.sha256,
            ),
            counts.get(row.client_id, 0),
        )
        for row in rows
    )


def _schools(db: Connection, today: date, *, sandbox: bool) -> Mapping[str, int]:
    """At how many schools each app is visible for somebody today."""
    live = VisibilityRule.begindatum <= today
    live &= or_(VisibilityRule.einddatum.is_(None), VisibilityRule.einddatum >= today)
    kinds = [*SchoolKind] if sandbox else [SchoolKind.REAL]
    counted = (
        select(VisibilityRule.client_id, func.count(VisibilityRule.instellingsnummer.distinct()))
        .join(School, School.instellingsnummer == VisibilityRule.instellingsnummer)
        .where(live, School.kind.in_(kinds))
        .group_by(VisibilityRule.client_id)
    )
    return {str(row[0]): int(row[1]) for row in db.execute(counted)}


def _entry(app: App, schools: int) -> Entry:
    wanted = claims_of(app.scopes)
    return Entry(
        client_id=app.client_id,
        name=app.client_name,
        logo=app.logo,
        home=app.client_uri,
        privacy=app.policy_uri,
        purpose=app.purpose,
        legal_ground=app.legal_ground,
        processor_agreement=app.processor_agreement,
        retention=app.retention,
        open_to_every_pupil=app.open_to_every_pupil,
        reads_lists=app.reads_lists,
        schools=schools,
        claims=tuple(
            Known(
                claim=claim.name,
                label=claim.label,
                why=app.reasons.get(claim.name, ""),
                klasinformatie=claim.name in CLASS_CLAIMS,
            )
            for claim in CATALOGUE
            if claim.name in wanted
        ),
    )
