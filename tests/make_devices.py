"""Factories for devices of a school."""

from __future__ import annotations

from sqlalchemy import select

from idp.context import House
from idp.login import devices
from idp.models import Enrolment


def school_of(house: House, account_uuid: str) -> str:
    with house.database.reading() as db:
        return db.execute(
            select(Enrolment.instellingsnummer).where(Enrolment.account_uuid == account_uuid)
        ).scalar_one()


def code(house: House, school: str, label: str = "Tablet 3", group_code: str | None = None) -> str:
    """A code that makes a browser a device of this school."""
    made = devices.new_code()
    with house.database.transaction() as db:
        devices.keep_code(
            db,
            house.keys,
            house.settings,
            code=made,
            instellingsnummer=school,
            label=label,
            group_code=group_code,
            by="ann",
            now=house.clock.now(),
        )
    return made


def enrolled(house: House, school: str, label: str = "Tablet 3") -> devices.Enrolled:
    typed = code(house, school, label)
    with house.database.transaction() as db:
        made = devices.enrol(db, house.keys, house.settings, typed=typed, now=house.clock.now())
    assert made is not None
    return made


def device(house: House, school: str, label: str = "Tablet 3") -> devices.Device:
    return enrolled(house, school, label).device
