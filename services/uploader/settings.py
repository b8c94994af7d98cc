"""What the uploader has to be told."""

from typing import Annotated

from pydantic import AfterValidator, Field

from chassis.blobs import BlobSettings
from chassis.main import ServiceSettings
from chassis.settings import Url
from contracts.names import COLLECTIONS


def _known(collections: str) -> str:
    for one in _split(collections):
        if one not in COLLECTIONS:
            raise ValueError(f"{one!r} is no collection; there are {', '.join(COLLECTIONS)}")
    return collections


def _split(collections: str) -> list[str]:
    return [one.strip() for one in collections.split(",") if one.strip()]


class Settings(BlobSettings, ServiceSettings):
    """Settings of one uploader process."""

    database_url: Url = Field(
        description="`postgresql+asyncpg://user:password@host/database`, with TLS "
        "`?sslmode=verify-full&sslrootcert=FILE`; or `sqlite+aiosqlite:///file`"
    )
    cloudinary_url: Url = Field(description="`cloudinary://key:secret@cloud`, where images are stored")
    uploads: int = Field(6, ge=1, le=30, description="calls to Cloudinary at once, in each uploader process")
    private_collections: Annotated[str, AfterValidator(_known)] = Field(
        "",
        description="`characters`, `premade_characters` or both with a comma: whatever is said of their "
        "characters, images stored from now on are delivered to holders of their signed URL alone",
    )
    lease_seconds: float = Field(
        15.0, ge=0.2, description="seconds after which the work of a dead process is taken over by another"
    )
    port: int = Field(8083, description="port of HTTP: health and metrics")

    @property
    def private(self) -> frozenset[str]:
        """The collections whose images are private."""
        return frozenset(_split(self.private_collections))
