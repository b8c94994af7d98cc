"""The job book: one row per image and round, the batches they belong to, cancels, and jobs left behind."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

batches = Table(
    "batches",
    metadata,
    Column("batch_id", String(64), primary_key=True),
    Column("request", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("padding", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("username", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("batch_id", String(64), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("username", Text, nullable=False),
    # User and wish (`lane_of`): rows that may stand in one queue.
    Column("lane", Text, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("state", String(9), nullable=False),
    # One value for all rows of a round that were made together, so it orders batches too.
    Column("created_at", Float, nullable=False),
    # 0 where the row may be claimed; a claim first sets back those whose rest is over.
    Column("not_before", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("avoid", Text),
    Column("cancel", Boolean, nullable=False),
    Column("backend", Text),
    Column("remote_id", Text),
    # The backend's own name for the job, where it is not the remote id.
    Column("receipt", Text),
    Column("submitted_at", Float),
    Column("lease_owner", Text),
    Column("lease_until", Float, nullable=False),
    Column("started_at", Float),
    Column("queue_ms", BigInteger),
    Column("gpu_ms", BigInteger),
    # The encoded ImageReady (state `done`) or ImageFailed.
    Column("ending", Text),
    Column("ended_at", Float),
    Column("announced", Boolean, nullable=False),
    # Where in which trace the image was asked for, then where it was rendered, as W3C writes it.
    Column("traceparent", String(55)),
)

cancels = Table(
    "cancels",
    metadata,
    Column("batch_id", String(64), primary_key=True),
    # The newest round that was cancelled: later ones were asked for after it.
    Column("round", Integer, nullable=False),
    Column("at", Float, nullable=False),
)

# Jobs that were left at a backend when their image went elsewhere.
strays = Table(
    "strays",
    metadata,
    Column("remote_id", Text, primary_key=True),
    Column("receipt", Text),
    Column("backend", Text, nullable=False),
    Column("batch_id", String(64), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("left_at", Float, nullable=False),
)

# The conditions are written out in the statements too, without parameters: a planner uses a partial index
# only where it can see that the condition holds.
READY = text("state = 'waiting' AND not_before = 0")
RESTING = text("state = 'waiting' AND not_before > 0")
WAITING = text("state = 'waiting'")
RUNNING = text("state = 'running'")
UNANNOUNCED = text("ended_at IS NOT NULL AND NOT announced")


def _partial(name: str, condition: str, *columns: str) -> Index:
    return Index(
        name,
        *(jobs.c[column] for column in columns),
        sqlite_where=text(condition),
        postgresql_where=text(condition),
    )


_partial("jobs_ready", READY.text, "lane", "created_at", "batch_id", "ordinal")
_partial("jobs_resting", RESTING.text, "not_before")
_partial("jobs_waiting", WAITING.text, "created_at")
_partial("jobs_running", RUNNING.text, "lease_until")
_partial("jobs_unannounced", UNANNOUNCED.text, "ended_at")
