"""Is this browser a device of a school? An opaque cookie, whose digest we keep, says so until the school takes it back.

Such a device is shared by pupils: its sessions end soon. For pupils who are enrolled at that school today it is the
throttle's channel C3. The word for a device (tablet, computer) is all that we keep of what a browser says about itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from idp import entropy
from idp.audit import devices as audit_devices
from idp.clock import day_of_law, school_year_ends
from idp.config import Settings
from idp.keys import Keys
from idp.models import ClassDevice, DeviceCode, DeviceKind, School

COOKIE = "device"
"""Word of the cookie."""
LONGEST_DAYS = 400
"""Browsers keep no cookie longer; a device of ours ends before."""
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0, 1, I, L and O, which people take for each other."""
CODE_LENGTH = 8
_RENEW_AFTER = timedelta(days=7)
_AGAIN_AFTER = timedelta(minutes=10)
"""When an answer with a new cookie got lost, the next one is not made at once: several pages may be loading."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """The device of a school that this browser is."""

    id: str
    instellingsnummer: str
    school: str
    label: str
    einddatum: date


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    device: Device
    cookie: str
    """For the browser, once."""


# ---------------------------------------------------------------- becoming one


def new_code(chance: entropy.Chance | None = None) -> str:
    drawn = chance or entropy.Chance()
    return "".join(drawn.pick(ALPHABET) for _ in range(CODE_LENGTH))


def readable(code: str) -> str:
    """In two halves, as people read it aloud."""
    half = CODE_LENGTH // 2
    return f"{code[:half]} {code[half:]}"


def keep_code(
    db: Connection,
    keys: Keys,
    settings: Settings,
    *,
    code: str,
    instellingsnummer: str,
    label: str,
    group_code: str | None,
    by: str,
    now: datetime,
) -> datetime:
    """From now on, and not for long, this code makes one browser a device of this school; returns until when."""
    until = now + timedelta(minutes=settings.class_device_code_minutes)
    db.execute(
        insert(DeviceCode),
        {
            "code_digest": _digest_of(keys, code),
            "instellingsnummer": instellingsnummer,
            "label": label,
            "group_code": group_code,
            "given_by": by,
            "expires_at": until,
        },
    )
    audit_devices.device_code_given(db, instellingsnummer=instellingsnummer, by=by)
    return until


def enrol(db: Connection, keys: Keys, settings: Settings, *, typed: str, now: datetime) -> Enrolled | None:
    """This browser is a device of the school that gave this code; the code is used up. None: no such code (now)."""
    code = canonical(typed)
    given = (
        code
        and db.execute(
            delete(DeviceCode)
            .where(DeviceCode.code_digest == _digest_of(keys, code), DeviceCode.expires_at > now)
            .returning(
                DeviceCode.instellingsnummer, DeviceCode.label, DeviceCode.group_code, DeviceCode.given_by
            )
        ).one_or_none()
    )
    if not given:
        audit_devices.device_code_refused(db)
        return None
    device_id, cookie = entropy.row_id(), entropy.token(entropy.Token.DEVICE, now)
    last = school_year_ends(day_of_law(now)) + timedelta(days=settings.class_device_days_after)
    db.execute(
        insert(ClassDevice),
        {
            "id": device_id,
            "instellingsnummer": given.instellingsnummer,
            "label": given.label,
            "group_code": given.group_code,
            "cookie_digest": entropy.digest(cookie, entropy.Token.DEVICE),
            "renewed_at": now,
            "enrolled_at": now,
            "enrolled_by": given.given_by,
            "einddatum": last,
        },
    )
    audit_devices.device_enrolled(
        db, device=device_id, instellingsnummer=given.instellingsnummer, by=given.given_by
    )
    return Enrolled(device=_device(_by_id(db, device_id)), cookie=cookie)


def canonical(typed: str) -> str | None:
    """Capitals without spaces and dashes; None when it cannot be a code."""
    code = re.sub(r"[\s-]", "", typed[:40]).upper()
    good = len(code) == CODE_LENGTH and all(one in ALPHABET for one in code)
    return code if good else None


# ---------------------------------------------------------------- being one


def find(db: Connection, cookie: str, now: datetime) -> Device | None:
    """The device that shows this cookie: not taken back, and not past its last day."""
    row = _row(db, cookie, now)
    return _device(row) if row is not None else None


def needs_new_cookie(db: Connection, cookie: str, now: datetime) -> bool:
    row = _row(db, cookie, now)
    return row is not None and _is_due(row, cookie, now)


def renew(db: Connection, cookie: str, now: datetime) -> str | None:
    """A new cookie for this device, when it is time; the old one counts until the new one is seen."""
    row = _row(db, cookie, now)
    if row is None or not _is_due(row, cookie, now):
        return None
    shown = entropy.digest(cookie, entropy.Token.DEVICE)
    if row.cookie_digest == shown and now - row.renewed_at < _RENEW_AFTER:
        db.execute(update(ClassDevice).where(ClassDevice.id == row.id).values(previous_digest=None))
        return None
    fresh = entropy.token(entropy.Token.DEVICE, now)
    done = db.execute(
        update(ClassDevice)
        .where(ClassDevice.id == row.id, ClassDevice.renewed_at == row.renewed_at)
        .values(
            cookie_digest=entropy.digest(fresh, entropy.Token.DEVICE), previous_digest=shown, renewed_at=now
        )
    )
    return fresh if done.rowcount else None


def _is_due(row: Any, cookie: str, now: datetime) -> bool:
    if row.cookie_digest == entropy.digest(cookie, entropy.Token.DEVICE):
        return row.previous_digest is not None or now - row.renewed_at >= _RENEW_AFTER
    return bool(now - row.renewed_at >= _AGAIN_AFTER)


def _row(db: Connection, cookie: str, now: datetime) -> Any:
    digest = entropy.digest(cookie, entropy.Token.DEVICE)
    if digest is None:
        return None
    return db.execute(
        _SELECT.where(
            or_(ClassDevice.cookie_digest == digest, ClassDevice.previous_digest == digest),
            ClassDevice.revoked_at.is_(None),
            ClassDevice.einddatum >= day_of_law(now),
        )
    ).one_or_none()


_SELECT = select(
    ClassDevice.id,
    ClassDevice.instellingsnummer,
    School.naam.label("school"),
    ClassDevice.label,
    ClassDevice.einddatum,
    ClassDevice.cookie_digest,
    ClassDevice.previous_digest,
    ClassDevice.renewed_at,
).join(School, School.instellingsnummer == ClassDevice.instellingsnummer)


def _by_id(db: Connection, device_id: str) -> Any:
    return db.execute(_SELECT.where(ClassDevice.id == device_id)).one()


def _device(row: Any) -> Device:
    return Device(
        id=row.id,
        instellingsnummer=row.instellingsnummer,
        school=row.school,
        label=row.label,
        einddatum=row.einddatum,
    )


def _digest_of(keys: Keys, code: str) -> str:
    return entropy.keyed_digest(keys.throttle, "device code", code)


# ---------------------------------------------------------------- a word for a device

_TABLET = re.compile(r"ipad|tablet|silk|playbook|android(?!.*mobile)", re.IGNORECASE)
_PHONE = re.compile(r"iphone|ipod|android.*mobile|windows phone|mobile.*firefox", re.IGNORECASE)
_COMPUTER = re.compile(r"windows nt|macintosh|cros|x11|linux", re.IGNORECASE)


def kind_of(user_agent: str, *, says_mobile: str = "") -> DeviceKind:
    """The word for a device, from its User-Agent and the client hint Sec-CH-UA-Mobile."""
    text = user_agent[:500]
    if _TABLET.search(text):
        return DeviceKind.TABLET
    if says_mobile == "?1" or _PHONE.search(text):
        return DeviceKind.PHONE
    return DeviceKind.COMPUTER if _COMPUTER.search(text) else DeviceKind.OTHER
