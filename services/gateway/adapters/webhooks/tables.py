"""The tables of webhooks. Times are epoch seconds."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text

from services.gateway.adapters.tables import METADATA

__all__ = ["ATTEMPTS", "DELIVERIES", "METADATA", "SECRETS", "WEBHOOKS"]

WEBHOOKS = Table(
    "webhooks",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("username", String(128), nullable=False),
    # The only batch that it hears of.
    Column("batch_id", String(64)),
    Column("url", Text, nullable=False),
    # Scheme, host and port of the URL: those who share it share its places among the calls under way.
    Column("receiver", String(300), nullable=False),
    Column("description", Text, nullable=False),
    # Words with a space between.
    Column("events", Text, nullable=False),
    # JSON; null where its owner's own secret signs.
    Column("secrets", Text),
    Column("created_at", Float, nullable=False),
    # The word why it is not called.
    Column("disabled", String(16)),
    Column("disabled_at", Float),
    Column("failing_since", Float),
    Index("webhooks_by_owner", "username", "batch_id"),
)

#: What signs the calls about single batches, by owner.
SECRETS = Table(
    "webhook_secrets",
    METADATA,
    Column("username", String(128), primary_key=True),
    Column("secrets", Text, nullable=False),
)

DELIVERIES = Table(
    "webhook_deliveries",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("webhook_id", String(40), nullable=False),
    Column("username", String(128), nullable=False),
    Column("batch_id", String(64)),
    Column("word", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    # The first attempt is not to be made before; what spreads the events of one batch.
    Column("first_at", Float, nullable=False),
    Column("status", String(16), nullable=False),
    # Attempts since the event, or since the last wish to send it again.
    Column("tries", Integer, nullable=False),
    # Null of what has ended; of what is under way the moment at which whoever sends it has lost it.
    Column("next_at", Float),
    Column("lease", String(64)),
    Column("delivered_at", Float),
    Index("webhook_deliveries_due", "next_at"),
    Index("webhook_deliveries_by_webhook", "webhook_id", "created_at", "id"),
    Index("webhook_deliveries_by_batch", "batch_id", "webhook_id"),
    Index("webhook_deliveries_by_age", "created_at"),
)

ATTEMPTS = Table(
    "webhook_attempts",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("delivery_id", String(36), nullable=False),
    Column("at", Float, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("response", Text),
    Index("webhook_attempts_by_delivery", "delivery_id", "id"),
)
