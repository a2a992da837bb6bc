"""Commands about deliveries that wait for a person: classes, which the school decides about, and enrolments, which an operator does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, say, table
from idp.context import House
from idp.feeds import class_difference, classes, deliveries, enrolments, held, held_enrolments
from idp.models import DeliveryState

BY = "operator:cli"
COLUMNS = {
    "classes": ("class", "name", "was", "before", "after", "leave", "come"),
    "groups": ("group", "before", "after", "leave", "come"),
}


@click.group()
def holds() -> None:
    """Deliveries that wait for a person: list, show, apply, decline.

    What is suspicious waits for seven days, sealed, and meanwhile all stays as it was; a newer delivery of the same
    school replaces it. Classes are for the school to decide, on its own page; enrolments are for you.
    """


@holds.command("list")
@data_option
@json_option
@orderly
def list_all(data: Path | None, *, as_json: bool) -> None:
    """Every delivery that waits, the newest first."""
    with opened(data) as house, house.database.reading() as db:
        found = held.waiting(db, kind=None)
    shown = [
        {
            "delivery": one.id,
            "kind": one.kind,
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
    columns = ("delivery", "kind", "school", "format", "received_at", "snapshot_at", "because", "rows")
    table("Deliveries that wait", columns, _plain(shown, columns))


@holds.command()
@data_option
@json_option
@click.argument("delivery")
@orderly
def show(data: Path | None, delivery: str, *, as_json: bool) -> None:
    """What DELIVERY would change, by class or by administratieve groep, with stamnummers."""
    with opened(data) as house:
        with house.database.reading() as db:
            waiting = held.find(db, delivery, kind=None)
        if waiting.kind == deliveries.ENROLMENTS:
            sentences, counts, shown, others = _of_enrolments(house, delivery)
            things = "groups"
        else:
            sentences, counts, shown, others = _of_classes(house, waiting)
            things = "classes"
    if as_json:
        told = {"delivery": delivery, "kind": waiting.kind, "school": waiting.instellingsnummer}
        say(told | {"counts": counts, things: shown, "more": others})
        return
    for sentence in sentences:
        click.echo(sentence)
    columns = COLUMNS[things]
    table("What would change", columns, _plain(shown, columns))
    if others:
        click.echo(f"and {others} {things} more")
    click.echo(f"idp holds apply {delivery}, or idp holds decline {delivery}")


Told = tuple[list[str], dict[str, int], list[dict[str, Any]], int]
"""Sentences, counts, what would change, and how much of that is left out."""


def _of_classes(house: House, waiting: held.Waiting) -> Told:
    plan = classes.held_plan(house, waiting.id, waiting.instellingsnummer)
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
    return list(plan.sentences()), dict(plan.counts), shown, found.others


def _of_enrolments(house: House, delivery: str) -> Told:
    with house.database.reading() as db:
        plan = held_enrolments.load(house, db, delivery)
        found = held_enrolments.difference(db, plan.school, plan.today)
    shown = [one.as_json() for one in found.groups]
    return list(plan.sentences()), plan.school.counts, shown, found.others


@holds.command()
@data_option
@click.argument("delivery")
@orderly
def apply(data: Path | None, delivery: str) -> None:
    """Apply DELIVERY: somebody looked, at the school or here, and it is right."""
    with opened(data) as house:
        with house.database.reading() as db:
            waiting = held.find(db, delivery, kind=None)
        if waiting.kind == deliveries.ENROLMENTS:
            done = enrolments.decide(house, delivery, by=BY)
            sentences, state = list(done.in_numbers().sentences()), DeliveryState.APPLIED
        else:
            plan = classes.held_plan(house, delivery, waiting.instellingsnummer)
            outcome = classes.apply(house, plan, delivery=delivery, decided_by=BY)
            sentences, state = list(outcome.plan.sentences()), outcome.state
    for sentence in sentences:
        click.echo(sentence)
    click.echo(state.value)
    if state is not DeliveryState.APPLIED:
        sys.exit(REFUSED)


@holds.command()
@data_option
@click.argument("delivery")
@orderly
def decline(data: Path | None, delivery: str) -> None:
    """Decline DELIVERY: what is there stays, and its rows are deleted."""
    with opened(data) as house:
        with house.database.reading() as db:
            waiting = held.find(db, delivery, kind=None)
        school = waiting.instellingsnummer
        held.decline(house, delivery, instellingsnummer=school, by=BY, kind=waiting.kind)
    click.echo(f"declined {delivery}")


def _plain(shown: list[dict[str, Any]], columns: tuple[str, ...]) -> Iterator[list[Any]]:
    for one in shown:
        yield [" ".join(cell) if isinstance(cell := one[name], list) else cell for name in columns]


COMMANDS = (holds,)
