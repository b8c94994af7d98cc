"""Batches and events as they arrive: `b1` has numbers from 11, its folder is Opal Fever's."""

from datetime import UTC, datetime
from typing import Any

from contracts import names
from contracts.commands import Character, GenerateBatch
from contracts.events import (
    BatchRejected,
    ImageDeleted,
    ImageFailed,
    ImageStored,
    IndexReassigned,
    IndicesReserved,
)

FOLDER = "Areg/premade_characters/opal-fever/images"
OPAL = Character(id="chr_opal", name="Opal Fever", collection=names.PREMADE)
FIRST = 11


def request(batch_id: str = "b1", quantity: int = 2, **more: Any) -> GenerateBatch:
    wish: dict[str, Any] = {"username": "Areg", "character": OPAL, "prompt": "on a rooftop", **more}
    return GenerateBatch(batch_id=batch_id, quantity=quantity, **wish)


def reserved(batch_id: str = "b1", quantity: int = 2, first: int = FIRST, **more: Any) -> IndicesReserved:
    return IndicesReserved(
        request=request(batch_id, quantity, **more),
        folder=FOLDER,
        first=first,
        quantity=quantity,
        next_index=first + quantity,
    )


def public_id(index: int) -> str:
    return f"{FOLDER}/Areg_opal-fever_image_{index}"


def stored(
    ordinal: int = 0,
    round_: int = 1,
    *,
    placeholder: bool = False,
    batch_id: str = "b1",
    index: int | None = None,
    version: int = 1,
    at: float = 1_700_000_000.0,
) -> ImageStored:
    index = FIRST + ordinal if index is None else index
    return ImageStored(
        batch_id=batch_id,
        ordinal=ordinal,
        round=round_,
        index=index,
        folder=FOLDER,
        name=f"Areg_opal-fever_image_{index}",
        username="Areg",
        character=OPAL,
        md5=f"{ordinal:032x}",
        byte_count=1,
        media_type="image/png",
        width=64,
        height=64,
        seed=None if placeholder else 7 + ordinal,
        used_embedding=False,
        backend=None if placeholder else "pod",
        queue_ms=1,
        gpu_ms=1,
        public_id=public_id(index),
        url=f"https://images.test/v{version}/{index}.png",
        version=version,
        placeholder=placeholder,
        created_at=datetime.fromtimestamp(at, UTC),
    )


def failed(
    ordinal: int = 0,
    round_: int = 1,
    code: str = "gpu_failed",
    *,
    follows: bool = False,
    stage: str = "render",
    batch_id: str = "b1",
    index: int | None = None,
) -> ImageFailed:
    return ImageFailed(
        batch_id=batch_id,
        ordinal=ordinal,
        round=round_,
        index=FIRST + ordinal if index is None else index,
        stage=stage,  # type: ignore[arg-type]
        code=code,
        detail="it did not come to be",
        retryable=True,
        placeholder_follows=follows,
    )


def moved(ordinal: int = 0, new: int = 40, round_: int = 1, batch_id: str = "b1") -> IndexReassigned:
    return IndexReassigned(
        batch_id=batch_id,
        ordinal=ordinal,
        round=round_,
        folder=FOLDER,
        old_index=FIRST + ordinal,
        new_index=new,
        next_index=new + 1,
    )


def deleted(index: int = FIRST) -> ImageDeleted:
    return ImageDeleted(public_id=public_id(index))


def rejected(batch_id: str = "b1", code: str = "invalid_size") -> BatchRejected:
    return BatchRejected(batch_id=batch_id, code=code, reason="it can't be made")
