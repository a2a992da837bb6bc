"""Who has an account, of which kind, and how do many get one at once without sharing a name?

The unique constraint decides who gets a user name; whoever comes second gets the next one. Secrets come in
hashed: hashing takes long, and a transaction must not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    ScalarSelect,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from idp import audit, entropy
from idp.config import Settings
from idp.errors import Invalid, NotFound
from idp.hashing import Stored
from idp.login import first_days, free_names, passwords, pictures, usernames
from idp.models import Account as AccountRow
from idp.models import (
    AccountEmail,
    AccountType,
    Enrolment,
    HelpCode,
    LinkKind,
    MailLink,
    Pupil,
    RetiredUsername,
    SecretKind,
)

SECONDARY = frozenset({"311", "312", "321"})
"""Hoofdstructuren of secondary education: pupils choose a password of their own."""


@dataclass(frozen=True, kw_only=True)
class Account:
    account_uuid: str
    username: str
    type: AccountType
    secret_kind: SecretKind
    stored: Stored
    secret_set_at: datetime
    secret_expires_at: datetime | None
    blocked: bool
    given_name: str | None
    """The first name at the school where the pupil is enrolled today."""
    last_sign_in_on: date | None

    @property
    def active(self) -> bool:
        """May sign in: not blocked, and enrolled today."""
        return not self.blocked and self.given_name is not None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An account that could be made; a person may edit user name and kind before it is."""

    account_uuid: str
    instellingsnummer: str
    voornaam: str
    naam: str
    stamnummer: str
    administratieve_groep: str
    username: str
    type: AccountType
    secret_kind: SecretKind


@dataclass(frozen=True, kw_only=True)
class Created:
    account_uuid: str
    username: str
    """The one it got: when somebody was first, not the proposed one."""


def type_for(hoofdstructuur: str) -> AccountType:
    """Basic in nursery and primary school, advanced in secondary."""
    return AccountType.ADVANCED if hoofdstructuur in SECONDARY else AccountType.BASIC


def first_kind(type_: AccountType) -> SecretKind:
    """What a new account gets unless the school chooses otherwise."""
    return SecretKind.TEMPORARY if type_ is AccountType.ADVANCED else SecretKind.PICTURE


def new_secret(kind: SecretKind, chance: entropy.Chance) -> str:
    """A canonical secret for a new or renewed account. Raises Invalid for a kind that only pupils choose."""
    match kind:
        case SecretKind.PICTURE:
            return pictures.canonical(pictures.generate(chance))
        case SecretKind.BASIC:
            return passwords.generate_basic(chance)
        case SecretKind.TEMPORARY:
            return passwords.generate_temporary(chance)
        case SecretKind.OWN:
            raise Invalid("secret_kind_not_ours", "an own password is chosen by the pupil")


# ---------------------------------------------------------------- looking


def find(db: Connection, account_uuid: str, today: date) -> Account | None:
    named = select(*COLUMNS, given_name_today(today).label("given_name"))
    row = db.execute(named.where(AccountRow.account_uuid == account_uuid)).one_or_none()
    return from_row(row) if row is not None else None


def given_name_today(today: date | BindParameter[date]) -> ScalarSelect[str]:
    """SQL, beside Account: the first name in an enrolment that covers this day; NULL when there is none."""
    return (
        select(Enrolment.voornaam)
        .where(
            Enrolment.account_uuid == AccountRow.account_uuid,
            Enrolment.begindatum <= today,
            Enrolment.einddatum >= today,
        )
        .order_by(Enrolment.begindatum.desc(), Enrolment.id)
        .limit(1)
        .correlate(AccountRow)
        .scalar_subquery()
    )


# ---------------------------------------------------------------- making


def propose(
    db: Connection,
    *,
    instellingsnummer: str,
    today: date,
    account_uuids: Iterable[str] | None = None,
) -> tuple[Proposal, ...]:
    """Accounts for the pupils of a school (all, or these) who are enrolled today or later and have none.

    No user name is proposed twice or belongs to anyone; somebody else may still be first (see `create`).
    """
    wanted = None if account_uuids is None else set(account_uuids)
    rows = db.execute(
        select(
            Enrolment.account_uuid,
            Enrolment.voornaam,
            Enrolment.naam,
            Enrolment.stamnummer,
            Enrolment.administratieve_groep,
            Enrolment.hoofdstructuur,
        )
        .outerjoin(AccountRow, AccountRow.account_uuid == Enrolment.account_uuid)
        .join(Pupil, Pupil.account_uuid == Enrolment.account_uuid)
        .where(
            Enrolment.instellingsnummer == instellingsnummer,
            Enrolment.einddatum >= today,
            AccountRow.account_uuid.is_(None),
            Pupil.merged_into.is_(None),
        )
        .order_by(Enrolment.naam, Enrolment.voornaam, Enrolment.account_uuid, Enrolment.begindatum)
    ).all()
    first = {row.account_uuid: row for row in reversed(rows) if wanted is None or row.account_uuid in wanted}
    pupils = [first[uuid] for uuid in dict.fromkeys(row.account_uuid for row in rows) if uuid in first]
    bases = [usernames.propose(row.voornaam, row.naam) for row in pupils]
    names = free_names.choose(db, bases)
    return tuple(
        Proposal(
            account_uuid=row.account_uuid,
            instellingsnummer=instellingsnummer,
            voornaam=row.voornaam,
            naam=row.naam,
            stamnummer=row.stamnummer,
            administratieve_groep=row.administratieve_groep,
            username=name,
            type=type_for(row.hoofdstructuur),
            secret_kind=first_kind(type_for(row.hoofdstructuur)),
        )
        for row, name in zip(pupils, names, strict=True)
    )


