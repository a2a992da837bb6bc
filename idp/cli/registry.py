"""Commands about how registrations change: history, differences, closing, secrets, requests, suppliers, API tokens."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from idp.admin.api import api_tokens
from idp.admin.apps import app_approving, app_history, app_list, app_requests, app_secrets, app_stopping
from idp.admin.apps.differences import Difference
from idp.admin.makers import suppliers
from idp.cli.apps import app
from idp.cli.frame import DAY, data_option, json_option, opened, orderly, say, table
from idp.models import RequestState


def show_differences(found: tuple[Difference, ...]) -> None:
    """For a person: a field, what went, what came."""
    for one in found:
        click.echo(one.field)
        for sign, value in one.lines():
            click.echo(f"  {sign} {value}")


@app.command()
@data_option
@json_option
@click.argument("client_id", required=False)
@click.option("--by", metavar="WHO", help="Only what this one did, such as person:p-1 or operator:cli.")
@click.option("--most", type=click.IntRange(1, app_history.MOST), default=50, show_default=True)
@orderly
def history(data: Path | None, client_id: str | None, by: str | None, most: int, *, as_json: bool) -> None:
    """Every change of an app (of all apps without CLIENT_ID), newest first: when, who, what."""
    with opened(data) as house, house.database.reading() as db:
        if client_id is not None and by is None:
            found = app_history.history(db, client_id)[:most]
        else:
            found = app_history.changes(db, client_id=client_id, by=by, most=most)
    if as_json:
        say([one.as_json() for one in found])
        return
    if not found:
        click.echo("nothing changed yet")
        return
    columns = ("app", "version", "at (UTC)", "by", "approved by", "what", "fields")
    rows = (
        (
            one.client_id,
            one.number,
            f"{one.at:%Y-%m-%d %H:%M}",
            one.by,
            one.approved_by,
            one.what.value,
            ", ".join(one.fields),
        )
        for one in found
    )
    table("Changes", columns, rows)


@app.command("diff")
@data_option
@json_option
@click.argument("client_id")
@click.argument("earlier", type=click.IntRange(0), required=False)
@click.argument("later", type=click.IntRange(1), required=False)
@orderly
def diff(data: Path | None, client_id: str, earlier: int | None, later: int | None, *, as_json: bool) -> None:
    """In what two versions of a registration differ; without numbers the newest and the one before it."""
    with opened(data) as house, house.database.reading() as db:
        newest = next((one.number for one in app_history.history(db, client_id)), 0)
        upto = later or newest
        found = app_history.compare(db, client_id, max(upto - 1, 0) if earlier is None else earlier, upto)
    if as_json:
        say([one.as_json() for one in found])
    else:
        show_differences(found)
        if not found:
            click.echo("no differences")


@app.command()
@data_option
@click.argument("client_id")
@orderly
def disable(data: Path | None, client_id: str) -> None:
    """Close an app: nobody gets in and its tokens end at once; `idp app enable` opens it again."""
    with opened(data) as house, house.database.transaction() as db:
        app_stopping.disable(db, client_id, now=house.clock.now())
    click.echo(f"disabled {client_id}")


@app.command()
@data_option
@click.argument("client_id")
@orderly
def enable(data: Path | None, client_id: str) -> None:
    """Open a disabled app again, as it was; pupils sign in anew."""
    with opened(data) as house, house.database.transaction() as db:
        app_stopping.enable(db, client_id, now=house.clock.now())
    click.echo(f"enabled {client_id}")


@app.command()
@data_option
@json_option
@click.argument("client_id")
@orderly
def secrets(data: Path | None, client_id: str, *, as_json: bool) -> None:
    """Which secrets of an app are kept, since when, and until when each is good; never the secrets."""
    with opened(data) as house, house.database.reading() as db:
        app_list.show(db, client_id)
        now, found = house.clock.now(), app_secrets.listing(db, client_id)
    if as_json:
        say([one.as_json(now) for one in found])
        return
    rows = (
        (
            one.id,
            f"{one.created_at:%Y-%m-%d %H:%M}",
            f"{one.expires_at:%Y-%m-%d %H:%M}" if one.expires_at else "until it is renewed",
            "yes" if one.good(now) else "no",
        )
        for one in found
    )
    table(f"Secrets of {client_id}", ("id", "since (UTC)", "until (UTC)", "good"), rows)


@app.command("end-secret")
@data_option
@click.argument("client_id")
@click.argument("secret_id")
@orderly
def end_secret(data: Path | None, client_id: str, secret_id: str) -> None:
    """End one of two secrets now (`idp app secrets` lists them). The last good one stays."""
    with opened(data) as house, house.database.transaction() as db:
        app_secrets.end(db, client_id, secret_id, now=house.clock.now())
    click.echo(f"ended {secret_id}")


# ---------------------------------------------------------------- requests


@app.command()
@data_option
@json_option
@click.option("--all", "every", is_flag=True, help="Also those that were decided.")
@orderly
def requests(data: Path | None, *, every: bool, as_json: bool) -> None:
    """Changes that wait for somebody else, with what would change."""
    with opened(data) as house, house.database.reading() as db:
        found = app_requests.listing(db, state=None if every else RequestState.WAITING)
    if as_json:
        say([one.as_json() for one in found])
        return
    for one in found:
        widens = f"; widens {', '.join(one.widens)}" if one.widens else ""
        click.echo(f"{one.id}  {one.client_id}  {one.state.value}  by {one.requested_by}{widens}")
        show_differences(one.differences())
    if not found:
        click.echo("nothing waits")


@app.command()
@data_option
@click.argument("request_id")
@click.option("--answer", default="", help="What is said about it.")
@orderly
def approve(data: Path | None, request_id: str, answer: str) -> None:
    """Do what a request asks. Never from where it was asked: two must agree."""
    with opened(data) as house:
        done = app_approving.approve(house, request_id, answer=answer or None, now=house.clock.now())
    say({**done.as_json(), "change": done.change.value})


@app.command()
@data_option
@click.argument("request_id")
@click.option("--answer", default="", help="What is said about it.")
@orderly
def refuse(data: Path | None, request_id: str, answer: str) -> None:
    """Do not do what a request asks (or take back what was asked from here)."""
    with opened(data) as house, house.database.transaction() as db:
        app_approving.refuse(db, request_id, answer=answer or None, now=house.clock.now())
    click.echo(f"refused {request_id}")


# ---------------------------------------------------------------- suppliers and tokens


@click.group()
def supplier() -> None:
    """Who makes apps: list, keep, end."""


@supplier.command("list")
@data_option
@json_option
@orderly
def list_suppliers(data: Path | None, *, as_json: bool) -> None:
    """Every supplier, and how many apps belong to it."""
    with opened(data) as house, house.database.reading() as db:
        shown = [one.as_json() for one in suppliers.listing(db)]
    if as_json:
        say(shown)
    else:
        columns = ("supplier_id", "naam", "contact", "apps", "ended_at")
        table("Suppliers", columns, ([one[name] for name in columns] for one in shown))


@supplier.command("keep")
@data_option
@click.argument("supplier_id")
@click.option("--name", required=True, help="As people know it.")
@click.option("--contact", help="An address for questions.")
@orderly
def keep_supplier(data: Path | None, supplier_id: str, name: str, contact: str | None) -> None:
    """Make a supplier known (small letters, digits, dashes), or change its name and contact."""
    with opened(data) as house, house.database.transaction() as db:
        new = suppliers.keep(db, supplier_id, naam=name, contact=contact, now=house.clock.now())
    click.echo(f"{'added' if new else 'changed'} {supplier_id}")


@supplier.command("end")
@data_option
@click.argument("supplier_id")
@orderly
def end_supplier(data: Path | None, supplier_id: str) -> None:
    """Nothing new comes from this supplier; its apps stay as they are."""
    with opened(data) as house, house.database.transaction() as db:
        suppliers.end(db, supplier_id, now=house.clock.now())
    click.echo(f"ended {supplier_id}")


@click.group("api-token")
def api_token() -> None:
    """Tokens with which programs of operators use the REST API: issue, list, revoke."""


@api_token.command()
@data_option
@json_option
@click.option("--label", required=True, help="Whose program it is for.")
@click.option("--scope", required=True, help=f"One or more of: {' '.join(api_tokens.Scope)}.")
@click.option("--until", type=DAY, required=True, metavar="DATE", help="Its last day.")
@orderly
def issue(data: Path | None, *, label: str, scope: str, until: Any, as_json: bool) -> None:
    """Make a token; it is shown only now."""
    with opened(data) as house, house.database.transaction() as db:
        name, token = api_tokens.issue(
            db,
            label=label,
            scopes=frozenset(scope.split()),
            until=date.fromisoformat(str(until)[:10]),
            now=house.clock.now(),
        )
    if as_json:
        say({"id": name, "token": token, "api": f"{house.settings.issuer}/api/beheer/v1"})
    else:
        click.echo(token)


@api_token.command("list")
@data_option
@json_option
@orderly
def list_tokens(data: Path | None, *, as_json: bool) -> None:
    """Every token: for what, by whom, until when, and when it was used last."""
    with opened(data) as house, house.database.reading() as db:
        shown = [one.as_json(house.clock.now()) for one in api_tokens.listing(db)]
    if as_json:
        say(shown)
    else:
        columns = ("id", "label", "scope", "good", "created_by", "expires_at", "last_used_on")
        rows = (
            [*map(one.get, columns[:3]), "yes" if one["good"] else "no", *map(one.get, columns[4:])]
            for one in shown
        )
        table("API tokens", columns, rows)


@api_token.command()
@data_option
@click.argument("token_id")
@orderly
def revoke(data: Path | None, token_id: str) -> None:
    """It opens nothing any more."""
    with opened(data) as house, house.database.transaction() as db:
        api_tokens.revoke(db, token_id, now=house.clock.now())
    click.echo(f"revoked {token_id}")


COMMANDS = (supplier, api_token)
