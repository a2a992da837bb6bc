"""What apps saw in their rosters: keyed digests, moments of change, tombstones

Revision ID: 0080
Revises: 0061
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from idp.models import ID, Moment

revision = "0080"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "roster_entry",
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sourced_id", sa.String(length=64), nullable=False),
        sa.Column("instellingsnummer", sa.String(length=6), nullable=False),
        sa.Column("ref", ID, nullable=True),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["app.client_id"], name=op.f("fk_roster_entry_client_id_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "client_id", "kind", "sourced_id", "instellingsnummer", name=op.f("pk_roster_entry")
        ),
    )
    op.create_index(
        op.f("ix_roster_entry_client_id_instellingsnummer_kind"),
        "roster_entry",
        ["client_id", "instellingsnummer", "kind"],
    )
    op.create_index(op.f("ix_roster_entry_changed_at"), "roster_entry", ["changed_at"])
    op.create_table(
        "roster_stock",
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("instellingsnummer", sa.String(length=6), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("taken_at", Moment(), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["app.client_id"], name=op.f("fk_roster_stock_client_id_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", "instellingsnummer", name=op.f("pk_roster_stock")),
    )
    op.create_index(op.f("ix_roster_stock_asked_at"), "roster_stock", ["asked_at"])