def create(
    db: Connection,
    *,
    proposals: Sequence[Proposal],
    hashed: Sequence[Stored],
    now: datetime,
    settings: Settings,
) -> tuple[Created, ...]:
    """Make the accounts, all or none. Pupils who have one by now are left out of the answer.

    Takes locks in the order of the names, so that schools that work at once wait for each other instead of
    standing in each other's way; run it in `database.retrying` all the same. Raises Invalid for a user name
    that cannot be one.
    """
    for proposal in proposals:
        if code := usernames.valid(proposal.username):
            raise Invalid(code, proposal.account_uuid)
    todo = sorted(zip(proposals, hashed, strict=True), key=lambda pair: pair[0].username)
    begins = first_days.first_moments(db, [proposal.account_uuid for proposal in proposals], now)
    retired = free_names.retired(db, [proposal.username for proposal in proposals])
    made = {}
    for proposal, stored in todo:
        row = _row(proposal, stored, now, settings, usable=begins.get(proposal.account_uuid, now))
        free = proposal.username not in retired and _insert(db, row)
        name = proposal.username if free else _insert_next(db, row, _base(proposal))
        if name is None:
            continue
        made[proposal.account_uuid] = Created(account_uuid=proposal.account_uuid, username=name)
        audit.account_created(
            db,
            account_uuid=proposal.account_uuid,
            instellingsnummer=proposal.instellingsnummer,
            kind=proposal.secret_kind,
        )
    _name_pupils(db, [*made])
    return tuple(made[proposal.account_uuid] for proposal in proposals if proposal.account_uuid in made)


def renew(
    db: Connection,
    *,
    account_uuid: str,
    kind: SecretKind,
    stored: Stored,
    now: datetime,
    settings: Settings,
    instellingsnummer: str,
) -> None:
    """The school gives a new secret; the name stays. Ending the pupil's sessions is sessions.end_all.

    A temporary password makes the account advanced, pictures or a basic password make it basic. The e-mail address
    goes in any case: whoever knew the old secret may have given it, and would get the new one with it. Raises NotFound.
    """
    type_ = AccountType.ADVANCED if kind is SecretKind.TEMPORARY else AccountType.BASIC
    db.execute(delete(AccountEmail).where(AccountEmail.account_uuid == account_uuid))
    _set_secret(
        db, account_uuid=account_uuid, kind=kind, stored=stored, now=now, settings=settings, type=type_
    )
    audit.secret_renewed(db, account_uuid=account_uuid, instellingsnummer=instellingsnummer, kind=kind)


def rename(
    db: Connection, *, account_uuid: str, username: str, now: datetime, instellingsnummer: str | None = None
) -> None:
    """Give another user name; the old one is nobody else's within the retention period.

    Raises NotFound `account_unknown`, Invalid `username_taken` and those of usernames.valid.
    """
    if code := usernames.valid(username):
        raise Invalid(code)
    mine = AccountRow.account_uuid == account_uuid
    old = db.execute(select(AccountRow.username).where(mine).with_for_update()).scalar()
    if old is None:
        raise NotFound("account_unknown")
    if old == username:
        return
    db.execute(
        delete(RetiredUsername).where(
            RetiredUsername.username == username, RetiredUsername.account_uuid == account_uuid
        )
    )
    if free_names.choose(db, [username]) != [username]:
        raise Invalid("username_taken")
    db.execute(update(AccountRow).where(mine).values(username=username))
    db.execute(insert(RetiredUsername), {"username": old, "account_uuid": account_uuid, "retired_at": now})
    audit.username_changed(db, account_uuid=account_uuid, instellingsnummer=instellingsnummer)


def set_own_password(
    db: Connection, *, account_uuid: str, stored: Stored, now: datetime, settings: Settings
) -> None:
    """The pupil chose a password (judged and hashed before). Raises NotFound; Invalid for a basic account."""
    type_ = db.execute(select(AccountRow.type).where(AccountRow.account_uuid == account_uuid)).scalar()
    if type_ is AccountType.BASIC:
        raise Invalid("own_password_not_for_basic", account_uuid)
    _set_secret(db, account_uuid=account_uuid, kind=SecretKind.OWN, stored=stored, now=now, settings=settings)
    audit.password_changed(db, account_uuid=account_uuid)


def signed_in_today(db: Connection, account_uuid: str, today: date) -> None:
    """Remember the day, never the moment."""
    db.execute(
        update(AccountRow).where(AccountRow.account_uuid == account_uuid).values(last_sign_in_on=today)
    )


