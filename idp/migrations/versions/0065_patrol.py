"""How far the nightly look at the audit trail and the ledger is

Revision ID: 0065
Revises: 0055
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import idp.models

revision = "0065"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = idp.models.base.Moment(timezone=True)
    op.create_table(
        "patrol",
        sa.Column("trail", sa.String(20), nullable=False),
        sa.Column("newest", sa.Integer(), nullable=False),
        sa.Column("newest_hash", sa.String(64), nullable=False),
        sa.Column("old", sa.Integer(), nullable=False),
        sa.Column("old_hash", sa.String(64), nullable=False),
        sa.Column("until", sa.Integer(), nullable=False),
        sa.Column("begun_at", moment, nullable=False),
        sa.Column("whole_at", moment, nullable=True),
        sa.Column("night", sa.Date(), nullable=True),
        sa.Column(
            "troubles",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=False,
        ),
        sa.Column("mark", sa.String(60), nullable=True),
        sa.PrimaryKeyConstraint("trail", name="pk_patrol"),
    )
