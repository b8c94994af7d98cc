"""When images ended and why they failed, for whoever runs the system."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # Only the last hour is ever asked for: what ended before this column came is left empty.
    op.add_column("images", sa.Column("ended_at", sa.Float))
    op.add_column("images", sa.Column("cause", sa.Text))
    op.create_index("images_by_end", "images", ["ended_at", "status", "cause"])
