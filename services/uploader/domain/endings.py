"""What follows from what storage answered: the row as it is now, and what is said of it."""

from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any

from contracts import names
from contracts.events import (
    Found,
    ImageDeleted,
    ImageFailed,
    ImageReady,
    ImageStored,
    IndexReassigned,
    IndicesReserved,
    Picture,
)
from contracts.message import Message
from messaging.errors import PermanentError, TemporaryError
from services.uploader.domain.claims import without_placeholder
from services.uploader.domain.rows import Lying, Refusal, Row, State, Upload
from services.uploader.domain.steps import Store, batch_of, index_taken, ready_of

#: Stable codes of failures in the stage `store`.
BYTES_LOST = "bytes_lost"
STORE_FAILED = "store_failed"

PLACEHOLDER_TAG = "placeholder"
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@dataclass(frozen=True)
class End:
    """How a claim ends: the row to keep, its lease given back, and what is said then."""

    row: Row
    messages: tuple[Message, ...]


def check_bytes(ready: ImageReady, data: bytes) -> None:
    """Raises PermanentError where the bytes are not those that the message tells of."""
    if len(data) != ready.byte_count:
        raise PermanentError(f"{len(data)} bytes lie at {ready.blob_key}, {ready.byte_count} were announced")
    if (found := digest(data)) != ready.md5:
        raise PermanentError(f"the bytes at {ready.blob_key} have the md5 {found}, {ready.md5} was announced")


