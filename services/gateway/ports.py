"""What the gateway needs of the world."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Collection_
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from contracts.commands import GenerateBatch
from contracts.events import BatchFinished, BatchRejected, IndicesReserved
from contracts.message import Message
from contracts.transient import RenderProgress, ServiceStatus
from services.gateway.domain.batches import Batch
from services.gateway.domain.changes import Change
from services.gateway.domain.images import ImageState, Status
from services.gateway.domain.pictures import Collection, Deletion, Key, Picture, Usage, Wanted

#: Given what is known of an image, what is known after an event.
Merge = Callable[[ImageState], ImageState]


class SlugTaken(Exception):
    """The owner, or everybody, already has a character with this slug."""


class NameTaken(Exception):
    """The owner already has a collection of this name."""


class OtherContent(Exception):
    """A batch with this id exists and asks for something else."""


class Canceling(Exception):
    """The batch is being cancelled; a retry has to wait for its end."""


@dataclass(frozen=True)
class Summary:
    """A batch in a list: how many of its images have which status."""

    batch: Batch
    counts: Mapping[Status, int]


@dataclass(frozen=True)
class Character:
    """A character as it is registered."""

    id: str
    owner: str
    name: str
    slug: str
    premade: bool
    embedding: str | None
    style: str | None
    created_at: float


class Registry(Protocol):
    """Who may be pictured, and by whom. A character that a user may not use does not exist for him."""

    async def register(self, character: Character, said: Sequence[Message]) -> None:
        """Keeps the character, and what is to be said about it, in one commit. Raises SlugTaken."""
        ...

    async def find(self, character_id: str, username: str) -> Character | None: ...

    async def known_to(self, username: str, after: str | None, limit: int) -> Sequence[Character]:
        """The user's own and the premade ones, in the order of their ids, beginning after one."""
        ...


class Gallery(Protocol):
    """The read model: batches and images as people see them, grown from events in any order."""

    async def reserved(self, event: IndicesReserved) -> BatchFinished | None:
        """The batch has its numbers. What is returned by this and the next: the batch's end, if every image
        of it has ended now (or had before: it may have gone unsaid)."""
        ...

    async def heard(self, batch_id: str, ordinal: int, index: int, merge: Merge) -> BatchFinished | None: ...

    async def rejected(self, event: BatchRejected) -> BatchFinished | None: ...

    async def deleted(self, public_id: str) -> Mapping[str, BatchFinished | None]:
        """The batches that show this asset, each with its end as above: where a retry was under way, the
        deletion ends the image."""
        ...


class Batches(Protocol):
    """Batches by their owner: asked for, looked at, cancelled, tried again."""

    async def accept(self, request: GenerateBatch) -> Batch:
        """Keeps the batch and the command in one commit; the same request again is the same batch.
        Raises OtherContent."""
        ...

    async def find(self, batch_id: str, username: str) -> tuple[Batch, Sequence[ImageState]] | None: ...

    async def glance(self, batch_id: str, ordinals: Sequence[int]) -> tuple[Summary, Sequence[ImageState]]:
        """A known batch, and only these of its images."""
        ...

    async def list(self, username: str, before: tuple[float, str] | None, limit: int) -> Sequence[Summary]:
        """The user's newest batches, those made before a moment and id if one is given."""
        ...

    async def cancel(self, batch_id: str) -> None:
        """Keeps the wish and the command in one commit; nothing happens where every image has ended."""
        ...

    async def retry(self, batch_id: str, ordinals: Sequence[int] | None) -> int:
        """Keeps the new round and the command in one commit; how many images will be rendered again.
        Raises Canceling."""
        ...


class Changes(Protocol):
    """The event log: what changed, with ids in the order of the commits. Who has seen a change and then
    looks at the batch sees all that was changed up to it."""

    async def latest(self, batch_id: str) -> int:
        """The batch's last change, 0 if there is none."""
        ...

    async def knows(self, batch_id: str, change: int) -> bool:
        """Whether there is this change, and it is one of this batch."""
        ...

    async def after(self, batch_id: str, change: int, limit: int) -> Sequence[Change]:
        """The batch's next changes after this one."""
        ...


class Outbox(Protocol):
    """Commands that were accepted and are not answered yet."""

    async def due(self, now: float, limit: int) -> Sequence[tuple[str, Message]]:
        """Commands to send now, with their ids; no other replica gets them for a while."""
        ...

    async def sent(self, ids: Sequence[str], now: float) -> None: ...

    async def unsent(self, ids: Sequence[str], now: float) -> None:
        """They could not be sent: whoever looks next may take them."""
        ...

    async def all_due(self) -> None:
        """Every unanswered command is due at once."""
        ...


class Stage(Protocol):
    """What is live: how far renders are, and who waits for news of a batch. Lost with the process."""

    def show(self, progress: RenderProgress) -> None:
        """Wakes whoever watches this batch."""
        ...

    def changed(self, batch_id: str) -> None:
        """Wakes whoever waits for this batch or watches it."""
        ...


class Fleet(Protocol):
    """How every process of the system said it is."""

    def tell(self, status: ServiceStatus) -> None: ...


class Pictures(Protocol):
    """What lies in storage, by its owner; what is somebody else's does not exist."""

    async def newest(self, character_id: str, username: str, limit: int) -> tuple[int, Sequence[ImageState]]:
        """How many there are of one character, and the newest of them."""
        ...

    async def page(self, wanted: Wanted) -> Sequence[Picture]:
        """Images in storage, those that are being deleted among them."""
        ...

    async def find(self, username: str, key: Key) -> Picture | None:
        """Any image that has its number, also one that is not stored yet or not any more."""
        ...

    async def usage(self, username: str, first: date, last: date) -> Sequence[Usage]:
        """By day and character, the days between these two, oldest first."""
        ...


class Marks(Protocol):
    """What an owner says of his images, many at once. An image that is not his is left out of the answer."""

    async def favourite(self, username: str, keys: Sequence[Key], value: bool) -> Collection_[Key]: ...

    async def delete(self, username: str, keys: Sequence[Key]) -> Mapping[Key, Deletion]:
        """Keeps the wishes and the commands in one commit."""
        ...


class Collections(Protocol):
    """Images put together by their owner."""

    async def make(self, collection: Collection) -> None:
        """Raises NameTaken."""
        ...

    async def find(self, username: str, collection_id: str) -> Collection | None: ...

    async def list(self, username: str, after: str | None, limit: int) -> Sequence[Collection]:
        """In the order of their ids, beginning after one."""
        ...

    async def rename(self, username: str, collection_id: str, name: str) -> None:
        """Raises NameTaken."""
        ...

    async def drop(self, username: str, collection_id: str) -> bool:
        """Whether there was one. Its images stay."""
        ...

    async def put(self, collection_id: str, username: str, keys: Sequence[Key]) -> Collection_[Key]:
        """Into a collection of his; the images that are his, in it now."""
        ...

    async def take_out(self, collection_id: str, keys: Sequence[Key]) -> None: ...
