"""Commands about tokens with which apps register themselves."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from idp.admin.apps import registering
from idp.cli.apps import app
from idp.cli.frame import DAY, data_option, json_option, opened, orderly, say, table

SWITCHES = ("pkce_exempt_until", "visible_in_sandbox")


@app.group("initial-token")
def initial_token() -> None:
    """Tokens with which apps register themselves at /register: issue, list, revoke."""


@initial_token.command()
@data_option
@json_option
@click.option(
    "--uses", type=click.IntRange(1, registering.MOST_USES), default=1, show_default=True, metavar="N"
)
@click.option("--until", type=DAY, required=True, metavar="DATE", help="Its last day.")
@click.option(
    "--scope",
    default="openid",
    show_default=True,
    help=f"The most an app may ask for: {' '.join(registering.SCOPES)}.",
)
@click.option("--label", default="app", show_default=True, help="Whom it is for.")
@click.option(
    "--pkce-exempt-until",
    type=DAY,
    metavar="DATE",
    help="Apps registered with it may do without PKCE so long.",
)
@click.option(
    "--visible-in-sandbox",
    is_flag=True,
    help="Apps registered with it are visible for the sandbox schools, and can never be for a real one.",
)
@orderly
def issue(
    data: Path | None,
    *,
    uses: int,
    until: object,
    scope: str,
    label: str,
    pkce_exempt_until: object,
    visible_in_sandbox: bool,
    as_json: bool,
) -> None:
    """Make a token for an app that registers itself; it is shown only now."""
    with opened(data) as house, house.database.transaction() as db:
        name, token = registering.issue(
            db,
            label=label,
            scope=scope,
            uses=uses,
            until=_day(until),
            pkce_exempt_until=_day(pkce_exempt_until) if pkce_exempt_until else None,
            visible_in_sandbox=visible_in_sandbox,
            by="operator:cli",
            now=house.clock.now(),
        )
        uri = f"{house.settings.issuer}/register"
    if as_json:
        say({"id": name, "initial_access_token": token, "registration_endpoint": uri})
    else:
        click.echo(token)


def _day(given: object) -> date:
    return date.fromisoformat(str(given)[:10])


@initial_token.command("list")
@data_option
@json_option
@orderly
def list_tokens(data: Path | None, *, as_json: bool) -> None:
    """Every initial access token, and how often it was used."""
    with opened(data) as house:
        with house.database.reading() as db:
            found = registering.listing(db)
        now = house.clock.now()
    shown = [
        {
            "id": one.id,
            "label": one.label,
            "good": one.good(now),
            "used": one.used,
            "uses": one.uses,
            "expires_at": one.expires_at,
            "scope": one.scope,
            "pkce_exempt_until": one.pkce_exempt_until,
            "visible_in_sandbox": one.visible_in_sandbox,
            "revoked_at": one.revoked_at,
            "created_at": one.created_at,
            "created_by": one.created_by,
        }
        for one in found
    ]
    if as_json:
        say(shown)
    else:
        columns = ("id", "label", "good", "used", "uses", "expires_at", "scope", *SWITCHES)
        table("Initial access tokens", columns, ([one[name] for name in columns] for one in shown))


@initial_token.command()
@data_option
@click.argument("token_id")
@orderly
def revoke(data: Path | None, token_id: str) -> None:
    """No app registers with it any more; apps that did stay as they are."""
    with opened(data) as house, house.database.transaction() as db:
        registering.revoke(db, token_id, house.clock.now())
    click.echo(f"revoked {token_id}")


COMMANDS = ()
