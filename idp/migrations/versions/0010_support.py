"""Cards belong to the school that made them; what one pupil needs to sign in

Revision ID: 0010
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import idp.models

revision = "0010"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("card", sa.Column("instellingsnummer", sa.String(length=6), nullable=True))
    op.create_table(
        "support",
        sa.Column("account_uuid", idp.models.base.Identifier(), nullable=False),
        sa.Column("instellingsnummer", sa.String(length=6), nullable=False),
        sa.Column("typed", sa.Boolean(), nullable=False),
        sa.Column("card_alone_since", idp.models.base.Moment(timezone=True), nullable=True),
        sa.Column("card_alone_until", sa.Date(), nullable=True),
        sa.Column("card_alone_anywhere", sa.Boolean(), nullable=False),
        sa.Column("decided_by", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_uuid"],
            ["account.account_uuid"],
            name=op.f("fk_support_account_uuid_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_uuid", "instellingsnummer", name=op.f("pk_support")),
    )
