"""Commands about programs that bring and fetch data: makers of packages, and the sender of the list of directors."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from idp.cli.frame import data_option, json_option, opened, orderly, say, table
from idp.errors import Invalid
from idp.feeds import feed_clients
from idp.feeds.schools import PACKAGES


@click.group("feed-client")
def feed_client() -> None:
    """Programs of packages and of the list of directors: add, list, new-secret, end-secrets, close, open."""


@feed_client.command()
@data_option
@json_option
@click.argument("name")
@click.option("--package", type=click.Choice(PACKAGES), help="It speaks for this package.")
@click.option("--directors", is_flag=True, help="It sends the weekly list of directors instead.")
@click.option(
    "--jwks",
    type=click.File("r", encoding="utf-8"),
    help="Its public keys (a JWK set): it signs assertions and has no secret.",
)
@orderly
def add(
    data: Path | None, name: str, package: str | None, *, directors: bool, jwks: Any, as_json: bool
) -> None:
    """Let a program come in, under NAME. Prints its client_id and its secret, which is shown only now."""
    if directors == bool(package):
        raise click.UsageError("name --package, or say --directors")
    try:
        keys = json.load(jwks) if jwks else None
    except ValueError as mistake:
        raise Invalid("not_json", str(mistake)) from None
    with opened(data) as house:
        with house.database.transaction() as db:
            client_id, secret = feed_clients.add(
                db, naam=name, pakket=package, jwks=keys, now=house.clock.now()
            )
        token = f"{house.settings.issuer}/api/pakket/v1/token"
    _tell({"client_id": client_id, "client_secret": secret, "token_endpoint": token}, as_json=as_json)


@feed_client.command("list")
@data_option
@json_option
@orderly
def list_all(data: Path | None, *, as_json: bool) -> None:
    """Every such program, what it speaks for, and whether it is open."""
    with opened(data) as house, house.database.reading() as db:
        found = feed_clients.listing(db)
        now = house.clock.now()
    shown = [
        {
            "client_id": one.client_id,
            "name": one.naam,
            "scope": one.scope,
            "package": one.pakket,
            "open": one.disabled_at is None,
            "proves_with": one.method,
            "secrets": sum(1 for _, until in one.secrets if until is None or until > now),
            "created_at": one.created_at,
        }
        for one in found
    ]
    if as_json:
        say(shown)
        return
    columns = ("client_id", "name", "scope", "package", "open", "proves_with", "secrets", "created_at")
    table("Programs that bring and fetch data", columns, ([one[name] for name in columns] for one in shown))


@feed_client.command("new-secret")
@data_option
@json_option
@click.argument("client_id")
@click.option(
    "--days",
    type=click.IntRange(0, 90),
    default=7,
    show_default=True,
    help="The old one keeps working this long.",
)
@orderly
def new_secret(data: Path | None, client_id: str, days: int, *, as_json: bool) -> None:
    """A new secret for CLIENT_ID beside the old one; it is shown only now."""
    with opened(data) as house, house.database.transaction() as db:
        now = house.clock.now()
        until = now + timedelta(days=days)
        secret = feed_clients.new_secret(db, client_id, old_until=until, now=now)
    _tell({"client_id": client_id, "client_secret": secret, "old_until": until}, as_json=as_json)


@feed_client.command("end-secrets")
@data_option
@click.argument("client_id")
@orderly
def end_secrets(data: Path | None, client_id: str) -> None:
    """A secret of CLIENT_ID was lost: all its secrets and tokens end now."""
    with opened(data) as house, house.database.transaction() as db:
        feed_clients.end_secrets(db, client_id, now=house.clock.now())
    click.echo(f"ended: {client_id} comes in again after `idp feed-client new-secret {client_id}`")


@feed_client.command("close")
@data_option
@click.argument("client_id")
@orderly
def close(data: Path | None, client_id: str) -> None:
    """Let CLIENT_ID in no more; its tokens end at once."""
    with opened(data) as house, house.database.transaction() as db:
        feed_clients.close(db, client_id, closed=True, now=house.clock.now())
    click.echo(f"closed {client_id}")


@feed_client.command("open")
@data_option
@click.argument("client_id")
@orderly
def open_again(data: Path | None, client_id: str) -> None:
    """Let CLIENT_ID in again."""
    with opened(data) as house, house.database.transaction() as db:
        feed_clients.close(db, client_id, closed=False, now=house.clock.now())
    click.echo(f"opened {client_id}")


def _tell(words: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say(words)
        return
    for name, value in words.items():
        if value is not None:
            click.echo(f"{name}: {value}")


COMMANDS = (feed_client,)
