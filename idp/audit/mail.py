"""Which events about e-mail of pupils are worth remembering? Never an address: only whose, and what happened."""

from __future__ import annotations

from sqlalchemy import Connection

from idp.audit import pupil, write


def address_asked(db: Connection, *, account_uuid: str) -> None:
    """A pupil gave an address, which must be confirmed."""
    write(db, "address_asked", actor=pupil(account_uuid), object=pupil(account_uuid))


def address_confirmed(db: Connection, *, account_uuid: str) -> None:
    write(db, "address_confirmed", actor=pupil(account_uuid), object=pupil(account_uuid))


def address_removed(db: Connection, *, account_uuid: str) -> None:
    write(db, "address_removed", actor=pupil(account_uuid), object=pupil(account_uuid))


def reset_asked(db: Connection, *, account_uuid: str | None, result: str) -> None:
    """Somebody forgot the password of a name; whether there is an account is in `object`."""
    write(db, "reset_asked", object=pupil(account_uuid) if account_uuid else None, result=result)


def password_reset(db: Connection, *, account_uuid: str) -> None:
    """With a link that was mailed."""
    write(db, "password_reset", actor=pupil(account_uuid), object=pupil(account_uuid))


def mail_given_up(db: Connection, *, kind: str, because: str) -> None:
    write(db, "mail_given_up", actor="system", result="given up", kind=kind, because=because)
