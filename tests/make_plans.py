"""How would a database go about what it was asked? Statements as they were sent, and the tables that they walk through."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from idp import driver, models

SCAN = re.compile(r"SCAN (?:TABLE )?(?P<table>\w+)")
TABLES = frozenset(models.Base.metadata.tables)
OF_A_SCHOOL = re.compile(r"SEARCH (?P<table>\w+) USING [^(]*\(instellingsnummer=\? AND einddatum[<>]\?\)")
"""All pupils of a school, for one of them."""
FIRST = re.compile(r"FROM (?P<table>\w+)(?: AS \w+)? (?:ORDER BY [\w., ]+ )?LIMIT")
"""The first row in the order of an index: a look, and no walk."""


@contextmanager
def asked(house: Any) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is sent meanwhile, with its parameters; each once."""
    found: dict[str, Any] = {}
    statements: list[tuple[str, Any]] = []

    def note(_db: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        found.setdefault(statement, parameters[0] if many else parameters)

    event.listen(house.database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(house.database.engine, "before_cursor_execute", note)
        words = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
        statements += [(one, given) for one, given in found.items() if one.lstrip().upper().startswith(words)]


def walked(house: Any, statement: str, parameters: Any) -> set[str]:
    """The tables that the statement reads from one end to the other, however large they are.

    PostgreSQL does so with small tables for choice, and is asked not to; what is left has no index that leads anywhere.
    """
    if house.database.sqlite:
        with house.database.reading() as db:
            rows = driver.of(db).execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        names = {
            _plain(hit["table"]) for row in rows if (hit := SCAN.match(row[-1]) or OF_A_SCHOOL.match(row[-1]))
        }
        return names & TABLES - {hit["table"] for hit in FIRST.finditer(" ".join(statement.split()))}
    from psycopg import RawCursor

    with house.database.transaction() as db:
        connection = driver.of(db)
        cursor = RawCursor(connection) if isinstance(parameters, list) else connection.cursor()
        for dear in ("seqscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{dear} = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        (found,) = cursor.fetchone()
    document = json.loads(found) if isinstance(found, str) else found
    return set(_walks(document[0]["Plan"]))


def _plain(alias: str) -> str:
    """The table of a name that SQLAlchemy gave it, such as account_2."""
    return re.sub(r"_\d+$", "", alias)


def _walks(node: dict[str, Any], of: str = "", *, first: bool = False) -> Iterator[str]:
    kind, table = node["Node Type"], node.get("Relation Name", of)
    walks = kind == "Seq Scan" or (kind.startswith(("Index", "Bitmap Index")) and "Index Cond" not in node)
    if walks and not (first and kind.startswith("Index")):
        yield table
    for part in node.get("Plans", ()):
        yield from _walks(part, table, first=kind == "Limit")
