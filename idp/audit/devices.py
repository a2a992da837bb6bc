"""Which events of devices of a school are worth remembering? The third page of idp/audit."""

from __future__ import annotations

from sqlalchemy import Connection

from idp.audit import person, write


def device_code_given(db: Connection, *, instellingsnummer: str, by: str) -> None:
    write(db, "device_code_given", actor=person(by), school=instellingsnummer)


def device_code_refused(db: Connection) -> None:
    write(db, "device_code_refused", result="refused")


def device_enrolled(db: Connection, *, device: str, instellingsnummer: str, by: str) -> None:
    write(db, "device_enrolled", actor=person(by), object=f"device:{device}", school=instellingsnummer)


def device_renamed(db: Connection, *, device: str, instellingsnummer: str, by: str) -> None:
    write(db, "device_renamed", actor=person(by), object=f"device:{device}", school=instellingsnummer)


def device_revoked(db: Connection, *, device: str, instellingsnummer: str, by: str) -> None:
    write(db, "device_revoked", actor=person(by), object=f"device:{device}", school=instellingsnummer)


def everyone_signed_out(
    db: Connection, *, instellingsnummer: str, by: str, among: str | None, count: int
) -> None:
    """*Iedereen klaar* on the devices of a school; `among` the group or class, None: all."""
    write(db, "everyone_signed_out", actor=person(by), school=instellingsnummer, among=among, count=count)
