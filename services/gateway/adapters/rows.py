"""Between table rows and what the gateway thinks with."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from contracts.commands import GenerateBatch
from contracts.events import BatchRejected, ImageFailed, ImageStored
from contracts.message import Message
from services.gateway.domain.batches import Batch
from services.gateway.domain.images import GONE, ImageState
from services.gateway.ports import Character


def to_image(row: RowMapping) -> ImageState:
    return ImageState(
        batch_id=row["batch_id"],
        ordinal=row["ordinal"],
        index=row["idx"],
        round=row["round"],
        picture=_read(ImageStored, row["picture"]),
        placeholder=_read(ImageStored, row["placeholder"]),
        failure=_read(ImageFailed, row["failure"]),
        deleted=row["status"] in GONE,
        favourite=row["favourite"],
        delete_requested=row["delete_requested_at"] is not None,
    )


def of_image(image: ImageState) -> dict[str, Any]:
    """What events decide; what its owner said of an image stays in its row as it is."""
    asset = image.asset
    return {
        "batch_id": image.batch_id,
        "ordinal": image.ordinal,
        "idx": image.index,
        "round": image.round,
        "picture": _written(image.picture),
        "placeholder": _written(image.placeholder),
        "failure": _written(image.failure),
        "status": image.status.value,
        "public_id": asset.public_id if asset else None,
        "stored_at": asset.created_at.timestamp() if asset else None,
        "gpu_ms": asset.gpu_ms if asset else None,
        "cause": image.cause,
    }


def to_batch(row: Mapping[Any, Any]) -> Batch:
    """Of a row that has its request."""
    return Batch(
        request=GenerateBatch.decode(row["request"].encode()),
        created_at=row["created_at"],
        folder=row["folder"],
        first=row["first"],
        next_index=row["next_index"],
        padding=row["padding"],
        started_at=row["started_at"],
        rejected=_read(BatchRejected, row["rejected"]) if row["first"] is None else None,
        cancel_requested_at=row["cancel_requested_at"],
        finished_at=row["finished_at"],
    )


def to_character(row: RowMapping) -> Character:
    return Character(**row)


def _read(kind: Any, text: str | None) -> Any:
    return kind.decode(text.encode()) if text else None


def _written(message: Message | None) -> str | None:
    return message.encode().decode() if message else None
