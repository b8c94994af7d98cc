"""What one stand-in is told at its start: its folder, the account it plays, and its limits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FolderMode = Literal["fixed", "dynamic"]


@dataclass(frozen=True, slots=True)
class CloudinarySettings:
    """One product environment. The limits are those of the Free plan unless said otherwise."""

    folder: Path
    cloud_name: str = "darkroom"
    api_key: str = "000000000000000"
    api_secret: str = "stand-in"  # noqa: S105 - a stand-in guards nothing
    folder_mode: FolderMode = "dynamic"
    #: The URL under which clients reach it; empty takes it from each request.
    base_url: str = ""
    max_image_bytes: int = 10 * 1024 * 1024
    max_raw_bytes: int = 10 * 1024 * 1024
    max_image_pixels: int = 25_000_000
    #: More than this in one request is answered with 413, on every plan.
    max_request_bytes: int = 100 * 1024 * 1024
    admin_calls_per_hour: int = 500
    #: How long a new asset stays hidden from the Search API, which lags behind by seconds in the field.
    search_lag_seconds: float = 0.0
