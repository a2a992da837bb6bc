"""How does a whole school get accounts at once? Propose, hash, write everyone together, hand out once.

    proposals = bulk.propose(db, instellingsnummer=…, today=…)   a person may edit and confirm
    handouts = bulk.create(house, proposals)                      hashed outside, written in one transaction

The secrets live in the handouts only, in memory; print them at once (sheets, class_list, workbook, bundle).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, exists, func, null, or_, select, true
from sqlalchemy.orm import aliased

from idp import audit
from idp.admin.printing.handout import Handout, Picture
from idp.admin.printing.sheets import Look, Progress, long_date, silent
from idp.claims import agreements, visibility
from idp.clock import midnight
from idp.config import cores
from idp.context import House
from idp.entropy import Chance
from idp.errors import Invalid, NotFound
from idp.hashing import Stored
from idp.login import accounts, cards, pictures, sessions, support
from idp.login import help as login_help
from idp.login.accounts import Proposal
from idp.models import Account, AccountType, ClassMembership, Enrolment, Klas, School, SecretKind

BASIC_KINDS = frozenset({SecretKind.PICTURE, SecretKind.BASIC})
NEXT_YEAR_FROM = (8, 15)
"""From 15 August on, accounts can be made for enrolments that begin on 1 September."""
FIRST_CHOICE = timedelta(days=31)
"""So long before secondary school begins, a school may already have chosen what its new pupils get."""
CARD_LABEL = "school"
KEY_NOTE = "Dit is een sleutel: bewaar ze goed."
"""On a card that is enough by itself."""
Also = Callable[[Connection, tuple[Handout, ...]], None]


def nothing_else(_db: Connection, _handouts: tuple[Handout, ...]) -> None:
    """The usual: the handouts are all there is."""


def latest_begin(today: date) -> date:
    """Enrolments that begin after this day are not for now."""
    return date(today.year, 9, 1) if NEXT_YEAR_FROM <= (today.month, today.day) < (9, 1) else today


def propose(
    db: Connection,
    *,
    instellingsnummer: str,
    today: date,
    group: str | None = None,
    basic: SecretKind = SecretKind.PICTURE,
) -> tuple[Proposal, ...]:
    """Accounts for the pupils of a school, or of one administratieve groep (label or code), who have none.

    `basic` is what basic accounts get: pictures or a basic password. Raises NotFound (`school_unknown`,
    `group_unknown`) and Invalid (`secret_kind_not_basic`).
    """
    if basic not in BASIC_KINDS:
        raise Invalid("secret_kind_not_basic", basic)
    pupils = _pupils(db, instellingsnummer, today, group)
    found = accounts.propose(db, instellingsnummer=instellingsnummer, today=today, account_uuids=[*pupils])
    return tuple(replace(one, secret_kind=basic) if one.type is AccountType.BASIC else one for one in found)


def create(
    house: House,
    proposals: Sequence[Proposal],
    *,
    given: Mapping[str, str] = MappingProxyType({}),
    with_cards: bool = True,
    progress: Progress = silent,
    chance: Chance | None = None,
    also: Also = nothing_else,
) -> tuple[Handout, ...]:
    """Make the accounts, all or none, with a secret and a card each. Pupils who have one by now are left out.

    `given` are secrets that were drawn before, by account_uuid; `progress` counts hashed ones, the work that takes long;
    `also` is done in the same transaction, last. Raises Invalid for a user name that cannot be.
    """
    drawn = chance or Chance()
    secrets = [
        given.get(one.account_uuid) or accounts.new_secret(one.secret_kind, drawn) for one in proposals
    ]
    hashed = hash_all(house, secrets, progress=progress)
    now = house.clock.now()

    def write(db: Connection) -> tuple[Handout, ...]:
        created = accounts.create(db, proposals=proposals, hashed=hashed, now=now, settings=house.settings)
        names = {one.account_uuid: one.username for one in created}
        made = [
            _handout(house, one, names[one.account_uuid], secret)
            for one, secret in zip(proposals, secrets, strict=True)
            if one.account_uuid in names
        ]
        done = _finish(house, db, proposals, made, with_cards=with_cards, now=now, chance=chance)
        also(db, done)
        return done

    return house.database.retrying(write) if proposals else ()


def renew(
    house: House,
    *,
    instellingsnummer: str,
    account_uuids: Sequence[str],
    kind: SecretKind | None = None,
    kinds: Mapping[str, SecretKind] = MappingProxyType({}),
    given: Mapping[str, str] = MappingProxyType({}),
    with_cards: bool = True,
    progress: Progress = silent,
    chance: Chance | None = None,
    also: Also = nothing_else,
) -> tuple[Handout, ...]:
    """New secrets for pupils of this school who have an account, all or none; their user names stay.

    `kind` None: what each has, a temporary password where it is the pupil's own, or where the pupil came into secondary school since; `kinds` says
    otherwise for some. What the old secret opened
    ends with it: sessions, what apps hold, help codes and mailed links; cards that rest work again. Raises Invalid (`secret_kind_not_ours`,
    `account_not_here`: no account, or no pupil of this school; or still somewhere else until the enrolment here begins).
    """
    drawn, now = chance or Chance(), house.clock.now()
    with house.database.reading() as db:
        found = _existing(db, instellingsnummer, account_uuids, house.clock.today(), kind, renewing=True)
    found = [replace(one, secret_kind=kinds.get(one.account_uuid, one.secret_kind)) for one in found]
    secrets = [given.get(one.account_uuid) or accounts.new_secret(one.secret_kind, drawn) for one in found]
    hashed = hash_all(house, secrets, progress=progress)

    def write(db: Connection) -> tuple[Handout, ...]:
        for one, stored in zip(found, hashed, strict=True):
            accounts.renew(
                db,
                account_uuid=one.account_uuid,
                kind=one.secret_kind,
                stored=stored,
                now=now,
                settings=house.settings,
                instellingsnummer=instellingsnummer,
            )
            sessions.end_all(db, one.account_uuid, "secret_renewed", now, grants=True)
        made = [
            _handout(house, one, one.username, secret) for one, secret in zip(found, secrets, strict=True)
        ]
        done = _finish(house, db, found, made, with_cards=with_cards, now=now, chance=chance)
        also(db, done)
        return done

    if not found:
        return ()
    handouts = house.database.retrying(write)
    login_help.wake_cards(house, [one.account_uuid for one in found])
    return handouts


def new_cards(
    house: House,
    *,
    instellingsnummer: str,
    account_uuids: Sequence[str],
    chance: Chance | None = None,
    also: Also = nothing_else,
) -> tuple[Handout, ...]:
    """A new card from school for pupils who have an account, all or none; secrets stay, the card before stops.

    Raises Invalid `account_not_here`.
    """
    now = house.clock.now()

    def write(db: Connection) -> tuple[Handout, ...]:
        found = _existing(db, instellingsnummer, account_uuids, house.clock.today(), None, renewing=False)
        made = [_handout(house, one, one.username, None) for one in found]
        done = _finish(house, db, found, made, with_cards=True, now=now, chance=chance)
        also(db, done)
        return done

    return house.database.retrying(write) if account_uuids else ()


def existing(
    db: Connection,
    *,
    instellingsnummer: str,
    account_uuids: Sequence[str],
    today: date,
    renewing: bool = True,
) -> tuple[Proposal, ...]:
    """Those of these pupils of the school who have an account, with what a renewal would give; others are not there.

    Who is `renewing` finds nobody who works elsewhere until the enrolment here begins: a card can wait, a secret not.
    """
    rows = _with_account(db, instellingsnummer, today, renewing=renewing)
    return tuple(_as_it_is(rows[one], instellingsnummer) for one in account_uuids if one in rows)


def look(db: Connection, house: House, instellingsnummer: str) -> Look:
    """What the sheets of this school have in common. Raises NotFound `school_unknown`."""
    where = School.instellingsnummer == instellingsnummer
    naam = db.execute(select(School.naam).where(where)).scalar()
    if naam is None:
        raise NotFound("school_unknown", instellingsnummer)
    settings = house.settings
    return Look(brand=settings.brand, school=naam, made_on=house.clock.today(), accent=settings.brand_accent)


def hash_all(house: House, secrets: Sequence[str], *, progress: Progress = silent) -> list[Stored]:
    """Hash on every core: Argon2 lets other threads run while it works. Never call it in a transaction."""
    hashed: list[Stored] = []
    with ThreadPoolExecutor(house.settings.hash_slots or cores()) as pool:
        for done, stored in enumerate(pool.map(house.hasher.hash, secrets), 1):
            hashed.append(stored)
            progress(done, len(secrets))
    return hashed


# ---------------------------------------------------------------- inside


def _pupils(db: Connection, instellingsnummer: str, today: date, group: str | None) -> set[str]:
    here = Enrolment.instellingsnummer == instellingsnummer
    if not db.execute(select(School.naam).where(School.instellingsnummer == instellingsnummer)).first():
        raise NotFound("school_unknown", instellingsnummer)
    wanted = select(Enrolment.account_uuid).where(
        here, Enrolment.einddatum >= today, Enrolment.begindatum <= latest_begin(today)
    )
    if group is not None:
        named = or_(Enrolment.administratieve_groep == group, Enrolment.administratieve_groep_code == group)
        if not db.execute(select(Enrolment.id).where(here, named).limit(1)).first():
            raise NotFound("group_unknown", group)
        wanted = wanted.where(named)
    return set(db.execute(wanted).scalars())


def _existing(
    db: Connection,
    instellingsnummer: str,
    account_uuids: Sequence[str],
    today: date,
    kind: SecretKind | None,
    *,
    renewing: bool,
) -> list[Proposal]:
    rows = _with_account(db, instellingsnummer, today, renewing=renewing)
    found = []
    for account_uuid in account_uuids:
        row = rows.get(account_uuid)
        if row is None:
            raise Invalid("account_not_here", account_uuid)
        same = _as_it_is(row, instellingsnummer)
        found.append(replace(same, secret_kind=kind or same.secret_kind))
    return found


def _with_account(db: Connection, instellingsnummer: str, today: date, *, renewing: bool) -> dict[str, Any]:
    """By account_uuid: of two enrolments here the one that began first."""
    other, secondary = aliased(Enrolment), aliased(Enrolment)
    working = exists().where(other.account_uuid == Enrolment.account_uuid, visibility.active(other, today))
    came = (
        select(func.min(secondary.begindatum))
        .where(
            secondary.account_uuid == Enrolment.account_uuid,
            secondary.hoofdstructuur.in_(accounts.SECONDARY),
        )
        .scalar_subquery()
    )
    mine = or_(Enrolment.begindatum <= today, ~working) if renewing else true()
    return {
        row.account_uuid: row
        for row in db.execute(
            select(
                Enrolment.account_uuid,
                Enrolment.voornaam,
                Enrolment.naam,
                Enrolment.stamnummer,
                Enrolment.administratieve_groep,
                Enrolment.begindatum,
                Account.username,
                Account.type,
                Account.secret_kind,
                Account.secret_set_at,
                Enrolment.hoofdstructuur,
                (came if renewing else null()).label("in_secondary_since"),
            )
            .join(Account, Account.account_uuid == Enrolment.account_uuid)
            .where(
                mine,
                Enrolment.instellingsnummer == instellingsnummer,
                Enrolment.einddatum >= today,
                Enrolment.begindatum <= latest_begin(today),
            )
            .order_by(Enrolment.begindatum.desc())
        )
    }


def _as_it_is(row: Any, instellingsnummer: str) -> Proposal:
    """With the secret that it has, or a temporary one in the place of the pupil's own, or of one from primary school."""
    temporary = row.secret_kind is SecretKind.OWN or _grew_out_of_it(row)
    return Proposal(
        account_uuid=row.account_uuid,
        instellingsnummer=instellingsnummer,
        voornaam=row.voornaam,
        naam=row.naam,
        stamnummer=row.stamnummer,
        administratieve_groep=row.administratieve_groep,
        username=row.username,
        type=AccountType.ADVANCED if temporary else row.type,
        secret_kind=SecretKind.TEMPORARY if temporary else row.secret_kind,
    )


