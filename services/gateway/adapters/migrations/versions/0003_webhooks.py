"""Webhooks, what signs their calls, their deliveries and the log of every attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # What a batch's order said of a webhook, to know the same order again.
    op.add_column("batches", sa.Column("webhook", sa.Text))
    _webhooks()
    _deliveries()
    _attempts()


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("username", sa.String(128), nullable=False),
        sa.Column("batch_id", sa.String(64)),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("receiver", sa.String(300), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("secrets", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("disabled", sa.String(16)),
        sa.Column("disabled_at", sa.Float),
        sa.Column("failing_since", sa.Float),
    )
    op.create_index("webhooks_by_owner", "webhooks", ["username", "batch_id"])
    op.create_table(
        "webhook_secrets",
        sa.Column("username", sa.String(128), primary_key=True),
        sa.Column("secrets", sa.Text, nullable=False),
    )


def _deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("webhook_id", sa.String(40), nullable=False),
        sa.Column("username", sa.String(128), nullable=False),
        sa.Column("batch_id", sa.String(64)),
        sa.Column("word", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("first_at", sa.Float, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Float),
        sa.Column("lease", sa.String(64)),
        sa.Column("delivered_at", sa.Float),
    )
    for name, columns in (
        ("due", ["next_at"]),
        ("by_webhook", ["webhook_id", "created_at", "id"]),
        ("by_batch", ["batch_id", "webhook_id"]),
        ("by_age", ["created_at"]),
    ):
        op.create_index(f"webhook_deliveries_{name}", "webhook_deliveries", columns)


def _attempts() -> None:
    op.create_table(
        "webhook_attempts",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("latency_ms", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("response", sa.Text),
    )
    op.create_index("webhook_attempts_by_delivery", "webhook_attempts", ["delivery_id", "id"])
