"""What is known of the work that an installation does by itself

Revision ID: 0030
Revises: 0045
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import idp.models

revision = "0030"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = idp.models.base.Moment(timezone=True)
    op.create_table(
        "job",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("rhythm", sa.String(length=60), nullable=False),
        sa.Column("known_since", moment, nullable=False),
        sa.Column("expected_at", moment, nullable=False),
        sa.Column("begun_at", moment, nullable=True),
        sa.Column("finished_at", moment, nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("reached", moment, nullable=True),
        sa.Column("result", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", moment, nullable=True),
        sa.Column("failure", sa.String(length=200), nullable=True),
        sa.Column("machine", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job")),
    )
