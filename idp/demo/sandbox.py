"""How do the sandbox schools come to be, and what may a script know of them? Secrets derive from a local seed.

Everything is made with the same functions as real schools; only names and secrets are published. Loading again
brings dates up to today and puts back secrets that somebody changed. Works on loopback only, in a demo only.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from idp import apps as registered
from idp.admin.apps import apps
from idp.admin.makers import suppliers
from idp.admin.pupils import helping
from idp.admin.pupils.helping import Scope
from idp.admin.sandbox import sandbox_making
from idp.admin.sandbox.sandbox_people import PUPILS, SCHOOLS, SHARING, STOPPED, Invented
from idp.admin.staff import access
from idp.claims import consent, visibility
from idp.clock import day_of_law
from idp.config import ConfigurationError
from idp.context import House
from idp.demo import published, staff
from idp.demo.people import (
    OPERATORS,
    STAFF,
    SUPPLIER,
    SUPPLIERS,
    TEST_SCHOOLS,
)
from idp.demo.relying_party import DemoApp
from idp.login import cards
from idp.models import (
    Card,
    RightKind,
    RuleKind,
    School,
    SchoolKind,
)

CARD_LABEL = "sandbox"
_FULL = "openid profile ov_leerling ov_inschrijving ov_klas offline_access"
_WHY = {"purpose": "Tonen hoe aanmelden werkt", "legal_ground": "Geen: verzonnen leerlingen"}


def load(house: House, *, apps_at: str) -> list[DemoApp]:
    """Make the sandbox, or bring it up to today; returns the demo apps at `apps_at` with their credentials.

    Needs `audit.circumstances`. Raises ConfigurationError outside a demo.
    """
    if not (house.settings.demo and house.settings.loopback):
        raise ConfigurationError(["a sandbox shows its secrets: it exists in a demo on this machine only"])
    now, today = house.clock.now(), house.clock.today()
    with house.database.transaction() as db:
        sandbox_making.put_schools(db, "leersleutel", now)
        _test_schools(db, now)
        _people(db, now)
        uuids = {one.username: sandbox_making.put_pupil(db, house.keys, one, now, today) for one in PUPILS}
    sandbox_making.put_accounts(house, uuids, now)
    with house.database.transaction() as db:
        for one in PUPILS:
            _card(db, house, one, uuids[one.username], now)
        _teacher(db, today)
    staff.set_up(house, now)
    with house.database.transaction() as db:
        _sharing(db, now, today)
        for school in SHARING:
            sandbox_making.put_classes(db, school, uuids, now, today)
    demo_apps = _apps(house, apps_at, now)
    with house.database.transaction() as db:
        _visible(db, demo_apps, now, today)
    return [app for app in demo_apps if app.slug]


# ---------------------------------------------------------------- schools, people, pupils


def _test_schools(db: Connection, now: datetime) -> None:
    known = set(db.execute(select(School.instellingsnummer)).scalars())
    for number, (naam, pakket) in TEST_SCHOOLS.items():
        if number not in known:
            row = {"instellingsnummer": number, "naam": naam, "kind": SchoolKind.TEST, "pakket": pakket}
            db.execute(insert(School), row | {"created_at": now})


def _people(db: Connection, now: datetime) -> None:
    today = day_of_law(now)
    suppliers.keep(db, SUPPLIER, naam="Sandbox-apps", now=now)
    for person in (*STAFF, *OPERATORS, *SUPPLIERS):
        access.meet(db, person_id=person.person_id, voornaam=person.voornaam, naam=person.naam, now=now)
        held = {(right.kind, right.instellingsnummer) for right in access.rights(db, person.person_id, today)}
        for word, school in person.rights:
            kind, where = RightKind(word), school or None
            if (kind, where) not in held:
                access.grant(
                    db,
                    person_id=person.person_id,
                    kind=kind,
                    instellingsnummer=where,
                    supplier=SUPPLIER if kind is RightKind.SUPPLIER else None,
                    source=access.SANDBOX,
                    now=now,
                )


def _teacher(db: Connection, today: date) -> None:
    """The teacher helps the second year of De Sleutel, unless a beheerder chose already."""
    beheerder, teacher = STAFF[1].person_id, STAFF[2].person_id
    if not helping.pupils(db, teacher, today):
        group = Scope(kind=RuleKind.GROUP, target=PUPILS[0].year.group)
        school = PUPILS[0].school
        helping.narrow(
            db, person_id=teacher, instellingsnummer=school, scopes=[group], by=beheerder, today=today
        )


# ---------------------------------------------------------------- cards


def _card(db: Connection, house: House, one: Invented, account_uuid: str, now: datetime) -> None:
    """The published card, once: printed again only when it was voided or has expired."""
    if cards.find(db, published.card_token(house, one), now) is not None:
        return
    db.execute(delete(Card).where(Card.account_uuid == account_uuid, Card.label == CARD_LABEL))
    cards.issue(
        db,
        account_uuid=account_uuid,
        label=CARD_LABEL,
        now=now,
        days=house.settings.card_days,
        instellingsnummer=one.school,
        chance=published.chance(house, "card", one.username),
    )


# ---------------------------------------------------------------- agreements, classes, apps


def _sharing(db: Connection, now: datetime, today: date) -> None:
    """De Grendel agreed once and stopped; the others share, unless somebody stopped one to see what happens."""
    if consent.texts(db):
        return
    sha256 = consent.publish_protocol(
        db,
        version="voorbeeld-1",
        body=consent.sample(),
        in_force_from=today,
        names_teachers=True,
        notice_days=0,
        now=now,
    )
    director = STAFF[0].person_id
    for school in SCHOOLS:
        consent.give(
            db, instellingsnummer=school, person_id=director, protocol_sha256=sha256, now=now, today=today
        )
    consent.stop(db, instellingsnummer=STOPPED, person_id=director, now=now, today=today)


def _apps(house: House, apps_at: str, now: datetime) -> list[DemoApp]:
    rekenrijk = DemoApp(
        slug="rekenrijk",
        client_id="demo-rekenrijk",
        client_secret=published.app_secret(house, "demo-rekenrijk"),
        client_name="Rekenrijk",
        scope=_FULL,
        colour="#0f6e6e",
        about="Rekenen op jouw niveau, met je eigen klas.",
    )
    leesland = DemoApp(
        slug="leesland",
        client_id="demo-leesland",
        client_secret=published.app_secret(house, "demo-leesland"),
        client_name="Leesland",
        scope="openid ov_leerling",
        colour="#8a3d8f",
        about="Boeken kiezen en lezen. Je klas hoeft Leesland niet te kennen.",
    )
    reasons = {
        "ov_klassen": "Om je oefeningen van je eigen klas te tonen",
        "given_name": "Om je bij je naam te begroeten",
        "ov_orgnaam": "Om je school te tonen",
        "ov_account_uuid": "Om je werk te bewaren",
    }
    documents: list[dict[str, Any]] = [
        {
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "client_name": app.client_name,
            "scope": app.scope,
            "redirect_uris": [f"{apps_at}/{app.slug}/callback"],
            "post_logout_redirect_uris": [f"{apps_at}/"],
            "initiate_login_uri": f"{apps_at}/{app.slug}/start",
            "client_uri": f"{apps_at}/{app.slug}/",
            "supplier": SUPPLIER,
            "grant_types": ["authorization_code", "refresh_token"],
            "reasons": {
                name: text for name, text in reasons.items() if app is rekenrijk or name == "ov_account_uuid"
            },
            **_WHY,
        }
        for app in (rekenrijk, leesland)
    ]
    documents.append(
        {
            "client_id": "sandbox-native",
            "client_name": "Sandbox: app op een toestel",
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "scope": "openid profile ov_leerling",
            "redirect_uris": ["http://127.0.0.1/callback"],
            **_WHY,
        }
    )
    apps.import_apps(house, documents, now=now)
    native = replace(leesland, slug="", client_id="sandbox-native", client_secret="")
    return [rekenrijk, leesland, native]


def _visible(db: Connection, demo_apps: list[DemoApp], now: datetime, today: date) -> None:
    """Rekenrijk everywhere; Leesland and the native app in De Sleutel only, so that a closed door can be seen too."""
    if visibility.listing(db, client_id=demo_apps[0].client_id):
        return
    for one in demo_apps:
        app = registered.load(db, one.client_id)
        assert app is not None
        for school in SCHOOLS if one.slug == "rekenrijk" else ("999901",):
            sandbox_making.show_at(db, app, school, now, today)
