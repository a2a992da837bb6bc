"""Find the living sessions of a pupil without reading those that ended

A session stays as long as an app holds something that began in it, so a pupil has hundreds that ended, and every sign-in
asks how many live. Nothing depends on an index, so the version before this one does not miss the old one.

Revision ID: 0081
Revises: 0080
"""

from __future__ import annotations

from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_session_account_uuid_ended_at", "session", ["account_uuid", "ended_at"])
    op.drop_index("ix_session_account_uuid", "session")
