"""How do the sandbox schools come to be, and what may a script know of them? Secrets derive from a local seed.

Everything is made with the same functions as real schools; only names and secrets are published. Loading again
brings dates up to today and puts back secrets that somebody changed. Works on loopback only, in a demo only.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from idp import apps as registered
from idp import entropy
from idp.admin.apps import apps
from idp.admin.makers import suppliers
from idp.admin.pupils import helping
from idp.admin.pupils.helping import Scope
from idp.admin.staff import access
from idp.claims import consent, klasinformatie, seating, visibility
from idp.clock import day_of_law, school_year_ends
from idp.config import ConfigurationError
from idp.context import House
from idp.demo import published, staff
from idp.demo.people import (
    OPERATORS,
    PUPILS,
    SCHOOLS,
    SHARING,
    STAFF,
    STOPPED,
    SUPPLIER,
    SUPPLIERS,
    TEST_SCHOOLS,
    Invented,
)
from idp.demo.relying_party import DemoApp
from idp.errors import Invalid
from idp.login import accounts, cards
from idp.models import (
    Card,
    Enrolment,
    Pupil,
    RightKind,
    RuleKind,
    School,
    SchoolKind,
    SecretKind,
    Soort,
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
        _schools(db, now)
        _people(db, now)
        uuids = {one.username: _pupil(db, one, now, today) for one in PUPILS}
    _accounts(house, uuids, now)
    with house.database.transaction() as db:
        _teacher(db, today)
    staff.set_up(house, now)
    with house.database.transaction() as db:
        _sharing(db, now, today)
        for school in SHARING:
            _classes(db, school, uuids, now, today)
    demo_apps = _apps(house, apps_at, now)
    with house.database.transaction() as db:
        _visible(db, demo_apps, now, today)
    return [app for app in demo_apps if app.slug]


def show_to_sandbox_schools(house: House, client_id: str) -> None:
    """Make an app visible in every sandbox school, as `idp visible add` would."""
    now, today = house.clock.now(), house.clock.today()
    with house.database.transaction() as db:
        app = registered.load(db, client_id)
        if app is None:
            raise Invalid("app_unknown", client_id)
        for school in SCHOOLS:
            _show(db, app, school, now, today)


# ---------------------------------------------------------------- schools, people, pupils


def _schools(db: Connection, now: datetime) -> None:
    known = set(db.execute(select(School.instellingsnummer)).scalars())
    rows = [(number, naam, SchoolKind.SANDBOX, "leersleutel") for number, naam in SCHOOLS.items()]
    rows += [(number, naam, SchoolKind.TEST, pakket) for number, (naam, pakket) in TEST_SCHOOLS.items()]
    for number, naam, kind, pakket in rows:
        if number not in known:
            row = {"instellingsnummer": number, "naam": naam, "kind": kind, "pakket": pakket}
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
                    source="sandbox",
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


def _pupil(db: Connection, one: Invented, now: datetime, today: date) -> str:
    """The pupil and an enrolment for this school year at each of the schools; returns the account_uuid."""
    ends = school_year_ends(today)
    begins = date(ends.year - 1, 9, 1)
    mine = select(Enrolment.account_uuid).where(Enrolment.stamnummer == one.stamnummer).limit(1)
    account_uuid = db.execute(mine).scalar()
    if account_uuid is None:
        account_uuid = entropy.identifier()
        official = {
            "voornaam": one.voornaam,
            "naam": one.naam,
            "geslacht": "X",
            "geboortedatum": date(2018, 3, 1),
        }
        row: dict[str, Any] = {"account_uuid": account_uuid, "created_at": now}
        db.execute(insert(Pupil), row | (official if one.official else {}))
    for school in filter(None, (one.school, one.also_at)):
        here = (Enrolment.account_uuid == account_uuid, Enrolment.instellingsnummer == school)
        moved = update(Enrolment).where(*here).values(begindatum=begins, einddatum=ends, changed_at=now)
        if db.execute(moved).rowcount:
            continue
        db.execute(
            insert(Enrolment),
            {
                "id": entropy.row_id(),
                "account_uuid": account_uuid,
                "instellingsnummer": school,
                "stamnummer": one.stamnummer,
                "voornaam": one.voornaam,
                "naam": one.naam,
                "hoofdstructuur": one.year.hoofdstructuur,
                "administratieve_groep": one.year.group,
                "administratieve_groep_code": one.year.code,
                "leerjaar": one.year.leerjaar,
                "begindatum": begins,
                "einddatum": ends,
                "changed_at": now,
            },
        )
    return str(account_uuid)


# ---------------------------------------------------------------- accounts and cards


def _accounts(house: House, uuids: dict[str, str], now: datetime) -> None:
    today = house.clock.today()
    with house.database.reading() as db:
        there = {one.username: accounts.find(db, uuids[one.username], today) for one in PUPILS}
    due = [one for one in PUPILS if not _is_as_published(house, one, there[one.username])]
    hashed = {one.username: house.hasher.hash(published.secret(house, one)) for one in due}
    with house.database.transaction() as db:
        for one in due:
            kind = SecretKind.TEMPORARY if one.kind is SecretKind.OWN else one.kind
            stored, uuid = hashed[one.username], uuids[one.username]
            if there[one.username] is None:
                proposal = next(
                    iter(
                        accounts.propose(db, instellingsnummer=one.school, today=today, account_uuids=[uuid])
                    )
                )
                wanted = replace(proposal, username=one.username, secret_kind=kind)
                accounts.create(db, proposals=[wanted], hashed=[stored], now=now, settings=house.settings)
            else:
                accounts.renew(
                    db,
                    account_uuid=uuid,
                    kind=kind,
                    stored=stored,
                    now=now,
                    settings=house.settings,
                    instellingsnummer=one.school,
                )
            if one.kind is SecretKind.OWN:
                accounts.set_own_password(
                    db, account_uuid=uuid, stored=stored, now=now, settings=house.settings
                )
        for one in PUPILS:
            _card(db, house, one, uuids[one.username], now)


def _is_as_published(house: House, one: Invented, account: accounts.Account | None) -> bool:
    if account is None or account.secret_kind is not one.kind:
        return False
    if account.secret_expires_at is not None and account.secret_expires_at < house.clock.now() + timedelta(
        days=7
    ):
        return False
    return house.hasher.verify(account.stored, published.secret(house, one)).right


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


def _classes(db: Connection, school: str, uuids: dict[str, str], now: datetime, today: date) -> None:
    """A delivery as a package would make it, unless the school stopped sharing meanwhile."""
    if not consent.state(db, school, today).shares:
        return
    begins = date(school_year_ends(today).year - 1, 9, 1)
    seats: list[tuple[str, str, date, date | None]] = []
    for one in PUPILS:
        if school not in {one.school, one.also_at}:
            continue
        uuid = uuids[one.username]
        last = today if one.tomorrow is not None else None
        seats += [(code, uuid, begins, last) for code in one.klassen]
        seats += [(code, uuid, today + timedelta(days=1), None) for code in one.tomorrow or ()]
    klasinformatie.replace(
        db,
        school,
        [
            klasinformatie.DeliveredKlas(
                klas_id=code,
                code=code,
                naam=f"Klas {code}",
                soort=Soort.SUBKLAS if "." in code else Soort.KLAS,
            )
            for code in dict.fromkeys(code for code, *_ in seats)
        ],
        [
            seating.DeliveredMembership(klas_id=code, account_uuid=uuid, begindatum=begin, einddatum=end)
            for code, uuid, begin, end in seats
        ],
        now,
    )


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
            _show(db, app, school, now, today)


def _show(db: Connection, app: registered.App, school: str, now: datetime, today: date) -> None:
    visibility.add(
        db,
        app=app,
        instellingsnummer=school,
        kind=RuleKind.SCHOOL,
        begindatum=today,
        by="operator:sandbox",
        now=now,
    )
