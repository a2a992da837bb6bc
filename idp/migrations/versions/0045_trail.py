"""Marks on rows of the audit trail and the ledger, seals and anchors

Revision ID: 0045
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import idp.models

revision = "0045"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = idp.models.base.Moment(timezone=True)
    identifier = idp.models.base.Identifier()
    for table in ("audit_event", "release"):
        op.add_column(table, sa.Column("mark", sa.String(length=60), nullable=True))
    op.create_table(
        "seal",
        sa.Column("trail", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_id", identifier, nullable=False),
        sa.Column("last_id", identifier, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("through", moment, nullable=False),
        sa.Column("sealed_at", moment, nullable=False),
        sa.Column("unmarked", sa.Integer(), nullable=False),
        sa.Column("rows_sha256", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("trail", "number", name=op.f("pk_seal")),
    )
    op.create_table(
        "sealed_rows",
        sa.Column("trail", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("trail", "number", name=op.f("pk_sealed_rows")),
    )
    op.create_table(
        "anchor",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_anchor")),
    )
