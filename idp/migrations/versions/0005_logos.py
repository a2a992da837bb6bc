"""Logos of apps, and apps for the sandbox

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import idp.models

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_logo",
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=2000), nullable=False),
        sa.Column("fetched_at", idp.models.base.Moment(timezone=True), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("image", sa.LargeBinary(), nullable=True),
        sa.Column("problem", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["app.client_id"], name=op.f("fk_app_logo_client_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_app_logo")),
    )
    op.create_index(op.f("ix_app_logo_sha256"), "app_logo", ["sha256"])
    op.add_column(
        "initial_access_token",
        sa.Column("visible_in_sandbox", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
