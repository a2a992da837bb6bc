"""Rights of people at suppliers, and how apps ask

Revision ID: 0055
Revises: 0060
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff_right", sa.Column("supplier", sa.String(length=40), nullable=True))
    op.create_index(op.f("ix_staff_right_supplier"), "staff_right", ["supplier"])
    op.add_column("grant_", sa.Column("habits", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_grant__client_id_created_at"), "grant_", ["client_id", "created_at"])
    op.drop_index(op.f("ix_grant__client_id"), "grant_")
