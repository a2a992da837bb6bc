"""Commands about devices of a school: a code for one, the list, a new name, the end, and everyone done."""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy import Connection, select

from idp.admin import finding
from idp.admin.pupils import class_devices
from idp.cli.frame import data_option, json_option, opened, orderly, require_known, say, table
from idp.errors import NotAllowed, NotFound
from idp.models import School, SchoolKind

SCHOOL = click.option("--school", required=True, metavar="NUMBER", help="Its instellingsnummer.")
BY = click.option(
    "--by", required=True, metavar="PERSON", help="The person_id of who does this for the school."
)


@click.group()
def device() -> None:
    """Devices of a school, which pupils share: enrol, list, rename, revoke, done."""


@device.command()
@data_option
@json_option
@SCHOOL
@click.option("--label", required=True, help="What the school calls it: 'Tablet 3'.")
@click.option("--group", metavar="CODE", help="The administratieve groep that it stands with.")
@BY
@orderly
def enrol(data: Path | None, *, school: str, label: str, group: str | None, by: str, as_json: bool) -> None:
    """Make a code, and type it on the device at /toestel. Only for sandbox and test schools: others do it themselves."""
    with opened(data) as house:
        with house.database.reading() as db:
            _not_real(db, school)
            group_code = finding.group(db, school, group) if group else None
        given = class_devices.give_code(
            house, instellingsnummer=school, label=label, by=by, group_code=group_code
        )
    if as_json:
        say({"code": given.code, "address": given.address, "until": given.until})
    else:
        click.echo(f"{given.code}\ntype it at {given.address}, before {given.until:%H:%M} UTC")


@device.command("list")
@data_option
@json_option
@SCHOOL
@orderly
def list_devices(data: Path | None, *, school: str, as_json: bool) -> None:
    """Every device of a school."""
    with opened(data) as house:
        with house.database.reading() as db:
            require_known(db, school=school)
            found = class_devices.listing(db, school)
        today = house.clock.today()
    columns = ("id", "label", "group_code", "enrolled_at", "enrolled_by", "einddatum", "revoked_at")
    shown = [{name: getattr(one, name) for name in columns} | {"counts": one.counts(today)} for one in found]
    if as_json:
        say(shown)
    else:
        table(f"Devices of {school}", (*columns, "counts"), (one.values() for one in shown))


@device.command()
@data_option
@SCHOOL
@click.argument("device_id")
@click.option("--label", required=True)
@BY
@orderly
def rename(data: Path | None, *, school: str, device_id: str, label: str, by: str) -> None:
    """Call a device something else."""
    with opened(data) as house, house.database.transaction() as db:
        _not_real(db, school)
        class_devices.rename(
            db, instellingsnummer=school, device_id=device_id, label=label, by=by, now=house.clock.now()
        )
    click.echo(f"renamed {device_id}")


@device.command()
@data_option
@SCHOOL
@click.argument("device_id")
@BY
@orderly
def revoke(data: Path | None, *, school: str, device_id: str, by: str) -> None:
    """A device is lost: it counts no longer, and whoever was signed in on it is not any more."""
    with opened(data) as house, house.database.transaction() as db:
        _not_real(db, school)
        ended = class_devices.revoke(
            db, instellingsnummer=school, device_id=device_id, by=by, now=house.clock.now()
        )
    click.echo(f"revoked {device_id}; sessions ended: {ended}")


@device.command()
@data_option
@SCHOOL
@click.option("--group", metavar="CODE", help="Only pupils of this administratieve groep.")
@click.option("--klas", metavar="CODE", help="Only pupils of this class.")
@BY
@orderly
def done(data: Path | None, *, school: str, group: str | None, klas: str | None, by: str) -> None:
    """Everyone is done: end what pupils left open on the devices of the school."""
    with opened(data) as house, house.database.transaction() as db:
        _not_real(db, school)
        ended = class_devices.everyone_done(
            db,
            instellingsnummer=school,
            by=by,
            now=house.clock.now(),
            group_code=finding.group(db, school, group) if group else None,
            klas=finding.klas(db, school, klas) if klas else None,
        )
    click.echo(f"sessions ended: {ended}")


def _not_real(db: Connection, school: str) -> None:
    kind = db.execute(select(School.kind).where(School.instellingsnummer == school)).scalar()
    if kind is None:
        raise NotFound("school_unknown", school)
    if kind is SchoolKind.REAL:
        raise NotAllowed("school_is_real", "its own staff do this, signed in")


COMMANDS = (device,)
