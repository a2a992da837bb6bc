"""Commands about telling apps that somebody signed out."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from idp.admin.apps import app_list
from idp.claims import pseudonym
from idp.cli.apps import app
from idp.cli.frame import data_option, json_option, opened, orderly, require_known, say, table
from idp.errands import job_worker, jobs
from idp.errors import NotFound
from idp.models import ErrandState
from idp.oidc import backchannel


@click.command("deliver-logouts")
@data_option
@click.option("--once", is_flag=True, help="Do what is due now, and stop: for a timer.")
@orderly
def deliver_logouts(data: Path | None, *, once: bool) -> None:
    """Tell apps which sessions ended (back-channel logout), and do all other jobs (`idp jobs list`).

    `idp serve` does it by itself. This command is for who would rather have a process of its own for it, or (with
    --once, for the sign-outs alone) a timer; any number of them may run beside each other.
    """
    with opened(data, actor="system") as house:
        if not once:
            worker = job_worker.Worker(house)
            worker.start()
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                worker.stop()
            return
        jobs.end_expired(house)
        count = 0
        while taken := backchannel.deliver(house):
            count += taken
        click.echo(f"tried {count}")


@app.command("logouts")
@data_option
@json_option
@click.argument("client_id", required=False)
@click.option(
    "--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Newest lines to show."
)
@click.option("--retry", is_flag=True, help="Try again what was given up for this app.")
@orderly
def logouts(data: Path | None, client_id: str | None, most: int, *, retry: bool, as_json: bool) -> None:
    """Which ended sessions did CLIENT_ID (or any app) hear of, and which not yet?"""
    if retry and client_id is None:
        raise click.UsageError("--retry needs the CLIENT_ID of an app")
    with opened(data) as house:
        with house.database.reading() as db:
            require_known(db, client_id=client_id)
        if retry and client_id is not None:
            with house.database.transaction() as db:
                count = backchannel.try_again(db, client_id, house.clock.now())
            click.echo(f"{count} will be tried again", err=True)
        with house.database.reading() as db:
            lines = backchannel.lines(db, client_id, most=most)
            if not lines and client_id and app_list.find(db, client_id) is None:
                raise NotFound("app_unknown", client_id[:100])
        keys = house.keys
    shown = [
        {
            "app": line.client_id,
            "sid": pseudonym.sid_for(keys, line.client_id, line.sid),
            "state": line.state.value,
            "tries": line.tries,
            "last": line.result,
            "session_ended": line.created_at,
            "next_at": line.next_at if line.state is ErrandState.WAITING else None,
            "done_at": line.done_at,
        }
        for line in lines
    ]
    if as_json:
        say(shown)
    else:
        columns = ("app", "sid", "state", "tries", "last", "session_ended", "next_at", "done_at")
        table("Back-channel logouts", columns, ([one[name] for name in columns] for one in shown))


COMMANDS = (deliver_logouts,)
