"""The steps of Alembic lead exactly to models.py, on both databases, and can be asked for twice."""

from __future__ import annotations

import secrets

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from idp import models, upgrading
from idp.database import Database


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
