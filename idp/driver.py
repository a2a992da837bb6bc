"""How do we say what a database's driver refused? As SQLAlchemy would, wherever we speak to the driver ourselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


class Overtaken(Exception):
    """What was looked at has changed since, or more must be written than one statement: only a transaction can do it."""


def of(db: Connection) -> Any:
    """The driver's own connection."""
    return db.connection.dbapi_connection


def refusal(db: Connection, sql: str, failure: Exception) -> DBAPIError:
    """What to raise for an error of the driver; a connection that is gone is given up at once."""
    lost = db.dialect.is_disconnect(failure, of(db), None)  # type: ignore[arg-type]
    if lost:
        db.invalidate(failure)
    error: DBAPIError = DBAPIError.instance(  # type: ignore[assignment]
        sql,
        None,
        failure,
        db.dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=db.dialect,
    )
    return error
