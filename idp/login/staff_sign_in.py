"""Is this the member of staff that they say to be? A password and a second factor, or a passkey alone.

A name that nobody has costs the same hash, counts the same tries and gets the same words. Tries are counted as
those of pupils are (throttle.py): per person and browser where we met before, per person for all strangers together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from idp import entropy
from idp.audit import staff as audit_staff
from idp.clock import day_of_law
from idp.context import House
from idp.errors import Busy
from idp.hashing import Stored, Verdict
from idp.login import staff_accounts, staff_factors, staff_password, throttle, tries
from idp.login.browsers import Browser
from idp.login.staff_accounts import Staff
from idp.login.throttle import Channel, Pass, Subject, Wait
from idp.models import UsedChallenge

TOTP = "totp"
"""What the secret behind codes is sealed for."""
Way = Literal["password", "code", "passkey"]


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """From where somebody tries."""

    browser: Browser
    address: str


@dataclass(frozen=True, kw_only=True)
class Proven:
    """Who it is, and how that was proven."""

    person_id: str
    amr: tuple[str, ...]
    set_at: datetime | None = None
    """When the password was set that was right: a step that waits for the second factor hangs on it."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    wait: Wait | None = None


Outcome = Proven | Wrong | Wait


def mark(house: House, person_id: str) -> str:
    """What a browser remembers of a person: it cannot be told from the mark of a pupil."""
    return entropy.keyed_digest(house.keys.throttle, "staff", person_id)


# ---------------------------------------------------------------- a password


def password(house: House, name: str, typed: str, visitor: Visitor) -> Outcome:
    """The first of two. Raises Busy when too many sign in at once: the try is not counted then."""
    name, now = staff_accounts.canonical(name), house.clock.now()
    with house.database.reading() as db:
        staff = staff_accounts.find_by_name(db, name)
    stored = staff.stored if staff else None
    since = staff.secret_set_at.isoformat() if staff and staff.secret_set_at else ""
    subject = _subject(house, staff, name, visitor, now, way="password", since=since)
    taken = _reserve(house, subject, now)
    if isinstance(taken, Wait):
        return taken
    canonical = staff_password.canonical(typed)
    try:
        verdict = house.hasher.verify(stored, canonical or typed[: staff_password.LONGEST])
    except Busy:
        tries.anywhere(house, lambda counters: throttle.release(counters, taken))
        raise
    if staff is None or stored is None or canonical is None or not verdict.right:
        tried = canonical or typed[: staff_password.LONGEST]
        return _wrong(house, taken, staff, tried, now, way="password")
    fresh = _hash_again(house, verdict, canonical)

    _succeeded(house, taken, now)

    def right(db: Connection) -> Outcome:
        if fresh is not None:
            staff_accounts.hashed_again(db, staff.person_id, before=stored, after=fresh)
        return Proven(person_id=staff.person_id, amr=("pwd",), set_at=staff.secret_set_at)

    return house.database.retrying(right)


def _hash_again(house: House, verdict: Verdict, secret: str) -> Stored | None:
    try:
        return house.hasher.hash_waiting(secret) if verdict.stale else None
    except Busy:
        return None


# ---------------------------------------------------------------- a code


def code(house: House, person_id: str, typed: str, visitor: Visitor) -> Outcome:
    """A code from the app, each good once, or one of the codes on paper."""
    now = house.clock.now()
    with house.database.reading() as db:
        staff = staff_accounts.find(db, person_id)
    since = staff.totp_set_at.isoformat() if staff and staff.totp_set_at else ""
    subject = _subject(house, staff, f"{person_id} code", visitor, now, way="code", since=since)
    taken = _reserve(house, subject, now)
    if isinstance(taken, Wait):
        return taken
    step = _step(house, staff, typed, now)

    def spend(db: Connection) -> Proven | None:
        how = _spend(db, person_id, step, typed, now)
        if how is None:
            return None
        return Proven(person_id=person_id, amr=(how,))

    proven = house.database.retrying(spend) if staff is not None else None
    if proven is not None:
        _succeeded(house, taken, now)
    # The same six digits may be right half a minute later: each moment is a try of its own.
    moment = f"{typed[:40]} {int(now.timestamp()) // staff_factors.STEP}"
    return proven or _wrong(house, taken, staff, moment, now, way="code")


def _step(house: House, staff: Staff | None, typed: str, now: datetime) -> int | None:
    secret = house.keys.kept(TOTP, staff.totp_secret) if staff and staff.totp_secret else None
    if staff is None or secret is None:
        return None
    return staff_factors.totp_step(secret, typed, now, after=staff.totp_last_step or 0)


