"""One stored asset: everything the service knows of it, as a value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


class Address(NamedTuple):
    """What names an asset. The same public id may lie once in each resource type and delivery type."""

    resource_type: str
    type: str
    public_id: str


@dataclass(frozen=True, slots=True)
class Content:
    """What the bytes themselves say. Raw files have neither format nor size in pixels."""

    etag: str
    bytes: int
    format: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What people and programs say about the asset."""

    tags: tuple[str, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    asset_folder: str = ""
    display_name: str = ""
    original_filename: str = ""
    #: Transformations that were asked for ahead, as they stand in a URL, with `/format` after it where one is
    #: named.
    eager: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asset:
    asset_id: str
    address: Address
    content: Content
    description: Description
    #: Unix seconds of the last upload, unique among the uploads to one address.
    version: int
    created_at: float
    uploaded_at: float
    overwrites: int = 0
    #: Counts every change of the record; of two records of one asset the higher revision is true.
    revision: int = 1

    @property
    def public_id(self) -> str:
        return self.address.public_id

    @property
    def blob(self) -> str:
        """The name of the file with the bytes, another one for every upload."""
        return f"{self.asset_id}.{self.version}"

    def record(self) -> dict[str, Any]:
        return {**asdict(self), "address": list(self.address)}


def asset_from_record(record: Mapping[str, Any]) -> Asset:
    said = record["description"]
    description = {**said, "tags": tuple(said["tags"]), "eager": tuple(said.get("eager", ()))}
    parts = {
        "address": Address(*record["address"]),
        "content": Content(**record["content"]),
        "description": Description(**description),
    }
    return Asset(**{**record, **parts})
