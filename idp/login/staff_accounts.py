"""Which members of staff have a way to sign in, and what do we keep of it?

A person is named by person id or e-mail address, however it is written. What is kept of a second factor cannot be
read from the database alone: the secret behind TOTP codes is sealed, and recovery codes are digests.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from idp import entropy
from idp.hashing import Stored
from idp.models import Passkey, Person, RecoveryCode, StaffAccount

LONGEST_NAME = 254
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, kw_only=True)
class Staff:
    """A person, and how they sign in."""

    person_id: str
    voornaam: str
    naam: str
    e_mail: str | None
    user_handle: str | None
    """None: nothing was set up yet."""
    stored: Stored | None = field(repr=False)
    secret_set_at: datetime | None
    totp_secret: str | None = field(repr=False)
    """Sealed."""
    totp_set_at: datetime | None
    totp_last_step: int | None


@dataclass(frozen=True, kw_only=True)
class Key:
    """A passkey of a person."""

    id: str
    person_id: str
    credential_id: str
    public_key: bytes = field(repr=False)
    sign_count: int
    label: str
    created_at: datetime


def canonical(typed: str) -> str:
    """The one way of writing what was typed: there is one counter behind all of them."""
    folded = unicodedata.normalize("NFKC", typed[: 4 * LONGEST_NAME]).strip().casefold()
    return "".join(sign for sign in folded if unicodedata.category(sign)[0] != "C")[:LONGEST_NAME]


def find(db: Connection, person_id: str) -> Staff | None:
    return _staff(db.execute(_select().where(Person.person_id == person_id)).mappings().first())


def find_by_name(db: Connection, name: str) -> Staff | None:
    """Who is meant by a canonical name. An e-mail address that two people share means nobody."""
    by_id = func.lower(Person.person_id) == name
    rows = db.execute(_select().where(by_id).limit(2)).mappings().all()
    if not rows and "@" in name:
        rows = db.execute(_select().where(func.lower(Person.e_mail) == name).limit(2)).mappings().all()
    return _staff(rows[0]) if len(rows) == 1 else None


def names(db: Connection, people: Collection[str]) -> dict[str, str]:
    """First and last name by person_id; not of those whose names were kept long enough (docs/retention.md)."""
    known = select(Person.person_id, Person.voornaam, Person.naam)
    rows = db.execute(known.where(Person.person_id.in_(people), Person.naam != ""))
    return {row.person_id: f"{row.voornaam} {row.naam}" for row in rows}


def _select() -> Select[*tuple[Any, ...]]:
    return select(
        Person.person_id,
        Person.voornaam,
        Person.naam,
        Person.e_mail,
        StaffAccount.user_handle,
        StaffAccount.secret_hash,
        StaffAccount.pepper_id,
        StaffAccount.secret_set_at,
        StaffAccount.totp_secret,
        StaffAccount.totp_set_at,
        StaffAccount.totp_last_step,
    ).outerjoin(StaffAccount, StaffAccount.person_id == Person.person_id)


def _staff(row: Any) -> Staff | None:
    if row is None:
        return None
    words = dict(row)
    hash_, pepper_id = words.pop("secret_hash"), words.pop("pepper_id")
    stored = Stored(hash=hash_, pepper_id=pepper_id) if hash_ and pepper_id else None
    return Staff(**words, stored=stored)


# ---------------------------------------------------------------- the account and its password


def ensure(db: Connection, person_id: str, now: datetime, *, user_handle: str = "") -> str:
    """An account for this person, made when there is none; returns the user handle."""
    mine = select(StaffAccount.user_handle).where(StaffAccount.person_id == person_id)
    known: str | None = db.execute(mine).scalar()
    if known is None:
        known = user_handle or entropy.identifier()
        row = {"person_id": person_id, "user_handle": known, "totp_last_step": 0, "created_at": now}
        db.execute(insert(StaffAccount), row)
    return known


def set_password(db: Connection, person_id: str, stored: Stored, now: datetime) -> None:
    db.execute(
        update(StaffAccount)
        .where(StaffAccount.person_id == person_id)
        .values(secret_hash=stored.hash, pepper_id=stored.pepper_id, secret_set_at=now)
    )


def hashed_again(db: Connection, person_id: str, *, before: Stored, after: Stored) -> None:
    """The same password under a newer pepper or other parameters, unless it was changed meanwhile."""
    db.execute(
        update(StaffAccount)
        .where(StaffAccount.person_id == person_id, StaffAccount.secret_hash == before.hash)
        .values(secret_hash=after.hash, pepper_id=after.pepper_id)
    )


# ---------------------------------------------------------------- TOTP


def set_totp(db: Connection, person_id: str, sealed: str | None, *, step: int, now: datetime) -> None:
    """A new secret, of which the code of `step` was just used; None takes the factor away."""
    db.execute(
        update(StaffAccount)
        .where(StaffAccount.person_id == person_id)
        .values(totp_secret=sealed, totp_set_at=now if sealed else None, totp_last_step=step)
    )


def spend_step(db: Connection, person_id: str, step: int) -> bool:
    """Take the code of this step, once; False when it, or a later one, was taken."""
    done = db.execute(
        update(StaffAccount)
        .where(StaffAccount.person_id == person_id, StaffAccount.totp_last_step < step)
        .values(totp_last_step=step)
    )
    return bool(done.rowcount)


# ---------------------------------------------------------------- recovery codes


def new_recovery_codes(db: Connection, person_id: str, chance: entropy.Chance, now: datetime) -> list[str]:
    """Ten new codes instead of those that there were. Shown once."""
    codes = [_code(chance) for _ in range(RECOVERY_CODES)]
    db.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    db.execute(
        insert(RecoveryCode),
        [{"digest": _digest(person_id, code), "person_id": person_id, "created_at": now} for code in codes],
    )
    return codes


def spend_recovery_code(db: Connection, person_id: str, typed: str, now: datetime) -> bool:
    """Take this code, once."""
    done = db.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.digest == _digest(person_id, typed),
            RecoveryCode.person_id == person_id,
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return bool(done.rowcount)


def recovery_codes_left(db: Connection, person_id: str) -> int:
    unused = (RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
    return int(db.execute(select(func.count()).select_from(RecoveryCode).where(*unused)).scalar_one())


def _code(chance: entropy.Chance) -> str:
    """Eighty bits nearly, in groups that a person can copy from paper."""
    return "-".join("".join(chance.pick(_LETTERS) for _ in range(4)) for _ in range(4))


def _digest(person_id: str, code: str) -> str:
    plain = "".join(sign for sign in code.lower() if sign in _LETTERS)
    return hashlib.sha256(f"recovery\x00{person_id}\x00{plain}".encode()).hexdigest()


# ---------------------------------------------------------------- passkeys


def passkeys(db: Connection, person_id: str) -> tuple[Key, ...]:
    rows = db.execute(
        select(Passkey.__table__).where(Passkey.person_id == person_id).order_by(Passkey.created_at)
    )
    return tuple(Key(**row) for row in rows.mappings())


def passkey(db: Connection, credential_id: str) -> Key | None:
    row = (
        db.execute(select(Passkey.__table__).where(Passkey.credential_id == credential_id)).mappings().first()
    )
    return Key(**row) if row else None


def add_passkey(db: Connection, key: Key) -> None:
    db.execute(
        insert(Passkey),
        {name: getattr(key, name) for name in Key.__dataclass_fields__},
    )


def passkey_used(db: Connection, key: Key, sign_count: int) -> bool:
    """Note the counter of the device; False when somebody else used this key since we read it."""
    done = db.execute(
        update(Passkey)
        .where(Passkey.id == key.id, Passkey.sign_count == key.sign_count)
        .values(sign_count=sign_count)
    )
    return bool(done.rowcount)


def remove_passkey(db: Connection, person_id: str, key_id: str) -> bool:
    """False when this person has no such passkey."""
    if key_id not in {key.id for key in passkeys(db, person_id)}:
        return False
    return bool(db.execute(delete(Passkey).where(Passkey.id == key_id)).rowcount)
