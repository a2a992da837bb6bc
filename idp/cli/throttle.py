"""Commands about who must wait before signing in: look, and open again."""

from __future__ import annotations

from pathlib import Path

import click

from idp.admin import finding
from idp.cli.frame import data_option, json_option, opened, orderly, require_known, say, table
from idp.context import House
from idp.login import attention
from idp.login.slowing import UNTIL_HELP, State


@click.group()
def throttle() -> None:
    """Wrong tries: who must wait, and what to open again."""


@throttle.command("show")
@data_option
@json_option
@click.option("--pupil", metavar="X", help="User name, account_uuid, or stamnummer with --school.")
@click.option("--school", metavar="N", help="Instellingsnummer: the pupils for whom waiting does not help.")
@orderly
def show(data: Path | None, pupil: str | None, school: str | None, *, as_json: bool) -> None:
    """What is counted about a pupil, or who of a school needs help.

    What one browser waits for is not shown: it ends by itself within five minutes.
    """
    if pupil is None and school is None:
        raise click.UsageError("say who: --pupil X or --school N")
    with opened(data) as house:
        if pupil is not None:
            _show_pupil(house, pupil, school, as_json=as_json)
        else:
            _show_school(house, school or "", as_json=as_json)


def _show_pupil(house: House, pupil: str, school: str | None, *, as_json: bool) -> None:
    with house.database.reading() as db:
        account_uuid = finding.pupil(db, pupil, instellingsnummer=school)
    standing = attention.of_pupil(house, account_uuid)
    stranger = _words(standing.stranger)
    cards = {label: _words(state) for label, state in standing.cards.items()}
    if as_json:
        month = {"different_wrong_secrets": standing.month, "closed": standing.month_closed}
        say({"strangers": stranger, "month": month, "cards": cards})
        return
    until, other = "until help" if standing.month_closed else None, "new pictures or a new password"
    rows = [
        ("unknown browsers", stranger["wrong"], stranger["closed_until"], "idp throttle release"),
        ("different wrong secrets in 30 days", standing.month, until, other),
    ]
    rows += [
        (f"card {label}", words["wrong"], words["closed_until"], "idp throttle release")
        for label, words in cards.items()
    ]
    table(f"Wrong tries on {pupil}", ("what", "wrong", "closed until", "opened by"), rows)


def _words(state: State | None) -> dict[str, object]:
    closed = state.closed_until if state else None
    return {
        "wrong": state.count if state else 0,
        "closed_until": "until help" if closed == UNTIL_HELP else closed,
    }


def _show_school(house: House, school: str, *, as_json: bool) -> None:
    with house.database.reading() as db:
        require_known(db, school=school)
    found = attention.of_school(house, school)
    shown = [
        {"username": one.username, "because": one.counter.value, "card": one.card_label} for one in found
    ]
    if as_json:
        say(shown)
    elif not shown:
        click.echo("nobody: waiting helps everyone")
    else:
        table(
            f"Pupils of {school} who need help",
            ("username", "because", "card"),
            (one.values() for one in shown),
        )


@throttle.command("release")
@data_option
@click.option(
    "--pupil", required=True, metavar="X", help="User name, account_uuid, or stamnummer with --school."
)
@click.option("--school", metavar="N", help="Instellingsnummer, for a stamnummer.")
@orderly
def release(data: Path | None, pupil: str, school: str | None) -> None:
    """Open what strangers closed for a pupil, and wake resting cards. The audit trail keeps it.

    What a hundred different wrong secrets closed stays closed: give new pictures or a new password.
    """
    with opened(data) as house:
        with house.database.reading() as db:
            account_uuid = finding.pupil(db, pupil, instellingsnummer=school)
        done = attention.release(house, account_uuid)
        closed = attention.of_pupil(house, account_uuid).month_closed
    click.echo(f"opened: {', '.join(done)}" if done else "nothing was counted that can be opened")
    if closed:
        click.echo("still closed: this pupil needs new pictures or a new password", err=True)


COMMANDS = (throttle,)
