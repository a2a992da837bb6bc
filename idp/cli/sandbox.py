"""Commands about the sandbox schools, in which makers of apps try theirs: show, make, bring up to date, remove."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from idp.admin.sandbox import sandbox_making, sandbox_school
from idp.cli.frame import data_option, json_option, opened, orderly, say, table
from idp.config import ConfigurationError
from idp.context import House
from idp.demo import demo, published
from idp.errors import NotFound


@click.group(invoke_without_command=True)
@data_option
@json_option
@click.pass_context
@orderly
def sandbox(context: click.Context, data: Path | None, *, as_json: bool) -> None:
    """Show the sandbox: invented pupils with their secrets; of a demo also staff, operators and apps.

    In a demo it is there from the start. An installation makes one with `idp sandbox create`.
    """
    if context.invoked_subcommand is not None:
        context.obj = data
        return
    with opened(data) as house:
        if house.settings.demo:
            shown = published.describe(house)
            if not as_json:
                demo.introduce(shown, house.settings.data)
        else:
            shown = _described(house)
            if not as_json:
                _show(shown)
    if as_json:
        say(shown)


@sandbox.command()
@data_option
@json_option
@click.pass_context
@orderly
def create(context: click.Context, data: Path | None, *, as_json: bool) -> None:
    """Make three sandbox schools with invented pupils; again: the same as `renew`.

    Nobody real can ever be enrolled in them, and nobody works there: the database refuses it. Makers of apps find
    pupils and secrets on their page *Zandbak*; apps that are registered with "sandbox": true are visible there.
    """
    with opened(data or context.obj) as house:
        made = sandbox_making.make(house)
    _say(made, as_json=as_json)


@sandbox.command()
@data_option
@json_option
@click.pass_context
@orderly
def renew(context: click.Context, data: Path | None, *, as_json: bool) -> None:
    """Put everything back as it was published: secrets, classes, who shares. The nightly job `sandbox` does it too."""
    with opened(data or context.obj) as house:
        with house.database.reading() as db:
            here = sandbox_making.exists_here(db)
        if not here:
            raise NotFound("no_sandbox", "`idp sandbox create` makes one")
        made = sandbox_making.make(house)
    _say(made, as_json=as_json)


@sandbox.command()
@data_option
@click.confirmation_option(prompt="The sandbox schools go with all their pupils. Go on?")
@click.pass_context
@orderly
def remove(context: click.Context, data: Path | None) -> None:
    """Take the sandbox away. Made again, its pupils have the identifiers and secrets that they had."""
    with opened(data or context.obj) as house:
        count = sandbox_making.remove(house)
    click.echo(f"the sandbox is gone, with {count} pupils" if count else "there was no sandbox")


def _say(made: sandbox_making.Made, *, as_json: bool) -> None:
    if as_json:
        say(made.as_json())
        return
    done = {"schools": made.schools, "pupils": made.pupils, "secrets": made.secrets, "rules": made.rules}
    told = ", ".join(f"{count} {what}" for what, count in done.items() if count)
    click.echo(f"the sandbox is up to date: {told or 'nothing had to change'}")
    if not made.shares:
        click.echo(
            "no school shares klasinformatie, since no protocol text is in force: "
            "`idp protocol publish` brings one, and the next night they share"
        )


def _described(house: House) -> dict[str, Any]:
    with house.database.reading() as db:
        pupils = sandbox_school.pupils(db, house, house.clock.today())
    if not pupils:
        raise ConfigurationError(["there is no sandbox here: `idp sandbox create` makes one"])
    return {
        "issuer": house.settings.issuer,
        "pupils": [
            {
                "username": one.username,
                "kind": one.kind.value,
                "secret": one.secret,
                "schools": [*one.schools],
                "personal_url": f"{house.settings.my_url}/{one.username}",
            }
            for one in pupils
        ],
    }


def _show(shown: dict[str, Any]) -> None:
    rows = (
        (
            one["username"],
            one["kind"],
            one["secret"] or "changed: `idp sandbox renew`",
            " ".join(one["schools"]),
        )
        for one in shown["pupils"]
    )
    table(f"The sandbox of {shown['issuer']}", ("user name", "how", "secret", "schools"), rows)


COMMANDS = (sandbox,)
