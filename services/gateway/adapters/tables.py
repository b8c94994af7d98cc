"""The gateway's tables. Times are epoch seconds; messages are kept as the JSON they travelled as."""

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

METADATA = MetaData()

CHARACTERS = Table(
    "characters",
    METADATA,
    Column("id", String(256), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("name", Text, nullable=False),
    Column("slug", String(128), nullable=False),
    Column("premade", Boolean, nullable=False),
    Column("embedding", Text),
    Column("style", Text),
    Column("created_at", Float, nullable=False),
    Column("private", Boolean, nullable=False, server_default=text("false")),
    Index(
        "characters_own_slug",
        "owner",
        "slug",
        unique=True,
        sqlite_where=text("NOT premade"),
        postgresql_where=text("NOT premade"),
    ),
    Index(
        "characters_premade_slug",
        "slug",
        unique=True,
        sqlite_where=text("premade"),
        postgresql_where=text("premade"),
    ),
)

#: A row without a request is a batch of which only events about images came so far.
BATCHES = Table(
    "batches",
    METADATA,
    Column("batch_id", String(64), primary_key=True),
    Column("username", String(128)),
    Column("character_id", String(256)),
    Column("request", Text),
    Column("quantity", Integer),
    Column("folder", Text),
    Column("first", BigInteger),
    Column("next_index", BigInteger),
    Column("rejected", Text),
    Column("ended", Integer, nullable=False, server_default="0"),
    Column("cancel_requested_at", Float),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("last_event_at", Float),
    Column("padding", Integer, nullable=False, server_default="0"),
    Column("started_at", Float),
    # The word for a batch that is over; what a list is asked by.
    Column("outcome", String(20)),
    # What its order said of a webhook, as JSON, to know the same order again.
    Column("webhook", Text),
    Index("batches_by_owner", "username", "created_at", "batch_id"),
    Index(
        "batches_open",
        "username",
        sqlite_where=text("finished_at IS NULL"),
        postgresql_where=text("finished_at IS NULL"),
    ),
)

IMAGES = Table(
    "images",
    METADATA,
    Column("batch_id", String(64), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("idx", BigInteger, nullable=False),
    Column("round", Integer, nullable=False),
    Column("picture", Text),
    Column("placeholder", Text),
    Column("failure", Text),
    Column("status", String(16), nullable=False),
    # What the gallery is asked by; they follow from the documents above.
    Column("username", String(128)),
    Column("character_id", String(256)),
    Column("public_id", String(255)),
    Column("stored_at", Float),
    # What its owner said of it; no event touches these two.
    Column("favourite", Boolean, nullable=False, server_default=text("false")),
    Column("delete_requested_at", Float),
    # What usage is counted by: GPU milliseconds of what is stored, and the day of its end since 1970 (UTC).
    Column("gpu_ms", BigInteger),
    Column("ended_day", Integer),
    # What whoever runs the system looks at: when it ended, and why there is no image.
    Column("ended_at", Float),
    Column("cause", Text),
    Index("images_by_asset", "public_id"),
    Index("images_by_character", "username", "character_id", "stored_at"),
    Index("images_by_number", "username", "character_id", "idx"),
    # The rare ones of a large gallery; the words are those of the questions.
    Index(
        "images_favourite",
        "username",
        "character_id",
        "stored_at",
        sqlite_where=text("favourite IS 1"),
        postgresql_where=text("favourite IS true"),
    ),
    Index(
        "images_blank",
        "username",
        "character_id",
        "stored_at",
        sqlite_where=text("picture IS NULL AND public_id IS NOT NULL"),
        postgresql_where=text("picture IS NULL AND public_id IS NOT NULL"),
    ),
    Index("images_by_day", "username", "ended_day"),
    Index("images_by_end", "ended_at", "status", "cause"),
)

#: Public ids of assets that are gone, also of those not heard of yet.
DELETED = Table("deleted", METADATA, Column("public_id", String(255), primary_key=True))

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("route", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("batch_id", String(64)),
    Column("created_at", Float, nullable=False),
    Column("sends", Integer, nullable=False, server_default="0"),
    Column("next_at", Float, nullable=False),
    # Where in which trace it was put in, as W3C writes it.
    Column("traceparent", String(55)),
    Index("outbox_in_turn", "next_at", "created_at"),
    Index("outbox_by_batch", "batch_id"),
)

#: The event log. Ids grow in the order of the commits, so that a reader who has seen one has seen all before.
CHANGES = Table(
    "changes",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("batch_id", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index("changes_by_batch", "batch_id", "id"),
    # Without it SQLite gives out again the ids of rows that were dropped, and a reader would skip them.
    sqlite_autoincrement=True,
)

#: First answers of calls that make something, by the caller's own key.
KEYS = Table(
    "idempotency_keys",
    METADATA,
    Column("username", String(128), primary_key=True),
    Column("call", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    # Names what the call makes, so that whoever goes on after a crash makes the same thing.
    Column("thing", String(32), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", Text),
    Index("idempotency_keys_by_age", "created_at"),
)

COLLECTIONS = Table(
    "collections",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("username", String(128), nullable=False),
    Column("name", String(200), nullable=False),
    Column("created_at", Float, nullable=False),
    Index("collections_by_name", "username", "name", unique=True),
)

COLLECTED = Table(
    "collected",
    METADATA,
    Column("collection_id", String(40), primary_key=True),
    Column("batch_id", String(64), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("added_at", Float, nullable=False),
    Index("collected_by_image", "batch_id", "ordinal"),
)
