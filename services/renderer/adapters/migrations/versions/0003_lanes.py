"""Rows that wait are kept apart by what they need of a backend; a cancel knows its round; jobs that were left
behind are remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

READY = sa.text("state = 'waiting' AND not_before = 0")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("lane", sa.Text, nullable=False, server_default=""))
    # A wish that is not known is no wish: any backend may be tried, as before.
    op.execute("UPDATE jobs SET lane = username || '/'")
    op.drop_index("jobs_ready", "jobs")
    columns = ["lane", "created_at", "batch_id", "ordinal"]
    op.create_index("jobs_ready", "jobs", columns, sqlite_where=READY, postgresql_where=READY)
    op.add_column("cancels", sa.Column("round", sa.Integer, nullable=False, server_default="1"))
    op.create_table(
        "strays",
        sa.Column("remote_id", sa.Text, primary_key=True),
        sa.Column("receipt", sa.Text),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("batch_id", sa.String(64), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("left_at", sa.Float, nullable=False),
    )
