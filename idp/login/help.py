"""How does a pupil get in today who forgot the secret? With six digits from somebody of the school, good once.

A code belongs to one named pupil. The secret stays as it is, the session ends with the school day, and `acr` says
that somebody helped. Six digits fall to guessing, so a code takes a few tries only; its link (the QR code) holds 128
random bits and is not slowed by what others type. A name without a code, and one that does not exist, get the same
answer after the same work as a wrong code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from idp import audit, entropy
from idp.clock import day_of_law
from idp.config import Settings
from idp.context import House
from idp.errors import Invalid
from idp.login import accounts, browsers, cards, let_in, sessions, throttle, tries, usernames
from idp.login.counting_database import InDatabase
from idp.login.let_in import Visit
from idp.login.sign_in import SignedIn, Wrong
from idp.login.slowing import Counter
from idp.login.throttle import Wait
from idp.models import Account, Card, HelpCode

DIGITS = 6
AMR = ("help",)
"""Not `otp`: apps take that for a second factor, and here somebody vouched for the pupil."""
ACR = f"{sessions.ACR}help"
PREFIX = "H1"
COOKIE = "help"
"""Word and purpose of the sealed cookie `this browser opened the link of code N`."""
_NOBODY = "00000000-0000-0000-0000-000000000000"
_LINK = re.compile(rf"{PREFIX}[0-9A-HJKMNP-TV-Z]{{26}}")


@dataclass(frozen=True, kw_only=True)
class Given:
    """A code at the moment it is given: shown now, and never again."""

    id: str
    code: str = field(repr=False)
    url: str = field(repr=False)
    """What its QR code says."""
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Door:
    """A link that still opens."""

    id: str
    username: str
    given_name: str


# ---------------------------------------------------------------- giving


def give(
    db: Connection,
    house: House,
    *,
    account_uuid: str,
    instellingsnummer: str,
    by: str,
    now: datetime,
    chance: entropy.Chance | None = None,
) -> Given:
    """A code for this pupil; the one before stops working, and cards that rest work again.

    `by` is the person_id of who gives it, whose right was checked; call `wake_cards` when this is committed. Raises Invalid `account_cannot_sign_in`.
    """
    db.execute(select(Account.username).where(Account.account_uuid == account_uuid).with_for_update()).first()
    account = accounts.find(db, account_uuid, day_of_law(now))
    if account is None or not account.active:
        raise Invalid("account_cannot_sign_in", account_uuid)
    _void(db, account_uuid, now)
    drawn = chance or entropy.Chance()
    code_id, code = entropy.row_id(), f"{drawn.below(10**DIGITS):0{DIGITS}}"
    token = PREFIX + cards.new_token(drawn).removeprefix(cards.PREFIX)
    expires_at = now + timedelta(minutes=house.settings.help_code_minutes)
    db.execute(
        insert(HelpCode),
        {
            "id": code_id,
            "account_uuid": account_uuid,
            "instellingsnummer": instellingsnummer,
            "code_digest": _code_digest(house, code_id, code),
            "link_digest": _link_digest(house, token),
            "given_by": by,
            "given_at": now,
            "expires_at": expires_at,
        },
    )
    InDatabase(db).remove(_card_counters(db, house, [account_uuid], now))
    audit.help_given(db, account_uuid=account_uuid, instellingsnummer=instellingsnummer, by=by)
    return Given(id=code_id, code=code, url=url(house.settings, token), expires_at=expires_at)


def wake_cards(house: House, account_uuids: Sequence[str]) -> None:
    """Cards of these pupils that rest work again, wherever they are counted. Not inside a transaction."""
    now = house.clock.now()
    with house.database.reading() as db:
        names = _card_counters(db, house, account_uuids, now)
    tries.forget(house, names)


def _card_counters(
    db: Connection, house: House, account_uuids: Sequence[str], now: datetime
) -> tuple[str, ...]:
    live = select(Card.id).where(Card.account_uuid.in_(account_uuids), cards.is_live(now))
    return tuple(throttle.name_of(house.keys.throttle, Counter.CARD, card) for card in db.scalars(live))


def url(settings: Settings, token: str) -> str:
    """All capitals, like that of a card, so that the QR code stays small."""
    parts = urlsplit(settings.issuer)
    return f"{parts.scheme}://{parts.netloc}/H/{token}".upper()


# ---------------------------------------------------------------- coming in


def digits(typed: str) -> str | None:
    """Six digits, however they were spaced; None when this is no code."""
    plain = re.sub(r"[\s.-]", "", unicodedata.normalize("NFKC", typed[:40]))
    return plain if len(plain) == DIGITS and plain.isascii() and plain.isdigit() else None


def redeem(house: House, username: str, code: str, visit: Visit) -> SignedIn | Wrong | Wait:
    """Come in with a code (see `digits`)."""
    now = house.clock.now()
    name = usernames.canonical(username) or ""
    outcome = house.database.retrying(
        lambda db: _redeem(db, house, username=name, code=code, visit=visit, now=now)
    )
    if isinstance(outcome, Wrong) and tries.address_failed(house, visit.address, now):
        return Wait(seconds=int(throttle.SLOT.total_seconds()), counter=Counter.ADDRESS)
    return outcome


def redeem_link(house: House, code_id: str, visit: Visit) -> SignedIn | None:
    """Come in with the link of this code; None when it does not open any more."""
    now = house.clock.now()
    return house.database.retrying(lambda db: _enter(db, house, code_id, visit, now))


def find_link(db: Connection, house: House, token: str, now: datetime) -> Door | None:
    """The link with this token, if it still opens. Looking changes nothing."""
    canonical = token.strip().upper() if token.isascii() and len(token) <= 64 else ""
    if not _LINK.fullmatch(canonical):
        return None
    return _door(db, HelpCode.link_digest == _link_digest(house, canonical), now)


def hold(house: House, door: Door, now: datetime) -> str:
    """The value of the cookie that says this browser opened the link."""
    return house.keys.seal(COOKIE, {"id": door.id}, now)


def held(db: Connection, house: House, cookie: str, now: datetime) -> Door | None:
    inside = house.keys.unseal(COOKIE, cookie, now, seconds=60 * house.settings.help_code_minutes)
    return _door(db, HelpCode.id == str(inside["id"]), now) if inside else None


# ---------------------------------------------------------------- inside


def _redeem(
    db: Connection, house: House, *, username: str, code: str, visit: Visit, now: datetime
) -> SignedIn | Wrong:
    account_uuid = db.execute(select(Account.account_uuid).where(Account.username == username)).scalar()
    row = db.execute(
        update(HelpCode)
        .where(
            HelpCode.account_uuid == (account_uuid or _NOBODY),
            _is_open(now),
            HelpCode.tries < house.settings.help_code_tries,
        )
        .values(tries=HelpCode.tries + 1)
        .returning(HelpCode.id, HelpCode.code_digest)
    ).one_or_none()
    tried = _code_digest(house, row.id if row else _NOBODY, code)
    if row is not None and entropy.same(tried, row.code_digest):
        entered = _enter(db, house, row.id, visit, now)
        if entered is not None:
            return entered
    audit.help_refused(db, account_uuid=account_uuid)
    return Wrong()


def _enter(db: Connection, house: House, code_id: str, visit: Visit, now: datetime) -> SignedIn | None:
    """Spend the code and begin a session: one winner, however many try."""
    spent = db.execute(
        update(HelpCode)
        .where(HelpCode.id == code_id, _is_open(now))
        .values(used_at=now)
        .returning(HelpCode.account_uuid)
    ).scalar()
    account = accounts.find(db, spent, day_of_law(now)) if spent else None
    if account is None or not account.active:
        return None
    met = browsers.after_meeting(visit.browser, account.account_uuid, now)
    return let_in.until_the_school_day_ends(
        db, house, account.account_uuid, visit, amr=AMR, acr=ACR, browser=met, now=now
    )


def _door(db: Connection, which: ColumnElement[bool], now: datetime) -> Door | None:
    row = db.execute(
        select(HelpCode.id, HelpCode.account_uuid, Account.username)
        .join(Account, Account.account_uuid == HelpCode.account_uuid)
        .where(which, _is_open(now))
    ).one_or_none()
    account = accounts.find(db, row.account_uuid, day_of_law(now)) if row else None
    if row is None or account is None or not account.active or account.given_name is None:
        return None
    return Door(id=row.id, username=row.username, given_name=account.given_name)


def _is_open(now: datetime) -> ColumnElement[bool]:
    return and_(HelpCode.used_at.is_(None), HelpCode.voided_at.is_(None), HelpCode.expires_at > now)


def _void(db: Connection, account_uuid: str, now: datetime) -> None:
    db.execute(
        update(HelpCode)
        .where(
            HelpCode.account_uuid == account_uuid, HelpCode.used_at.is_(None), HelpCode.voided_at.is_(None)
        )
        .values(voided_at=now)
    )


def _code_digest(house: House, code_id: str, code: str) -> str:
    return entropy.keyed_digest(house.keys.throttle, "help code", code_id, code)


def _link_digest(house: House, token: str) -> str:
    return entropy.keyed_digest(house.keys.throttle, "help link", token)
