"""What does a school see of one pupil? Enrolment beside official data, the LeerID, its cards, and who did what.

Days, never moments: nobody sees when or where a child signed in. What other schools did is told without names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, or_, select

from idp.admin.pupils import pupil_list
from idp.admin.pupils.pupil_list import State
from idp.admin.records import trail
from idp.audit import accounts as audit_accounts
from idp.claims import agreements, visibility
from idp.clock import day_of_law
from idp.errors import NotFound
from idp.login import cards, sessions, staff_accounts, support
from idp.models import (
    Account,
    AccountType,
    Card,
    ClassMembership,
    Enrolment,
    Klas,
    Pupil,
    SecretKind,
    Soort,
)


@dataclass(frozen=True, kw_only=True)
class OwnCard:
    id: str
    label: str
    ours: bool
    """Of this school, which may stop it."""
    day: date
    until: date


@dataclass(frozen=True, kw_only=True)
class Official:
    voornaam: str | None
    naam: str | None
    geslacht: str | None
    geboortedatum: date | None


@dataclass(frozen=True, kw_only=True)
class LeerId:
    username: str
    type: AccountType
    secret_kind: SecretKind
    state: State
    created_on: date
    last_sign_in_on: date | None
    secret_expires_on: date | None
    blocked_on: date | None


@dataclass(frozen=True, kw_only=True)
class Record:
    account_uuid: str
    voornaam: str
    naam: str
    stamnummer: str
    group: str
    klassen: tuple[str, ...]
    until: date
    """The last day of the enrolment."""
    official: Official | None
    """None without a valid national number."""
    leerid: LeerId | None
    cards: tuple[OwnCard, ...]
    needs: support.Needs
    decided_by: str
    """The name of who decided that a card is enough; empty when none is."""
    history: tuple[trail.Act, ...]
    shares: bool

    @property
    def name(self) -> str:
        return f"{self.voornaam} {self.naam}"


def require(db: Connection, instellingsnummer: str, account_uuid: str, today: date) -> None:
    """Raises NotFound `pupil_not_here` unless this pupil is enrolled at this school today."""
    mine = select(Enrolment.id).where(*_here(instellingsnummer, account_uuid, today)).limit(1)
    if db.execute(mine).first() is None:
        raise NotFound("pupil_not_here")


def read(db: Connection, instellingsnummer: str, account_uuid: str, now: datetime) -> Record:
    """Raises NotFound `pupil_not_here`."""
    today = day_of_law(now)
    row = db.execute(
        select(
            Enrolment.voornaam,
            Enrolment.naam,
            Enrolment.stamnummer,
            Enrolment.administratieve_groep,
            Enrolment.einddatum,
            Pupil.voornaam.label("official_voornaam"),
            Pupil.naam.label("official_naam"),
            Pupil.geslacht,
            Pupil.geboortedatum,
            Account.username,
            Account.type,
            Account.secret_kind,
            Account.blocked_at,
            Account.created_at,
            Account.last_sign_in_on,
            Account.secret_expires_at,
        )
        .join(Pupil, Pupil.account_uuid == Enrolment.account_uuid)
        .outerjoin(Account, Account.account_uuid == Enrolment.account_uuid)
        .where(*_here(instellingsnummer, account_uuid, today))
        .order_by(Enrolment.begindatum.desc(), Enrolment.id)
        .limit(1)
    ).first()
    if row is None:
        raise NotFound("pupil_not_here")
    shares = agreements.shares_today(db, instellingsnummer, today)
    needs = support.needs(db, account_uuid, instellingsnummer, today)
    official = Official(
        voornaam=row.official_voornaam,
        naam=row.official_naam,
        geslacht=row.geslacht,
        geboortedatum=row.geboortedatum,
    )
    return Record(
        account_uuid=account_uuid,
        voornaam=row.voornaam,
        naam=row.naam,
        stamnummer=row.stamnummer,
        group=row.administratieve_groep,
        klassen=_klassen(db, instellingsnummer, account_uuid, today) if shares else (),
        until=row.einddatum,
        official=official if official.naam or official.geboortedatum else None,
        leerid=None
        if row.type is None
        else LeerId(
            username=row.username,
            type=row.type,
            secret_kind=row.secret_kind,
            state=pupil_list.state_of(row),
            created_on=day_of_law(row.created_at),
            last_sign_in_on=row.last_sign_in_on,
            secret_expires_on=day_of_law(row.secret_expires_at) if row.secret_expires_at else None,
            blocked_on=day_of_law(row.blocked_at) if row.blocked_at else None,
        ),
        cards=_cards(db, instellingsnummer, account_uuid, now),
        needs=needs,
        decided_by=_name(db, needs.decided_by),
        history=trail.acts(db, instellingsnummer, account_uuid),
        shares=shares,
    )


def void_card(
    db: Connection, *, instellingsnummer: str, account_uuid: str, card_id: str, now: datetime
) -> None:
    """Stop one card of this pupil, and what it may have opened when it was enough by itself. Raises NotFound when the pupil has no such card of this school that works."""
    ours = or_(Card.instellingsnummer.is_(None), Card.instellingsnummer == instellingsnummer)
    mine = select(Card.id).where(Card.id == card_id, Card.account_uuid == account_uuid, ours)
    if db.execute(mine).first() is None or not cards.void(db, card_id=card_id, now=now):
        raise NotFound("not_found")
    if account_uuid in support.get_keys(db, instellingsnummer, day_of_law(now)):
        sessions.end_all(db, account_uuid, "card_voided", now, grants=True)
    audit_accounts.card_voided(
        db, account_uuid=account_uuid, instellingsnummer=instellingsnummer, card=card_id
    )


# ---------------------------------------------------------------- inside


def _here(instellingsnummer: str, account_uuid: str, today: date) -> tuple[ColumnElement[bool], ...]:
    return (
        Enrolment.account_uuid == account_uuid,
        Enrolment.instellingsnummer == instellingsnummer,
        visibility.active(Enrolment, today),
    )


def _klassen(db: Connection, instellingsnummer: str, account_uuid: str, today: date) -> tuple[str, ...]:
    codes = db.execute(
        select(Klas.code)
        .join(ClassMembership, ClassMembership.klas == Klas.id)
        .where(
            ClassMembership.account_uuid == account_uuid,
            ClassMembership.instellingsnummer == instellingsnummer,
            visibility.current(ClassMembership, today),
        )
        .order_by(Klas.soort != Soort.KLAS, Klas.code)
    ).scalars()
    return tuple(dict.fromkeys(codes))


def _cards(db: Connection, instellingsnummer: str, account_uuid: str, now: datetime) -> tuple[OwnCard, ...]:
    today = day_of_law(now)
    rows = db.execute(
        select(Card.id, Card.label, Card.instellingsnummer, Card.created_at, Card.expires_at)
        .where(Card.account_uuid == account_uuid, cards.is_live(now), cards.at_its_school(today))
        .order_by(Card.created_at.desc(), Card.id)
    )
    return tuple(
        OwnCard(
            id=row.id,
            label=row.label,
            ours=row.instellingsnummer in {None, instellingsnummer},
            day=day_of_law(row.created_at),
            until=day_of_law(row.expires_at),
        )
        for row in rows
    )


def _name(db: Connection, person_id: str | None) -> str:
    return staff_accounts.names(db, [person_id]).get(person_id, "") if person_id else ""
