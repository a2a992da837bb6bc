"""How does an installation come back from its sealed file? Proven first, then beside what is there, and never over it.

The database is filled, brought up to date, cut off from every token of before, and told again what was withdrawn since
(taken_back.py), all before anything can serve it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from idp import audit, config, context, journal, upgrading
from idp.audit import backups as audit_backups
from idp.backups import box, dump, making, taken_back, workbench
from idp.clock import Clock
from idp.context import House
from idp.database import Database
from idp.errors import Invalid

SKEW = timedelta(minutes=5)
"""Clocks of nodes may differ by as much: acts from a little before the backup are done again too, which harms nothing."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came back, and what did not."""

    manifest: making.Manifest
    database: str
    set_aside: Path | None
    """Where the database that was here before is now."""
    cut_off: dict[str, int]
    again: dict[str, int]
    """Acts that were done again, by event."""
    journal_read: int
    """Events since the backup that the journal had."""
    elsewhere: bool = False
    """The settings that are there name another database than the one that was filled."""


def check(source: Path, *, identity: Path, beside: Path | None = None) -> making.Manifest:
    """Open a backup, prove every file and the database in it. Raises Invalid as `restore` does; changes nothing.

    `beside`: the folder in which its parts lie meanwhile.
    """
    with workbench.laid_out("backup-check-", beside) as folder:
        manifest = _open(source, identity, folder)
        if manifest.kind == "sqlite":
            there = Database(f"sqlite:///{folder / making.DATABASE}")
            try:
                with there.reading() as db:
                    found = dump.count(db)
            except DBAPIError as failure:
                raise Invalid("backup_broken", type(failure.orig).__name__) from None
            finally:
                there.close()
            if found != manifest.rows:
                raise Invalid("backup_broken", "the database does not have the rows that the manifest counts")
    return manifest


