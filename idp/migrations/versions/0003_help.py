"""Help, e-mail

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import idp.models

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('account_email',
    sa.Column('account_uuid', idp.models.base.Identifier(), nullable=False),
    sa.Column('address', sa.String(length=254), nullable=True),
    sa.Column('confirmed_at', idp.models.base.Moment(timezone=True), nullable=True),
    sa.Column('pending', sa.String(length=254), nullable=True),
    sa.Column('asked_at', idp.models.base.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_uuid'], ['pupil.account_uuid'], name=op.f('fk_account_email_account_uuid')),
    sa.PrimaryKeyConstraint('account_uuid', name=op.f('pk_account_email'))
    )
    with op.batch_alter_table('account_email', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_account_email_asked_at'), ['asked_at'], unique=False)

    op.create_table('help_code',
    sa.Column('id', idp.models.base.Identifier(), nullable=False),
    sa.Column('account_uuid', idp.models.base.Identifier(), nullable=False),
    sa.Column('instellingsnummer', sa.String(length=6), nullable=False),
    sa.Column('code_digest', sa.String(length=64), nullable=False),
    sa.Column('link_digest', sa.String(length=64), nullable=False),
    sa.Column('given_by', sa.String(length=60), nullable=False),
    sa.Column('given_at', idp.models.base.Moment(timezone=True), nullable=False),
    sa.Column('expires_at', idp.models.base.Moment(timezone=True), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('used_at', idp.models.base.Moment(timezone=True), nullable=True),
    sa.Column('voided_at', idp.models.base.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_uuid'], ['pupil.account_uuid'], name=op.f('fk_help_code_account_uuid')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_help_code')),
    sa.UniqueConstraint('link_digest', name=op.f('uq_help_code_link_digest'))
    )
    with op.batch_alter_table('help_code', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_help_code_account_uuid'), ['account_uuid'], unique=False)
        batch_op.create_index(batch_op.f('ix_help_code_expires_at'), ['expires_at'], unique=False)
        batch_op.create_index('uq_help_code_open', ['account_uuid'], unique=True, sqlite_where=sa.text('used_at IS NULL AND voided_at IS NULL'), postgresql_where=sa.text('used_at IS NULL AND voided_at IS NULL'))

    op.create_table('letter',
    sa.Column('id', idp.models.base.Identifier(), nullable=False),
    sa.Column('kind', sa.Enum('confirm', 'reset', 'address_changed', 'password_changed', name='letterkind', native_enum=False, length=32), nullable=False),
    sa.Column('account_uuid', idp.models.base.Identifier(), nullable=True),
    sa.Column('address', sa.String(length=254), nullable=True),
    sa.Column('language', sa.String(length=5), nullable=False),
    sa.Column('state', sa.Enum('waiting', 'delivered', 'given_up', name='errandstate', native_enum=False, length=32), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('next_at', idp.models.base.Moment(timezone=True), nullable=False),
    sa.Column('result', sa.String(length=200), nullable=True),
    sa.Column('created_at', idp.models.base.Moment(timezone=True), nullable=False),
    sa.Column('done_at', idp.models.base.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_uuid'], ['pupil.account_uuid'], name=op.f('fk_letter_account_uuid')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_letter'))
    )
    with op.batch_alter_table('letter', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_letter_account_uuid'), ['account_uuid'], unique=False)
        batch_op.create_index(batch_op.f('ix_letter_created_at'), ['created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_letter_state_next_at'), ['state', 'next_at'], unique=False)

    op.create_table('mail_link',
    sa.Column('digest', sa.LargeBinary(length=64), nullable=False),
    sa.Column('account_uuid', idp.models.base.Identifier(), nullable=False),
    sa.Column('kind', sa.Enum('confirm', 'reset', name='linkkind', native_enum=False, length=32), nullable=False),
    sa.Column('address', sa.String(length=254), nullable=False),
    sa.Column('made_at', idp.models.base.Moment(timezone=True), nullable=False),
    sa.Column('expires_at', idp.models.base.Moment(timezone=True), nullable=False),
    sa.Column('used_at', idp.models.base.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_uuid'], ['pupil.account_uuid'], name=op.f('fk_mail_link_account_uuid')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_mail_link'))
    )
    with op.batch_alter_table('mail_link', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mail_link_account_uuid'), ['account_uuid'], unique=False)
        batch_op.create_index(batch_op.f('ix_mail_link_expires_at'), ['expires_at'], unique=False)

    op.create_table('right_scope',
    sa.Column('right_id', idp.models.base.Identifier(), nullable=False),
    sa.Column('kind', sa.Enum('school', 'group', 'klas', 'pupil', name='rulekind', native_enum=False, length=32), nullable=False),
    sa.Column('target', sa.String(length=60), nullable=False),
    sa.ForeignKeyConstraint(['right_id'], ['staff_right.id'], name=op.f('fk_right_scope_right_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('right_id', 'kind', 'target', name=op.f('pk_right_scope'))
    )