def digest(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


def image_upload(row: Row, ready: ImageReady) -> Upload:
    ending = _ENDINGS.get(ready.media_type, "bin")
    name = f"{row.place.name}.{ending}"
    return _upload(row, ready.md5, ready.round, name, private=ready.character.private)


def placeholder_upload(claim: Store, row: Row, drawn: str) -> Upload:
    private = batch_of(claim).request.character.private
    return _upload(row, drawn, row.round, f"{row.place.name}.png", PLACEHOLDER_TAG, private=private)


def noted(row: Row, data: bytes) -> Row:
    """Rule "Placeholder": its md5 is in the ledger before it is uploaded, and is never forgotten."""
    drawn = digest(data)
    all_drawn = (*(known for known in row.placeholder_md5s if known != drawn), drawn)
    return replace(row, md5=drawn, byte_count=len(data), placeholder_md5s=all_drawn)


def replaceable(row: Row, found: Lying | Refusal) -> bool:
    """Rule "Placeholder": the only overwrite there is, of a placeholder that is this image's own."""
    return isinstance(found, Lying) and found.md5 in row.placeholder_md5s and _names(found, row)


def image_end(claim: Store, found: Lying | Refusal | None) -> End:
    """How an attempt to store a real image ends; None means that there were no bytes.

    Raises PermanentError where the account alters what it is given, which no other number would cure, and
    TemporaryError where a failure can't be told yet.
    """
    row, ready = claim.row, ready_of(claim)
    match found:
        case None:
            lost = "the bytes are gone from the blob store, and the image is not stored"
            return _failed(claim, BYTES_LOST, lost, retryable=True)
        case Refusal(code, detail):
            return _failed(claim, code, detail, retryable=False)
    if (found.md5, found.byte_count) == (ready.md5, ready.byte_count) and _names(found, row):
        said = _stored(row, found, _told(ready), ready.round, placeholder=False)
        return End(_ended(row, found, said, placeholder=False), (said,))
    if found.context.get("md5") == ready.md5 and _names(found, row) and found.context:
        raise PermanentError(
            f"{found.public_id} was uploaded with the md5 {ready.md5} and is kept with {found.md5}: "
            "the account alters images; remove incoming transformations from its default upload preset"
        )
    lying = Found(
        public_id=found.public_id,
        md5=found.md5,
        byte_count=found.byte_count,
        created_at=found.created_at.isoformat(),
    )
    taken = replace(_as_image(row, ready), state=State.TAKEN, found=lying, said=None).freed()
    return End(taken, (index_taken(taken),))


def placeholder_end(claim: Store, failed: ImageFailed, found: Lying | Refusal) -> End:
    """How an attempt to store a placeholder ends: it never takes the place of another asset."""
    row = claim.row
    if isinstance(found, Refusal) or not replaceable(row, found):
        why = found.detail if isinstance(found, Refusal) else f"another asset lies at {row.place.public_id}"
        # An image may still come: the name stays its own.
        free = replace(row, placeholder=False, md5=None, byte_count=None).freed()
        return End(free, (without_placeholder(failed, row, why),))
    said = _stored(row, found, _drawn(batch_of(claim)), failed.round, placeholder=True)
    return End(_ended(row, found, said, placeholder=True), (said,))


def buried_image(
    row: Row | None, batch: IndicesReserved | None, dead: ImageReady | IndexReassigned, reason: str
) -> tuple[Message, ...]:
    """What a dead letter says: what is true already, else that the image failed."""
    if row is not None and row.state is State.DELETED:
        return (ImageDeleted(public_id=row.place.public_id),)
    if row is not None and row.is_image and row.said is not None:
        return (row.said,)
    index = dead.index if isinstance(dead, ImageReady) else dead.new_index
    failed = ImageFailed(
        batch_id=dead.batch_id,
        ordinal=dead.ordinal,
        round=dead.round,
        index=row.place.index if row is not None else index,
        stage="store",
        code=STORE_FAILED,
        detail=f"the image could not be stored: {reason}",
        retryable=True,
        placeholder_follows=_wants_placeholder(batch),
    )
    return (failed,)


def needs_bytes(row: Row | None) -> bool:
    """Whether bytes that wait for this image may still be stored. An unknown image's bytes may."""
    return row is None or not (row.is_image or row.state is State.DELETED)


def are_spent(row: Row | None, ready: ImageReady) -> bool:
    """Whether just these bytes have done their work."""
    return row is not None and not needs_bytes(row) and row.md5 == ready.md5


def _failed(claim: Store, code: str, detail: str, *, retryable: bool) -> End:
    row, ready = claim.row, ready_of(claim)
    if claim.batch is None:
        raise TemporaryError(
            f"batch {row.batch_id} is not known here yet, so neither is what follows a failure"
        )
    failed = ImageFailed(
        batch_id=row.batch_id,
        ordinal=row.ordinal,
        round=ready.round,
        index=row.place.index,
        stage="store",
        code=code,
        detail=detail,
        retryable=retryable,
        placeholder_follows=_wants_placeholder(claim.batch),
    )
    return End(replace(row, ready=None).freed(), (failed,))


def _wants_placeholder(batch: IndicesReserved | None) -> bool:
    return batch is not None and batch.request.on_failure == "placeholder"


def _names(found: Lying, row: Row) -> bool:
    """Whether the asset's context names this image, or nobody."""
    whose = (found.context.get("batch"), found.context.get("ordinal"))
    return not found.context or whose == (row.batch_id, str(row.ordinal))


def _upload(row: Row, digest_: str, round_: int, filename: str, *tags: str, private: bool) -> Upload:
    parts = names.parse_folder(row.place.folder)
    context = {
        "index": str(row.place.index),
        "batch": row.batch_id,
        "ordinal": str(row.ordinal),
        "job": f"{row.batch_id}/{row.ordinal}/{round_}",
        "md5": digest_,
    }
    return Upload(row.place, filename, ("darkroom", *(parts or ())[2:], *tags), context, private)


def _as_image(row: Row, ready: ImageReady) -> Row:
    return replace(row, round=ready.round, md5=ready.md5, byte_count=ready.byte_count, placeholder=False)


def _ended(row: Row, found: Lying, said: ImageStored, *, placeholder: bool) -> Row:
    return replace(
        row,
        state=State.STORED,
        round=said.round,
        placeholder=placeholder,
        md5=found.md5,
        byte_count=found.byte_count,
        asset_id=found.asset_id,
        ready=None,
        found=None,
        said=said,
    ).freed()


def _stored(row: Row, found: Lying, told: dict[str, Any], round_: int, *, placeholder: bool) -> ImageStored:
    where = {
        "batch_id": row.batch_id,
        "ordinal": row.ordinal,
        "round": round_,
        "index": row.place.index,
        "folder": row.place.folder,
        "name": row.place.name,
        "md5": found.md5,
        "byte_count": found.byte_count,
        "public_id": found.public_id,
        "url": found.url,
        "version": found.version,
        "created_at": found.created_at,
        "placeholder": placeholder,
    }
    return ImageStored(**{**told, **where})


def _told(ready: ImageReady) -> dict[str, Any]:
    """All that ImageReady said, except where the bytes lie."""
    return {name: getattr(ready, name) for name in Picture.model_fields}


def _drawn(batch: IndicesReserved) -> dict[str, Any]:
    """What can be said of a placeholder in the place of what a renderer says of an image."""
    request = batch.request
    return {
        "username": request.username,
        "character": request.character,
        "media_type": "image/png",
        "width": request.width,
        "height": request.height,
        "seed": None,
        "used_embedding": False,
        "backend": None,
        "queue_ms": 0,
        "gpu_ms": 0,
    }
