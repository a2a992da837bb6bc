"""Which roles of PostgreSQL may do what? The SQL that lets the program add to the audit trail, and change nothing in it.

Three roles: whoever owns the tables and runs `idp upgrade`; the program (`database_url`), which may only add to and
read the trail, the ledger, their seals and anchors; and the one that purges (`purge_database_url`), which may also
delete rows, seals and sealed lists, and no anchor. Nobody but the owner can empty a table or change its rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Connection, text

from idp.errors import Invalid
from idp.models import Anchor, AuditEvent, Release, Seal, SealedRows

APPENDED = tuple(model.__tablename__ for model in (AuditEvent, Release, Seal, SealedRows, Anchor))
PURGED = tuple(model.__tablename__ for model in (AuditEvent, Release, Seal, SealedRows))
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def statements(*, program: str, purger: str, schema: str = "public") -> tuple[str, ...]:
    """SQL for the owner of the tables, safe to repeat; run it after every `idp upgrade`. The roles must exist.

    Raises Invalid for a name that would have to be quoted.
    """
    for name in (program, purger, schema):
        if not _NAME.fullmatch(name):
            raise Invalid("role_name", f"{name!r}: lower-case letters, digits and _, at most 63")
    return tuple(_statements(program, purger, schema))


def apply(db: Connection, *, program: str, purger: str, schema: str = "public") -> None:
    """The same, done: in one transaction, as the owner."""
    for statement in statements(program=program, purger=purger, schema=schema):
        db.execute(text(statement))


def _statements(program: str, purger: str, schema: str) -> Iterator[str]:
    appended = ", ".join(f"{schema}.{name}" for name in APPENDED)
    purged = ", ".join(f"{schema}.{name}" for name in PURGED)
    both = f"{program}, {purger}"
    everything = f"ALL TABLES IN SCHEMA {schema}"
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {both}"
    yield f"REVOKE ALL ON {everything} FROM {both}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {everything} TO {both}"
    yield f"REVOKE ALL ON {appended} FROM {both}"
    yield f"GRANT SELECT, INSERT ON {appended} TO {both}"
    yield f"GRANT DELETE ON {purged} TO {purger}"
    yield (
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {both}"
    )
