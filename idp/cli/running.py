"""Commands that set up, run and look after an installation."""

from __future__ import annotations

import json
from pathlib import Path

import click

from idp import config, context, keys, serving, steps, upgrading
from idp.admin.privacy import retention
from idp.backups import box, workbench
from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, say, settings_of
from idp.config import ConfigurationError
from idp.database import Database
from idp.demo import demo as demonstration
from idp.errors import Invalid
from idp.oidc import signing


@click.command()
@data_option
@click.option(
    "--issuer", help="Our own address, exactly as apps will know it, such as https://id.example.org"
)
@click.option("--database-url", help="postgresql://… ; left out: SQLite in the data folder")
@orderly
def init(data: Path | None, issuer: str | None, database_url: str | None) -> None:
    """Make the data folder: idp.toml, keys, database, first signing keys.

    Safe to repeat: what is there stays as it is.
    """
    folder = data or Path("var")
    file = folder / config.FILE
    given = {"issuer": issuer, "database_url": database_url}
    settings = config.read(data=folder, issuer=issuer, database_url=database_url)
    if file.exists():
        _fits(config.read(data=folder), settings, file)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _no_strangers(settings)
    if not file.exists():
        chosen = {name: value for name, value in given.items() if value} or {"issuer": settings.issuer}
        lines = "".join(f"{name} = {_quoted(value)}\n" for name, value in chosen.items())
        file.touch(mode=0o600)  # the address of a database may hold its password
        file.write_text(f"# All settings: docs/settings.md\n{lines}", encoding="utf-8")
        click.echo(f"made {file}")
    for name in keys.create(settings.keys_folder):
        click.echo(f"made key {settings.keys_folder / name}")
    _bring_up_to_date(settings)
    click.echo(f"ready: idp serve --data {folder}")


def _fits(there: config.Settings, wanted: config.Settings, file: Path) -> None:
    """Raises ConfigurationError where the command says another thing than the file that stays as it is."""
    problems = [
        f"{name}: {file} is there and says otherwise; change it there, or choose another --data"
        for name in ("issuer", "database_url")
        if getattr(there, name) != getattr(wanted, name)
    ]
    if problems:
        raise ConfigurationError(problems)


def _no_strangers(settings: config.Settings) -> None:
    """New keys belong to a new database. Raises ConfigurationError when it is in use: they would fit nothing in it."""
    if not (lost := keys.irreplaceable(settings.keys_folder)):
        return
    store = Database(settings.database)
    try:
        begun = upgrading.current(store) is not None
    finally:
        store.close()
    if begun:
        raise ConfigurationError([_put_back(settings, name, "the database is in use") for name in lost])


_LOST = {
    "pairwise": "With a new one every app would meet every pupil as a stranger",
    "national-number": "With a new one no pupil would be known again at another school",
    "pepper-1": "With a new one nobody could sign in",
}


def _put_back(settings: config.Settings, name: str, why: str) -> str:
    return (
        f"key `{name}` is missing in {settings.keys_folder}, and {why}: copy keys/ from another machine or a backup. "
        + _LOST[name]
    )


def _quoted(value: str) -> str:
    """As TOML writes a text: JSON's way is one of its ways."""
    return json.dumps(value, ensure_ascii=False)


def _bring_up_to_date(settings: config.Settings) -> None:
    for name in keys.create(settings.keys_folder):
        click.echo(f"made key {settings.keys_folder / name}: copy it to every other machine before it starts")
    house = context.open_house(settings)
    try:
        before, after = _upgraded(house.database)
    finally:
        house.close()
    click.echo(
        f"database: {before or 'empty'} → {after}" if before != after else f"database: {after}, up to date"
    )
    with opened(settings.data) as ready:
        with ready.database.transaction() as db:
            made = signing.ensure(db, ready, ready.clock.now())
        for kid in made:
            click.echo(f"made signing key {kid}")


