"""Commands about registered apps."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from idp.admin.apps import app_files, app_list, app_planning, app_secrets, app_stopping, logos
from idp.admin.apps import apps as registered
from idp.admin.apps.app_list import State
from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, say, table
from idp.context import House
from idp.errors import Invalid

MOST_SAID = 40
"""What is wrong with a file fits a screen or two."""


@click.group()
def app() -> None:
    """Registered apps (relying parties): add, import, export, list, show, logo, remove, renew-secret."""


def _stored(house: House, documents: list[Mapping[str, Any]], *, as_list: bool, reason: str = "") -> None:
    try:
        done = registered.import_apps(house, documents, now=house.clock.now(), reason=reason)
    except app_planning.Refused as refused:
        _say_refused(refused)
    for one in done:
        if one.request:
            click.echo(f"idp: {one.client_id} waits for somebody else to approve: {one.request}", err=True)
        if one.logo_problem:
            click.echo(f"idp: warning: {one.client_id}: no logo: {one.logo_problem}", err=True)
    shown = [{**one.as_json(), "change": one.change.value} for one in done]
    say(shown if as_list else shown[0])


@app.command("import")
@data_option
@json_option
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--dry-run", is_flag=True, help="Store nothing: show what would change, field by field.")
@click.option("--reason", default="", help="For whoever has to approve what widens an app.")
@orderly
def import_file(data: Path | None, file: Any, *, dry_run: bool, reason: str, as_json: bool) -> None:
    """Add or change apps from FILE (- for standard input), JSON or YAML: one registration or a list, by client_id.

    RFC 7591 metadata plus our fields (docs/apps.md). All of the file is stored, or nothing. Prints what was stored;
    a client_secret is shown only now.
    """
    try:
        text = file.read(app_files.LARGEST + 1)
    except UnicodeDecodeError:
        raise Invalid("file_refused", "this is no text in UTF-8: save it as UTF-8 and try again") from None
    documents = app_files.read(text)
    with opened(data) as house:
        if dry_run:
            _planned(house, documents, as_json=as_json)
        else:
            _stored(house, documents, as_list=text.lstrip()[:1] != "{", reason=reason)


def _planned(house: House, documents: list[Mapping[str, Any]], *, as_json: bool) -> None:
    """What an import would do."""
    try:
        planned = app_planning.plan_apps(house, documents, now=house.clock.now())
    except app_planning.Refused as refused:
        _say_refused(refused)
    strict = house.settings.four_eyes
    if as_json:
        say([one.as_json(four_eyes=strict) for one in planned])
        return
    for one in planned:
        told = one.as_json(four_eyes=strict)
        if told["change"] == "same":
            continue
        click.echo(f"{one.client_id}: {told['change']}" + (", a new secret" if one.new_secret else ""))
        for difference in one.differences:
            wider = "   (widens)" if difference.field in one.widens else ""
            click.echo(f"  {difference.field}{wider}")
            for sign, value in difference.lines():
                click.echo(f"    {sign} {value}")
    same = sum(1 for one in planned if one.change is app_planning.Change.SAME)
    click.echo(f"{len(planned) - same} would change, {same} stay as they are; nothing was stored")


def _say_refused(refused: app_planning.Refused) -> NoReturn:
    for sentence in refused.sentences[:MOST_SAID]:
        click.echo(f"idp: {sentence}", err=True)
    if (unsaid := len(refused.sentences) - MOST_SAID) > 0:
        click.echo(f"idp: … and {unsaid} more like these", err=True)
    click.echo("idp: refused, nothing was stored", err=True)
    sys.exit(REFUSED)


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
    """Register one app and print it with its secret, which is shown only now. More fields, or a change: `idp app import`."""
    document: dict[str, Any] = {"client_name": name, "redirect_uris": list(redirect_uris), "scope": scope}
    given = {"client_id": client_id, "logo_uri": logo_uri, "purpose": purpose, "legal_ground": legal_ground}
    document |= {field: value for field, value in given.items() if value}
    if public:
        document["token_endpoint_auth_method"] = "none"
    with opened(data) as house:
        if client_id:
            with house.database.reading() as db:
                known = app_list.find(db, client_id)
            if known not in {None, State.REMOVED}:
                raise Invalid("app_exists", client_id[:100])
        _stored(house, [document], as_list=False)


@app.command()
@data_option
@click.argument("client_ids", nargs=-1, metavar="[ID]…")
@click.option("--yaml", "as_yaml", is_flag=True, help="YAML, for a file in git.")
@orderly
def export(data: Path | None, client_ids: tuple[str, ...], *, as_yaml: bool) -> None:
    """Print registrations as JSON or YAML that `idp app import` takes: all, or these, in a stable order, no secrets."""
    with opened(data) as house, house.database.reading() as db:
        documents = app_list.export(db, client_ids or None)
    if as_yaml:
        click.echo(app_files.write_yaml(documents), nl=False)
    else:
        say(documents)


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
