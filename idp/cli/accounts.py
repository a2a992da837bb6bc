"""Commands about accounts of pupils."""

from __future__ import annotations

import os
from pathlib import Path

import click

from idp.admin import finding
from idp.admin.accounts import bulk
from idp.admin.printing import bundle, sheets
from idp.admin.printing.handout import Handout
from idp.cli.frame import data_option, json_option, opened, orderly, progress, say, table
from idp.context import House
from idp.errors import Invalid
from idp.login import accounts as login_accounts
from idp.login.accounts import Proposal
from idp.models import SecretKind


@click.group()
def accounts() -> None:
    """Accounts of pupils."""


@accounts.command()
@data_option
@json_option
@click.option("--school", required=True, metavar="N", help="Instellingsnummer.")
@click.option("--group", metavar="X", help="Only this administratieve groep, by code or label.")
@click.option(
    "--basic",
    type=click.Choice([SecretKind.PICTURE.value, SecretKind.BASIC.value]),
    default=SecretKind.PICTURE.value,
    show_default=True,
    help="What basic accounts get: pictures, or a word and digits.",
)
@click.option(
    "--cards",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write cards: a .pdf, or a .zip with Excel, A4 and stickers.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show the user names that would be proposed, and change nothing."
)
@orderly
def create(
    data: Path | None,
    school: str,
    group: str | None,
    basic: str,
    cards: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make accounts for the pupils of a school who have none.

    Secrets are shown or printed now, and never again: use --cards or --json.
    """
    if not (dry_run or cards or as_json):
        raise click.UsageError(
            "secrets are shown only once: say where with --cards FILE.pdf or --json (or --dry-run)"
        )
    if cards is not None:
        check_target(cards)
    with opened(data) as house:
        with house.database.reading() as db:
            proposals = bulk.propose(
                db, instellingsnummer=school, today=house.clock.today(), group=group, basic=SecretKind(basic)
            )
        if dry_run:
            _show_proposals(proposals, as_json=as_json)
            return
        with progress("hashing") as shown:
            made = bulk.create(house, proposals, progress=shown)
        if cards is not None:
            with progress("drawing cards") as shown:
                write_cards(house, school, made, cards, shown)
    if as_json:
        say([one.as_json() for one in made])
    else:
        click.echo(
            f"made {len(made)} accounts" + (f"; cards in {cards} (readable by you alone)" if cards else "")
        )


@accounts.command()
@data_option
@click.option(
    "--pupil", required=True, metavar="X", help="User name, account_uuid, or stamnummer with --school."
)
@click.option("--school", metavar="N", help="Instellingsnummer, for a stamnummer.")
@click.argument("username")
@orderly
def rename(data: Path | None, pupil: str, school: str | None, username: str) -> None:
    """Give a pupil another user name. Nobody else gets the old one; identity, secret and cards stay."""
    with opened(data) as house, house.database.transaction() as db:
        account_uuid = finding.pupil(db, pupil, instellingsnummer=school)
        login_accounts.rename(db, account_uuid=account_uuid, username=username, now=house.clock.now())
    click.echo(f"the user name is {username} now; print a new card, since the old one shows the old name")


def check_target(cards: Path) -> None:
    if cards.suffix.lower() not in {".pdf", ".zip"}:
        raise click.UsageError("--cards wants a name that ends in .pdf or .zip")
    if cards.exists():
        raise Invalid("file_exists", f"{cards} is there already: secrets are not written over something else")
    if not cards.parent.is_dir():
        raise Invalid("folder_missing", f"there is no folder {cards.parent}")


def _show_proposals(proposals: tuple[Proposal, ...], *, as_json: bool) -> None:
    shown = [
        {
            "stamnummer": one.stamnummer,
            "voornaam": one.voornaam,
            "naam": one.naam,
            "administratieve_groep": one.administratieve_groep,
            "username": one.username,
            "kind": one.secret_kind.value,
        }
        for one in proposals
    ]
    if as_json:
        say(shown)
    else:
        columns = ("stamnummer", "voornaam", "naam", "administratieve_groep", "username", "kind")
        table("Would be made", columns, ([one[name] for name in columns] for one in shown))


def write_cards(
    house: House, school: str, made: tuple[Handout, ...], cards: Path, shown: sheets.Progress
) -> None:
    with house.database.reading() as db:
        look = bulk.look(db, house, school)
    with os.fdopen(os.open(cards, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        if cards.suffix.lower() == ".zip":
            bundle.write(file, made, look, progress=shown)
        else:
            sheets.cards(file, made, look, progress=shown)


COMMANDS = (accounts,)
