"""Triggers that keep a sandbox and real schools apart

Each looks at the row that is written and at nothing else; rows that are there stay as they are.

Revision ID: 0061
Revises: 0075
"""

from __future__ import annotations

from alembic import op

revision = "0061"
down_revision = "0075"
branch_labels = None
depends_on = None

SQLITE = ("substr(NEW.account_uuid, 13, 1) = '8'", "substr(NEW.merged_into, 13, 1) = '8'")
POSTGRESQL = ("substr(NEW.account_uuid::text, 15, 1) = '8'", "substr(NEW.merged_into::text, 15, 1) = '8'")


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    who, into = SQLITE if sqlite else POSTGRESQL
    mixes = f"(NEW.instellingsnummer LIKE '9999__') <> ({who})"
    known = f"({who} AND NEW.national_number_digest IS NOT NULL)"
    merged = f"(NEW.merged_into IS NOT NULL AND ({who} OR {into}))"
    wrong = "(NEW.kind = 'sandbox') <> (NEW.instellingsnummer LIKE '9999__')"
    walls = (
        ("sandbox_enrolment_new", "INSERT ON enrolment", mixes),
        ("sandbox_enrolment_moved", "UPDATE OF account_uuid, instellingsnummer ON enrolment", mixes),
        ("sandbox_pupil_new", "INSERT ON pupil", f"{known} OR {merged}"),
        ("sandbox_pupil_known", "UPDATE OF national_number_digest, merged_into ON pupil", f"{known} OR {merged}"),
        ("sandbox_school_new", "INSERT ON school", wrong),
    )
    if not sqlite:
        says = "BEGIN RAISE EXCEPTION 'sandbox_apart' USING ERRCODE = 'check_violation'; END"
        op.execute(f"CREATE FUNCTION sandbox_apart() RETURNS trigger LANGUAGE plpgsql AS $$ {says} $$")
    for name, on, when in walls:
        if sqlite:
            no = "BEGIN SELECT RAISE(ABORT, 'sandbox_apart'); END"
            op.execute(f"CREATE TRIGGER {name} BEFORE {on} WHEN {when} {no}")
        else:
            no = "FOR EACH ROW WHEN"
            op.execute(f"CREATE TRIGGER {name} BEFORE {on} {no} ({when}) EXECUTE FUNCTION sandbox_apart()")