def _grew_out_of_it(row: Any) -> bool:
    """A basic account from before secondary school. What a secondary school chose for a pupil itself stays so."""
    since = row.in_secondary_since
    if row.type is not AccountType.BASIC or row.hoofdstructuur not in accounts.SECONDARY or since is None:
        return False
    return bool(row.secret_set_at < midnight(since - FIRST_CHOICE))


def _handout(house: House, one: Proposal, username: str, secret: str | None) -> Handout:
    shown = secret if one.secret_kind is SecretKind.PICTURE else None
    four = pictures.of(shown) if shown else ()
    story = pictures.story(shown, "nl") if shown else ""
    return Handout(
        account_uuid=one.account_uuid,
        stamnummer=one.stamnummer,
        voornaam=one.voornaam,
        naam=one.naam,
        group=one.administratieve_groep,
        username=username,
        kind=one.secret_kind,
        secret=secret,
        pictures=tuple(Picture(key=picture.key, word=picture.words["nl"]) for picture in four),
        story=f"{story[:1].upper()}{story[1:]}." if story else "",
        personal_url=f"{house.settings.my_url}/{username}",
    )


def _finish(
    house: House,
    db: Connection,
    proposals: Sequence[Proposal],
    made: Sequence[Handout],
    *,
    with_cards: bool,
    now: datetime,
    chance: Chance | None,
) -> tuple[Handout, ...]:
    """Add classes (where the school shares) and cards, in the order of the proposals."""
    schools = {one.account_uuid: one.instellingsnummer for one in proposals}
    klassen = {school: _klassen(db, school, house.clock.today()) for school in sorted(set(schools.values()))}
    coming = {school: _coming(db, school, house.clock.today()) for school in klassen}
    keys = {school: support.get_keys(db, school, house.clock.today()) for school in klassen}
    done = []
    for one in made:
        school = schools[one.account_uuid]
        begins = coming[school].get(one.account_uuid)
        note = f"Werkt vanaf {long_date(begins)}." if begins else ""
        note = note or (KEY_NOTE if one.account_uuid in keys[school] else "")
        full = replace(
            one,
            klassen=klassen[school].get(one.account_uuid, ()),
            begins=begins.isoformat() if begins else "",
            note=note,
        )
        if with_cards:
            card = cards.issue(
                db,
                account_uuid=one.account_uuid,
                label=CARD_LABEL,
                now=now,
                days=house.settings.card_days,
                instellingsnummer=school,
                chance=chance,
            )
            full = replace(full, card_url=cards.url(house.settings, card.token))
        done.append(full)
    if with_cards:
        for school in klassen:
            count = sum(schools[one.account_uuid] == school for one in made)
            audit.cards_printed(db, instellingsnummer=school, count=count)
    return tuple(done)


