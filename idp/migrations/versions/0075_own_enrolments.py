"""Find the enrolments of a pupil at a school by the pupil, whatever SQLite guesses

Without the last column SQLite, which keeps no statistics here, takes the index on schools and days, and reads a whole school
for one pupil. Nothing depends on an index, so the version before this one does not miss the old one.

Revision ID: 0075
Revises: 0065
"""

from __future__ import annotations

from alembic import op

revision = "0075"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["account_uuid", "instellingsnummer", "einddatum"]
    op.create_index("ix_enrolment_account_uuid_instellingsnummer_einddatum", "enrolment", columns)
    op.drop_index("ix_enrolment_account_uuid_instellingsnummer", "enrolment")
