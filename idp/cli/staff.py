"""Commands about staff: who may do what, and who gets an invitation to sign in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from idp.admin.staff import access
from idp.cli.frame import data_option, json_option, opened, orderly, require_known, say, table
from idp.clock import day_of_law
from idp.errors import Invalid
from idp.login import staff_setup
from idp.models import RightKind

DAY = click.DateTime(formats=["%Y-%m-%d"])
person_option = click.option("--person", "person_id", required=True, metavar="ID", help="person_id.")


@click.group()
def staff() -> None:
    """How members of staff sign in."""


@staff.command()
@data_option
@json_option
@click.argument("person")
@orderly
def invite(data: Path | None, person: str, *, as_json: bool) -> None:
    """Print a link with which PERSON sets up how they sign in: once, within some days.

    Give it to that person yourself: whoever has it can sign in as them. For somebody who could sign in already it
    starts anew; passkeys, app and recovery codes of before stop working when it is used.
    """
    with opened(data) as house:
        now = house.clock.now()
        with house.database.transaction() as db:
            link = staff_setup.invite(db, house.settings, person_id=person, by="operator:cli", now=now)
        hours = house.settings.staff_invitation_hours
    if as_json:
        say({"person_id": person, "link": link, "hours": hours})
    else:
        click.echo(f"{link}\nworks once, for {hours} hours")


@staff.command()
@data_option
@click.argument("person")
@orderly
def forget(data: Path | None, person: str) -> None:
    """Take away every way in which PERSON signs in, and end their sessions. Rights stay as they are."""
    with opened(data) as house:
        now = house.clock.now()
        with house.database.transaction() as db:
            access.require_person(db, person)
            staff_setup.forget(db, person, "operator", now)
    click.echo(f"{person} can no longer sign in; `idp staff invite {person}` begins anew")


@click.group()
def rights() -> None:
    """What members of staff may do."""


@rights.command("list")
@data_option
@json_option
@click.option("--school", metavar="N", help="Instellingsnummer; left out: every school, and operators.")
@click.option("--person", "person_id", metavar="ID", help="Only this person.")
@orderly
def list_rights(data: Path | None, school: str | None, person_id: str | None, *, as_json: bool) -> None:
    """Rights that count today or will, with the person and the last day."""
    with opened(data) as house, house.database.reading() as db:
        found = access.holders(db, house.clock.today(), instellingsnummer=school, person_id=person_id)
        if not found:
            require_known(db, school=school, person_id=person_id)
    rows = [
        {
            "id": one.id,
            "person_id": one.person_id,
            "name": one.name,
            "right": one.kind.value,
            "school": one.instellingsnummer,
            "supplier": one.supplier,
            "from": one.begindatum,
            "until": one.einddatum,
            "source": one.source,
        }
        for one in found
    ]
    if as_json:
        say(rows)
    else:
        columns = ("id", "person_id", "name", "right", "school", "supplier", "from", "until", "source")
        table("Rights", columns, ([row[name] for name in columns] for row in rows))


@rights.command()
@data_option
@json_option
@person_option
@click.option(
    "--right",
    "kind",
    required=True,
    type=click.Choice([kind.value for kind in RightKind]),
    metavar="RIGHT",
    help="What they may do: " + ", ".join(kind.value for kind in RightKind) + ".",
)
@click.option("--school", metavar="N", help="Instellingsnummer; left out for an operator.")
@click.option("--supplier", metavar="ID", help="Whose apps, for a leverancier: see `idp supplier list`.")
@click.option("--until", type=DAY, help="Last day.  [default: 31 August of this school year]")
@click.option("--voornaam", help="For a person who is not known yet.")
@click.option("--naam", help="For a person who is not known yet.")
@click.option("--e-mail", help="For a person who is not known yet: may be used to sign in.")
@orderly
def give(
    *,
    data: Path | None,
    person_id: str,
    kind: str,
    school: str | None,
    supplier: str | None,
    until: datetime | None,
    voornaam: str | None,
    naam: str | None,
    e_mail: str | None,
    as_json: bool,
) -> None:
    """Give a right, from today on. With --voornaam and --naam the person is made known as well."""
    if bool(voornaam) != bool(naam):
        raise Invalid("name_incomplete", "--voornaam and --naam go together")
    with opened(data) as house:
        now = house.clock.now()
        with house.database.transaction() as db:
            if voornaam and naam:
                access.meet(db, person_id=person_id, voornaam=voornaam, naam=naam, e_mail=e_mail, now=now)
            right_id = access.grant(
                db,
                person_id=person_id,
                kind=RightKind(kind),
                instellingsnummer=school,
                supplier=supplier,
                einddatum=until.date() if until else None,
                now=now,
            )
    if as_json:
        say({"id": right_id})
    else:
        click.echo(
            f"{person_id} is {kind} {f'at {place}' if (place := school or supplier) else 'everywhere'}; right {right_id}"
        )


@rights.command()
@data_option
@click.argument("right_id", metavar="RIGHT")
@orderly
def stop(data: Path | None, right_id: str) -> None:
    """Stop RIGHT (its id, see `idp rights list`) at once."""
    with opened(data) as house, house.database.transaction() as db:
        stopped = access.stop(db, right_id=right_id, by=None, today=day_of_law(house.clock.now()))
    click.echo(f"{stopped.person_id} is no longer {stopped.kind}")


COMMANDS = (staff, rights)