def _coming(db: Connection, instellingsnummer: str, today: date) -> dict[str, date]:
    """The first day at the school of each pupil who is not enrolled there yet."""
    rows = db.execute(
        select(Enrolment.account_uuid, func.min(Enrolment.begindatum).label("begins"))
        .where(Enrolment.instellingsnummer == instellingsnummer, Enrolment.einddatum >= today)
        .group_by(Enrolment.account_uuid)
        .having(func.min(Enrolment.begindatum) > today)
    )
    return {row.account_uuid: row.begins for row in rows}


def _klassen(db: Connection, instellingsnummer: str, today: date) -> Mapping[str, tuple[str, ...]]:
    """Codes of the current classes by pupil, main classes first; empty unless the school shares today."""
    if not agreements.shares_today(db, instellingsnummer, today):
        return {}
    rows = db.execute(
        select(ClassMembership.account_uuid, Klas.code)
        .join(Klas, Klas.id == ClassMembership.klas)
        .where(
            ClassMembership.instellingsnummer == instellingsnummer,
            ClassMembership.replaced_at.is_(None),
            ClassMembership.begindatum <= today,
            or_(ClassMembership.einddatum.is_(None), ClassMembership.einddatum >= today),
        )
        .order_by(ClassMembership.account_uuid, Klas.soort, Klas.code)
    )
    found: dict[str, list[str]] = {}
    for account_uuid, code in rows:
        found.setdefault(account_uuid, []).append(code)
    return {account_uuid: tuple(codes) for account_uuid, codes in found.items()}
