"""Counters, claims, reservations and reassignments."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("folder", sa.String(255), primary_key=True),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("adopted_at", sa.Float, nullable=False),
    )
    op.create_table("claims", sa.Column("batch_id", sa.String(64), primary_key=True))
    op.create_table(
        "reservations",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("folder", sa.String(255), nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("padding", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.UniqueConstraint("folder", "first", name="reservations_folder_first"),
    )
    op.create_table(
        "reassignments",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("old_index", sa.BigInteger, primary_key=True),
        sa.Column("folder", sa.String(255), nullable=False),
        sa.Column("new_index", sa.BigInteger, nullable=False),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.UniqueConstraint("folder", "new_index", name="reassignments_folder_new_index"),
    )
