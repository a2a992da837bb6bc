"""The steps of Alembic lead exactly to models.py, on both databases, and can be asked for twice."""

from __future__ import annotations

import secrets
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from idp import models, upgrading
from idp.database import Database
from idp.models import walls


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty(request, tmp_path):
    """A database without any table."""
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    else:
        from tests.conftest import _create_database, _named

        url = request.getfixturevalue("postgres_url")
        name = f"empty_{secrets.token_hex(4)}"
        _create_database(url, name)
        made = Database(_named(url, name))
    yield made
    made.close()


def test_an_empty_database_becomes_what_models_say(empty):
    assert upgrading.current(empty) is None
    assert upgrading.upgrade(empty) == (None, upgrading.newest())
    assert upgrading.is_current(empty)
    with empty.reading() as db:
        differences = compare_metadata(
            MigrationContext.configure(db, opts={"compare_type": True}), models.Base.metadata
        )
    assert not differences


def test_upgrading_twice_changes_nothing(empty):
    upgrading.upgrade(empty)
    assert upgrading.upgrade(empty) == (upgrading.newest(), upgrading.newest())


def test_machines_that_upgrade_at_once_take_turns(empty):
    """As a rollout does it that runs `idp upgrade` on every machine before it starts the new version there."""
    newest = upgrading.newest()
    assert upgrading.current(empty) is None  # and a file of SQLite is there: to make that one is another race
    assert _at_once(empty) == [f"{newest} {newest}", f"{newest} {newest}", f"None {newest}"]


def test_machines_that_upgrade_an_older_database_at_once_take_turns(empty):
    newest = upgrading.newest()
    upgrading.upgrade(empty, "0080")
    assert _at_once(empty) == [f"0080 {newest}", f"{newest} {newest}", f"{newest} {newest}"]


ONE_MACHINE = """
import sys
from idp import upgrading
from idp.database import Database
database = Database(sys.argv[1])
sys.stdin.readline()
print(*upgrading.upgrade(database))
database.close()
"""


def _at_once(database) -> list[str]:
    """What three processes say that upgrade it at the same moment, sorted."""
    command = [sys.executable, "-c", ONE_MACHINE, database.url]
    machines = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for machine in machines:
        machine.stdin.write("now\n")
        machine.stdin.flush()
    return sorted(machine.communicate(timeout=120)[0].strip() for machine in machines)


def test_the_walls_of_the_sandbox_are_those_of_the_models(empty):
    """What Alembic makes and what `create_all` makes refuse the same."""
    upgrading.upgrade(empty)
    stepped = walls_of(empty)
    assert len(stepped) == 5
    with empty.transaction() as db:
        for name, table in stepped:
            on = f" ON {table}" if db.dialect.name == "postgresql" else ""
            db.exec_driver_sql(f"DROP TRIGGER {name}{on}")
        if db.dialect.name == "postgresql":
            db.exec_driver_sql("DROP FUNCTION sandbox_apart()")
        for statement in walls.statements(db.dialect.name):
            db.exec_driver_sql(statement)
    assert walls_of(empty) == stepped


def walls_of(database):
    """How the database itself tells its triggers, by name and table."""
    sqlite = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
    postgresql = (
        "SELECT tgname, tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgname LIKE 'sandbox_%%'"
    )
    with database.reading() as db:
        asked = sqlite if db.dialect.name == "sqlite" else postgresql
        return {(name, table): told for name, table, told in db.exec_driver_sql(asked)}
