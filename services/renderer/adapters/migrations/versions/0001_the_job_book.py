"""The job book."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("padding", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table("jobs", *_job_columns())
    op.create_table(
        "cancels",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
    )
    ready = ["username", "created_at", "batch_id", "ordinal"]
    _partial("jobs_ready", ready, "state = 'waiting' AND not_before = 0")
    _partial("jobs_resting", ["not_before"], "state = 'waiting' AND not_before > 0")
    _partial("jobs_waiting", ["created_at"], "state = 'waiting'")
    _partial("jobs_running", ["lease_until"], "state = 'running'")
    _partial("jobs_unannounced", ["ended_at"], "ended_at IS NOT NULL AND NOT announced")


def _job_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("avoid", sa.Text),
        sa.Column("cancel", sa.Boolean, nullable=False),
        sa.Column("backend", sa.Text),
        sa.Column("remote_id", sa.Text),
        sa.Column("submitted_at", sa.Float),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("queue_ms", sa.BigInteger),
        sa.Column("gpu_ms", sa.BigInteger),
        sa.Column("ending", sa.Text),
        sa.Column("ended_at", sa.Float),
        sa.Column("announced", sa.Boolean, nullable=False),
    ]


def _partial(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)
