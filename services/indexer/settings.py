"""What the indexer has to be told."""

from pathlib import Path

from pydantic import Field

from chassis.main import ServiceSettings
from chassis.settings import Url


class Settings(ServiceSettings):
    """Settings of one indexer process."""

    database_url: Url = Field(
        description="`postgresql+asyncpg://user:password@host/database`, with TLS "
        "`?sslmode=verify-full&sslrootcert=FILE`; or `sqlite+aiosqlite:///file`"
    )
    cloudinary_url: Url = Field(description="`cloudinary://key:secret@cloud`, where images are stored")
    adopt_existing: bool = Field(
        True,
        description="ask storage what a folder holds when it is first seen; `false` only for new storage",
    )
    index_padding: int = Field(
        0, ge=0, le=12, description="digits that new image names are zero-padded to; 0 for none"
    )
    workflows_dir: Path = Field(Path("workflows"), description="folder with one folder per workflow")
    port: int = Field(8081, description="port of HTTP: health and metrics")
