"""Characters whose images are private."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "characters", sa.Column("private", sa.Boolean, nullable=False, server_default=sa.text("false"))
    )
