"""What do we process, why, for how long, and what shows that the promised measures were taken?

Two documents, made of what is true now: the register of processing activities (GDPR, article 30; protocol, article 6.D),
and the evidence of article 6 of the protocol, measure by measure. What no program can show says so. They are in Dutch,
the language of the agreements.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from idp.admin.privacy import terms
from idp.admin.privacy.terms import Kept
from idp.admin.records import anchors, sealing
from idp.claims import register
from idp.context import House
from idp.models import (
    Agreement,
    AuditEvent,
    ProtocolText,
    Release,
    Right,
    RightKind,
    School,
    SchoolKind,
    Seal,
    StaffAccount,
)
from idp.oidc import signing

ELSEWHERE = "Toont dit programma niet: de verwerkingsverantwoordelijke voegt het bewijs toe."
NOT_SET = "Nog niet ingevuld: instelling `{}`."


def activities(db: Connection, house: House) -> dict[str, Any]:
    """The register of processing activities, with every connected app as a recipient."""
    settings = house.settings
    keep = {name: term.dutch.how_long for name, term in terms.of(settings).items()}
    apps = register.look(db, house.clock.today(), sandbox=settings.demo)
    return {
        "document": "register van verwerkingsactiviteiten",
        "made_at": house.clock.now(),
        "system": settings.issuer,
        "controller": settings.controller or NOT_SET.format("controller"),
        "data_protection_officer": settings.data_protection_officer
        or NOT_SET.format("data_protection_officer"),
        "activities": [
            {
                "name": "Leerlingen laten aanmelden",
                "purpose": "Eén veilige aanmelding voor alle apps die de school klaarzet",
                "subjects": "Leerlingen met een inschrijving",
                "data": [
                    "namen",
                    "geboortedatum",
                    "gebruikersnaam",
                    "sleutelafdruk van het rijksregisternummer",
                    "hoe elke app de leerling noemt (sub)",
                ],
                "not_kept": ["rijksregisternummer", "wachtwoorden in klare tekst"],
                "recipients": "geen",
                "kept": terms.in_dutch(settings, terms.TO_SIGN_IN),
            },
            {
                "name": "Klasinformatie van scholen die delen",
                "purpose": "Apps en LeerID-beheerders laten werken per klas",
                "ground": "Protocol dat de school aanvaardde (artikel 8 van het decreet van 18 juli 2008)",
                "subjects": f"Leerlingen van scholen die vandaag delen: {_sharing(db)}",
                "data": ["klas", "subklas", "administratieve groep"],
                "recipients": "de apps hieronder met klasinformatie, als de school ze zichtbaar maakte",
                "kept": keep[Kept.CLASSES],
            },
            {
                "name": "Gegevens aan apps geven",
                "purpose": "Elke app krijgt wat de registratie, de school en de inschrijving toelaten",
                "recipients": [one.said() for one in apps],
                "kept": keep[Kept.LEDGER],
            },
            {
                "name": "Rekenschap",
                "purpose": "Tonen wie wat deed en wat apps kregen",
                "subjects": "Leerlingen en personeel, als kenmerk, nooit met naam",
                "kept": keep[Kept.TRAIL],
            },
            {
                "name": "Personeel, operators en makers van apps laten aanmelden",
                "purpose": "Enkel wie een recht heeft, beheert iets of helpt een leerling",
                "subjects": "Wie een recht heeft of had",
                "data": ["namen", "e-mailadres", "rechten", "hoe iemand zich aanmeldt"],
                "not_kept": ["wachtwoorden in klare tekst"],
                "recipients": "de scholen waar iemand een recht heeft",
                "kept": keep[Kept.STAFF],
            },
        ],
    }


def evidence(db: Connection, house: House) -> dict[str, Any]:
    """What shows that each measure of article 6 of the protocol is taken, today."""
    settings, now = house.settings, house.clock.now()
    statement = anchors.newest(db, house, "anchor")
    apps = register.look(db, house.clock.today(), sandbox=settings.demo)
    without = [one.client_id for one in apps if not one.processor_agreement]
    measures = [
        (
            "6.A",
            "functionaris voor gegevensbescherming",
            settings.data_protection_officer or ELSEWHERE,
        ),
        ("6.B", "personeel is gesensibiliseerd", ELSEWHERE),
        ("6.C", "alleen wie gebonden is heeft toegang", _access(db, house)),
        ("6.D", "register van verwerkingsactiviteiten", "Uit dit systeem: `idp processing register`"),
        (
            "6.E",
            "bewijs van de maatregelen",
            {
                "audit_events": _count(db, AuditEvent),
                "releases": _count(db, Release),
                "seals": _count(db, Seal),
                "newest_anchor": statement.said.get("at") if statement else None,
                "anchor_keys": anchors.public_keys(house)["keys"],
                "sealed_until": {
                    model.__tablename__: db.execute(
                        select(func.max(Seal.through)).where(Seal.trail == model.__tablename__)
                    ).scalar()
                    for model in sealing.TRAILS
                },
                "checked_with": "idp audit verify",
            },
        ),
        (
            "6.F",
            "verwerkersovereenkomsten",
            {"apps": len(apps), "with_agreement": len(apps) - len(without), "without_agreement": without},
        ),
        ("6.G", "risico-inschatting met maatregelen", ELSEWHERE),
        (
            "6.H",
            "aanmelden en tokens",
            {"signing_keys": {one.kid: one.state(now).value for one in signing.listing(db)}},
        ),
        (
            "6, tweede lijst, A",
            "logsysteem en logbeheer",
            {"kept_days": settings.keep_audit_days, "ledger_school_years_before": settings.keep_ledger_years},
        ),
        (
            "6, tweede lijst, B",
            "het pakket is verwerker van de school",
            {"schools_by_package": _packages(db)},
        ),
    ]
    return {
        "document": "bewijs van de maatregelen van artikel 6 van het protocol",
        "made_at": now,
        "system": settings.issuer,
        "agreements": _agreements(db),
        "measures": [
            {"article": article, "measure": measure, "evidence": shown}
            for article, measure, shown in measures
        ],
    }


def _access(db: Connection, house: House) -> dict[str, Any]:
    today = house.clock.today()
    live = (Right.begindatum <= today, Right.einddatum >= today)
    counted = select(Right.kind, func.count().label("holders")).where(*live).group_by(Right.kind)
    kinds = {row.kind: row.holders for row in db.execute(counted)}
    holders = select(Right.person_id).where(*live)
    ways = db.execute(select(func.count()).where(StaffAccount.person_id.in_(holders))).scalar()
    return {
        "rights_today": {kind.value: kinds.get(kind, 0) for kind in RightKind},
        "every_right_has_an_end": True,
        "people_who_can_sign_in": ways,
        "second_factor": "altijd: passkey, of wachtwoord met app; of de aanbieder van de organisatie",
    }


def _agreements(db: Connection) -> list[dict[str, Any]]:
    """By protocol text: how many schools agreed and did not stop."""
    rows = db.execute(
        select(
            ProtocolText.version, ProtocolText.sha256, ProtocolText.in_force_from, func.count(Agreement.id)
        )
        .outerjoin(
            Agreement,
            (Agreement.protocol_sha256 == ProtocolText.sha256) & Agreement.stopped_at.is_(None),
        )
        .group_by(ProtocolText.version, ProtocolText.sha256, ProtocolText.in_force_from)
        .order_by(ProtocolText.in_force_from)
    )
    return [
        {"version": version, "sha256": sha256, "in_force_from": day, "schools": count}
        for version, sha256, day, count in rows
    ]


def _sharing(db: Connection) -> int:
    return db.execute(select(func.count()).where(Agreement.stopped_at.is_(None))).scalar_one()


def _packages(db: Connection) -> dict[str, int]:
    mine = select(School.pakket, func.count()).where(School.kind == SchoolKind.REAL).group_by(School.pakket)
    return {package or "geen": count for package, count in db.execute(mine)}


def _count(db: Connection, model: Any) -> int:
    return db.execute(select(func.count()).select_from(model)).scalar_one()
