"""What does the database itself refuse, so that a sandbox and real schools can never mix? Triggers, made with the tables.

Each looks at the one row that is written and at nothing else, so it costs next to nothing: an enrolment joins a sandbox
pupil to a sandbox school or neither; a sandbox pupil has no national number and is merged with nobody; a sandbox school
has a number of the reserved ones, and nobody else has (idp/apart.py).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, MetaData, event

from idp.models.base import Base

REFUSAL = "sandbox_apart"
"""What the database says."""


def _invented(column: str, dialect: str) -> str:
    """SQL: the UUID in this column is of version 8. SQLite keeps 32 digits, PostgreSQL shows dashes."""
    return f"substr({column}, 13, 1) = '8'" if dialect == "sqlite" else f"substr({column}::text, 15, 1) = '8'"


def statements(dialect: str) -> tuple[str, ...]:
    """The triggers, as DDL; the step of the migration keeps a copy of its own."""
    who, into = _invented("NEW.account_uuid", dialect), _invented("NEW.merged_into", dialect)
    mixes = f"(NEW.instellingsnummer LIKE '9999__') <> ({who})"
    known = f"({who} AND NEW.national_number_digest IS NOT NULL)"
    merged = f"(NEW.merged_into IS NOT NULL AND ({who} OR {into}))"
    wrong = "(NEW.kind = 'sandbox') <> (NEW.instellingsnummer LIKE '9999__')"
    walls = (
        ("sandbox_enrolment_new", "INSERT ON enrolment", mixes),
        ("sandbox_enrolment_moved", "UPDATE OF account_uuid, instellingsnummer ON enrolment", mixes),
        ("sandbox_pupil_new", "INSERT ON pupil", f"{known} OR {merged}"),
        (
            "sandbox_pupil_known",
            "UPDATE OF national_number_digest, merged_into ON pupil",
            f"{known} OR {merged}",
        ),
        ("sandbox_school_new", "INSERT ON school", wrong),
    )
    if dialect == "sqlite":
        no = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        return tuple(f"CREATE TRIGGER {name} BEFORE {on} WHEN {when} {no}" for name, on, when in walls)
    says = f"BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'check_violation'; END"
    function = f"CREATE FUNCTION {REFUSAL}() RETURNS trigger LANGUAGE plpgsql AS $$ {says} $$"
    row = f"EXECUTE FUNCTION {REFUSAL}()"
    return (
        function,
        *(f"CREATE TRIGGER {name} BEFORE {on} FOR EACH ROW WHEN ({when}) {row}" for name, on, when in walls),
    )


@event.listens_for(Base.metadata, "after_create")
def _build(_target: MetaData, db: Connection, **_: Any) -> None:
    for statement in statements(db.dialect.name):
        db.exec_driver_sql(statement)
