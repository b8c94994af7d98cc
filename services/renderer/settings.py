"""What the renderer has to be told."""

from pathlib import Path

from pydantic import Field, SecretStr

from chassis.blobs import BlobSettings
from chassis.main import ServiceSettings
from chassis.settings import Settings as CommonSettings
from chassis.settings import Url


class FleetSettings(CommonSettings):
    """What the fleet has to be told, whoever opens it."""

    renderer_urls: Url = Field(
        description="comma-separated `comfyui+http(s)://[user:password@]host[:port]`; `?bearer=TOKEN` and "
        "`?header.NAME=VALUE` become headers, other query parameters go along with every request; and "
        "`runpod://ENDPOINT_ID[?embeddings=NAME+NAME]`. `?depth=N` and `?stagger_ms=N` go with either kind. "
        "Or `file:PATH`: one such URL a line, `#` for remarks; renderers follow its changes"
    )
    runpod_api_key: SecretStr | None = Field(None, description="key of RunPod, for `runpod://` endpoints")
    runpod_api_url: str = Field("https://api.runpod.ai/v2", description="where RunPod's serverless API is")
    renderer_public_url: str | None = Field(
        None,
        description="URL under which RunPod reaches this process's HTTP port, to say that a job has ended; "
        "without it jobs are only looked at in turn",
    )
    runpod_hook_seconds: float = Field(
        60.0,
        ge=0,
        description="seconds that a job whose submit was not answered waits for RunPod to call before it is "
        "sent again, and perhaps paid for twice",
    )
    workflows_dir: Path = Field(Path("workflows"), description="folder with one folder per workflow")
    depth: int = Field(
        2,
        ge=1,
        le=64,
        description="images that one backend holds at once: one renders, the others wait there",
    )
    stagger_ms: int = Field(0, ge=0, description="least milliseconds between two submits to one backend")
    render_deadline: float = Field(
        900.0, gt=0, description="seconds from submit to bytes, per try; then the image is tried elsewhere"
    )


class Settings(FleetSettings, BlobSettings, ServiceSettings):
    """Settings of one renderer process."""

    database_url: Url = Field(
        description="`postgresql+asyncpg://user:password@host/database`, with TLS "
        "`?sslmode=verify-full&sslrootcert=FILE`; or `sqlite+aiosqlite:///file`"
    )
    lease_seconds: float = Field(
        15.0, ge=0.2, description="seconds after which the work of a dead process is taken over by another"
    )
    image_deadline: float = Field(
        86_400.0, gt=0, description="seconds after which an image that was not rendered fails"
    )
    retry_seconds: float = Field(
        1.0, gt=0, description="seconds before the first retry of an image, doubled with each further one"
    )
    poll_seconds: float = Field(1.0, gt=0, description="seconds between two looks at a job on a backend")
    patience_seconds: float = Field(
        30.0, ge=0, description="seconds without an answer before a sent job is given up for another backend"
    )
    port: int = Field(8082, description="port of HTTP: health and metrics")
