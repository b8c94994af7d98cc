"""Favourites and placeholders are found as quickly in a large gallery as in a small one, and so is the next
command of a long backlog."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_BLANK = "picture IS NULL AND public_id IS NOT NULL"


def upgrade() -> None:
    _partial("images_favourite", postgresql="favourite IS true", sqlite="favourite IS 1")
    _partial("images_blank", postgresql=_BLANK, sqlite=_BLANK)
    op.create_index("outbox_in_turn", "outbox", ["next_at", "created_at"])
    op.drop_index("outbox_due", "outbox")


def _partial(name: str, postgresql: str, sqlite: str) -> None:
    op.create_index(
        name,
        "images",
        ["username", "character_id", "stored_at"],
        postgresql_where=sa.text(postgresql),
        sqlite_where=sa.text(sqlite),
    )
