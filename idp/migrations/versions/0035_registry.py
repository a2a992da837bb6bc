"""The history of registrations, requests for changes, suppliers, and tokens for the REST API

Revision ID: 0035
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import idp.models

revision = "0035"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = idp.models.base.Moment(timezone=True)
    identifier = idp.models.base.Identifier()
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "supplier",
        sa.Column("supplier_id", sa.String(length=40), nullable=False),
        sa.Column("naam", sa.String(length=200), nullable=False),
        sa.Column("contact", sa.String(length=254), nullable=True),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("supplier_id", name=op.f("pk_supplier")),
    )
    changes = sa.Enum(
        "registered",
        "changed",
        "secret_renewed",
        "secret_ended",
        "disabled",
        "enabled",
        "removed",
        name="appchange",
        native_enum=False,
        length=32,
    )
    op.create_table(
        "app_version",
        sa.Column("id", identifier, nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("approved_by", sa.String(length=120), nullable=True),
        sa.Column("what", changes, nullable=False),
        sa.Column("fields", json, nullable=False),
        sa.Column("snapshot", json, nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["app.client_id"], name=op.f("fk_app_version_client_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_version")),
        sa.UniqueConstraint("client_id", "number", name=op.f("uq_app_version_client_id_number")),
    )
    op.create_index(op.f("ix_app_version_at"), "app_version", ["at"])
    op.create_index(op.f("ix_app_version_by_at"), "app_version", ["by", "at"])
    states = sa.Enum(
        "waiting", "approved", "refused", "withdrawn", name="requeststate", native_enum=False, length=32
    )
    op.create_table(
        "app_request",
        sa.Column("id", identifier, nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("supplier", sa.String(length=40), nullable=True),
        sa.Column("changes", json, nullable=False),
        sa.Column("widens", json, nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("requested_by", sa.String(length=120), nullable=False),
        sa.Column("requested_at", moment, nullable=False),
        sa.Column("state", states, nullable=False),
        sa.Column("decided_by", sa.String(length=120), nullable=True),
        sa.Column("decided_at", moment, nullable=True),
        sa.Column("answer", sa.String(length=1000), nullable=True),
        sa.ForeignKeyConstraint(
            ["supplier"], ["supplier.supplier_id"], name=op.f("fk_app_request_supplier")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_request")),
    )
    op.create_index(op.f("ix_app_request_supplier"), "app_request", ["supplier"])
    op.create_index(op.f("ix_app_request_state_requested_at"), "app_request", ["state", "requested_at"])
    op.create_index(
        op.f("ix_app_request_client_id_requested_at"), "app_request", ["client_id", "requested_at"]
    )
    op.create_table(
        "operator_token",
        sa.Column("id", identifier, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=64), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("revoked_at", moment, nullable=True),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_operator_token_digest")),
    )
    op.add_column("app", sa.Column("paused_at", moment, nullable=True))
    op.add_column("app", sa.Column("version", sa.Integer(), server_default="0", nullable=False))
    op.add_column("app", sa.Column("supplier", sa.String(length=40), nullable=True))
    op.create_index(op.f("ix_app_supplier"), "app", ["supplier"])
    op.create_index(op.f("ix_audit_event_actor_at"), "audit_event", ["actor", "at"])
    op.create_index(op.f("ix_audit_event_event_at"), "audit_event", ["event", "at"])
