"""Databases of PostgreSQL that were used and are empty again: making one copies hundreds of files, emptying one takes none.

A database goes back under a new name, so that whoever still holds the old address (a thread that was forgotten) finds
nothing there; one whose tables, rights or triggers are no longer those of the template is dropped.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

_USES = 40
"""Then the dead rows of earlier tests make it slower than a new one."""
_SHAPE = """
SELECT md5(coalesce(string_agg(line, '|' ORDER BY line), '')) FROM (
  SELECT concat_ws(' ', c.relname, c.relkind, c.relacl::text, c.reloptions::text, c.relrowsecurity) AS line
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', a.attrelid::regclass, a.attname, a.atttypid, a.attnotnull, a.attacl::text)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
  UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, convalidated) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', 'trigger', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT concat_ws(' ', 'function', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', 'settings', setconfig::text) FROM pg_db_role_setting
) AS shape
"""
_FILLED = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
"""


class Shelf:
    """The databases of one server; `take` gives an empty one, `put_back` what was taken."""

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._admin: Engine = create_engine(server, isolation_level="AUTOCOMMIT", pool_size=1)
        self._free: list[tuple[str, int]] = []
        self._uses: dict[str, int] = {}
        with self._in(template) as engine, engine.connect() as db:
            self._shape = db.execute(text(_SHAPE)).scalar_one()

    def take(self) -> str:
        """The name of a database with every table and no row."""
        if self._free:
            name, uses = self._free.pop()
        else:
            name, uses = self._name(), 0
            self._do(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        self._uses[name] = uses + 1
        return name

    def put_back(self, name: str) -> None:
        uses = self._uses.pop(name)
        if uses < _USES:
            with suppress(SQLAlchemyError):
                self._end_others(name)
                with self._in(name) as engine, engine.begin() as db:
                    whole = db.execute(text(_SHAPE)).scalar_one() == self._shape
                    if whole:
                        _empty(db)
                if whole:
                    other = self._name()
                    self._end_others(name)
                    self._do(f"ALTER DATABASE {name} RENAME TO {other}")
                    self._free.append((other, uses))
                    return
        self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._admin.dispose()

    def _in(self, name: str) -> _Engine:
        return _Engine(make_url(self._server).set(database=name).render_as_string(hide_password=False))

    def _name(self) -> str:
        return f"test_{secrets.token_hex(6)}"

    def _end_others(self, name: str) -> None:
        self._do(f"SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = '{name}'")

    def _do(self, statement: str) -> None:
        with self._admin.connect() as db:
            db.execute(text(statement))


class _Engine:
    """An engine until the block ends."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)

    def __enter__(self) -> Engine:
        return self._engine

    def __exit__(self, *_how: object) -> None:
        self._engine.dispose()


def _empty(db: Connection) -> None:
    """Delete every row, in any order: nothing watches over references meanwhile."""
    db.execute(text("SET LOCAL session_replication_role = replica"))
    for (table,) in db.execute(text(_FILLED)).all():
        db.execute(text(f'DELETE FROM "{table}"'))
