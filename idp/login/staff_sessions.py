"""Which member of staff is signed in on this browser? A row per sign-in, and a cookie that is no pupil's.

Like login/sessions.py this file knows Flask: `current()` answers for the request at hand. What somebody may do is
not in here: rights are looked up at every request (admin/staff_door.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from flask import g
from sqlalchemy import ColumnElement, Connection, insert, select, update

from idp import context, entropy, web
from idp.audit import staff as audit_staff
from idp.config import Settings
from idp.context import House
from idp.entropy import Token
from idp.models import Person, StaffSession

COOKIE = "staff"
SIGN_IN = "/personeel/aanmelden"
HOME = "/schoolloket"
WAY_BACK = ("/schoolloket", "/beheer", "/leverancier", "/zandbak", "/personeel/mijn-gegevens")
"""Where a sign-in of staff may lead: nowhere else, and never to another host."""
_TOUCH = timedelta(minutes=1)
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "CrOS", "Linux")
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
)


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """The member of staff behind this request."""

    sid: str
    person_id: str
    voornaam: str
    naam: str
    amr: tuple[str, ...]
    auth_time: datetime
    proven_at: datetime
    chosen_school: str | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A session in the person's own list."""

    sid: str
    device: str
    auth_time: datetime
    last_seen_at: datetime


class Started(NamedTuple):
    sid: str
    cookie: str


def start(
    db: Connection,
    house: House,
    *,
    person_id: str,
    amr: tuple[str, ...],
    device: str,
    now: datetime,
    proven_at: datetime | None = None,
) -> Started:
    """Begin a session, with a cookie that did not exist before. `proven_at`: when it was proven elsewhere, not now."""
    sid, cookie = entropy.identifier(), entropy.token(Token.STAFF_SESSION, now)
    db.execute(
        insert(StaffSession),
        {
            "sid": sid,
            "cookie_digest": entropy.digest(cookie, Token.STAFF_SESSION),
            "person_id": person_id,
            "amr": [*amr],
            "auth_time": now,
            "proven_at": proven_at or now,
            "device": device,
            "last_seen_at": now,
            "expires_at": now + timedelta(hours=house.settings.staff_session_hours),
        },
    )
    audit_staff.staff_signed_in(db, person_id=person_id, amr=[*amr])
    return Started(sid=sid, cookie=cookie)


def end(db: Connection, person_id: str, sid: str, because: str, now: datetime) -> bool:
    """End one session of this person; False when it had ended, or is somebody else's."""
    return _end(db, StaffSession.sid == sid, person_id, because, now) > 0


def end_others(db: Connection, person_id: str, keep: str | None, because: str, now: datetime) -> int:
    """End every session of this person but `keep`."""
    return _end(
        db, StaffSession.sid != keep if keep else StaffSession.sid.is_not(None), person_id, because, now
    )


def _end(db: Connection, which: ColumnElement[bool], person_id: str, because: str, now: datetime) -> int:
    done = db.execute(
        update(StaffSession)
        .where(which, StaffSession.person_id == person_id, StaffSession.ended_at.is_(None))
        .values(ended_at=now, ended_because=because)
    )
    if done.rowcount:
        audit_staff.staff_signed_out(db, person_id=person_id, because=because)
    return done.rowcount


def proved_again(db: Connection, sid: str, person_id: str, amr: tuple[str, ...], now: datetime) -> None:
    db.execute(update(StaffSession).where(StaffSession.sid == sid).values(proven_at=now))
    audit_staff.staff_proved_again(db, person_id=person_id, amr=[*amr])


def choose_school(db: Connection, sid: str, instellingsnummer: str) -> None:
    db.execute(update(StaffSession).where(StaffSession.sid == sid).values(chosen_school=instellingsnummer))


def of_person(db: Connection, settings: Settings, person_id: str, now: datetime) -> tuple[Line, ...]:
    """Where this person is signed in now, the latest first."""
    rows = db.execute(
        select(StaffSession.sid, StaffSession.device, StaffSession.auth_time, StaffSession.last_seen_at)
        .where(
            StaffSession.person_id == person_id,
            StaffSession.ended_at.is_(None),
            StaffSession.expires_at > now,
            StaffSession.last_seen_at > now - timedelta(minutes=settings.staff_idle_minutes),
        )
        .order_by(StaffSession.last_seen_at.desc())
    )
    return tuple(Line(**row) for row in rows.mappings())


# ---------------------------------------------------------------- the request at hand


def current() -> SignedIn | None:
    """The member of staff behind this request. Looks once."""
    if "staff_signed_in" not in g:
        g.staff_signed_in = _look(web.read_cookie(COOKIE))
    found: SignedIn | None = g.staff_signed_in
    return found


def _look(cookie: str) -> SignedIn | None:
    house = context.house()
    digest, now = entropy.digest(cookie, Token.STAFF_SESSION), house.clock.now()
    if digest is None:
        return None
    with house.database.reading() as db:
        row = _find(db, digest)
    idle = timedelta(minutes=house.settings.staff_idle_minutes)
    if row is None or row.expires_at <= now or row.last_seen_at + idle <= now:
        return None
    if now - row.last_seen_at >= _TOUCH:
        with house.database.transaction() as db:
            db.execute(update(StaffSession).where(StaffSession.sid == row.sid).values(last_seen_at=now))
    return SignedIn(
        sid=row.sid,
        person_id=row.person_id,
        voornaam=row.voornaam,
        naam=row.naam,
        amr=tuple(row.amr),
        auth_time=row.auth_time,
        proven_at=row.proven_at,
        chosen_school=row.chosen_school,
    )


def _find(db: Connection, digest: bytes) -> Any:
    return db.execute(
        select(
            StaffSession.sid,
            StaffSession.person_id,
            StaffSession.amr,
            StaffSession.auth_time,
            StaffSession.proven_at,
            StaffSession.chosen_school,
            StaffSession.last_seen_at,
            StaffSession.expires_at,
            Person.voornaam,
            Person.naam,
        )
        .join(Person, Person.person_id == StaffSession.person_id)
        .where(StaffSession.cookie_digest == digest, StaffSession.ended_at.is_(None))
    ).first()


def device(agent: str) -> str:
    """A browser in a few words: which program, on which system."""
    browser = next((name for sign, name in _BROWSERS if sign in agent), "")
    system = next((name for name in _SYSTEMS if name in agent), "")
    return " · ".join(word for word in (browser, system) if word) or "?"
