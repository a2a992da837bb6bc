"""Class devices and where somebody is signed in

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import idp.models

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


KINDS = ("phone", "tablet", "computer", "other")


def upgrade() -> None:
    op.create_table(
        "class_device",
        sa.Column("id", idp.models.base.Identifier(), nullable=False),
        sa.Column("instellingsnummer", sa.String(length=6), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("group_code", sa.String(length=20), nullable=True),
        sa.Column("cookie_digest", sa.LargeBinary(length=64), nullable=False),
        sa.Column("previous_digest", sa.LargeBinary(length=64), nullable=True),
        sa.Column("renewed_at", idp.models.base.Moment(timezone=True), nullable=False),
        sa.Column("enrolled_at", idp.models.base.Moment(timezone=True), nullable=False),
        sa.Column("enrolled_by", sa.String(length=60), nullable=False),
        sa.Column("einddatum", sa.Date(), nullable=False),
        sa.Column("revoked_at", idp.models.base.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["instellingsnummer"],
            ["school.instellingsnummer"],
            name=op.f("fk_class_device_instellingsnummer"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_class_device")),
        sa.UniqueConstraint("cookie_digest", name=op.f("uq_class_device_cookie_digest")),
        sa.UniqueConstraint("previous_digest", name=op.f("uq_class_device_previous_digest")),
    )
    op.create_index(op.f("ix_class_device_instellingsnummer"), "class_device", ["instellingsnummer"])
    op.create_table(
        "device_code",
        sa.Column("code_digest", sa.String(length=64), nullable=False),
        sa.Column("instellingsnummer", sa.String(length=6), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("group_code", sa.String(length=20), nullable=True),
        sa.Column("given_by", sa.String(length=60), nullable=False),
        sa.Column("expires_at", idp.models.base.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code_digest", name=op.f("pk_device_code")),
    )
    op.create_index(op.f("ix_device_code_expires_at"), "device_code", ["expires_at"])
    kind = sa.Enum(*KINDS, name="devicekind", native_enum=False, length=32)
    op.add_column("session", sa.Column("device", kind, server_default="other", nullable=False))
    op.add_column("session", sa.Column("class_device", idp.models.base.Identifier(), nullable=True))
    op.create_index(op.f("ix_session_class_device"), "session", ["class_device"])
