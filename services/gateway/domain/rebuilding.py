"""What an asset in storage says of the image that it is, for a gallery whose database was lost.

Told by its name, and by the context that the uploader writes beside it. What was in storage before there was
any of that, or was put there by other hands under such a name, is told by the name alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from contracts import names
from contracts.commands import Character
from contracts.events import ImageStored
from contracts.limits import MAX_QUANTITY

#: Stands for what neither the uploader nor storage says.
UNKNOWN_MD5 = "0" * 32

_TYPES = {"jpg": "jpeg"}
_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Asset:
    """An image as storage lists it."""

    public_id: str
    url: str
    version: int
    created_at: datetime
    byte_count: int
    #: The file's ending, e.g. `png`.
    format: str
    width: int
    height: int
    etag: str | None = None
    placeholder: bool = False
    context: Mapping[str, str] = field(default_factory=dict)


def found(asset: Asset, character_id: str) -> ImageStored | None:
    """As if the uploader told of it; None for what is no image of ours. Seed, times and backend were told
    once and are not in storage."""
    place = names.parse_public_id(asset.public_id)
    if place is None:
        return None
    folder, _, name = asset.public_id.rpartition("/")
    batch_id, ordinal, round_ = _origin(asset, folder, place.index)
    return ImageStored(
        batch_id=batch_id,
        ordinal=ordinal,
        round=round_,
        index=place.index,
        folder=folder,
        name=name,
        username=place.username,
        character=Character(id=character_id, name=title(place.slug), collection=place.collection),
        md5=_md5(asset),
        byte_count=max(asset.byte_count, 1),
        media_type=f"image/{_TYPES.get(asset.format, asset.format)}",
        width=max(asset.width, 1),
        height=max(asset.height, 1),
        seed=None,
        used_embedding=False,
        backend=None,
        queue_ms=0,
        gpu_ms=0,
        public_id=asset.public_id,
        url=asset.url,
        version=asset.version,
        placeholder=asset.placeholder,
        created_at=asset.created_at,
    )


def title(slug: str) -> str:
    """A name whose slug this is; capitals and signs of the true one are lost."""
    return " ".join(part.capitalize() for part in slug.split("-"))


def _origin(asset: Asset, folder: str, index: int) -> tuple[str, int, int]:
    """Batch, ordinal and round: of the context, else made up from the place, always the same."""
    batch_id, ordinal = asset.context.get("batch"), asset.context.get("ordinal", "")
    if batch_id and ordinal.isdecimal() and int(ordinal) < MAX_QUANTITY:
        round_ = asset.context.get("job", "").rpartition("/")[2]
        return batch_id, int(ordinal), int(round_) if round_.isdecimal() and int(round_) else 1
    block, ordinal_ = divmod(index, MAX_QUANTITY)
    return f"old_{sha256(f'{folder}/{block}'.encode()).hexdigest()[:32]}", ordinal_, 1


def _md5(asset: Asset) -> str:
    """Of the bytes, as the uploader or storage says."""
    said = (asset.context.get("md5"), asset.etag)
    return next((each for each in said if each and _MD5.fullmatch(each)), UNKNOWN_MD5)
