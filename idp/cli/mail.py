"""Commands about mails to pupils: what went out, what did not, and in a demo what they say."""

from __future__ import annotations

import email
from email import policy
from pathlib import Path

import click

from idp.cli.frame import data_option, json_option, opened, orderly, say, table
from idp.errors import Invalid
from idp.login import outbox, postman


@click.group()
def mail() -> None:
    """Mails to pupils with an e-mail address."""


@mail.command("list")
@data_option
@json_option
@click.option(
    "--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Newest lines to show."
)
@orderly
def list_(data: Path | None, most: int, *, as_json: bool) -> None:
    """Which mails went out, which wait, and which were given up? Without addresses."""
    with opened(data) as house, house.database.reading() as db:
        lines = outbox.lines(db, most=most)
    shown = [
        {
            "id": line.id,
            "kind": line.kind.value,
            "state": line.state.value,
            "tries": line.tries,
            "last": line.result,
            "asked_at": line.created_at,
            "next_at": line.next_at if line.done_at is None else None,
            "done_at": line.done_at,
        }
        for line in lines
    ]
    if as_json:
        say(shown)
    else:
        columns = ("id", "kind", "state", "tries", "last", "asked_at", "next_at", "done_at")
        table("Mails", columns, ([one[name] for name in columns] for one in shown))


@mail.command("retry")
@data_option
@orderly
def retry(data: Path | None) -> None:
    """Try again what was given up, and send all that is due now."""
    with opened(data, actor="system") as house:
        with house.database.transaction() as db:
            count = outbox.try_again(db, house.clock.now())
        tried = 0
        while taken := postman.deliver(house):
            tried += taken
    click.echo(f"{count} given a new chance, {tried} tried")


@mail.command("show")
@data_option
@click.option(
    "--most", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Newest mails to show."
)
@orderly
def show(data: Path | None, most: int) -> None:
    """In a demo: what the newest mail says. It was not sent: demos keep their mails in a folder."""
    with opened(data) as house:
        if not house.settings.demo:
            raise Invalid("not_a_demo", "mails of an installation are sent, and nobody reads them here")
        folder = house.settings.mail_folder
    files = sorted(folder.glob("*.eml"), key=lambda file: (file.stat().st_mtime_ns, file.name))[-most:]
    for file in files:
        parsed = email.message_from_bytes(file.read_bytes(), policy=policy.default)
        body = parsed.get_body(("plain",))
        click.echo(
            f"To: {parsed['To']}\nSubject: {parsed['Subject']}\n\n{body.get_content() if body else ''}"
        )
    if not files:
        click.echo("no mail yet")


COMMANDS = (mail,)
