"""The zip of new accounts, drawn ahead and encrypted

Revision ID: 0060
Revises: 0035
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("paperwork", sa.Column("drawn", sa.Integer(), nullable=True))
    op.add_column("paperwork", sa.Column("file", sa.LargeBinary(), nullable=True))
    op.add_column("paperwork", sa.Column("file_by_klas", sa.Boolean(), nullable=True))
