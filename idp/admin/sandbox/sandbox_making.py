"""How does an installation get its sandbox schools, stay good for the makers of apps, and lose them again?

`make` is for the first time and for every night: dates follow the school year, secrets that somebody changed are as
published, tomorrow's class change waits for tomorrow, and every sandbox app is visible. `remove` leaves nothing but the
audit trail and the ledger; whoever makes the sandbox again finds the same pupils, with the identifiers and secrets they
had, since all of that derives from a seed beside the keys. A demo (demo/sandbox.py) is made of the same pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, exists, insert, select, update

from idp import apart, apps, entropy
from idp.admin.sandbox import sandbox_removing
from idp.admin.sandbox.sandbox_people import BY_STAMNUMMER, PUPILS, SCHOOLS, SHARING, STOPPED, Invented
from idp.admin.staff import access
from idp.audit import apps as audit_apps
from idp.claims import agreements, consent, klasinformatie, seating, visibility
from idp.clock import school_year_ends
from idp.context import House
from idp.errors import NotAllowed, NotFound
from idp.hashing import Stored
from idp.keys import Keys
from idp.login import accounts, sandbox_secrets
from idp.models import App as AppRow
from idp.models import (
    Enrolment,
    Pupil,
    RightKind,
    RuleKind,
    School,
    SchoolKind,
    SecretKind,
    Soort,
    VisibilityRule,
)

DIRECTOR = "zandbak"
"""The person who agrees for these schools, and who cannot sign in."""
BY = "operator:sandbox"
AHEAD = timedelta(days=31)
"""So long before a school year ends, enrolments reach into the next one: a night that is missed stops nobody."""
FRESH = timedelta(days=7)
"""A temporary password that expires sooner is given anew."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a run did."""

    schools: int
    """New ones."""
    pupils: int
    """New ones."""
    secrets: int
    """Given, or given back."""
    rules: int
    """Apps that are visible at a school where they were not."""
    shares: bool
    """False: no protocol text is in force, so there is nothing that a school could agree to."""

    def as_json(self) -> dict[str, Any]:
        return {
            "schools": self.schools,
            "pupils": self.pupils,
            "secrets": self.secrets,
            "rules": self.rules,
            "shares": self.shares,
        }


def exists_here(db: Connection) -> bool:
    return bool(db.execute(select(exists().where(School.kind == SchoolKind.SANDBOX))).scalar())


def make(house: House) -> Made:
    """Make the sandbox, or bring it up to today. Needs `audit.circumstances`. Raises NotAllowed `sandbox_of_a_demo`."""
    _not_in_a_demo(house)
    now, today = house.clock.now(), house.clock.today()
    with house.database.transaction() as db:
        new_schools = put_schools(db, None, now)
        there = _known(db)
        uuids = {one.username: put_pupil(db, house.keys, one, now, today) for one in PUPILS}
        new_pupils = sum(one.stamnummer not in there for one in PUPILS)
    secrets = put_accounts(house, uuids, now)
    with house.database.transaction() as db:
        shares = _share(db, now, today)
        for school in SHARING:
            if shares:
                put_classes(db, school, uuids, now, today)
        rules = sum(show(db, app, now, today) for app in _sandbox_apps(db))
        done = Made(schools=len(new_schools), pupils=new_pupils, secrets=secrets, rules=rules, shares=shares)
        for school in SCHOOLS:
            if school in new_schools or secrets or rules:
                change = "made" if school in new_schools else "renewed"
                audit_apps.sandbox_changed(db, instellingsnummer=school, change=change, pupils=secrets)
    return done


def renew_nightly(house: House) -> Mapping[str, int]:
    """The job: nothing where there is no sandbox, and in a demo, which brings its own up to date when it starts."""
    with house.database.reading() as db:
        here = exists_here(db) and not house.settings.demo
    if not here:
        return {}
    made = make(house)
    return {"secrets": made.secrets, "rules": made.rules}


def remove(house: House) -> int:
    """Take the schools away with everything of them; returns how many pupils. Raises NotAllowed `sandbox_of_a_demo`."""
    _not_in_a_demo(house)
    return sandbox_removing.remove(house, DIRECTOR)


