"""The tables of the indexer. Rows are only added, except counters, which only grow."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

METADATA = MetaData()

#: The next number of each folder that was ever seen.
COUNTERS = Table(
    "counters",
    METADATA,
    Column("folder", String(255), primary_key=True),
    Column("next_index", BigInteger, nullable=False),
    Column("adopted_at", Float, nullable=False),
)

#: The inbox: whoever adds a batch id here, and nobody else, takes numbers for it in the same transaction.
CLAIMS = Table("claims", METADATA, Column("batch_id", String(64), primary_key=True))

#: The block of each claimed batch. No two blocks of a folder begin at the same number: a counter that was
#: set back by hand is an error here before it is an overwritten image.
RESERVATIONS = Table(
    "reservations",
    METADATA,
    Column("batch_id", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("folder", String(255), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("next_index", BigInteger, nullable=False),
    Column("padding", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("folder", "first", name="reservations_folder_first"),
)

#: Single numbers given to images whose own number was taken.
REASSIGNMENTS = Table(
    "reassignments",
    METADATA,
    Column("batch_id", String(64), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("old_index", BigInteger, primary_key=True),
    Column("folder", String(255), nullable=False),
    Column("new_index", BigInteger, nullable=False),
    Column("next_index", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("folder", "new_index", name="reassignments_folder_new_index"),
)
