"""Commands that bring data in: schools, directors, enrolments, classes. Read, plan, apply; --dry-run stops at the plan."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, progress, say
from idp.feeds import class_plan, classes, directors, enrolments, schools
from idp.feeds.problems import Problem
from idp.models import DeliveryState, SchoolKind

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
dry_option = click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
hold_option = click.option("--accept-holds", is_flag=True, help="A person looked at what is held: apply it.")


def _problems(told: Iterable[Problem]) -> list[dict[str, Any]]:
    return [one.stored() | {"weight": one.weight.value, "sentence": one.sentence} for one in told]


def _end(state: DeliveryState) -> None:
    """0 done (or only planned), 1 refused or held."""
    if state in {DeliveryState.REFUSED, DeliveryState.HELD}:
        sys.exit(REFUSED)


@click.command("import-enrolments")
@data_option
@json_option
@file_argument
@dry_option
@hold_option
@click.option("--delta", is_flag=True, help="Only additions and changes: what the file does not name stays.")
@orderly
def import_enrolments(
    data: Path | None, file: Path, *, dry_run: bool, accept_holds: bool, delta: bool, as_json: bool
) -> None:
    """Import enrolments from FILE: UTF-8 CSV or JSON Lines, a full snapshot of each school in it.

    A file that cannot be read is refused; a bad row is reported and changes nothing; a school of which suspiciously
    many enrolments would end is held for a person: see `idp holds`. Each school is one transaction.
    """
    found = enrolments.read(file)
    with opened(data) as house:
        if dry_run:
            outcome = enrolments.look(house, found, delta=delta)
        else:
            with progress("schools") as shown:
                outcome = enrolments.apply(
                    house, found, delta=delta, accept_holds=accept_holds, progress=shown
                )
    state = outcome.state
    if dry_run and state is DeliveryState.HELD and accept_holds:
        state = DeliveryState.CHECKED
    if as_json:
        say(
            {
                "state": state.value,
                "refused": outcome.refused.code if outcome.refused else None,
                "schools": [
                    {
                        "school": one.instellingsnummer,
                        "state": outcome.schools[one.instellingsnummer].value if outcome.schools else None,
                        "counts": dict(one.counts),
                        "holds": [{"code": hold.code, "sentence": hold.sentence} for hold in one.holds],
                    }
                    for one in outcome.planned
                ],
                "problems": _problems(outcome.problems),
            }
        )
    else:
        for sentence in outcome.sentences():
            click.echo(sentence)
        click.echo("planned, nothing changed" if dry_run else state.value)
        waiting = [number for number, state in outcome.schools.items() if state is DeliveryState.HELD]
        if waiting:
            click.echo(
                f"{', '.join(waiting)}: nothing changed there; it waits 7 days for you: idp holds list, then show,"
                " and apply or decline"
            )
    _end(state)


@click.command("import-classes")
@data_option
@json_option
@file_argument
@click.option(
    "--format", "form", type=click.Choice(sorted(classes.ADAPTERS)), required=True, help="Whose export it is."
)
@click.option("--school", required=True, metavar="N", help="Instellingsnummer.")
@click.option(
    "--made-at",
    type=click.DateTime(),
    help="When the package made the snapshot, UTC; older than the last one is refused.",
)
@dry_option
@hold_option
@orderly
def import_classes(
    data: Path | None,
    file: Path,
    form: str,
    school: str,
    made_at: datetime | None,
    *,
    dry_run: bool,
    accept_holds: bool,
    as_json: bool,
) -> None:
    """Import klasinformatie of one school from FILE: a full snapshot as its administrative package exports it.

    Refused unless the school shares and has named this package; suspicious snapshots are held for a person.
    """
    from datetime import UTC

    with opened(data) as house:
        found = classes.read(form, file, settings=house.settings)
        with house.database.reading() as db:
            planned = class_plan.plan(
                db,
                found,
                instellingsnummer=school,
                today=house.clock.today(),
                settings=house.settings,
                snapshot_at=made_at.replace(tzinfo=UTC) if made_at else None,
                operator=True,
            )
        if dry_run:
            state = DeliveryState.REFUSED if planned.refused else DeliveryState.CHECKED
            state = DeliveryState.HELD if planned.holds and not accept_holds else state
        else:
            outcome = classes.apply(house, planned, accept_holds=accept_holds)
            state, planned = outcome.state, outcome.plan
    if as_json:
        say(
            {
                "state": state.value,
                "refused": planned.refused.code if planned.refused else None,
                "school": school,
                "counts": dict(planned.counts),
                "holds": [{"code": hold.code, "sentence": hold.sentence} for hold in planned.holds],
                "problems": _problems(planned.problems),
            }
        )
    else:
        for sentence in planned.sentences():
            click.echo(sentence)
        click.echo("planned, nothing changed" if dry_run else state.value)
    _end(state)


@click.command("import-schools")
@data_option
@file_argument
@dry_option
@click.option(
    "--kind",
    type=click.Choice([SchoolKind.REAL.value, SchoolKind.TEST.value]),
    help="Of new schools; it never changes afterwards.  [default: real; test in a demo]",
)
@orderly
def import_schools(data: Path | None, file: Path, kind: str | None, *, dry_run: bool) -> None:
    """Import schools from FILE: CSV with instellingsnummer, naam and pakket."""
    with opened(data) as house:
        chosen = SchoolKind(kind) if kind and not house.settings.demo else None
        chosen = chosen or (SchoolKind.TEST if house.settings.demo else SchoolKind.REAL)
        with house.database.reading() as db:
            planned = schools.plan(db, schools.read(file), kind=chosen)
        done = planned if dry_run else schools.apply(house, planned)
    _tell(done, dry_run=dry_run)


@click.command("import-directors")
@data_option
@file_argument
@dry_option
@orderly
def import_directors(data: Path | None, file: Path, *, dry_run: bool) -> None:
    """Import the weekly list of directors from FILE: they become LeerID-databeheerder until their assignment ends."""
    with opened(data) as house:
        with house.database.reading() as db:
            planned = directors.plan(db, directors.read(file), today=house.clock.today())
        done = planned if dry_run else directors.apply(house, planned)
    _tell(done, dry_run=dry_run)


def _tell(plan: schools.Plan | directors.Plan, *, dry_run: bool) -> None:
    for sentence in plan.sentences():
        click.echo(sentence)
    if plan.refused:
        sys.exit(REFUSED)
    click.echo("planned, nothing changed" if dry_run else "applied")


COMMANDS = (import_schools, import_directors, import_enrolments, import_classes)
