"""The uploader's tables. Times are Unix seconds in UTC; messages are kept as the JSON that they travel as."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

#: What was reserved: a placeholder needs the request.
BATCHES = Table(
    "batches",
    METADATA,
    Column("batch_id", String(64), primary_key=True),
    Column("reserved", Text, nullable=False),
)

#: The asset ledger. An image without a name (`taken`) has no public_id.
ASSETS = Table(
    "assets",
    METADATA,
    Column("batch_id", String(64), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("public_id", String(255), unique=True),
    Column("folder", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("index", BigInteger, nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("placeholder", Boolean, nullable=False),
    Column("md5", String(32)),
    Column("byte_count", BigInteger),
    Column("placeholder_md5s", Text, nullable=False),
    Column("ready", Text),
    Column("said", Text),
    Column("found", Text),
    Column("asset_id", String(255)),
    Column("lease", String(64)),
    Column("lease_until", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
)

#: Names at which nothing may be stored any more, whoever had them.
GRAVES = Table(
    "graves",
    METADATA,
    Column("public_id", String(255), primary_key=True),
    Column("deleted_at", Float, nullable=False),
)

#: `index.txt` of each folder. It has to be written while `written` is absent or less than `known`.
FOLDERS = Table(
    "folders",
    METADATA,
    Column("folder", String(255), primary_key=True),
    Column("known", BigInteger, nullable=False),
    Column("written", BigInteger),
    Column("written_at", Float),
    Column("verified_at", Float),
    Column("lease", String(64)),
    Column("lease_until", Float, nullable=False),
    Index("folders_written_at", "written_at"),
)