def _spend(db: Connection, person_id: str, step: int | None, typed: str, now: datetime) -> str | None:
    if step is not None:
        return "otp" if staff_accounts.spend_step(db, person_id, step) else None
    if staff_accounts.spend_recovery_code(db, person_id, typed[:40], now):
        left = staff_accounts.recovery_codes_left(db, person_id)
        audit_staff.staff_recovery_code_used(db, person_id=person_id, left=left)
        return "recovery"
    return None


# ---------------------------------------------------------------- a passkey


def passkey(
    house: House, answer: str, sealed: str, visitor: Visitor, *, person_id: str | None = None
) -> Proven | Wrong:
    """Alone it is enough: the device asked for a finger, a face or a PIN. `person_id`: it must be this person's."""
    now = house.clock.now()
    credential_id, handle = staff_factors.credential_of(answer)
    with house.database.reading() as db:
        key = staff_accounts.passkey(db, credential_id) if credential_id else None
        staff = staff_accounts.find(db, key.person_id) if key else None
    if (
        key is None
        or staff is None
        or not _is_owner(staff, handle)
        or person_id not in {None, staff.person_id}
    ):
        return _wrong_passkey(house, None, visitor, now)
    proof = staff_factors.check(house.settings, house.keys, now, answer=answer, sealed=sealed, key=key)
    if proof is None:
        return _wrong_passkey(house, staff, visitor, now)

    def spend(db: Connection) -> bool:
        return spend_challenge(db, proof.challenge, now) and staff_accounts.passkey_used(
            db, key, proof.sign_count
        )

    if not house.database.retrying(spend):
        return _wrong_passkey(house, staff, visitor, now)
    return Proven(person_id=staff.person_id, amr=("passkey",))


def spend_challenge(db: Connection, digest: bytes, now: datetime) -> bool:
    """A question is answered once; False when it was answered before."""
    insert = (sqlite if db.dialect.name == "sqlite" else postgresql).insert(UsedChallenge)
    row = {"digest": digest, "expires_at": now + 2 * staff_factors.QUESTION_LIFE}
    done = db.execute(insert.on_conflict_do_nothing().returning(UsedChallenge.digest), row)
    return done.first() is not None


def _is_owner(staff: Staff, handle: str) -> bool:
    """A passkey may say for whom it is; then that must be whose key we know it as."""
    import webauthn

    try:
        return not handle or webauthn.base64url_to_bytes(handle) == (staff.user_handle or "").encode()
    except ValueError:
        return False


def _wrong_passkey(house: House, staff: Staff | None, visitor: Visitor, now: datetime) -> Wrong:
    tries.address_failed(house, visitor.address, now)
    with house.database.transaction() as db:
        person_id = staff.person_id if staff else None
        audit_staff.staff_sign_in_failed(db, person_id=person_id, channel=Channel.OTHER, way="passkey")
    return Wrong()


# ---------------------------------------------------------------- counting


def _subject(
    house: House, staff: Staff | None, name: str, visitor: Visitor, now: datetime, *, way: Way, since: str
) -> Subject:
    who = staff.person_id if staff else name
    known = staff is not None and visitor.browser.knows(
        mark(house, staff.person_id), day_of_law(now), days=house.settings.known_browser_days
    )
    return Subject(
        channel=Channel.KNOWN if known else Channel.OTHER,
        username=f"staff:{way}:{who}",
        secret_since=since,
        browser=visitor.browser.id,
        card=None,
        address=visitor.address,
        pictures=False,
    )


def _reserve(house: House, subject: Subject, now: datetime) -> Pass | Wait:
    return tries.anywhere(
        house,
        lambda counters: throttle.reserve(
            counters, key=house.keys.throttle, settings=house.settings, subject=subject, now=now
        ),
    )


def _succeeded(house: House, taken: Pass, now: datetime) -> None:
    tries.anywhere(
        house,
        lambda counters: throttle.succeeded(counters, key=house.keys.throttle, passed=taken, now=now),
    )


def _wrong(house: House, taken: Pass, staff: Staff | None, tried: str, now: datetime, *, way: Way) -> Wrong:
    failed = tries.anywhere(
        house,
        lambda counters: throttle.failed(
            counters, key=house.keys.throttle, settings=house.settings, passed=taken, secret=tried, now=now
        ),
    )

    def note(db: Connection) -> Wrong:
        person_id, channel = (staff.person_id if staff else None), taken.subject.channel
        audit_staff.staff_sign_in_failed(db, person_id=person_id, channel=channel, way=way)
        if failed.wait is not None:
            audit_staff.staff_sign_in_slowed(
                db, person_id=person_id, channel=channel, counter=failed.wait.counter
            )
        return Wrong(wait=failed.wait)

    return house.database.retrying(note)
