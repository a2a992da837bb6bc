"""Commands about deliveries of classes that wait for a person."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, say, table
from idp.feeds import class_difference, classes, held
from idp.models import DeliveryState

BY = "operator:cli"


@click.group()
def holds() -> None:
    """Deliveries of classes that wait for a person: list, show, apply, decline."""


@holds.command("list")
@data_option
@json_option
@orderly
def list_all(data: Path | None, *, as_json: bool) -> None:
    """Every delivery that waits, the newest first."""
    with opened(data) as house, house.database.reading() as db:
        found = held.waiting(db)
    shown = [
        {
            "delivery": one.id,
            "school": one.instellingsnummer,
            "format": one.format,
            "received_at": one.received_at,
            "snapshot_at": one.snapshot_at,
            "because": list(one.codes),
            "rows": one.records,
        }
        for one in found
    ]
    if as_json:
        say(shown)
        return
    columns = ("delivery", "school", "format", "received_at", "snapshot_at", "because", "rows")
    table("Deliveries that wait", columns, _plain(shown, columns))


@holds.command()
@data_option
@json_option
@click.argument("delivery")
@orderly
def show(data: Path | None, delivery: str, *, as_json: bool) -> None:
    """What DELIVERY would change, class by class, with stamnummers."""
    with opened(data) as house:
        with house.database.reading() as db:
            waiting = held.find(db, delivery)
        plan = classes.held_plan(house, delivery, waiting.instellingsnummer)
        with house.database.reading() as db:
            found = class_difference.difference(db, plan)
    shown = [
        {
            "class": one.code,
            "name": one.naam,
            "was": one.was,
            "before": one.before,
            "after": one.after,
            "leave": list(one.leave.stamnummers),
            "come": list(one.come.stamnummers),
        }
        for one in found.classes
    ]
    if as_json:
        say({"delivery": delivery, "counts": dict(plan.counts), "classes": shown, "more": found.others})
        return
    for sentence in plan.sentences():
        click.echo(sentence)
    columns = ("class", "name", "was", "before", "after", "leave", "come")
    table("What would change", columns, _plain(shown, columns))
    if found.others:
        click.echo(f"and {found.others} classes more")


@holds.command()
@data_option
@click.argument("delivery")
@orderly
def apply(data: Path | None, delivery: str) -> None:
    """Apply DELIVERY: somebody at the school looked."""
    with opened(data) as house:
        with house.database.reading() as db:
            waiting = held.find(db, delivery)
        plan = classes.held_plan(house, delivery, waiting.instellingsnummer)
        outcome = classes.apply(house, plan, delivery=delivery, decided_by=BY)
    for sentence in outcome.plan.sentences():
        click.echo(sentence)
    click.echo(outcome.state.value)
    if outcome.state is not DeliveryState.APPLIED:
        sys.exit(REFUSED)


@holds.command()
@data_option
@click.argument("delivery")
@orderly
def decline(data: Path | None, delivery: str) -> None:
    """Decline DELIVERY: what is there stays, and its rows are deleted."""
    with opened(data) as house:
        with house.database.reading() as db:
            waiting = held.find(db, delivery)
        held.decline(house, delivery, instellingsnummer=waiting.instellingsnummer, by=BY)
    click.echo(f"declined {delivery}")


def _plain(shown: list[dict[str, Any]], columns: tuple[str, ...]) -> Iterator[list[Any]]:
    for one in shown:
        yield [" ".join(cell) if isinstance(cell := one[name], list) else cell for name in columns]


COMMANDS = (holds,)
