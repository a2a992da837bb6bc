"""How does a whole database become a file, at one moment, while everyone works on? With the database's own means.

SQLite: its online backup. PostgreSQL: pg_dump and pg_restore (version of the server or newer), which see one snapshot.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, func, inspect, make_url, select, text

from idp.database import Database
from idp.errors import Invalid
from idp.models import Account, Agreement, App, Enrolment, Pupil

COUNTED = {model.__tablename__: model for model in (Pupil, Enrolment, Account, Agreement, App)}
"""Tables whose rows a backup counts, so that a restore can prove that all came back."""

_STEP = re.compile(r" TABLE DATA \S+ alembic_version ")


def save(database: Database, target: Path) -> dict[str, int]:
    """Write everything to `target`; returns how many rows the tables of COUNTED had at that very moment.

    Raises Invalid `backup_tool` when pg_dump is missing or fails.
    """
    if database.sqlite:
        with closing(sqlite3.connect(_file(database))) as there, closing(sqlite3.connect(target)) as here:
            there.backup(here, pages=4096)
        target.chmod(0o600)
        copy = Database(f"sqlite:///{target}")
        try:
            with copy.reading() as db:
                if db.execute(text("PRAGMA integrity_check")).scalar() != "ok":
                    raise Invalid("backup_broken", "the database itself is damaged (PRAGMA integrity_check)")
                counts = count(db)
        finally:
            copy.close()
        one_file(target)
        return counts
    with database.engine.execution_options(isolation_level="REPEATABLE READ").connect() as db, db.begin():
        snapshot = db.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        words = [
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--snapshot={snapshot}",
            f"--file={target}",
        ]
        _run("pg_dump", database.url, *words)
        return count(db)


def load(source: Path, url: str) -> None:
    """Fill an empty database. On PostgreSQL it says no step yet, so nobody serves it (`restoring`, which says it at the end).

    Raises Invalid `backup_target` (not empty), `backup_tool`, `backup_broken`.
    """
    if url.startswith("sqlite"):
        target = Path(url.removeprefix("sqlite:///"))
        if target.exists():
            raise Invalid("backup_target", f"{target} exists already")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o600)
        return
    there = Database(url)
    try:
        with there.reading() as db:
            if tables := inspect(db).get_table_names():
                raise Invalid("backup_target", f"the database has {len(tables)} tables: give an empty one")
    finally:
        there.close()
    _run(
        "pg_restore",
        url,
        "--no-owner",
        "--no-privileges",
        "--exit-on-error",
        "--single-transaction",
        f"--use-list={_all_but_the_step(source)}",
        str(source),
    )


def _all_but_the_step(source: Path) -> Path:
    """What to take out of a dump of PostgreSQL: a list beside it."""
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL
        [_find("pg_restore"), "--list", str(source)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Invalid("backup_tool", f"pg_restore: {done.stderr.strip()[-400:]}")
    lines = [line for line in done.stdout.splitlines() if not _STEP.search(line)]
    wanted = source.with_name(source.name + ".list")
    wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return wanted


def one_file(path: Path) -> None:
    """Fold the write-ahead log into an SQLite file. Raises sqlite3.OperationalError while anybody else has it open."""
    with closing(sqlite3.connect(path, timeout=2)) as db:
        (mode,) = db.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise sqlite3.OperationalError("others have the database open")


def count(db: Connection) -> dict[str, int]:
    """Rows by table, of the tables of COUNTED."""
    return {
        name: db.execute(select(func.count()).select_from(model)).scalar_one()
        for name, model in COUNTED.items()
    }


def _file(database: Database) -> str:
    return database.url.removeprefix("sqlite:///")


def _run(program: str, url: str, *words: str) -> None:
    """The password goes by the environment: nobody reads it in the list of processes."""
    found = _find(program)
    address = make_url(url)
    # every host of several, as our own driver gets it
    _, where = address.get_dialect()().create_connect_args(address)
    secret = {"PGPASSWORD": str(word)} if (word := where.pop("password", None)) else {}
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, and words of ours
        [found, f"--dbname={make_conninfo(**where)}", *words],
        env=os.environ | secret,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Invalid("backup_tool", f"{program}: {done.stderr.strip()[-400:]}")


def _find(program: str) -> str:
    """On the PATH, or where Debian keeps it: the newest one."""
    candidates = [found] if (found := shutil.which(program)) else []
    candidates += [
        str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)
    ]
    if not candidates:
        raise Invalid(
            "backup_tool", f"{program} is not installed (Debian: apt-get install postgresql-client)"
        )
    return candidates[0]