def _upgraded(database: Database) -> tuple[str | None, str | None]:
    """Raises ConfigurationError when a newer version was here before us."""
    # asked first: another machine may be making them just now, with the step
    begun = upgrading.has_tables(database)
    at = upgrading.current(database)
    if at is not None and at not in steps.known():
        raise ConfigurationError(
            [
                (
                    f"the database is at step {at}, which this version does not know: a newer one upgraded it. This one "
                    "serves it as it is; there is nothing to upgrade"
                )
            ]
        )
    if at is None and begun:
        raise ConfigurationError(
            ["a restore into this database was broken off: make an empty one, and `idp restore` again"]
        )
    return upgrading.upgrade(database)


@click.command()
@data_option
@orderly
def upgrade(data: Path | None) -> None:
    """Bring the database up to date with this version. The previous version may keep running meanwhile."""
    settings = settings_of(data)
    if lost := keys.irreplaceable(settings.keys_folder):
        raise ConfigurationError(
            [
                *(_put_back(settings, name, "only `idp init` makes it") for name in lost),
                f"or is the installation in another folder than {settings.data}? Say which with --data, or IDP_DATA",
            ]
        )
    _bring_up_to_date(settings)


@click.command()
@data_option
@click.option("--host", help="Address to listen on, or a name of this machine.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--workers", type=click.IntRange(1), help="Worker processes.  [default: one per core]")
@orderly
def serve(data: Path | None, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve with the production server. Put a proxy with TLS in front of it."""
    settings = config.read(data=data, host=host, port=port)
    serving.serve(settings, settings.data, workers=workers)


@click.command()
@data_option
@click.option(
    "--port", type=click.IntRange(1024, 65534), default=8080, show_default=True, help="Port of the provider."
)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Worker processes.")
@orderly
def demo(data: Path | None, port: int, workers: int) -> None:
    """Try everything on this machine: provider, sandbox school and two demo apps.

    Everything lives in --data DIR; the issuer is http://localhost:PORT. Nothing of a demo works anywhere else.
    """
    demonstration.run(data or Path("var"), port, workers=workers)


@click.command("check-config")
@data_option
@json_option
@orderly
def check_config(data: Path | None, *, as_json: bool) -> None:
    """Check settings, keys and database, and say what is wrong. Changes nothing."""
    settings = settings_of(data)
    house = context.open_house(settings)
    problems = []
    try:
        if steps.behind(upgrading.current(house.database)):
            problems.append("the database is not up to date: run `idp upgrade`")
        else:
            problems += signing.check(house)
        if house.redis is not None and not house.redis.answers():
            problems.append("redis_url: Redis does not answer, so the database counts wrong tries meanwhile")
        box.recipients(settings.backup_recipients)
    except Invalid as mistake:
        problems.append(f"backup_recipients: {mistake.detail}")
    finally:
        house.close()
    shown = {"issuer": settings.issuer, "database": house.database.engine.dialect.name, "problems": problems}
    if as_json:
        say(shown)
    elif not problems:
        click.echo(f"{settings.issuer}: settings, keys and {shown['database']} database are in order")
    if problems:
        if not as_json:
            raise ConfigurationError(problems)
        raise SystemExit(REFUSED)


@click.command()
@data_option
@json_option
@orderly
def tidy(data: Path | None, *, as_json: bool) -> None:
    """Delete what has been kept long enough (docs/retention.md). Run it every night."""
    with opened(data, actor="system") as house:
        counts = retention.tidy(house, house.clock.now())
        counts["parts of backups that were broken off"] = workbench.clear(
            house.settings.data, house.clock.now()
        )
    if as_json:
        say(counts)
    else:
        done = ", ".join(f"{count} × {what}" for what, count in counts.items() if count)
        click.echo(f"deleted: {done}" if done else "nothing was old enough to delete")


COMMANDS = (init, upgrade, serve, demo, check_config, tidy)
