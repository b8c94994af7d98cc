"""Storage that outlives every process, and remembers every change of bytes that nobody was allowed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from contracts import names
from messaging.errors import Outage
from services.indexer.domain import Contents
from services.uploader.domain.rows import Lying, Refusal, Upload

PLACEHOLDER = "placeholder"


@dataclass(frozen=True)
class Asset:
    data: bytes
    upload: Upload | None
    version: int

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()

    @property
    def image(self) -> tuple[str, int] | None:
        """Whose it is; None for what somebody else put there."""
        return (self.upload.context["batch"], int(self.upload.context["ordinal"])) if self.upload else None

    @property
    def is_placeholder(self) -> bool:
        return self.upload is not None and PLACEHOLDER in self.upload.tags


@dataclass
class Cupboard:
    """Implements the uploader's `Shelf` and `IndexFiles` and the indexer's `Shelf`, by Cloudinary's rules: an
    upload without `overwrite` answers with what lies there."""

    assets: dict[str, Asset] = field(default_factory=dict)
    mirrors: dict[str, int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    #: Calls to come whose work is done and whose answer is lost, and those that do not arrive.
    answers_lost: int = 0
    calls_lost: int = 0
    #: Uploads to come that are refused for good.
    refusals: int = 0
    #: Folder -> the highest number that somebody else has ever taken.
    squatted: dict[str, int] = field(default_factory=dict)
    _version: int = 0

    async def put(self, upload: Upload, data: bytes, *, replace: bool = False) -> Lying | Refusal:
        self._arrive()
        if self.refusals:
            self.refusals -= 1
            return Refusal("invalid_image", "Invalid image file")
        name = upload.place.public_id
        known = self.assets.get(name)
        if known is None or replace:
            self._keep(name, Asset(data, upload, self._next()), known)
        self._answer()
        return self._lying(name)

    async def remove(self, public_id: str) -> None:
        self._arrive()
        self.assets.pop(public_id, None)
        self._answer()

    async def write(self, folder: str, next_index: int) -> None:
        self._arrive()
        self.mirrors[folder] = next_index
        self._answer()

    async def read(self, folders: Sequence[str]) -> Mapping[str, int]:
        self._arrive()
        return {folder: self.mirrors[folder] for folder in folders if folder in self.mirrors}

    async def look(self, folder: str) -> Contents:
        self._arrive()
        found = [names.parse_public_id(name) for name in self.assets if name.startswith(f"{folder}/")]
        highest = max((one.index for one in found if one), default=0)
        return Contents(highest, self.mirrors.get(folder))

    def squat(self, folder: str, name: str, index: int) -> None:
        """Somebody else puts something at a number of ours."""
        public_id = names.public_id(folder, name)
        if public_id not in self.assets:
            self.assets[public_id] = Asset(f"not ours {public_id}".encode(), None, self._next())
            self.squatted[folder] = max(self.squatted.get(folder, 0), index)

    def _keep(self, name: str, new: Asset, old: Asset | None) -> None:
        """The only change of bytes there is: an image takes the place of its own placeholder."""
        if old is not None and old.data != new.data:
            own = old.image == new.image and old.is_placeholder
            if not own or new.is_placeholder:
                self.breaches.append(f"{name} of {old.image} was overwritten for {new.image}")
        self.assets[name] = new

    def _lying(self, name: str) -> Lying:
        asset = self.assets[name]
        return Lying(
            public_id=name,
            md5=asset.md5,
            byte_count=len(asset.data),
            asset_id=f"asset-{asset.version}",
            version=asset.version,
            url=f"https://storage.test/{name}?v={asset.version}",
            created_at=datetime.fromtimestamp(asset.version, UTC),
            context=dict(asset.upload.context) if asset.upload else {"whose": "not ours"},
        )

    def _arrive(self) -> None:
        if self.calls_lost:
            self.calls_lost -= 1
            raise Outage("storage does not answer")

    def _answer(self) -> None:
        if self.answers_lost:
            self.answers_lost -= 1
            raise Outage("storage did it, and the answer was lost")

    def _next(self) -> int:
        self._version += 1
        return self._version