def restore(
    source: Path,
    *,
    identity: Path,
    data: Path,
    database_url: str | None = None,
    journals: Iterable[Path] = (),
    without_journal: bool = False,
    replace: bool = False,
    clock: Clock | None = None,
) -> Restored:
    """Bring an installation back into a data folder and an empty database. Nothing may be serving there.

    `journals` are folders with the journals of nodes, beside the one of this installation. Raises Invalid:
    `backup_closed`, `backup_broken`, `backup_newer`, `backup_kind`, `backup_target`, `backup_in_use`,
    `backup_journal` (there is none and `without_journal` was not said), `backup_tool`.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with workbench.laid_out("restore-", data) as folder:
        manifest = _open(source, identity, folder)
        laid = _lay_beside(folder, manifest, data)
        try:
            settings = config.read(data=data, database_url=database_url)
            target = _target(settings, manifest, replace=replace)
            places = [settings.journal_folder, *journals]
            events = _journal(places, manifest, without=without_journal)
            _keys(folder, manifest, settings.keys_folder)
        except (Invalid, config.ConfigurationError):
            if laid:
                (data / config.FILE).unlink()
            raise
        if target is not None:
            return _embedded(folder, manifest, settings, events, final=target, clock=clock)
        dump.load(folder / making.DATABASE, settings.database)
        cut, again = _bring_up(settings, manifest, events, clock)
        return Restored(
            manifest=manifest,
            database=settings.database.rpartition("@")[2],
            set_aside=None,
            cut_off=cut,
            again=again,
            journal_read=len(events),
            elsewhere=_names_another(data, settings),
        )


def _target(settings: config.Settings, manifest: making.Manifest, *, replace: bool) -> Path | None:
    """The file of the embedded database that will be; None: PostgreSQL."""
    embedded = settings.database.startswith("sqlite")
    if manifest.kind != "sqlite":
        if embedded:
            raise Invalid("backup_kind", "the backup is of PostgreSQL: give --database-url")
        return None
    if not embedded:
        raise Invalid("backup_kind", "the backup is of the embedded SQLite database: leave database_url out")
    final = Path(settings.database.removeprefix("sqlite:///"))
    if final.exists():
        if not replace:
            raise Invalid("backup_target", f"{final} exists: --replace sets it aside")
        _nobody_serves(final)
    return final


def _journal(places: list[Path], manifest: making.Manifest, *, without: bool) -> list[taken_back.Event]:
    there = [place for place in places if place.is_dir()]
    if not there and not without:
        raise Invalid(
            "backup_journal",
            "acts since the backup (withdrawn agreements, blocked accounts, renewed secrets) would be undone: "
            "give --journal FOLDER, or say --without-journal",
        )
    return [*journal.read(there, manifest.moment - SKEW)]


def _open(source: Path, identity: Path, folder: Path) -> making.Manifest:
    manifest = making.read(folder, box.open_into(source, folder, box.identities(identity)))
    try:
        upgrading.require_known(manifest.step)
    except CommandError:
        raise Invalid("backup_newer", f"made by version {manifest.version}: install that one first") from None
    return manifest


def _embedded(
    folder: Path,
    manifest: making.Manifest,
    settings: config.Settings,
    events: list[taken_back.Event],
    *,
    final: Path,
    clock: Clock | None,
) -> Restored:
    beside = final.with_name(final.name + ".restoring")
    _unlink(beside)
    dump.load(folder / making.DATABASE, f"sqlite:///{beside}")
    try:
        there = settings.model_copy(update={"database_url": f"sqlite:///{beside}"})
        cut, again = _bring_up(there, manifest, events, clock)
        dump.one_file(beside)
        aside = None
        if final.exists():
            aside = final.with_name(f"{final.name}.before-{manifest.moment:%Y%m%dT%H%M%SZ}")
            final.replace(aside)
        beside.replace(final)
    finally:
        _unlink(beside)
    return Restored(
        manifest=manifest,
        database=str(final),
        set_aside=aside,
        cut_off=cut,
        again=again,
        journal_read=len(events),
    )


def _bring_up(
    settings: config.Settings,
    manifest: making.Manifest,
    events: list[taken_back.Event],
    clock: Clock | None,
) -> tuple[dict[str, int], dict[str, int]]:
    house = context.open_house(settings, clock=clock)
    house.database.journal = None
    try:
        with house.database.reading() as db:
            if dump.count(db) != manifest.rows:
                raise Invalid("backup_broken", "the database does not have the rows that the manifest counts")
        # broken off before what was withdrawn is taken back, nobody may serve it
        upgrading.upgrade_unsaid(house.database, manifest.step)
        return _take_back(house, manifest, events)
    finally:
        house.close()


def _take_back(
    house: House, manifest: making.Manifest, events: list[taken_back.Event]
) -> tuple[dict[str, int], dict[str, int]]:
    now = house.clock.now()
    these = audit.Circumstances(now=now, actor="operator:cli", source="cli")
    with audit.circumstances(these), house.database.transaction() as db:
        cut = taken_back.cut_off(db, now)
        again = taken_back.again(db, house, events, now)
        audit_backups.restored(db, made_at=manifest.made_at, cut_off=cut, again=again)
        upgrading.say(db, upgrading.newest())
    return cut, again


def _names_another(data: Path, settings: config.Settings) -> bool:
    """Do the settings that are there name another database? When they say nothing that counts, `idp check-config` comes next."""
    try:
        return config.read(data=data).database != settings.database
    except config.ConfigurationError:
        return False


def _lay_beside(folder: Path, manifest: making.Manifest, data: Path) -> bool:
    """The settings of the backup, when there are none here. True: laid."""
    if making.SETTINGS not in manifest.files or (data / config.FILE).exists():
        return False
    (data / config.FILE).touch(mode=0o600)  # the address of a database may hold its password
    shutil.copyfile(folder / making.SETTINGS, data / config.FILE)
    return True


def _keys(folder: Path, manifest: making.Manifest, keys_folder: Path) -> None:
    """Keys of the backup that are missing here. Raises Invalid `backup_target` when one differs: nothing is changed."""
    pairs = [
        (folder / name, keys_folder / name.removeprefix(making.KEYS))
        for name in manifest.files
        if name.startswith(making.KEYS)
    ]
    for ours, there in pairs:
        if there.exists() and there.read_bytes() != ours.read_bytes():
            raise Invalid(
                "backup_target", f"{there} is another key than in the backup: set that folder aside"
            )
    for ours, there in pairs:
        if not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(there, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(ours.read_bytes())


def _nobody_serves(path: Path) -> None:
    """Raises Invalid `backup_in_use`: leaving WAL needs every other connection to be closed."""
    try:
        dump.one_file(path)
    except sqlite3.OperationalError:
        raise Invalid("backup_in_use", f"{path} is in use: stop `idp serve` first") from None


def _unlink(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
