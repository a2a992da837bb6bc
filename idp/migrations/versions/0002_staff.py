"""Staff who sign in

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from idp.models.base import ID, Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = Moment()
    op.create_table(
        "staff_account",
        sa.Column("person_id", sa.String(60), sa.ForeignKey("person.person_id", name="fk_staff_account_person_id")),
        sa.Column("user_handle", ID, nullable=False),
        sa.Column("secret_hash", sa.String(200)),
        sa.Column("pepper_id", sa.String(40)),
        sa.Column("secret_set_at", moment),
        sa.Column("totp_secret", sa.String(400)),
        sa.Column("totp_set_at", moment),
        sa.Column("totp_last_step", sa.Integer(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_staff_account"),
        sa.UniqueConstraint("user_handle", name="uq_staff_account_user_handle"),
    )
    op.create_table(
        "passkey",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", sa.String(60), sa.ForeignKey("staff_account.person_id", name="fk_passkey_person_id"), nullable=False),
        sa.Column("credential_id", sa.String(1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.String(60), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_passkey"),
        sa.UniqueConstraint("credential_id", name="uq_passkey_credential_id"),
    )
    op.create_index("ix_passkey_person_id", "passkey", ["person_id"])
    op.create_table(
        "recovery_code",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("person_id", sa.String(60), sa.ForeignKey("staff_account.person_id", name="fk_recovery_code_person_id"), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("used_at", moment),
        sa.PrimaryKeyConstraint("digest", name="pk_recovery_code"),
    )
    op.create_index("ix_recovery_code_person_id", "recovery_code", ["person_id"])
    op.create_table(
        "staff_link",
        sa.Column("digest", sa.LargeBinary(64), nullable=False),
        sa.Column("person_id", sa.String(60), sa.ForeignKey("person.person_id", name="fk_staff_link_person_id"), nullable=False),
        sa.Column("made_by", sa.String(120), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("used_at", moment),
        sa.PrimaryKeyConstraint("digest", name="pk_staff_link"),
    )
    op.create_index("ix_staff_link_person_id", "staff_link", ["person_id"])
    op.create_index("ix_staff_link_expires_at", "staff_link", ["expires_at"])
    op.create_table(
        "used_challenge",
        sa.Column("digest", sa.LargeBinary(64), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_used_challenge"),
    )
    op.create_index("ix_used_challenge_expires_at", "used_challenge", ["expires_at"])
    op.create_table(
        "staff_session",
        sa.Column("sid", ID, nullable=False),
        sa.Column("cookie_digest", sa.LargeBinary(64), nullable=False),
        sa.Column("person_id", sa.String(60), sa.ForeignKey("person.person_id", name="fk_staff_session_person_id"), nullable=False),
        sa.Column("amr", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("auth_time", moment, nullable=False),
        sa.Column("proven_at", moment, nullable=False),
        sa.Column("device", sa.String(60), nullable=False),
        sa.Column("chosen_school", sa.String(6)),
        sa.Column("last_seen_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("ended_at", moment),
        sa.Column("ended_because", sa.String(40)),
        sa.PrimaryKeyConstraint("sid", name="pk_staff_session"),
        sa.UniqueConstraint("cookie_digest", name="uq_staff_session_cookie_digest"),
    )
    op.create_index("ix_staff_session_expires_at", "staff_session", ["expires_at"])
    op.create_index("ix_staff_session_person_id_ended_at", "staff_session", ["person_id", "ended_at"])
