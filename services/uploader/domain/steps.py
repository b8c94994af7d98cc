"""The two things that can follow from a message, and the place it is about."""

from dataclasses import dataclass

from contracts import names
from contracts.events import Found, ImageFailed, ImageReady, IndexReassigned, IndexTaken, IndicesReserved
from contracts.message import Message
from messaging.errors import PermanentError
from services.uploader.domain.rows import Place, Row


@dataclass(frozen=True)
class Say:
    """Nothing is to be stored; `row` is kept first where there is one."""

    messages: tuple[Message, ...] = ()
    row: Row | None = None


@dataclass(frozen=True)
class Store:
    """The row is claimed: whoever gets this, and nobody else, may upload for it."""

    row: Row
    batch: IndicesReserved | None = None


Step = Say | Store
Cause = ImageReady | ImageFailed | IndexReassigned


def ready_of(claim: Store) -> ImageReady:
    assert claim.row.ready is not None, "a real image is claimed with what is ready"
    return claim.row.ready


def batch_of(claim: Store) -> IndicesReserved:
    assert claim.batch is not None, "a placeholder is claimed with its batch"
    return claim.batch


def wished(cause: Cause, row: Row | None, batch: IndicesReserved | None) -> Place | None:
    """The name that is wished for, None where it can't be told yet. The ledger's number counts, not the
    message's. Raises PermanentError where the message names a place that is none.
    """
    if row is not None:
        if isinstance(cause, IndexReassigned) and cause.old_index == row.place.index:
            return row.place.moved(cause.new_index)
        return row.place
    if isinstance(cause, ImageReady):
        place = Place(cause.folder, cause.name, cause.index)
        parts = names.parse_public_id(place.public_id)
        if parts is None or parts.index != cause.index:
            raise PermanentError(
                f"{place.public_id} is not the name of image {cause.index} in a folder of ours"
            )
        return place
    if isinstance(cause, ImageFailed) and batch is not None:
        return batch_place(batch, cause.index)
    return None


def batch_place(batch: IndicesReserved, index: int) -> Place:
    """Raises PermanentError where the batch's folder is none of ours."""
    parts = names.parse_folder(batch.folder)
    if parts is None:
        raise PermanentError(f"{batch.folder} is not a folder of ours")
    username, _, slug = parts
    return Place(batch.folder, names.image_name(username, slug, index, batch.padding), index)


def checked_name(public_id: str) -> str:
    """The same name. Raises PermanentError where it is not an image's: nothing else may be deleted."""
    if names.parse_public_id(public_id) is None:
        raise PermanentError("this is not the name of an image in a folder of ours, so it is not deleted")
    return public_id


def checked_folder(folder: str) -> str:
    """The same folder. Raises PermanentError where no image of ours could lie in it: its `index.txt` would be
    tried for ever, or lie where nobody asked for it."""
    if names.parse_folder(folder) is None:
        raise PermanentError(
            "not a folder of ours: it must read {username}/{collection}/{character-slug}/images"
        )
    return folder


def index_taken(row: Row) -> IndexTaken:
    return IndexTaken(
        batch_id=row.batch_id,
        ordinal=row.ordinal,
        round=row.round,
        index=row.place.index,
        folder=row.place.folder,
        found=row.found or Found(public_id=row.place.public_id),
    )
