"""Images as their owner looks at them and orders them: which ones, in which order, from where on."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.gateway.domain.batches import Batch
from services.gateway.domain.images import ImageState

_ID = re.compile(r"([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,2})", re.ASCII)

#: An image everywhere: its batch and its place in it.
Key = tuple[str, int]


class Sort(StrEnum):
    """In which order images are listed."""

    NEWEST = "newest"
    OLDEST = "oldest"
    INDEX = "index"
    INDEX_DOWN = "-index"


@dataclass(frozen=True)
class Place:
    """Where an image stands in a list, whatever the order: no two images share it."""

    stored_at: float
    index: int
    batch_id: str
    ordinal: int


@dataclass(frozen=True)
class Wanted:
    """Which of a user's images in storage; None asks for no difference."""

    username: str
    sort: Sort = Sort.NEWEST
    after: Place | None = None
    limit: int = 50
    character_id: str | None = None
    collection_id: str | None = None
    batch_ids: tuple[str, ...] | None = None
    keys: tuple[Key, ...] | None = None
    favourite: bool | None = None
    placeholder: bool | None = None


@dataclass(frozen=True)
class Picture:
    """An image with what surrounds it."""

    image: ImageState
    character_id: str
    #: None where nobody knows what was asked for: the gallery was rebuilt from storage.
    batch: Batch | None
    collections: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """Of an image in storage."""
        asset = self.image.asset
        assert asset is not None
        return Place(asset.created_at.timestamp(), self.image.index, self.image.batch_id, self.image.ordinal)


class Deletion(StrEnum):
    """What a wish to delete an image comes to."""

    UNDER_WAY = "deleting"
    DONE = "deleted"
    #: Nothing of it lies in storage: it was not made yet, or could not be.
    NOTHING_THERE = "not_stored"


@dataclass(frozen=True)
class Usage:
    """What one user made of one character on one day. Each image counts once, on the day of its end."""

    day: date
    character_id: str
    images: int
    placeholders: int
    failures: int
    canceled: int
    gpu_ms: int


@dataclass(frozen=True)
class Collection:
    """Images that their owner put together."""

    id: str
    username: str
    name: str
    created_at: float
    images: int = 0


def image_key(image_id: str) -> Key | None:
    """What an image's id says, None where it is none."""
    found = _ID.fullmatch(image_id)
    return (found[1], int(found[2])) if found else None
