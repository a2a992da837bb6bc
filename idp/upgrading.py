"""How does a database become what models.py says? Step by step, by Alembic, on one connection."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, delete, insert, inspect, select, table
from sqlalchemy.exc import DBAPIError

from idp.database import Database
from idp.models import RegistryVersion

_MADE_MEANWHILE = frozenset({"23505", "42P07"})
"""PostgreSQL, when two make the first table at once: the second waits, and hears that it is there."""
STEPS = Path(__file__).parent / "migrations"
_STEP = table("alembic_version", column("version_num"))
"""Alembic's own: one row, with the step that the database is at."""


def upgrade(database: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the database up to date, in one transaction. Returns the steps before and after.

    Machines that do it at once take turns: the second finds it done.
    """
    try:
        return _upgrade(database, revision)
    except DBAPIError as failure:
        if getattr(failure.orig, "sqlstate", None) not in _MADE_MEANWHILE or current(database) is None:
            raise
    return _upgrade(database, revision)


def _upgrade(database: Database, revision: str) -> tuple[str | None, str | None]:
    with database.transaction() as db:
        if not database.sqlite and inspect(db).has_table(_STEP.name):
            db.execute(
                select(_STEP).with_for_update()
            )  # whose turn it is, for as long as this transaction lasts
        before = MigrationContext.configure(db).get_current_revision()
        _climb(db, revision)
        after = MigrationContext.configure(db).get_current_revision()
        if db.execute(select(RegistryVersion.id)).first() is None:
            db.execute(insert(RegistryVersion), {"id": 1, "version": 1})
    return before, after


def upgrade_unsaid(database: Database, step: str) -> None:
    """The same for what came from elsewhere and is at this step. To everybody else it is at none, before, meanwhile and after."""
    with database.transaction() as db:
        say(db, step)
        _climb(db, "head")
        say(db, None)


def _climb(db: Connection, revision: str) -> None:
    settings = _settings()
    settings.attributes["connection"] = db
    command.upgrade(settings, revision)


def current(database: Database) -> str | None:
    """The step this database is at; None when it is empty."""
    with database.reading() as db:
        return MigrationContext.configure(db).get_current_revision()


def has_tables(database: Database) -> bool:
    """Is anything of ours in it, at whatever step?"""
    with database.reading() as db:
        return inspect(db).has_table(RegistryVersion.__tablename__)


def say(db: Connection, step: str | None) -> None:
    """Write down at which step the database is; None: at none, and nothing serves it."""
    db.execute(delete(_STEP))
    if step is not None:
        db.execute(insert(_STEP), {"version_num": step})


def newest() -> str:
    """The step that this program needs."""
    head = ScriptDirectory.from_config(_settings()).get_current_head()
    if head is None:
        raise RuntimeError("this installation carries no migrations")
    return head


def require_known(revision: str) -> None:
    """Raises alembic's CommandError when this program has no such step: a newer one made it."""
    ScriptDirectory.from_config(_settings()).get_revision(revision)


def is_current(database: Database) -> bool:
    return current(database) == newest()


def _settings() -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    return settings