def hashed_again(db: Connection, account_uuid: str, *, before: Stored, after: Stored) -> None:
    """Keep a fresh hash of the same secret, unless the secret was changed meanwhile."""
    db.execute(
        update(AccountRow)
        .where(AccountRow.account_uuid == account_uuid, AccountRow.secret_hash == before.hash)
        .values(secret_hash=after.hash, pepper_id=after.pepper_id)
    )


# ---------------------------------------------------------------- inside


COLUMNS = (
    AccountRow.account_uuid,
    AccountRow.username,
    AccountRow.type,
    AccountRow.secret_kind,
    AccountRow.secret_hash,
    AccountRow.pepper_id,
    AccountRow.secret_set_at,
    AccountRow.secret_expires_at,
    AccountRow.blocked_at,
    AccountRow.last_sign_in_on,
)
"""What `from_row` reads, beside `given_name`."""


def from_row(row: Any) -> Account:
    """The value of a row with COLUMNS and `given_name` (see `given_name_today`)."""
    return Account(
        account_uuid=row.account_uuid,
        username=row.username,
        type=row.type,
        secret_kind=row.secret_kind,
        stored=Stored(hash=row.secret_hash, pepper_id=row.pepper_id),
        secret_set_at=row.secret_set_at,
        secret_expires_at=row.secret_expires_at,
        blocked=row.blocked_at is not None,
        given_name=row.given_name,
        last_sign_in_on=row.last_sign_in_on,
    )


def _row(
    proposal: Proposal, stored: Stored, now: datetime, settings: Settings, *, usable: datetime
) -> dict[str, Any]:
    return {
        "account_uuid": proposal.account_uuid,
        "username": proposal.username,
        "type": proposal.type,
        "secret_kind": proposal.secret_kind,
        "secret_hash": stored.hash,
        "pepper_id": stored.pepper_id,
        "secret_set_at": now,
        "secret_expires_at": first_days.expiry(proposal.secret_kind, usable, settings),
        "created_at": now,
    }


def _insert(db: Connection, row: dict[str, Any]) -> bool:
    """True when the name was free. Waits for whoever is about to take it."""
    dialect = sqlite if db.dialect.name == "sqlite" else postgresql
    done = db.execute(dialect.insert(AccountRow).on_conflict_do_nothing().returning(AccountRow.username), row)
    return done.one_or_none() is not None


def _base(proposal: Proposal) -> str:
    """What counting goes on from: `jan.peeters` for `jan.peeters3`, and an edited name for itself."""
    base = usernames.propose(proposal.voornaam, proposal.naam)
    number = proposal.username.removeprefix(base)
    return base if proposal.username.startswith(base) and number.isdigit() else proposal.username


def _insert_next(db: Connection, row: dict[str, Any], base: str) -> str | None:
    """Insert under the next free name; None when the pupil has an account already."""
    known: dict[str, bool] = {}
    for name in free_names.walk(db, base, known):
        has_one = select(AccountRow.username).where(AccountRow.account_uuid == row["account_uuid"])
        if db.execute(has_one).one_or_none() is not None:
            return None
        if not known[name] and _insert(db, row | {"username": name}):
            return name
    raise AssertionError("there is always a next name")


def _name_pupils(db: Connection, account_uuids: Sequence[str]) -> None:
    """A leerid_uuid comes with the first account, and stays."""
    if not account_uuids:
        return
    db.execute(
        update(Pupil)
        .where(Pupil.account_uuid == bindparam("pupil"), Pupil.leerid_uuid.is_(None))
        .values(leerid_uuid=bindparam("fresh")),
        [{"pupil": uuid, "fresh": entropy.identifier()} for uuid in account_uuids],
    )


def _set_secret(
    db: Connection,
    *,
    account_uuid: str,
    kind: SecretKind,
    stored: Stored,
    now: datetime,
    settings: Settings,
    **also: Any,
) -> None:
    """A new secret; what else would have opened the account stops: help codes, and links that were mailed."""
    codes = (HelpCode.account_uuid == account_uuid, HelpCode.used_at.is_(None), HelpCode.voided_at.is_(None))
    db.execute(update(HelpCode).where(*codes).values(voided_at=now))
    usable = now
    if kind is SecretKind.TEMPORARY:
        usable = first_days.first_moments(db, [account_uuid], now).get(account_uuid, now)
    links = (MailLink.account_uuid == account_uuid, MailLink.used_at.is_(None))
    db.execute(update(MailLink).where(*links, MailLink.kind == LinkKind.RESET).values(used_at=now))
    done = db.execute(
        update(AccountRow)
        .where(AccountRow.account_uuid == account_uuid)
        .values(
            secret_kind=kind,
            secret_hash=stored.hash,
            pepper_id=stored.pepper_id,
            secret_set_at=now,
            secret_expires_at=first_days.expiry(kind, usable, settings),
            **also,
        )
    ).rowcount
    if not done:
        raise NotFound("account_not_found", account_uuid)
