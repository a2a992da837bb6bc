"""Commands about registered apps."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from idp.admin import app_list, app_planning, app_secrets, app_stopping, logos
from idp.admin import apps as registered
from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, say, table
from idp.context import House
from idp.errors import Invalid


@click.group()
def app() -> None:
    """Registered apps (relying parties): add, import, export, list, show, logo, remove, renew-secret."""


def _stored(house: House, documents: list[Mapping[str, Any]], *, as_list: bool) -> None:
    try:
        done = registered.import_apps(house, documents, now=house.clock.now())
    except app_planning.Refused as refused:
        for sentence in refused.sentences:
            click.echo(f"idp: {sentence}", err=True)
        click.echo("idp: refused, nothing was stored", err=True)
        sys.exit(REFUSED)
    for one in done:
        if one.logo_problem:
            click.echo(f"idp: warning: {one.client_id}: no logo: {one.logo_problem}", err=True)
    shown = [{**one.as_json(), "change": one.change.value} for one in done]
    say(shown if as_list else shown[0])


@app.command("import")
@data_option
@click.argument("file", type=click.File("r", encoding="utf-8"))
@orderly
def import_file(data: Path | None, file: Any) -> None:
    """Add or change apps from FILE (- for standard input): a JSON object, or a list of them, by client_id.

    RFC 7591 metadata plus our fields (docs/apps.md). All of the file is stored, or nothing. Prints what was stored;
    a client_secret is shown only now.
    """
    try:
        found = json.load(file)
    except ValueError as mistake:
        raise Invalid("not_json", str(mistake)) from None
    documents = found if isinstance(found, list) else [found]
    if not documents or not all(isinstance(one, dict) for one in documents):
        raise Invalid("not_json", "a JSON object, or a list of JSON objects, is wanted")
    with opened(data) as house:
        _stored(house, documents, as_list=isinstance(found, list))


@app.command()
@data_option
@click.option("--name", required=True, help="Name that pupils and schools see.")
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, required=True, help="May be given several times."
)
@click.option("--scope", default="openid", show_default=True, help="Scopes that the app may ask for.")
@click.option("--client-id", help="Left out: made for you.")
@click.option("--public", is_flag=True, help="An app without a secret (on a device or in a browser).")
@click.option("--logo-uri", help="Where its logo stands; we read it once, and show it ourselves.")
@click.option("--purpose", default="", help="What the app is for; schools read it.")
@click.option("--legal-ground", default="", help="On what legal ground it processes personal data.")
@orderly
def add(
    data: Path | None,
    name: str,
    redirect_uris: tuple[str, ...],
    scope: str,
    client_id: str | None,
    *,
    public: bool,
    logo_uri: str | None,
    purpose: str,
    legal_ground: str,
) -> None:
    """Register one app and print it with its secret, which is shown only now. More fields: `idp app import`."""
    document: dict[str, Any] = {"client_name": name, "redirect_uris": list(redirect_uris), "scope": scope}
    given = {"client_id": client_id, "logo_uri": logo_uri, "purpose": purpose, "legal_ground": legal_ground}
    document |= {field: value for field, value in given.items() if value}
    if public:
        document["token_endpoint_auth_method"] = "none"
    with opened(data) as house:
        _stored(house, [document], as_list=False)


@app.command()
@data_option
@click.argument("client_ids", nargs=-1, metavar="[ID]…")
@orderly
def export(data: Path | None, client_ids: tuple[str, ...]) -> None:
    """Print registrations as JSON that `idp app import` takes: all, or these. Never holds secrets."""
    with opened(data) as house, house.database.reading() as db:
        say(app_list.export(db, client_ids or None))


@app.command("list")
@data_option
@json_option
@orderly
def list_apps(data: Path | None, *, as_json: bool) -> None:
    """Every registered app."""
    with opened(data) as house, house.database.reading() as db:
        found = app_list.listing(db)
    shown = [
        {
            "client_id": one.client_id,
            "client_name": one.client_name,
            "scope": " ".join(sorted(one.scopes)),
            "pkce_exempt_until": one.pkce_exempt_until,
            "open_to_every_pupil": one.open_to_every_pupil,
            "sandbox": one.sandbox,
        }
        for one in found
    ]
    if as_json:
        say(shown)
        return
    columns = ("client_id", "client_name", "scope", "pkce_exempt_until", "open_to_every_pupil", "sandbox")
    table(
        "Apps",
        ("client_id", "name", "scope", "PKCE exempt", "open", "sandbox"),
        ([one[c] for c in columns] for one in shown),
    )


@app.command()
@data_option
@click.argument("client_id")
@orderly
def show(data: Path | None, client_id: str) -> None:
    """Print everything about one app that may be seen, as JSON."""
    with opened(data) as house, house.database.reading() as db:
        say(app_list.show(db, client_id))


@app.command()
@data_option
@click.argument("client_id")
@click.confirmation_option(prompt="The app stops at once, for every pupil. Go on?")
@orderly
def remove(data: Path | None, client_id: str) -> None:
    """Stop an app at once: secrets, tokens and visibility go; what it once got can still be explained."""
    with opened(data) as house, house.database.transaction() as db:
        app_stopping.remove(db, client_id, now=house.clock.now())
    click.echo(f"removed {client_id}")


@app.command()
@data_option
@click.argument("client_id")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--fetch", "again", is_flag=True, help="Read it again from the app's logo_uri.")
@click.option("--remove", "away", is_flag=True, help="Show a letter instead.")
@orderly
def logo(data: Path | None, client_id: str, file: Any, *, again: bool, away: bool) -> None:
    """Show the picture in FILE (- for standard input) as an app's logo: PNG, JPEG, WebP or GIF.

    A logo from a file stays when the app names another; --fetch takes the app's own again.
    """
    if sum((file is not None, again, away)) != 1:
        raise click.UsageError("give a FILE, --fetch or --remove")
    with opened(data) as house:
        if again:
            logos.fetch(house, client_id, house.clock.now())
        elif file is not None:
            logos.keep_file(house, client_id, file.read(logos.MOST + 1), house.clock.now())
        with house.database.transaction() as db:
            if away:
                logos.remove(db, client_id)
            found = logos.about(db, client_id)
    click.echo(f"{house.settings.issuer}{found['path']}" if found else f"{client_id}: a letter")


@app.command("renew-secret")
@data_option
@json_option
@click.argument("client_id")
@click.option(
    "--overlap",
    type=click.IntRange(0, 90),
    default=app_secrets.OVERLAP_DAYS,
    show_default=True,
    metavar="DAYS",
    help="How long the old secret stays good.",
)
@orderly
def renew_secret(data: Path | None, client_id: str, overlap: int, *, as_json: bool) -> None:
    """Make a new client secret, shown only now; the old one stays good for a while."""
    with opened(data) as house, house.database.transaction() as db:
        secret = app_secrets.renew(db, client_id, now=house.clock.now(), overlap_days=overlap)
    if as_json:
        say({"client_id": client_id, "client_secret": secret, "overlap_days": overlap})
    else:
        click.echo(secret)


COMMANDS = (app,)
