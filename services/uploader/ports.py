"""What the uploader needs of the world, in its own words."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from contracts.events import ImageReady, IndicesReserved
from services.uploader.domain.cards import Card
from services.uploader.domain.rows import Known, Lying, Refusal, Row, Upload
from services.uploader.domain.steps import Cause, Step, Store

C = TypeVar("C", bound=Cause)


class Ledger(Protocol):
    """The asset ledger. Every method raises Outage where the database is down."""

    async def decide(self, cause: C, rule: Callable[[Known, C, float], Step]) -> Step:
        """Runs the rule on what is known of the cause's image and keeps its row, in one transaction that no
        other decision about this image or its name runs beside. A `Store` comes back under a new lease."""
        ...

    def holding(self, claim: Store) -> AbstractAsyncContextManager[None]:
        """Waits for its turn, then renews the claim's lease while the block lasts and gives it back at the
        end. A cancelled block keeps it: what it had begun may still arrive at storage."""
        ...

    async def keep(self, held: Store, row: Row) -> None:
        """Writes the row. Raises Later where the lease was lost meanwhile: then somebody else decides."""
        ...

    async def is_spent(self, ready: ImageReady) -> bool:
        """Whether just these bytes have done their work: their image is stored, or deleted."""
        ...

    async def known(self, batch_id: str, ordinal: int) -> Known:
        """Row and batch, as they are now."""
        ...


class Batches(Protocol):
    """What was reserved, and how far each folder's numbers have got."""

    async def remember(self, reserved: IndicesReserved) -> None: ...

    async def advance(self, folder: str, next_index: int) -> None:
        """The folder's next number is at least this; its mirror has to say so."""
        ...


class Graves(Protocol):
    """What was deleted stays deleted."""

    async def bury(self, public_id: str) -> None:
        """Nothing is stored at this name any more. Raises Later while somebody works on it."""
        ...


class Shelf(Protocol):
    """Where images lie for everybody. Every method raises Outage where storage can't be asked."""

    async def put(self, upload: Upload, data: bytes, *, replace: bool = False) -> Lying | Refusal:
        """What lies at the name afterwards, which is something else than `data` where the name was taken,
        unless it is to be replaced. Raises PermanentError where the account renames what it is given."""
        ...

    async def remove(self, public_id: str) -> None:
        """No image lies at the name afterwards."""
        ...


class Blobs(Protocol):
    """Finished bytes on their way. Every method raises Outage where the store can't be asked."""

    async def fetch(self, ready: ImageReady) -> bytes | None:
        """The very bytes that the message tells of. Raises PermanentError where others lie there."""
        ...

    async def remove(self, key: str) -> None: ...


#: Draws a card as PNG; the same card is the same bytes.
Draw = Callable[[Card], Awaitable[bytes]]


class Mirrors(Protocol):
    """Which folders' `index.txt` say less than is known. Raises Outage where the database is down."""

    async def claim(self) -> Mapping[str, int]:
        """Folders to write now, with their next number; nobody else gets them while this process lives."""
        ...

    async def written(self, folder: str, next_index: int) -> None:
        """The mirror says this number. It stays marked where more is known by now, or where another process
        took it over, whose mirror this one may just have set back."""
        ...

    async def rest(self, folders: Sequence[str]) -> None:
        """These could not be written; they are claimed again after a while."""
        ...

    async def to_verify(self) -> Mapping[str, int]:
        """Folders written of late that nobody has read back for a while, with the number they must say."""
        ...

    async def spoiled(self, folders: Sequence[str]) -> None:
        """These say less than they must: they are written again."""
        ...


class IndexFiles(Protocol):
    """`index.txt` in storage. Every method raises Outage where storage can't be asked."""

    async def write(self, folder: str, next_index: int) -> None: ...

    async def read(self, folders: Sequence[str]) -> Mapping[str, int]:
        """What they say, without those that are missing or say no number."""
        ...
