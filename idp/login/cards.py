"""What does the QR on a card say? A random token: it names the pupil and shows possession, and never signs in alone.

A token is `K1` and 26 characters of Crockford base32 (128 random bits). We keep its digest only. A pupil has at
most two live cards from a school (school and home); each can be voided by itself, and neither depends on the password.
A card works on the days on which its pupil is enrolled at the school that made it: one made in August for September
opens nothing before, one of the school before opens nothing after, and no school touches the cards of another.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import BindParameter, ColumnElement, Connection, and_, exists, insert, or_, select, update

from idp import audit, entropy
from idp.clock import day_of_law
from idp.config import Settings
from idp.keys import Keys
from idp.login import accounts
from idp.models import Account, Card, Enrolment

PREFIX = "K1"
MOST_LIVE = 2
COOKIE = "card"
"""Word and purpose of the sealed cookie `this browser holds card N`."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FORM = re.compile(rf"{PREFIX}[{_ALPHABET}]{{26}}")
_LOOKALIKES = str.maketrans("OIL", "011")


@dataclass(frozen=True, kw_only=True)
class NewCard:
    """A card at the moment it is made: the token is shown or printed now, and never again."""

    id: str
    token: str
    replaces: str | None
    """The label of the card that stopped working because of this one."""


@dataclass(frozen=True, kw_only=True)
class HeldCard:
    """A card that works, and whose it is."""

    id: str
    account_uuid: str
    username: str
    given_name: str


def issue(
    db: Connection,
    *,
    account_uuid: str,
    label: str,
    now: datetime,
    days: int,
    instellingsnummer: str | None = None,
    chance: entropy.Chance | None = None,
) -> NewCard:
    """Make a card. Of those of the same school it replaces the live one with the same label, or the oldest of two."""
    db.execute(
        select(Account.account_uuid).where(Account.account_uuid == account_uuid).with_for_update()
    ).one()
    live = db.execute(
        select(Card.id, Card.label)
        .where(Card.account_uuid == account_uuid, is_live(now), _of_school(instellingsnummer))
        .order_by(Card.created_at, Card.id)
    ).all()
    gone = [one for one in live if one.label == label]
    gone += [one for one in live if one.label != label][: max(0, len(live) - len(gone) - MOST_LIVE + 1)]
    for old in gone:
        void(db, card_id=old.id, now=now)
    card_id, token = entropy.row_id(), new_token(chance or entropy.Chance())
    db.execute(
        insert(Card),
        {
            "id": card_id,
            "account_uuid": account_uuid,
            "label": label,
            "instellingsnummer": instellingsnummer,
            "token_digest": _digest(token),
            "created_at": now,
            "expires_at": now + timedelta(days=days),
        },
    )
    audit.card_issued(db, account_uuid=account_uuid, instellingsnummer=instellingsnummer, card=card_id)
    return NewCard(id=card_id, token=token, replaces=gone[0].label if gone else None)


def find(db: Connection, token: str, now: datetime) -> HeldCard | None:
    """The card with this token, if it works: not voided or expired, and its pupil may sign in today with it."""
    canonical = _canonical(token)
    return _held(db, Card.token_digest == _digest(canonical), now) if canonical else None


def void(db: Connection, *, card_id: str, now: datetime) -> bool:
    """Stop one card. False when it had stopped already."""
    done = db.execute(
        update(Card).where(Card.id == card_id, Card.voided_at.is_(None)).values(voided_at=now)
    ).rowcount
    return bool(done)


def url(settings: Settings, token: str) -> str:
    """What the QR holds: all capitals, so that it fits the small alphanumeric mode (ISO/IEC 18004)."""
    parts = urlsplit(settings.issuer)
    return f"{parts.scheme}://{parts.netloc}/K/{token}".upper()


def hold(keys: Keys, card: HeldCard, now: datetime) -> str:
    """The value of the cookie that says this browser holds the card."""
    return keys.seal(COOKIE, {"card": card.id}, now)


def held(db: Connection, keys: Keys, cookie: str, now: datetime, *, minutes: int) -> HeldCard | None:
    """The card this browser was shown in the last `minutes`, if it still works."""
    inside = keys.unseal(COOKIE, cookie, now, seconds=60 * minutes)
    return _held(db, Card.id == str(inside["card"]), now) if inside else None


def is_live(now: datetime) -> ColumnElement[bool]:
    """Condition on Card: not stopped, and not too old."""
    return and_(Card.voided_at.is_(None), Card.expires_at > now)


def at_its_school(today: date | BindParameter[date]) -> ColumnElement[bool]:
    """Condition on Card: its pupil is enrolled today at the school that made it."""
    there = exists().where(
        Enrolment.account_uuid == Card.account_uuid,
        Enrolment.instellingsnummer == Card.instellingsnummer,
        Enrolment.begindatum <= today,
        Enrolment.einddatum >= today,
    )
    return or_(Card.instellingsnummer.is_(None), there)


def _of_school(instellingsnummer: str | None) -> ColumnElement[bool]:
    """Condition on Card: of this school, or from before cards had one."""
    nobodys = Card.instellingsnummer.is_(None)
    return nobodys if instellingsnummer is None else or_(nobodys, Card.instellingsnummer == instellingsnummer)


def new_token(chance: entropy.Chance) -> str:
    number = int.from_bytes(chance.token_bytes(16), "big")
    return PREFIX + "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(26)))


def _held(db: Connection, which: ColumnElement[bool], now: datetime) -> HeldCard | None:
    today = day_of_law(now)
    given_name = accounts.given_name_today(today)
    row = db.execute(
        select(Card.id, Card.account_uuid, Account.username, given_name.label("given_name"))
        .join(Account, Account.account_uuid == Card.account_uuid)
        .where(which, is_live(now), at_its_school(today), Account.blocked_at.is_(None))
    ).one_or_none()
    if row is None or row.given_name is None:
        return None
    return HeldCard(
        id=row.id, account_uuid=row.account_uuid, username=row.username, given_name=row.given_name
    )


def _canonical(token: str) -> str | None:
    """Capitals, and `O I L` for what was meant; None when this is no token."""
    if len(token) > 64 or not token.isascii():
        return None
    upper = token.strip().upper().replace("-", "")
    found = upper.translate(_LOOKALIKES)
    return found if _FORM.fullmatch(found) else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
