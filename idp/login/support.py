"""What does one pupil need, to sign in, that others do not? Words to type first, or a card that is enough by itself.

A card that is enough is a key that can be lost, so a LeerID-beheerder decides it for one pupil, for this school year at
most. Only cards that this school makes after that decision are keys: one that a classmate found before opens nothing.
They open on devices of the school, elsewhere only when that was chosen too; right after they were shown; until the
school day ends; and say so in `amr` and `acr`. Whoever asks for more than a card does not get in with one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from idp.audit import accounts as audit_accounts
from idp.clock import day_of_law, school_year_ends
from idp.context import House
from idp.errors import Invalid, NotFound
from idp.login import accounts, cards, let_in, sessions
from idp.login.cards import HeldCard
from idp.login.let_in import Visit
from idp.login.sign_in import SignedIn
from idp.models import Account, AccountType, Card, School, Support

AMR = ("card",)
ACR = f"{sessions.ACR}card"
MINUTES = 2
"""So long after a card was shown it still opens: whoever sits down later has to show one."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Of one pupil at one school."""

    typed: bool = False
    card_alone_until: date | None = None
    """The last day on which a card of this school is enough; None: no card is."""
    card_alone_anywhere: bool = False
    decided_by: str | None = None
    """person_id."""
    decided_on: date | None = None


def needs(db: Connection, account_uuid: str, instellingsnummer: str, today: date) -> Needs:
    row = db.execute(
        select(Support).where(
            Support.account_uuid == account_uuid, Support.instellingsnummer == instellingsnummer
        )
    ).one_or_none()
    if row is None:
        return Needs()
    if row.card_alone_since is None or row.card_alone_until < today:
        return Needs(typed=row.typed)
    return Needs(
        typed=row.typed,
        card_alone_until=row.card_alone_until,
        card_alone_anywhere=row.card_alone_anywhere,
        decided_by=row.decided_by,
        decided_on=day_of_law(row.card_alone_since),
    )


def who_types(db: Connection, username: str) -> str | None:
    """The account_uuid behind this name when words come first for it. Only a browser that knows the pupil may tell."""
    wanted = (
        select(Support.account_uuid)
        .join(Account, Account.account_uuid == Support.account_uuid)
        .where(Account.username == username, Support.typed)
    )
    return db.execute(wanted.limit(1)).scalar()


@dataclass(frozen=True, kw_only=True)
class Alone:
    """A school decided that its card is enough for this pupil."""

    school: str
    """Its name."""
    since: date
    until: date


def alone(db: Connection, account_uuid: str, today: date) -> tuple[Alone, ...]:
    """Where a card is enough today, for the pupil to know."""
    rows = db.execute(
        select(School.naam, Support.card_alone_since, Support.card_alone_until)
        .join(School, School.instellingsnummer == Support.instellingsnummer)
        .join(Account, Account.account_uuid == Support.account_uuid)
        .where(
            Support.account_uuid == account_uuid,
            Support.card_alone_since.is_not(None),
            Support.card_alone_until >= today,
            Account.type == AccountType.BASIC,
        )
        .order_by(School.naam)
    )
    return tuple(
        Alone(school=row.naam, since=day_of_law(row.card_alone_since), until=row.card_alone_until)
        for row in rows
    )


# ---------------------------------------------------------------- deciding


def let_type(db: Connection, *, account_uuid: str, instellingsnummer: str, typed: bool) -> None:
    """Words first, or pictures first."""
    if _keep(db, account_uuid, instellingsnummer, typed=typed):
        audit_accounts.words_first(
            db, account_uuid=account_uuid, instellingsnummer=instellingsnummer, typed=typed
        )


def allow_card_alone(
    db: Connection, *, account_uuid: str, instellingsnummer: str, by: str, anywhere: bool, now: datetime
) -> None:
    """From now on a new card of this school is enough, until the school year ends. Cards from before are not.

    `by` is the LeerID-beheerder, whose right was checked. Raises NotFound `account_unknown`, Invalid
    `card_alone_not_for_advanced`.
    """
    type_ = db.execute(select(Account.type).where(Account.account_uuid == account_uuid)).scalar()
    if type_ is None:
        raise NotFound("account_unknown")
    if type_ is not AccountType.BASIC:
        raise Invalid("card_alone_not_for_advanced")
    _keep(
        db,
        account_uuid,
        instellingsnummer,
        card_alone_since=now,
        card_alone_until=school_year_ends(day_of_law(now)),
        card_alone_anywhere=anywhere,
        decided_by=by,
    )
    audit_accounts.card_alone_allowed(
        db, account_uuid=account_uuid, instellingsnummer=instellingsnummer, anywhere=anywhere
    )


