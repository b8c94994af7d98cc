"""Every decision about numbers: who gets which block, when it is the same batch, where a folder begins."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts import names
from contracts.acceptance import Refusal, folder_of
from contracts.commands import GenerateBatch
from contracts.events import BatchRejected, ImageFailed, IndexReassigned, IndexTaken, IndicesReserved
from contracts.limits import MAX_INDEX
from messaging.errors import PermanentError

#: Numbers found in storage beyond this are damage, not use: no counting gets there, and adopting them would
#: leave a folder whose next batch no message can name.
MOST_ADOPTED = MAX_INDEX // 2
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Wish:
    """A batch that asks for a block of numbers."""

    batch_id: str
    digest: str
    folder: str
    quantity: int
    #: Digits that its image names are padded to, if the batch is new.
    padding: int


@dataclass(frozen=True)
class Reservation:
    """A block, for good: `first` to `next_index - 1`."""

    batch_id: str
    digest: str
    folder: str
    first: int
    quantity: int
    next_index: int
    padding: int
    #: Epoch seconds.
    created_at: float


@dataclass(frozen=True)
class Move:
    """An image that cannot stay at its number; its new one is `floor` or later."""

    batch_id: str
    ordinal: int
    old_index: int
    folder: str
    floor: int


@dataclass(frozen=True)
class Reassignment:
    """The number that an image got instead of `old_index`, for good."""

    batch_id: str
    ordinal: int
    old_index: int
    folder: str
    new_index: int
    next_index: int


@dataclass(frozen=True)
class Contents:
    """What storage holds in a folder."""

    #: Highest number of an image, 0 where there is none.
    highest: int = 0
    #: The number in `index.txt`, None where it is missing or says none.
    mirror: int | None = None


def digest_of(request: GenerateBatch) -> str:
    """Equal for equal content: fields left out and fields at their default are the same, in any order."""
    said = request.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(_SORTED.encode(said).encode()).hexdigest()


def wish_for(request: GenerateBatch, padding: int) -> Wish:
    """Only for a request that was not refused."""
    return Wish(request.batch_id, digest_of(request), folder_of(request), request.quantity, padding)


def reserved(request: GenerateBatch, reservation: Reservation, digest: str) -> IndicesReserved:
    """`digest` is the request's. Raises PermanentError where the block was reserved for other content under
    the same batch_id."""
    if digest != reservation.digest:
        raise PermanentError(
            f"batch {request.batch_id} was reserved with other content; that batch goes on untouched: "
            "send this one under a batch_id of its own"
        )
    return IndicesReserved(
        request=request,
        folder=reservation.folder,
        first=reservation.first,
        quantity=reservation.quantity,
        next_index=reservation.next_index,
        padding=reservation.padding,
    )


def refused(
    request: GenerateBatch, why: Refusal, stored: Reservation | None
) -> BatchRejected | IndicesReserved:
    """The answer to a request that cannot be accepted now. One that was accepted before keeps its block, even
    where the rules have changed since. Raises as `reserved`."""
    if stored is None:
        return BatchRejected(batch_id=request.batch_id, code=why.code, reason=why.reason)
    return reserved(request, stored, digest_of(request))


def buried_batch(request: GenerateBatch, reason: str, stored: Reservation | None) -> Sequence[BatchRejected]:
    """What a dead letter says: nothing where a batch of this id goes on."""
    if stored is not None:
        return ()
    return (BatchRejected(batch_id=request.batch_id, code="dead_letter", reason=reason),)


def allot(wishes: Iterable[Wish], counters: Mapping[str, int], now: float) -> list[Reservation]:
    """Blocks for wishes with different batch ids, in their order, each where the one before it in its folder
    ended. `counters` has the next number of every folder that is asked for."""
    following = dict(counters)
    blocks = []
    for wish in wishes:
        first = following[wish.folder]
        following[wish.folder] = end = first + wish.quantity
        blocks.append(
            Reservation(wish.batch_id, wish.digest, wish.folder, first, wish.quantity, end, wish.padding, now)
        )
    return blocks


def first_of_each(wishes: Iterable[Wish]) -> list[Wish]:
    """One wish per batch id: of several the earliest, whatever the others say."""
    earliest: dict[str, Wish] = {}
    for wish in wishes:
        earliest.setdefault(wish.batch_id, wish)
    return list(earliest.values())


def first_free(contents: Contents) -> int:
    """The number that a folder with these contents goes on with. Raises PermanentError where its numbers
    are beyond any use."""
    first = 1 + max(contents.highest, (contents.mirror or 1) - 1)
    if first > MOST_ADOPTED:
        raise PermanentError(
            f"storage holds number {first - 1}, which no counting reaches: rename or delete what has it, "
            "or set index.txt right, then send again"
        )
    return first


def checked_folder(folder: str) -> str:
    """The same folder. Raises PermanentError where no image of ours could lie in it."""
    if names.parse_folder(folder) is None:
        raise PermanentError(
            "not a folder of ours: it must read {username}/{collection}/{character-slug}/images"
        )
    return folder


def move_of(
    taken: IndexTaken, block: Reservation | None, earlier: Collection[Reassignment], contents: Contents
) -> Move:
    """Raises PermanentError where the image never had this number, so that it has nothing to give back."""
    if block is None or block.folder != taken.folder or taken.ordinal >= block.quantity:
        raise PermanentError(
            f"no batch {taken.batch_id} with ordinal {taken.ordinal} is reserved in this folder"
        )
    if taken.index not in {block.first + taken.ordinal, *(move.new_index for move in earlier)}:
        raise PermanentError(
            f"ordinal {taken.ordinal} of batch {taken.batch_id} never had number {taken.index}"
        )
    floor = max(first_free(contents), taken.index + 1)
    return Move(taken.batch_id, taken.ordinal, taken.index, taken.folder, floor)


def reassigned(taken: IndexTaken, reassignment: Reassignment) -> IndexReassigned:
    return IndexReassigned(
        batch_id=taken.batch_id,
        ordinal=taken.ordinal,
        round=taken.round,
        folder=reassignment.folder,
        old_index=reassignment.old_index,
        new_index=reassignment.new_index,
        next_index=reassignment.next_index,
    )


def buried_index_taken(taken: IndexTaken, reason: str) -> ImageFailed:
    """The image's end in this round. A retry renders it again, and asks again for a number if it must."""
    return ImageFailed(
        batch_id=taken.batch_id,
        ordinal=taken.ordinal,
        round=taken.round,
        index=taken.index,
        stage="store",
        code="index_taken",
        detail=reason,
        retryable=True,
        placeholder_follows=False,
    )
