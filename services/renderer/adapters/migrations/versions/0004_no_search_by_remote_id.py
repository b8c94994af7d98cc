"""Nobody looks a row up by its remote id: whoever calls back is known to the process that expects it."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("jobs_remote", "jobs")