def stop_card_alone(db: Connection, *, account_uuid: str, instellingsnummer: str, now: datetime) -> bool:
    """No card of this school is enough any more, and what one opened ends. False: none was."""
    done = db.execute(
        update(Support)
        .where(
            Support.account_uuid == account_uuid,
            Support.instellingsnummer == instellingsnummer,
            Support.card_alone_since.is_not(None),
        )
        .values(card_alone_since=None, card_alone_until=None, card_alone_anywhere=False, decided_by=None)
    ).rowcount
    if done:
        sessions.end_all(db, account_uuid, "card_alone_stopped", now, grants=True)
        audit_accounts.card_alone_stopped(db, account_uuid=account_uuid, instellingsnummer=instellingsnummer)
    return bool(done)


# ---------------------------------------------------------------- coming in


def get_keys(db: Connection, instellingsnummer: str, today: date) -> frozenset[str]:
    """The account_uuids of pupils for whom a card that this school makes now is enough. For the words on it."""
    wanted = (
        select(Support.account_uuid)
        .join(Account, Account.account_uuid == Support.account_uuid)
        .where(
            Support.instellingsnummer == instellingsnummer,
            Support.card_alone_until >= today,
            Account.type == AccountType.BASIC,
        )
    )
    return frozenset(db.execute(wanted).scalars())


def opens(db: Connection, card: HeldCard, now: datetime, *, device_of: str | None) -> bool:
    """Is this card enough, here and now? `device_of` is the school whose device this browser is, if it is one."""
    return db.execute(select(Card.id).where(*_opens(card, day_of_law(now), device_of))).first() is not None


def shown_now(db: Connection, house: House, cookie: str, now: datetime) -> HeldCard | None:
    """The card that this browser was shown a moment ago."""
    return cards.held(db, house.keys, cookie, now, minutes=MINUTES)


def enter(house: House, card: HeldCard, visit: Visit, *, device_of: str | None) -> SignedIn | None:
    """Come in with a card that is enough; None when it is not (any more)."""
    return house.database.retrying(lambda db: _enter(db, house, card, visit, device_of))


def _enter(
    db: Connection, house: House, card: HeldCard, visit: Visit, device_of: str | None
) -> SignedIn | None:
    now, today = house.clock.now(), house.clock.today()
    account = accounts.find(db, card.account_uuid, today)
    if account is None or not account.active or not opens(db, card, now, device_of=device_of):
        return None
    return let_in.until_the_school_day_ends(
        db, house, account.account_uuid, visit, amr=AMR, acr=ACR, browser=visit.browser, now=now
    )


# ---------------------------------------------------------------- small pieces


def _opens(card: HeldCard, today: date, device_of: str | None) -> tuple[ColumnElement[bool], ...]:
    """Conditions on Card: made by a school after it decided that its cards are enough for this pupil."""
    place = or_(Support.card_alone_anywhere, Support.instellingsnummer == (device_of or ""))
    decided = (
        select(Support.account_uuid)
        .join(Account, Account.account_uuid == Support.account_uuid)
        .where(
            Support.account_uuid == Card.account_uuid,
            Support.instellingsnummer == Card.instellingsnummer,
            Support.card_alone_since <= Card.created_at,
            Support.card_alone_until >= today,
            Account.type == AccountType.BASIC,
            Account.blocked_at.is_(None),
            place,
        )
        .exists()
    )
    return Card.id == card.id, Card.account_uuid == card.account_uuid, Card.voided_at.is_(None), decided


def _keep(db: Connection, account_uuid: str, instellingsnummer: str, **columns: object) -> bool:
    """Write these columns; the row is made when it is not there, and goes when nothing is left in it. True: a change."""
    mine = and_(Support.account_uuid == account_uuid, Support.instellingsnummer == instellingsnummer)
    db.execute(select(Account.username).where(Account.account_uuid == account_uuid).with_for_update()).first()
    there = db.execute(select(Support).where(mine)).mappings().one_or_none()
    if there is None:
        empty: dict[str, object] = {"account_uuid": account_uuid, "instellingsnummer": instellingsnummer}
        empty |= {"typed": False, "card_alone_anywhere": False}
        db.execute(insert(Support), empty | columns)
        return any(columns.values())
    db.execute(update(Support).where(mine).values(columns))
    db.execute(delete(Support).where(mine, ~Support.typed, Support.card_alone_since.is_(None)))
    return any(there[name] != value for name, value in columns.items())
