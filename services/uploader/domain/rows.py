"""What the asset ledger knows of an image, and what storage says lies at a name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Self

from contracts import names
from contracts.events import Found, ImageReady, ImageStored, IndicesReserved


class State(StrEnum):
    """How far an image has come at its name."""

    #: The name is this image's; whether something lies there already is not known.
    CLAIMED = "claimed"
    #: Something else lies at its number: it has no name until it gets another one.
    TAKEN = "taken"
    STORED = "stored"
    DELETED = "deleted"


@dataclass(frozen=True)
class Place:
    """Where an image belongs."""

    folder: str
    name: str
    index: int

    @cached_property
    def public_id(self) -> str:
        return names.public_id(self.folder, self.name)

    def moved(self, index: int) -> "Place":
        return Place(self.folder, names.renumbered(self.name, index), index)


@dataclass(frozen=True)
class Row:
    """The ledger's line about one image; (batch_id, ordinal) is its key, `place.public_id` unique too."""

    batch_id: str
    ordinal: int
    round: int
    place: Place
    state: State = State.CLAIMED
    #: Whether the claim, or what is stored, is a placeholder.
    placeholder: bool = False
    md5: str | None = None
    byte_count: int | None = None
    #: Every placeholder that was ever drawn for this image, noted before its upload began.
    placeholder_md5s: tuple[str, ...] = ()
    #: The bytes that are to be stored; kept until they are.
    ready: ImageReady | None = None
    #: The word that was given, to be given again letter by letter.
    said: ImageStored | None = None
    #: What lies at the number that was taken.
    found: Found | None = None
    asset_id: str | None = None
    #: Who works on it, new for every claim, and until when nobody else may (Unix time).
    lease: str | None = None
    lease_until: float = 0.0

    @property
    def key(self) -> tuple[str, int]:
        return self.batch_id, self.ordinal

    @property
    def is_image(self) -> bool:
        """Whether the real image is stored, for good."""
        return self.state is State.STORED and not self.placeholder

    def is_held(self, now: float) -> bool:
        return self.lease is not None and self.lease_until > now

    def freed(self) -> Self:
        return replace(self, lease=None, lease_until=0.0)


@dataclass(frozen=True)
class Known:
    """All that the ledger knows when it decides about one image."""

    row: Row | None
    #: The image that already has the wished name.
    rival: Row | None = None
    #: Whether an image of the wished name was deleted before this one was ever heard of.
    deleted: bool = False
    batch: IndicesReserved | None = None


@dataclass(frozen=True)
class Upload:
    """One asset as it is sent: the name in full, and who it is about."""

    place: Place
    filename: str
    tags: tuple[str, ...]
    context: Mapping[str, str]
    #: Whether only a signed URL opens it.
    private: bool = False


@dataclass(frozen=True)
class Lying:
    """What storage says lies at a name."""

    public_id: str
    md5: str
    byte_count: int
    asset_id: str
    version: int
    url: str
    created_at: datetime
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Storage will never take these bytes: a stable code, and its words."""

    code: str
    detail: str
