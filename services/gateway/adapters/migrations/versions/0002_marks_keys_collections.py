"""What owners say of images, what batches and usage are asked by, idempotency keys, collections."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MADE = "(SELECT count(*) FROM images i WHERE i.batch_id = batches.batch_id AND i.status {words})"
_SUCCEEDED, _CANCELED = _MADE.format(words="IN ('succeeded', 'deleted')"), _MADE.format(words="= 'canceled'")
_OUTCOMES = f"""
UPDATE batches SET outcome = CASE
    WHEN {_SUCCEEDED} >= coalesce(quantity, 1) THEN 'succeeded'
    WHEN {_CANCELED} > 0 THEN 'canceled'
    WHEN {_SUCCEEDED} > 0 THEN 'partially_succeeded'
    ELSE 'failed'
END WHERE finished_at IS NOT NULL
"""  # noqa: S608 (nothing in it comes from outside)


def upgrade() -> None:
    _batches()
    _images()
    _keys()
    _collections()


def _batches() -> None:
    op.add_column("batches", sa.Column("padding", sa.Integer, nullable=False, server_default="0"))
    op.add_column("batches", sa.Column("started_at", sa.Float))
    op.add_column("batches", sa.Column("outcome", sa.String(20)))
    open_ = sa.text("finished_at IS NULL")
    op.create_index("batches_open", "batches", ["username"], sqlite_where=open_, postgresql_where=open_)
    # A placeholder that was deleted has a word of its own since; before that it counted as made.
    op.execute("UPDATE images SET status = 'discarded' WHERE status = 'deleted' AND picture IS NULL")
    op.execute(_OUTCOMES)


def _images() -> None:
    no = sa.text("false")
    op.add_column("images", sa.Column("favourite", sa.Boolean, nullable=False, server_default=no))
    op.add_column("images", sa.Column("delete_requested_at", sa.Float))
    op.add_column("images", sa.Column("gpu_ms", sa.BigInteger))
    op.add_column("images", sa.Column("ended_day", sa.Integer))
    op.create_index("images_by_number", "images", ["username", "character_id", "idx"])
    op.create_index("images_by_day", "images", ["username", "ended_day"])
    op.execute("UPDATE images SET ended_day = CAST(stored_at AS BIGINT) / 86400 WHERE stored_at IS NOT NULL")


def _keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("username", sa.String(128), primary_key=True),
        sa.Column("call", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("thing", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.Text),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"])


def _collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("username", sa.String(128), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("collections_by_name", "collections", ["username", "name"], unique=True)
    op.create_table(
        "collected",
        sa.Column("collection_id", sa.String(40), primary_key=True),
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("added_at", sa.Float, nullable=False),
    )
    op.create_index("collected_by_image", "collected", ["batch_id", "ordinal"])
