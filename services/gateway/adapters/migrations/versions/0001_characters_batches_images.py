"""Characters, batches, images, outbox and the event log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _characters()
    _batches()
    _images()
    _outbox()
    _changes()


def _characters() -> None:
    op.create_table(
        "characters",
        sa.Column("id", sa.String(256), primary_key=True),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("slug", sa.String(128), nullable=False),
        sa.Column("premade", sa.Boolean, nullable=False),
        sa.Column("embedding", sa.Text),
        sa.Column("style", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    for name, columns, where in (
        ("characters_own_slug", ["owner", "slug"], sa.text("NOT premade")),
        ("characters_premade_slug", ["slug"], sa.text("premade")),
    ):
        op.create_index(name, "characters", columns, unique=True, sqlite_where=where, postgresql_where=where)


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("username", sa.String(128)),
        sa.Column("character_id", sa.String(256)),
        sa.Column("request", sa.Text),
        sa.Column("quantity", sa.Integer),
        sa.Column("folder", sa.Text),
        sa.Column("first", sa.BigInteger),
        sa.Column("next_index", sa.BigInteger),
        sa.Column("rejected", sa.Text),
        sa.Column("ended", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cancel_requested_at", sa.Float),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
        sa.Column("last_event_at", sa.Float),
    )
    op.create_index("batches_by_owner", "batches", ["username", "created_at", "batch_id"])


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("picture", sa.Text),
        sa.Column("placeholder", sa.Text),
        sa.Column("failure", sa.Text),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("username", sa.String(128)),
        sa.Column("character_id", sa.String(256)),
        sa.Column("public_id", sa.String(255)),
        sa.Column("stored_at", sa.Float),
    )
    op.create_index("images_by_asset", "images", ["public_id"])
    op.create_index("images_by_character", "images", ["username", "character_id", "stored_at"])
    op.create_table("deleted", sa.Column("public_id", sa.String(255), primary_key=True))


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("route", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("batch_id", sa.String(64)),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("sends", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", sa.Float, nullable=False),
    )
    op.create_index("outbox_due", "outbox", ["next_at"])
    op.create_index("outbox_by_batch", "outbox", ["batch_id"])


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("batch_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("changes_by_batch", "changes", ["batch_id", "id"])
