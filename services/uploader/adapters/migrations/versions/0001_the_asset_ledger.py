"""Batches, assets, graves and folders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("reserved", sa.Text, nullable=False),
    )
    op.create_table(
        "assets",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("public_id", sa.String(255), unique=True),
        sa.Column("folder", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("index", sa.BigInteger, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("placeholder", sa.Boolean, nullable=False),
        sa.Column("md5", sa.String(32)),
        sa.Column("byte_count", sa.BigInteger),
        sa.Column("placeholder_md5s", sa.Text, nullable=False),
        sa.Column("ready", sa.Text),
        sa.Column("said", sa.Text),
        sa.Column("found", sa.Text),
        sa.Column("asset_id", sa.String(255)),
        sa.Column("lease", sa.String(64)),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
    )
    op.create_table(
        "graves",
        sa.Column("public_id", sa.String(255), primary_key=True),
        sa.Column("deleted_at", sa.Float, nullable=False),
    )
    op.create_table(
        "folders",
        sa.Column("folder", sa.String(255), primary_key=True),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("written", sa.BigInteger),
        sa.Column("written_at", sa.Float),
        sa.Column("verified_at", sa.Float),
        sa.Column("lease", sa.String(64)),
        sa.Column("lease_until", sa.Float, nullable=False),
    )
    op.create_index("folders_written_at", "folders", ["written_at"])
