"""Commands about keys."""

from __future__ import annotations

from pathlib import Path

import click

from idp import keys as keyring
from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, say, table
from idp.errors import Invalid
from idp.oidc import signing


@click.group()
def keys() -> None:
    """List and change keys. Signing keys are announced, sign, stay published, and go: `idp tidy` sees to it."""


@keys.command("list")
@data_option
@json_option
@orderly
def list_keys(data: Path | None, *, as_json: bool) -> None:
    """Signing keys and where each is in its life."""
    with opened(data) as house:
        now = house.clock.now()
        with house.database.reading() as db:
            lines = signing.listing(db)
        shown = [
            {
                "kid": line.kid,
                "alg": line.alg,
                "state": line.state(now).value,
                "announced_at": line.announced_at,
                "signs_from": line.signs_from,
                "retires_at": line.retires_at,
                "gone_at": line.gone_at,
            }
            for line in lines
        ]
    if as_json:
        say(shown)
    else:
        columns = ("kid", "alg", "state", "signs from", "retires", "gone")
        order = ("kid", "alg", "state", "signs_from", "retires_at", "gone_at")
        table("Signing keys", columns, ([_day(key[name]) for name in order] for key in shown))


def _day(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value or "")


@keys.command()
@data_option
@click.option("--alg", type=click.Choice(signing.ALGORITHMS), help="Only this algorithm.  [default: all]")
@click.option(
    "--kind",
    type=click.Choice(["signing", *keyring.NUMBERED]),
    default="signing",
    show_default=True,
    help="A signing key is announced first; any other takes over at the next start.",
)
@click.option(
    "--announce",
    is_flag=True,
    help="With several nodes: the new key only opens. Copy it to every node, start them anew, and rotate once more.",
)
@orderly
def rotate(data: Path | None, alg: str | None, kind: str, *, announce: bool) -> None:
    """Make new keys that take over; what the old ones made stays good for its time, and nobody is signed out."""
    with opened(data) as house:
        if kind != "signing":
            click.echo(_numbered(house.settings.keys_folder, kind, announce=announce))
            return
        for each in [alg] if alg else list(house.settings.signing_algorithms):
            with house.database.transaction() as db:
                kid = signing.rotate(db, house, each, house.clock.now())
            click.echo(f"announced {kid}; it signs in {house.settings.key_announce_days} days")


def _numbered(folder: Path, kind: str, *, announce: bool) -> str:
    if announce:
        try:
            name = keyring.add(folder, kind, announce=True)
        except FileExistsError as waiting:
            raise Invalid(
                "key_announced", f"{waiting} is announced already: rotate without --announce"
            ) from None
        return f"announced {name}: copy {folder / name}{keyring.ANNOUNCED} to every node and start them anew"
    if waited := keyring.take_over(folder, kind):
        return f"{waited} takes over at the next start; rename it on every node, then start them anew"
    return f"made {keyring.add(folder, kind)}; it takes over at the next start"


@keys.command()
@data_option
@click.argument("kid")
@click.confirmation_option(prompt="Every token that this key signed stops counting. Go on?")
@orderly
def revoke(data: Path | None, kid: str) -> None:
    """Take a signing key out at once, because somebody else may have it."""
    with opened(data) as house:
        with house.database.transaction() as db:
            instead = signing.revoke(db, house, kid, house.clock.now())
        if instead is None:
            click.echo(f"idp: there is no key {kid}", err=True)
            raise SystemExit(REFUSED)
        click.echo(f"revoked {kid}; {instead} signs from now on")


COMMANDS = (keys,)