def app_names(db: Connection) -> list[tuple[str, str]]:
    """client_id and name of the sandbox apps that work."""
    mine = select(AppRow.client_id, AppRow.client_name).where(AppRow.sandbox, AppRow.disabled_at.is_(None))
    return [(row.client_id, row.client_name) for row in db.execute(mine.order_by(AppRow.client_name))]


def put_back(house: House, stamnummer: str) -> None:
    """The published secret of one pupil works again, at once. Raises NotFound `pupil_unknown`, and Busy."""
    one, now = BY_STAMNUMMER.get(stamnummer), house.clock.now()
    with house.database.reading() as db:
        account_uuid = _known(db).get(stamnummer)
    if one is None or account_uuid is None:
        raise NotFound("pupil_unknown")
    stored = house.hasher.hash_waiting(sandbox_secrets.secret(house.keys, one.username, one.kind))
    with house.database.transaction() as db:
        _give(db, house, one, account_uuid=account_uuid, stored=stored, now=now)
        audit_apps.sandbox_changed(db, instellingsnummer=one.school, change="secret_put_back", pupils=1)


# ---------------------------------------------------------------- pieces, also of a demo


def put_schools(db: Connection, pakket: str | None, now: datetime) -> list[str]:
    """The schools; returns the numbers of the new ones. Without a package they are closed to everybody."""
    known = set(db.execute(select(School.instellingsnummer)).scalars())
    new = [number for number in SCHOOLS if number not in known]
    for number in new:
        row = {"instellingsnummer": number, "naam": SCHOOLS[number], "kind": SchoolKind.SANDBOX}
        db.execute(insert(School), row | {"pakket": pakket, "created_at": now})
    return new


def put_pupil(db: Connection, keys: Keys, one: Invented, now: datetime, today: date) -> str:
    """The pupil, and an enrolment for this school year at each of the schools; returns the account_uuid."""
    begins, ends = _year(today)
    account_uuid = _known(db).get(one.stamnummer)
    if account_uuid is None:
        account_uuid = _identifier(keys, "pupil", one)
        official: dict[str, Any] = {"voornaam": one.voornaam, "naam": one.naam, "geslacht": "X"}
        official |= {"geboortedatum": date(2018, 3, 1)}
        row: dict[str, Any] = {"account_uuid": account_uuid, "created_at": now}
        row |= {"leerid_uuid": _identifier(keys, "leerid", one)}
        db.execute(insert(Pupil), row | (official if one.official else {}))
    for school in filter(None, (one.school, one.also_at)):
        here = (Enrolment.account_uuid == account_uuid, Enrolment.instellingsnummer == school)
        days = {"begindatum": begins, "einddatum": ends}
        same = (Enrolment.begindatum == begins, Enrolment.einddatum == ends)
        if db.execute(select(exists().where(*here, *same))).scalar():
            continue
        if db.execute(update(Enrolment).where(*here).values(**days, changed_at=now)).rowcount:
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
    return account_uuid


def put_accounts(house: House, uuids: Mapping[str, str], now: datetime) -> int:
    """Everybody has an account with the published secret; returns how many got one. `uuids` by user name."""
    today = house.clock.today()
    with house.database.reading() as db:
        there = {one.username: accounts.find(db, uuids[one.username], today) for one in PUPILS}
    due = [one for one in PUPILS if not _is_as_published(house, one, there[one.username])]
    hashed = [house.hasher.hash(sandbox_secrets.secret(house.keys, one.username, one.kind)) for one in due]
    with house.database.transaction() as db:
        for one, stored in zip(due, hashed, strict=True):
            _give(db, house, one, account_uuid=uuids[one.username], stored=stored, now=now)
    return len(due)


def put_classes(db: Connection, school: str, uuids: Mapping[str, str], now: datetime, today: date) -> None:
    """A delivery as a package would make it, unless the school stopped sharing meanwhile."""
    if not agreements.shares_today(db, school, today):
        return
    begins = _year(today)[0]
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


def show(db: Connection, app: apps.App, now: datetime, today: date) -> int:
    """Make a sandbox app visible for every pupil of every sandbox school; returns at how many it was not."""
    mine = select(VisibilityRule.instellingsnummer).where(
        VisibilityRule.client_id == app.client_id, VisibilityRule.kind == RuleKind.SCHOOL
    )
    shown = set(db.execute(mine).scalars())
    here = select(School.instellingsnummer).where(School.kind == SchoolKind.SANDBOX)
    missing = sorted(set(db.execute(here).scalars()) - shown)
    for school in missing:
        show_at(db, app, school, now, today)
    return len(missing)


