"""How does somebody get in? Say who you are, prove it, and a session begins.

The order is always: reserve a try (transaction) → hash (gate) → record (transaction). A name that does not
exist, one that may not sign in, and a wrong secret cost the same work and get the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cache

from sqlalchemy import Connection, bindparam, update

from idp import audit, prepared
from idp.clock import day_of_law, midnight
from idp.context import House
from idp.errors import Busy
from idp.hashing import Stored, Verdict
from idp.keys import Keys
from idp.login import attention, browsers, meant, passwords, sessions, throttle, tries, usernames
from idp.login.accounts import Account
from idp.login.browsers import Browser
from idp.login.cards import HeldCard
from idp.login.counting import Counters
from idp.login.counting_database import InDatabase
from idp.login.devices import Device
from idp.login.meant import Found
from idp.login.throttle import Channel, Failed, Pass, Subject, Wait
from idp.models import Account as AccountRow
from idp.models import DeviceKind, SecretKind
from idp.prepared import Prepared

__all__ = [
    "Attempt",
    "Confirmed",
    "Expired",
    "Outcome",
    "SignedIn",
    "Step",
    "Wait",
    "Wrong",
    "confirm",
    "next_step",
    "prove",
]

_LONGEST_SECRET = 1000
"""Characters that are looked at: more than any kind allows, so that too much is still too much."""


class Step(StrEnum):
    PICTURES = "pictures"
    PASSWORD = "password"


Arrival = Callable[[Connection, sessions.SignedIn, datetime], str | None]
"""Takes a session that has just begun on; says where to, or None when somebody must be asked or told something first."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    username: str
    """As typed, or canonical."""
    secret: str
    """As typed; four taps as `pictures.taps` gives them."""
    browser: Browser
    address: str
    card: HeldCard | None = None
    """The card this browser holds; it counts only when it is this pupil's."""
    class_device: Device | None = None
    """The device of a school that this browser is."""
    device: DeviceKind = DeviceKind.OTHER
    shared: bool = False
    previous: str | None = None
    """The sid of the session that this browser has until now: it ends."""
    onward: str = ""
    """The authorization request that this person comes from: the session begins fresh for it."""
    arrive: Arrival | None = None
    """What may be done at once, in the transaction in which the session begins."""


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    account_uuid: str
    sid: str
    cookie: str
    """Value of the session cookie."""
    browser_cookie: str
    """Value of the browser cookie, which now knows this pupil."""
    must_change: bool
    amr: tuple[str, ...]
    acr: str
    onward: str | None = None
    """Where this person goes at once; None: back to where they came from."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """Not this name with this secret: nobody learns which of the two."""

    wait: Wait | None = None
    """This was one too many: the next try must wait."""


@dataclass(frozen=True, kw_only=True)
class Expired:
    """The right temporary password, too late: the school gives a new one."""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """The right secret; no session began."""


Outcome = SignedIn | Wrong | Wait | Expired


def next_step(db: Connection, keys: Keys, username: str, today: date) -> Step:
    """What to ask for this (canonical) name; a name without account gets one of the two, always the same."""
    found = meant.look_up(db, keys, username, midnight(today))
    return Step.PICTURES if found.kind is SecretKind.PICTURE else Step.PASSWORD


def prove(house: House, attempt: Attempt) -> Outcome:
    """Sign in, or not. Raises Busy when too many sign in at once: the try is not counted then."""
    outcome = _try(house, attempt, begin=True)
    assert not isinstance(outcome, Confirmed)
    return outcome


def confirm(house: House, attempt: Attempt) -> Confirmed | Wrong | Wait | Expired:
    """The same try without a session at the end: is it still the same pupil? Raises Busy."""
    outcome = _try(house, attempt, begin=False)
    assert not isinstance(outcome, SignedIn)
    return outcome


def _try(house: House, attempt: Attempt, *, begin: bool) -> Outcome | Confirmed:
    username = usernames.canonical(attempt.username)
    if username is None:
        return Wrong()
    secret = attempt.secret[:_LONGEST_SECRET].encode(errors="replace").decode()
    if username != attempt.username or secret != attempt.secret:
        attempt = replace(attempt, username=username, secret=secret)
    now = house.clock.now()
    found, taken = _reserve(house, attempt, now)
    if isinstance(taken, Wait):
        return taken
    account = found.account
    canonical = passwords.canonical(found.kind, attempt.secret)
    tried = attempt.secret[: passwords.LONGEST] if canonical is None else canonical
    try:
        verdict = house.hasher.verify(account.stored if account else None, tried)
    except Busy:
        tries.anywhere(house, lambda counters: throttle.release(counters, taken))
        raise
    if account is None or not account.active or canonical is None or not verdict.right:
        return _wrong(house, taken, tried=tried, found=found, now=now)
    fresh = _hash_again(house, verdict, canonical)
    given_back = tries.elsewhere(house, lambda counters: _given_back(counters, house, taken, now))

    def finish(db: Connection) -> Outcome | Confirmed:
        with prepared.together(db):
            return _right(
                db,
                house,
                attempt if begin else None,
                taken=taken,
                found=found,
                account=account,
                fresh=fresh,
                given_back=bool(given_back),
                now=now,
            )

    return house.database.retrying(finish)


def _reserve(house: House, attempt: Attempt, now: datetime) -> tuple[Found, Pass | Wait]:
    """Who is meant, and a try on that name: in one transaction when the database counts."""
    if house.redis is not None:
        with house.database.reading() as db:
            found = _find(db, house, attempt, now)
        subject = _subject(house, attempt, found, now)
        taken = tries.elsewhere(house, lambda counters: _take(counters, house, subject, now))
        if taken is not None:
            return found, taken

    def together(db: Connection) -> tuple[Found, Pass | Wait]:
        found = _find(db, house, attempt, now)
        return found, _take(InDatabase(db), house, _subject(house, attempt, found, now), now)

    return house.database.retrying(together)


def _find(db: Connection, house: House, attempt: Attempt, now: datetime) -> Found:
    return meant.look_up(
        db, house.keys, attempt.username, now, card=attempt.card, device=attempt.class_device
    )


def _take(counters: Counters, house: House, subject: Subject, now: datetime) -> Pass | Wait:
    return throttle.reserve(
        counters, key=house.keys.throttle, settings=house.settings, subject=subject, now=now
    )


def _given_back(counters: Counters, house: House, taken: Pass, now: datetime) -> bool:
    throttle.succeeded(counters, key=house.keys.throttle, passed=taken, now=now)
    return True


def _subject(house: House, attempt: Attempt, found: Found, now: datetime) -> Subject:
    account = found.account
    channel = _channel(attempt, found, day_of_law(now), house.settings.known_browser_days)
    device = attempt.class_device if channel is Channel.CLASS_DEVICE else None
    return Subject(
        channel=channel,
        username=attempt.username,
        secret_since=account.secret_set_at.isoformat() if account else "",
        # Whoever leaves out one cookie of a device of the school is no new browser each time.
        browser=device.id if device else attempt.browser.id,
        card=found.card,
        address=attempt.address,
        pictures=found.kind is SecretKind.PICTURE,
    )


def _channel(attempt: Attempt, found: Found, today: date, days: int) -> Channel:
    if found.card is not None:
        return Channel.CARD
    if found.account and attempt.browser.knows(found.account.account_uuid, today, days=days):
        return Channel.KNOWN
    return Channel.CLASS_DEVICE if found.at_home else Channel.OTHER


def _hash_again(house: House, verdict: Verdict, secret: str) -> Stored | None:
    """A fresh hash when the kept one has an old pepper or old parameters; not when it is busy."""
    if not verdict.stale:
        return None
    try:
        return house.hasher.hash_waiting(secret)
    except Busy:
        return None


def _wrong(house: House, taken: Pass, *, tried: str, found: Found, now: datetime) -> Wrong:
    """Count it, and note it in the trail; what closes until somebody helps is told to the school."""

    def count(counters: Counters) -> Failed:
        return throttle.failed(
            counters, key=house.keys.throttle, settings=house.settings, passed=taken, secret=tried, now=now
        )

    counted = tries.elsewhere(house, count)

    def note(db: Connection) -> Wrong:
        wait = (counted or count(InDatabase(db))).wait
        account_uuid = found.account.account_uuid if found.account else None
        channel = taken.subject.channel
        audit.sign_in_failed(db, account_uuid=account_uuid, channel=channel, way=found.kind)
        if wait is not None:
            audit.sign_in_slowed(db, account_uuid=account_uuid, channel=channel, counter=wait.counter)
            if wait.counter in throttle.UNTIL_HELP:
                attention.tell_schools(db, account_uuid, wait.counter, day_of_law(now))
        return Wrong(wait=wait)

    return house.database.retrying(note)


def _right(
    db: Connection,
    house: House,
    attempt: Attempt | None,
    *,
    taken: Pass,
    found: Found,
    account: Account,
    fresh: Stored | None,
    given_back: bool,
    now: datetime,
) -> Outcome | Confirmed:
    if not given_back:
        throttle.succeeded(InDatabase(db), key=house.keys.throttle, passed=taken, now=now)
    if account.secret_expires_at is not None and account.secret_expires_at <= now:
        return Expired()
    if not _still_so(db, account, fresh, day_of_law(now)):
        return Wrong()
    if attempt is None:
        return Confirmed()
    amr, acr = _method(account.secret_kind, card=found.card is not None)
    if attempt.previous is not None:
        sessions.end(db, attempt.previous, "signed_in_anew", now)
    must_change = account.secret_kind is SecretKind.TEMPORARY
    shared = attempt.shared or attempt.class_device is not None
    started = sessions.start(
        db,
        house,
        account_uuid=account.account_uuid,
        amr=amr,
        acr=acr,
        must_change=must_change,
        shared=shared,
        device=attempt.device,
        class_device=attempt.class_device.id if attempt.class_device else None,
        now=now,
    )
    audit.signed_in(db, account_uuid=account.account_uuid, amr=[*amr], acr=acr)
    onward = None
    if attempt.arrive is not None and not must_change:
        session = sessions.SignedIn(
            sid=started.sid,
            account_uuid=account.account_uuid,
            username=account.username,
            type=account.type,
            given_name=account.given_name or "",
            auth_time=now,
            amr=amr,
            acr=acr,
            must_change=must_change,
            shared=shared,
        )
        onward = attempt.arrive(db, session, now)
    if attempt.onward and onward is None:
        sessions.leave_first_marker(db, started.sid, attempt.onward, now)
    met = browsers.after_meeting(attempt.browser, account.account_uuid, now)
    return SignedIn(
        account_uuid=account.account_uuid,
        sid=started.sid,
        cookie=started.cookie,
        browser_cookie=browsers.cookie(house.keys, met, now),
        must_change=must_change,
        amr=amr,
        acr=acr,
        onward=onward,
    )


def _still_so(db: Connection, account: Account, fresh: Stored | None, today: date) -> bool:
    """Note the day (and a fresh hash); False when the secret was changed or the account blocked meanwhile.

    From here on other sign-ins of this pupil wait until this one is done.
    """
    kept = fresh or account.stored
    given = {"of": account.account_uuid, "before": account.stored.hash, "today": today}
    return bool(_note_sign_in().run(db, given | {"hash": kept.hash, "pepper": kept.pepper_id}))


@cache
def _note_sign_in() -> Prepared:
    return Prepared(
        update(AccountRow)
        .where(
            AccountRow.account_uuid == bindparam("of"),
            AccountRow.secret_hash == bindparam("before"),
            AccountRow.blocked_at.is_(None),
        )
        .values(
            last_sign_in_on=bindparam("today"), secret_hash=bindparam("hash"), pepper_id=bindparam("pepper")
        )
    )


def _method(kind: SecretKind, *, card: bool) -> tuple[tuple[str, ...], str]:
    """(amr, acr): how the pupil proved it, said honestly."""
    way = "pictures" if kind is SecretKind.PICTURE else "pwd"
    return ((way, "card") if card else (way,)), f"{sessions.ACR}{kind}{'+card' if card else ''}"
