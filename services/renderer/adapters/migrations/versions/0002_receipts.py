"""What a backend calls a job that it names itself."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("receipt", sa.Text))
    running = sa.text("state = 'running'")
    op.create_index("jobs_remote", "jobs", ["remote_id"], sqlite_where=running, postgresql_where=running)
