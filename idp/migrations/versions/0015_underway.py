"""How far work on accounts is

Revision ID: 0015
Revises: 0030
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import idp.models

revision = "0015"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = idp.models.base.Moment(timezone=True)
    op.add_column("paperwork", sa.Column("working_until", moment, nullable=True))
    op.add_column("paperwork", sa.Column("hashed", sa.Integer(), nullable=True))
    op.add_column("paperwork", sa.Column("problem", sa.String(length=60), nullable=True))