def show_at(db: Connection, app: apps.App, school: str, now: datetime, today: date) -> None:
    """Make an app visible for every pupil of this sandbox school, which does not show it yet."""
    visibility.add(
        db,
        app=app,
        instellingsnummer=school,
        kind=RuleKind.SCHOOL,
        begindatum=today,
        by=BY,
        now=now,
    )


# ---------------------------------------------------------------- inside


def _not_in_a_demo(house: House) -> None:
    if house.settings.demo:
        raise NotAllowed("sandbox_of_a_demo", "a demo brings its own sandbox up to date when it starts")


def _year(today: date) -> tuple[date, date]:
    """First and last day of an enrolment."""
    return date(school_year_ends(today).year - 1, 9, 1), school_year_ends(today + AHEAD)


def _known(db: Connection) -> dict[str, str]:
    """account_uuid by stamnummer, of the pupils who are there."""
    mine = select(Enrolment.stamnummer, Enrolment.account_uuid).where(
        Enrolment.instellingsnummer.in_(SCHOOLS)
    )
    return {row.stamnummer: row.account_uuid for row in db.execute(mine)}


def _identifier(keys: Keys, word: str, one: Invented) -> str:
    return apart.identifier(sandbox_secrets.chance(keys, word, one.username).token_bytes(16))


def _is_as_published(house: House, one: Invented, account: accounts.Account | None) -> bool:
    if account is None or account.secret_kind is not one.kind:
        return False
    soon = house.clock.now() + FRESH
    if account.secret_expires_at is not None and account.secret_expires_at < soon:
        return False
    wanted = sandbox_secrets.secret(house.keys, one.username, one.kind)
    return house.hasher.verify(account.stored, wanted).right


def _give(
    db: Connection, house: House, one: Invented, *, account_uuid: str, stored: Stored, now: datetime
) -> None:
    """An account with this secret, or the secret for the account; a right user name that is taken gets a digit."""
    today, settings = house.clock.today(), house.settings
    kind = SecretKind.TEMPORARY if one.kind is SecretKind.OWN else one.kind
    if accounts.find(db, account_uuid, today) is None:
        (proposal,) = accounts.propose(
            db, instellingsnummer=one.school, today=today, account_uuids=[account_uuid]
        )
        wanted = replace(proposal, username=one.username, secret_kind=kind)
        accounts.create(db, proposals=[wanted], hashed=[stored], now=now, settings=settings)
    else:
        accounts.renew(
            db,
            account_uuid=account_uuid,
            kind=kind,
            stored=stored,
            now=now,
            settings=settings,
            instellingsnummer=one.school,
        )
    if one.kind is SecretKind.OWN:
        accounts.set_own_password(db, account_uuid=account_uuid, stored=stored, now=now, settings=settings)


def _share(db: Connection, now: datetime, today: date) -> bool:
    """The first two share, the third has stopped; False when there is no text to agree to."""
    text = next((one for one in reversed(consent.texts(db)) if one.in_force_from <= today), None)
    if text is None:
        return False
    access.meet(db, person_id=DIRECTOR, voornaam="Zandbak", naam="Zonder aanmelding", now=now)
    held = {right.instellingsnummer for right in access.rights(db, DIRECTOR, today)}
    for school in SCHOOLS:
        if school not in held:
            access.grant(
                db,
                person_id=DIRECTOR,
                kind=RightKind.DATABEHEERDER,
                instellingsnummer=school,
                source=access.SANDBOX,
                now=now,
            )
        if not agreements.shares_today(db, school, today) and (school != STOPPED or school not in held):
            consent.give(
                db,
                instellingsnummer=school,
                person_id=DIRECTOR,
                protocol_sha256=text.sha256,
                now=now,
                today=today,
            )
    consent.stop(db, instellingsnummer=STOPPED, person_id=DIRECTOR, now=now, today=today)
    return True


def _sandbox_apps(db: Connection) -> Iterable[apps.App]:
    for client_id, _name in app_names(db):
        app = apps.load(db, client_id)
        if app is not None:
            yield app
