"""What follows from a message and what the ledger knows: say something, or store under a lease.

"Order of truth": deleted > stored image > higher round > placeholder. So the same messages in any order, any
number of times, end in the same row.
"""

from dataclasses import replace

from contracts.events import Found, ImageDeleted, ImageFailed, ImageReady, IndexReassigned, IndicesReserved
from contracts.message import Message
from messaging.errors import Later, PermanentError, TemporaryError
from services.uploader.domain.rows import Known, Row, State
from services.uploader.domain.steps import Say, Step, Store, batch_place, index_taken, wished


def for_image(known: Known, ready: ImageReady, now: float) -> Step:
    """Rule "Store" for a real image. Raises Later while somebody else works on it."""
    row = known.row
    if row is None:
        place = wished(ready, None, known.batch)
        assert place is not None
        if known.deleted:
            return Say((ImageDeleted(public_id=place.public_id),))
        row = Row(ready.batch_id, ready.ordinal, ready.round, place)
        return _claim(_with_image(row, ready), known)
    if row.state is State.DELETED or row.is_image:
        return Say(_repeated(row))
    _free(row, now)
    if row.state is State.TAKEN:
        newer = row if ready.round <= row.round else _with_image(row, ready)
        return Say(_repeated(newer), newer)
    if row.state is State.CLAIMED and not row.placeholder and ready.round < row.round:
        return Say()
    return _claim(_with_image(row, ready), known)


def for_placeholder(known: Known, failed: ImageFailed, now: float) -> Step:
    """Rule "Placeholder". Raises Later while somebody else works on the image, TemporaryError as long as its
    batch is not known."""
    row = known.row
    if row is not None and row.state is State.DELETED:
        return Say(_repeated(row))
    if not failed.placeholder_follows:
        return Say()
    if row is not None and row.state is not State.CLAIMED:
        # A real image that waits for another number counts for more than any failure.
        return _restated(row, failed.round)
    if known.batch is None:
        raise TemporaryError(f"batch {failed.batch_id} is not known here yet")
    if row is None:
        return _first_placeholder(known, failed, known.batch)
    _free(row, now)
    return _claim_placeholder(row, failed, known) if failed.round >= row.round else Say()


def for_new_number(known: Known, moved: IndexReassigned, now: float) -> Step:
    """Rule "Store": an image that had to give way goes on at its new number. Raises Later while somebody else
    works on it, PermanentError where the ledger has never asked for a number."""
    row = known.row
    if row is None:
        raise PermanentError("the ledger knows nothing of this image, so there are no bytes to store")
    if row.state is State.TAKEN and row.place.index == moved.old_index:
        _free(row, now)
        place = row.place.moved(moved.new_index)
        return _claim(replace(row, place=place, state=State.CLAIMED, found=None), known)
    if row.place.index != moved.new_index:
        return Say()
    if row.state is not State.CLAIMED:
        return Say(_repeated(row))
    _free(row, now)
    return Store(row, known.batch) if row.ready is not None else Say()


def without_placeholder(failed: ImageFailed, row: Row, why: str) -> ImageFailed:
    """The end of an image that not even a placeholder could be stored for."""
    update = {
        "stage": "store",
        "index": row.place.index,
        "detail": f"{failed.detail} (code {failed.code}); there is no placeholder either: {why}",
        "placeholder_follows": False,
    }
    return failed.model_copy(update=update)


def _with_image(row: Row, ready: ImageReady) -> Row:
    """The row with these bytes to store; what lies there as a placeholder stays true until it is replaced."""
    if row.state is State.STORED:
        return replace(row, ready=ready)
    return replace(
        row,
        round=ready.round,
        ready=ready,
        md5=ready.md5,
        byte_count=ready.byte_count,
        placeholder=False,
    )


def _first_placeholder(known: Known, failed: ImageFailed, batch: IndicesReserved) -> Step:
    place = batch_place(batch, failed.index)
    if known.deleted:
        return Say((ImageDeleted(public_id=place.public_id),))
    row = Row(failed.batch_id, failed.ordinal, failed.round, place)
    if known.rival is not None:
        return Say((without_placeholder(failed, row, "another image has its name"),))
    return _claim_placeholder(row, failed, known)


def _claim_placeholder(row: Row, failed: ImageFailed, known: Known) -> Step:
    return Store(replace(row, round=failed.round, placeholder=True, ready=None), known.batch)


def _claim(row: Row, known: Known) -> Step:
    if known.rival is None:
        return Store(row, known.batch)
    return _give_way(row, known.rival)


def _give_way(row: Row, rival: Row) -> Say:
    """Two images can't have one name: a counter was set back, and the ledger is the first to see it."""
    said = rival.said
    found = Found(
        public_id=row.place.public_id,
        md5=rival.md5,
        byte_count=rival.byte_count,
        created_at=said.created_at.isoformat() if said else None,
    )
    taken = replace(row, state=State.TAKEN, found=found)
    return Say((index_taken(taken),), taken)


def _restated(row: Row, round_: int) -> Say:
    """What is stored, once more. A placeholder also stands for a later round that failed again."""
    if not row.placeholder or round_ <= row.round or row.said is None:
        return Say(_repeated(row))
    said = row.said.model_copy(update={"round": round_})
    return Say((said,), replace(row, round=round_, said=said))


def _repeated(row: Row) -> tuple[Message, ...]:
    if row.state is State.DELETED:
        return (ImageDeleted(public_id=row.place.public_id),)
    if row.state is State.TAKEN:
        return (index_taken(row),)
    return (row.said,) if row.said else ()


def _free(row: Row, now: float) -> None:
    if row.is_held(now):
        raise Later(f"{row.place.public_id} is being worked on", delay=1.0)
