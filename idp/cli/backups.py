"""Commands that make backups, prove them, and bring an installation back."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from idp import config
from idp.audit import backups as audit_backups
from idp.backups import box, making, restoring
from idp.cli.frame import data_option, json_option, opened, orderly, say
from idp.errors import Invalid

_identity = click.option(
    "--identity",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the identity (AGE-SECRET-KEY-1…) that opens the backup.",
)
_source = click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.command("backup-key")
@data_option
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@orderly
def backup_key(data: Path | None, target: Path) -> None:
    """Make the identity that opens backups, in a new file TARGET, and print the recipient that closes them.

    Keep the file away from the machines that make backups, and on paper: without it no backup opens.
    """
    identity, recipient = box.new_identity()
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"# Opens backups of Leersleutel that were closed for {recipient}\n{identity}\n")
    except FileExistsError:
        raise Invalid("backup_target", f"{target} exists already") from None
    click.echo(recipient)
    click.echo(f'for {(data or Path("var")) / config.FILE}: backup_recipients = ["{recipient}"]', err=True)


@click.command()
@data_option
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--to", multiple=True, help="Recipient (age1…) who can open it; also: setting backup_recipients."
)
@click.option("--without-keys", is_flag=True, help="Leave the keys out: they are kept elsewhere.")
@json_option
@orderly
def backup(
    data: Path | None, target: Path, to: tuple[str, ...], *, without_keys: bool, as_json: bool
) -> None:
    """Write a sealed backup to TARGET, a new file or a folder. Everyone may go on working meanwhile.

    It holds the database at one moment, idp.toml and the keys. Keep the journal folder apart (docs/backups.md).
    """
    with opened(data) as house:
        readers = [*to, *house.settings.backup_recipients]
        path, manifest = making.make(house, target, to=readers, with_keys=not without_keys)
        with house.database.transaction() as db:
            audit_backups.backup_made(db, sha256=making.digest(path), with_keys=not without_keys)
    if as_json:
        say({"file": str(path), "bytes": path.stat().st_size, **asdict(manifest)})
    else:
        click.echo(
            f"made {path} ({path.stat().st_size / 1e6:.1f} MB): {_counted(manifest.rows) or 'no pupils yet'}"
        )


@click.command("backup-check")
@data_option
@_source
@_identity
@json_option
@orderly
def backup_check(data: Path | None, source: Path, identity: Path, *, as_json: bool) -> None:
    """Open the backup SOURCE and prove that it is whole. Changes nothing.

    Its parts lie in clear in the data folder meanwhile, when there is one, else in the system's folder for such files.
    """
    manifest = restoring.check(source, identity=identity, beside=data)
    if as_json:
        say(asdict(manifest))
    else:
        keys = sum(name.startswith(making.KEYS) for name in manifest.files)
        click.echo(
            f"{source} is whole: made {manifest.made_at} by version {manifest.version} for {manifest.issuer}"
        )
        click.echo(
            f"{manifest.kind}, step {manifest.step}, {keys} keys: {_counted(manifest.rows) or 'no pupils yet'}"
        )


@click.command()
@data_option
@_source
@_identity
@click.option("--database-url", help="An empty PostgreSQL database; left out: what idp.toml says.")
@click.option(
    "--journal",
    "journals",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the journal of a node, beside the one in the data folder; may be repeated.",
)
@click.option(
    "--without-journal", is_flag=True, help="There is none: what was withdrawn since the backup is back."
)
@click.option("--replace", is_flag=True, help="Set the embedded database that is there aside.")
@json_option
@orderly
def restore(
    data: Path | None,
    source: Path,
    identity: Path,
    database_url: str | None,
    journals: tuple[Path, ...],
    *,
    without_journal: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Bring an installation back from the backup SOURCE. Stop every `idp serve` first.

    Tokens, sessions and links of before are refused afterwards, and what was withdrawn since the backup stays
    withdrawn, as far as the journals know.
    """
    done = restoring.restore(
        source,
        identity=identity,
        data=data or Path("var"),
        database_url=database_url,
        journals=journals,
        without_journal=without_journal,
        replace=replace,
    )
    if as_json:
        say(asdict(done))
        return
    click.echo(
        f"restored {done.database} as it was at {done.manifest.made_at}: {_counted(done.manifest.rows) or 'no pupils yet'}"
    )
    if done.set_aside:
        click.echo(f"the database of before is {done.set_aside}")
    click.echo(f"no longer good: {_counted(done.cut_off) or 'nothing was alive'}")
    click.echo(
        f"journal: {done.journal_read} acts since then; done again: {_counted(done.again) or 'none was needed'}"
    )
    if done.again.get("sharing_stopped"):
        click.echo("schools that stopped sharing stay stopped; who agreed again since must agree once more")
    if done.again.get("app_changed") or done.again.get("app_disabled"):
        click.echo(
            "apps that changed or were disabled since are disabled: bring each up to date (`idp app import`), then `idp app enable`"
        )
    if done.again.get("package_named") or done.again.get("school_kept"):
        click.echo("schools whose package changed since have none: they name it again in the Schoolloket")
    if done.again.get("right_narrowed"):
        click.echo("teachers whose pupils were chosen since have no right: the school gives it again")
    if any(name.startswith("staff_") for name in done.again):
        click.echo("staff who changed how they sign in need a new invitation: `idp staff invite`")
    if done.elsewhere:
        settings = (data or Path("var")) / config.FILE
        click.echo(
            f"{settings} still names another database: put the address of this one in database_url first"
        )
    click.echo("now: idp check-config, then idp serve")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in counts.items() if count)


COMMANDS = (backup_key, backup, backup_check, restore)
