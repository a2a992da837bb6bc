"""Who cannot sign in by waiting, and what may an operator open again? What a school and an operator see of throttling.

Counters name nobody; whoever asks here brings the names. What closed after a hundred different wrong secrets in a
month is not opened by hand: new pictures or a new password open it, since the old one may be half guessed.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, and_, select

from idp import audit
from idp.clock import day_of_law
from idp.context import House
from idp.login import cards, throttle, tries
from idp.login.counting_database import InDatabase
from idp.login.slowing import Counter, State
from idp.models import Account, Card, Enrolment

_NOBODY = str(uuid.UUID(int=0))
_AT_A_TIME = 500


@dataclass(frozen=True, kw_only=True)
class NeedsHelp:
    """A pupil for whom waiting does not help."""

    account_uuid: str
    username: str
    counter: Counter
    """`card`: that card rests, give it a rest or release it. `month`: give new pictures or a new password."""
    card_label: str | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is counted about one pupil. What one browser waits for is not here: it is never more than five minutes."""

    stranger: State | None
    """Wrong tries from browsers that we do not know."""
    month: int
    """Different wrong secrets in thirty days."""
    month_closed: bool
    cards: Mapping[str, State]
    """By the label of the card."""


def tell_schools(db: Connection, account_uuid: str | None, counter: Counter, today: date) -> None:
    """Note, for every school of this pupil, that waiting does not help. A name without pupil costs the same."""
    for school in _schools(db, account_uuid, today):
        audit.sign_in_needs_help(
            db, account_uuid=account_uuid, instellingsnummer=school, counter=counter.value
        )


def of_school(house: House, instellingsnummer: str) -> tuple[NeedsHelp, ...]:
    """The pupils of a school who need help now, by user name."""
    now = house.clock.now()
    with house.database.reading() as db:
        people = _people(db, now, Enrolment.instellingsnummer == instellingsnummer)
    found: list[NeedsHelp] = []
    for first in range(0, len(people), _AT_A_TIME):
        named: dict[str, NeedsHelp] = {}
        for one in people[first : first + _AT_A_TIME]:
            named |= _waiting_places(house, one)
        found += [named[name] for name in _closed(house, [*named], now)]
    return tuple(sorted(found, key=lambda one: (one.username, one.counter)))


def _closed(house: House, names: list[str], now: datetime) -> list[str]:
    return [name for name, _ in tries.anywhere(house, lambda counters: counters.closed(names, now))]


def of_pupil(house: House, account_uuid: str) -> Standing:
    """What is counted about this pupil, wherever tries came from."""
    now = house.clock.now()
    with house.database.reading() as db:
        one = _person(db, account_uuid, now)
    stranger, month, by_label = _names(house, one)
    states = tries.anywhere(house, lambda counters: counters.states([stranger, month, *by_label.values()]))
    return Standing(
        stranger=states.get(stranger),
        month=tries.anywhere(house, lambda counters: counters.tallied(month, now, days=throttle.MONTH_DAYS)),
        month_closed=_is_closed(states.get(month), now),
        cards={label: states[name] for label, name in by_label.items() if name in states},
    )


def release(house: House, account_uuid: str) -> tuple[Counter, ...]:
    """Open what strangers closed, and wake resting cards. Returns what was opened; the trail says so."""
    now = house.clock.now()
    with house.database.reading() as db:
        one = _person(db, account_uuid, now)
    stranger, _, by_label = _names(house, one)
    wanted = {stranger: Counter.STRANGER} | dict.fromkeys(by_label.values(), Counter.CARD)
    there = tries.anywhere(house, lambda counters: counters.states(wanted))
    opened = tuple(sorted({wanted[name] for name in there}))
    tries.elsewhere(house, lambda counters: counters.remove(wanted))

    def note(db: Connection) -> None:
        InDatabase(db).remove(wanted)
        for school in _schools(db, account_uuid, day_of_law(now)):
            audit.sign_in_released(
                db, account_uuid=account_uuid, instellingsnummer=school, counters=[*opened]
            )

    house.database.retrying(note)
    return opened


@dataclass(frozen=True, kw_only=True)
class _Person:
    account_uuid: str
    username: str
    secret_since: str
    cards: Mapping[str, str]
    """Id → label."""


def _names(house: House, one: _Person) -> tuple[str, str, dict[str, str]]:
    """Of the counters of strangers and of the month, and of each card by its label."""
    key = house.keys.throttle
    return (
        throttle.name_of(key, Counter.STRANGER, one.username),
        throttle.name_of(key, Counter.MONTH, one.username, one.secret_since),
        {label: throttle.name_of(key, Counter.CARD, card) for card, label in one.cards.items()},
    )


def _waiting_places(house: House, one: _Person) -> dict[str, NeedsHelp]:
    _, month, by_label = _names(house, one)
    who = {"account_uuid": one.account_uuid, "username": one.username}
    found = {month: NeedsHelp(**who, counter=Counter.MONTH, card_label=None)}
    for label, name in by_label.items():
        found[name] = NeedsHelp(**who, counter=Counter.CARD, card_label=label)
    return found


def _is_closed(state: State | None, now: datetime) -> bool:
    return state is not None and state.closed_until is not None and state.closed_until > now


def _person(db: Connection, account_uuid: str, now: datetime) -> _Person:
    rows = db.execute(
        select(Account.account_uuid, Account.username, Account.secret_set_at, Card.id, Card.label)
        .outerjoin(Card, and_(Card.account_uuid == Account.account_uuid, cards.is_live(now)))
        .where(Account.account_uuid == account_uuid)
        .order_by(Card.created_at, Card.id)
    )
    return _gathered(rows)[0]


def _people(db: Connection, now: datetime, at: ColumnElement[bool]) -> list[_Person]:
    today = day_of_law(now)
    here = select(Enrolment.account_uuid).where(
        at, Enrolment.begindatum <= today, Enrolment.einddatum >= today
    )
    rows = db.execute(
        select(Account.account_uuid, Account.username, Account.secret_set_at, Card.id, Card.label)
        .outerjoin(Card, and_(Card.account_uuid == Account.account_uuid, cards.is_live(now)))
        .where(Account.account_uuid.in_(here))
        .order_by(Account.username, Card.created_at, Card.id)
    )
    return _gathered(rows)


def _gathered(rows: Iterable[tuple[str, str, datetime, str | None, str | None]]) -> list[_Person]:
    found: dict[str, _Person] = {}
    for account_uuid, username, since, card, label in rows:
        before = found.get(account_uuid)
        held = dict(before.cards) if before else {}
        if card is not None:
            held[card] = _another(label or "", {*held.values()})
        found[account_uuid] = _Person(
            account_uuid=account_uuid, username=username, secret_since=since.isoformat(), cards=held
        )
    return [*found.values()]


def _another(label: str, taken: set[str]) -> str:
    """Two schools may each have made a card with this label."""
    numbered = (f"{label} ({number})" for number in itertools.count(2))
    return next(name for name in itertools.chain([label], numbered) if name not in taken)


def _schools(db: Connection, account_uuid: str | None, today: date) -> list[str | None]:
    """Where this pupil is enrolled today; one `None` when that is nowhere."""
    rows = db.scalars(
        select(Enrolment.instellingsnummer)
        .where(
            Enrolment.account_uuid == (account_uuid or _NOBODY),
            Enrolment.begindatum <= today,
            Enrolment.einddatum >= today,
        )
        .distinct()
        .order_by(Enrolment.instellingsnummer)
    )
    return [*rows] or [None]
