"""What the uploader has to be told."""

from pydantic import Field

from chassis.blobs import BlobSettings
from chassis.main import ServiceSettings
from chassis.settings import Url


class Settings(BlobSettings, ServiceSettings):
    """Settings of one uploader process."""

    database_url: Url = Field(
        description="`postgresql+asyncpg://user:password@host/database`, or `sqlite+aiosqlite:///file`"
    )
    cloudinary_url: Url = Field(description="`cloudinary://key:secret@cloud`, where images are stored")
    uploads: int = Field(6, ge=1, le=30, description="calls to Cloudinary at once, in each uploader process")
    lease_seconds: float = Field(
        15.0, ge=0.2, description="seconds after which the work of a dead process is taken over by another"
    )
    port: int = Field(8083, description="port of HTTP: health and metrics")
