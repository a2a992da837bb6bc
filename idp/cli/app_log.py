"""The command for whoever builds an app and was refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from idp.admin.apps import app_list
from idp.cli.apps import app
from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, say
from idp.errors import NotFound
from idp.oidc import app_log
from idp.oidc.app_log import Line


@app.command("log")
@data_option
@json_option
@click.argument("client_id", required=False)
@click.option("--incident", metavar="X", help="The number on an error page, or in a header X-Request-Id.")
@click.option(
    "--most",
    type=click.IntRange(1, app_log.MOST),
    default=20,
    show_default=True,
    help="Newest lines to show.",
)
@orderly
def log(data: Path | None, client_id: str | None, incident: str | None, most: int, *, as_json: bool) -> None:
    """Requests of CLIENT_ID that were refused: what was received, what is registered, and what to do.

    Holds no secrets, no codes and no names of pupils.
    """
    with opened(data) as house, house.database.reading() as db:
        lines = app_log.lines(db, client_id=client_id, incident=incident, most=most)
        others = app_log.events_of(db, incident) if incident and not lines else []
        if not lines and client_id and app_list.find(db, client_id) is None:
            raise NotFound("app_unknown", client_id[:100])
    if as_json:
        say([asdict(line) for line in lines])
    else:
        for line in lines:
            _show(line)
    if incident and not lines:
        found = (
            f"it belongs to: {', '.join(others)}"
            if others
            else f"look for request_id={incident} in the server's log"
        )
        click.echo(f"idp: no refusal of an app has the number {incident}; {found}", err=True)
        raise SystemExit(REFUSED)
    if not lines and not as_json:
        click.echo("nothing was refused")


def _show(line: Line) -> None:
    click.secho(f"{line.at:%Y-%m-%d %H:%M:%S} UTC  {line.where}  {line.error}", bold=True)
    about = [("app", line.client_id), ("incident", line.incident), ("because", line.because)]
    for name, value in about:
        if value:
            click.echo(f"  {name:<12}{value}")
    for one in line.addresses:
        click.echo(f"  {'received':<12}{one.received}")
        click.echo(f"  {'registered':<12}{one.registered or '(nothing)'}")
        click.echo(f"  {'differs in':<12}{', '.join(one.differences)}")
    rest = {name: value for name, value in line.received.items() if name not in app_log.ADDRESSES}
    if rest and not line.addresses:
        click.echo(f"  {'received':<12}{'  '.join(f'{name}={value}' for name, value in rest.items())}")
        shown = {
            name: value for name, value in line.registered.items() if value and not name.endswith("_uris")
        }
        if shown:
            click.echo(
                f"  {'registered':<12}{'  '.join(f'{name}={_plain(value)}' for name, value in shown.items())}"
            )
    click.echo(f"  {'to do':<12}{line.advice}\n")


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


COMMANDS = ()
