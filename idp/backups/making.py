"""What belongs in a backup? The database at one moment, the keys, idp.toml, and a page that says what is inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from idp import config, upgrading
from idp.backups import box, dump, workbench
from idp.context import House
from idp.errors import Invalid

FORMAT = 1
MANIFEST, DATABASE, SETTINGS, KEYS = "manifest.json", "database", "idp.toml", "keys/"
ENDING = ".leersleutel.age"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup says of itself."""

    format: int
    made_at: str
    """ISO 8601, UTC: acts from this moment on may be missing."""
    version: str
    step: str
    """Of the database (idp/migrations)."""
    kind: str
    """`sqlite` or `postgresql`."""
    issuer: str
    rows: dict[str, int]
    files: dict[str, str]
    """Name → SHA-256, in hexadecimal."""

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.made_at)


def make(house: House, target: Path, *, to: Iterable[str], with_keys: bool = True) -> tuple[Path, Manifest]:
    """Write a sealed backup; a folder as target gives it a name with the moment in it. Returns where, and what.

    The parts lie in clear in the data folder while it is made, beside the database itself. Raises Invalid
    (`backup_recipient`, `backup_target`, `backup_tool`, `backup_broken`); then nothing is left behind.
    """
    readers = box.recipients(to)
    if not readers:
        raise Invalid("backup_recipient", "nobody could open it: give --to, or the setting backup_recipients")
    now, settings = house.clock.now(), house.settings
    if target.is_dir():
        target = target / f"leersleutel-{now:%Y%m%dT%H%M%SZ}{ENDING}"
    if target.exists():
        raise Invalid("backup_target", f"{target} exists already")
    settings.journal_folder.mkdir(
        parents=True, exist_ok=True, mode=0o700
    )  # from now on a missing one is a lost one
    step = upgrading.current(house.database)
    with workbench.laid_out("backup-", settings.data, now) as folder:
        rows = dump.save(house.database, folder / DATABASE)
        members = [(DATABASE, folder / DATABASE), *_beside(settings, with_keys=with_keys)]
        manifest = Manifest(
            format=FORMAT,
            made_at=now.isoformat(),
            version=version("leersleutel"),
            step=step or "",
            kind=house.database.engine.dialect.name,
            issuer=settings.issuer,
            rows=rows,
            files={name: digest(path) for name, path in members},
        )
        (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
        part = target.with_name(target.name + ".part")
        part.unlink(missing_ok=True)
        try:
            box.seal(part, [(MANIFEST, folder / MANIFEST), *members], readers)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target, manifest


def read(folder: Path, names: Iterable[str]) -> Manifest:
    """What was taken out of a box, proven whole. Raises Invalid `backup_broken`, `backup_newer`."""
    try:
        words: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if words["format"] > FORMAT:
            raise Invalid("backup_newer", f"made by version {words['version']}: install that one first")
        manifest = Manifest(**words)
    except (OSError, ValueError, KeyError, TypeError):
        raise Invalid("backup_broken", "it has no readable manifest") from None
    if {*names} != {MANIFEST, *manifest.files}:
        raise Invalid("backup_broken", "its files are not those of its manifest")
    for name, wanted in manifest.files.items():
        if digest(folder / name) != wanted:
            raise Invalid("backup_broken", f"{name} is not what was packed")
    return manifest


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(settings: config.Settings, *, with_keys: bool) -> list[tuple[str, Path]]:
    found = []
    if (settings.data / config.FILE).is_file():
        found.append((SETTINGS, settings.data / config.FILE))
    if with_keys and settings.keys_folder.is_dir():
        paths = sorted(path for path in settings.keys_folder.rglob("*") if path.is_file())
        found += [(KEYS + path.relative_to(settings.keys_folder).as_posix(), path) for path in paths]
    return found
