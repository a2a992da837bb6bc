"""Programs that bring and fetch data, and rows that wait for a person

Revision ID: 0020
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import idp.models

revision = "0020"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = idp.models.base.Moment(timezone=True)
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "feed_client",
        sa.Column("client_id", sa.String(length=60), nullable=False),
        sa.Column("naam", sa.String(length=200), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("pakket", sa.String(length=20), nullable=True),
        sa.Column("jwks", json, nullable=True),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("disabled_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_feed_client")),
    )
    op.create_table(
        "feed_secret",
        sa.Column("id", idp.models.base.Identifier(), nullable=False),
        sa.Column("client_id", sa.String(length=60), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["feed_client.client_id"],
            name=op.f("fk_feed_secret_client_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_secret")),
    )
    op.create_index(op.f("ix_feed_secret_client_id"), "feed_secret", ["client_id"])
    op.create_table(
        "held_part",
        sa.Column("delivery", idp.models.base.Identifier(), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("instellingsnummer", sa.String(length=6), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("held_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery"], ["delivery.id"], name=op.f("fk_held_part_delivery"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery", "part", name=op.f("pk_held_part")),
    )
    op.create_index(op.f("ix_held_part_instellingsnummer"), "held_part", ["instellingsnummer"])
    op.create_index(op.f("ix_held_part_held_at"), "held_part", ["held_at"])
    op.add_column("delivery", sa.Column("decided_at", moment, nullable=True))
    op.add_column("delivery", sa.Column("decided_by", sa.String(length=100), nullable=True))
