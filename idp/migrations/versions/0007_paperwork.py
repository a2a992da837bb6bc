"""Work on accounts, and papers to download

Revision ID: 0007
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import idp.models

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = sa.Enum("maak", "vernieuw", "kaart", name="paperworkkind", native_enum=False, length=32)
    moment = idp.models.base.Moment(timezone=True)
    op.create_table(
        "paperwork",
        sa.Column("id", idp.models.base.Identifier(), nullable=False),
        sa.Column("person_id", sa.String(length=60), nullable=False),
        sa.Column("instellingsnummer", sa.String(length=6), nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("done_at", moment, nullable=True),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paperwork")),
    )
    op.create_index(op.f("ix_paperwork_person_id"), "paperwork", ["person_id"])
    op.create_index(op.f("ix_paperwork_expires_at"), "paperwork", ["expires_at"])
