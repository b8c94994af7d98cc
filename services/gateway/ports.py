"""What the gateway needs of the world."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from contracts.commands import GenerateBatch
from contracts.events import BatchFinished, BatchRejected, IndicesReserved
from contracts.message import Message
from contracts.transient import RenderProgress, ServiceStatus
from services.gateway.domain.batches import ANY, Batch, Sought
from services.gateway.domain.changes import Change
from services.gateway.domain.idempotency import Answer, Verdict
from services.gateway.domain.images import ImageState, Status
from services.gateway.domain.limits import Excess
from services.gateway.domain.webhooks import WebhookWish

#: Given what is known of an image, what is known after an event.
Merge = Callable[[ImageState], ImageState]


class SlugTaken(Exception):
    """The owner, or everybody, already has a character with this slug."""


class OtherContent(Exception):
    """A batch with this id exists and asks for something else."""


class TooMuch(Exception):
    """The limits leave no room for it now."""

    def __init__(self, excess: Excess) -> None:
        super().__init__(excess.detail)
        self.excess = excess


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
    #: Whether its images are delivered to holders of their signed URL alone.
    private: bool = False


class KeyName(NamedTuple):
    """A key is its user's own, and means something at one call."""

    username: str
    call: str
    key: str


class Keys(Protocol):
    """The first answers of calls under keys; shared by all replicas, kept through restarts."""

    async def claim(self, name: KeyName, fingerprint: str) -> Verdict:
        """Whether to make the call, under a lease, or what came of it before."""
        ...

    async def extend(self, name: KeyName) -> None:
        """The call is still under way."""
        ...

    async def answered(self, name: KeyName, answer: Answer) -> None: ...

    async def release(self, name: KeyName) -> None:
        """The call was refused, nothing came of it: the key is free for another one."""
        ...

    async def let_go(self, name: KeyName) -> None:
        """What came of the call is not known: whoever asks the same again goes on with it."""
        ...


class Registry(Protocol):
    """Who may be pictured, and by whom. A character that a user may not use does not exist for him."""

    async def register(self, character: Character, said: Sequence[Message]) -> None:
        """Keeps the character, and what is to be said about it, in one commit. Raises SlugTaken."""
        ...

    async def find(self, character_id: str, username: str) -> Character | None: ...

    async def known_to(self, username: str, after: str | None, limit: int) -> Sequence[Character]:
        """The user's own and the premade ones, in the order of their ids, beginning after one."""
        ...


class Shown(NamedTuple):
    """What came of an event about an image."""

    end: BatchFinished | None
    #: Whether this event is to speak of the batch: of those that shared a commit the last one does.
    speaks: bool


class Gallery(Protocol):
    """The read model: batches and images as people see them, grown from events in any order."""

    async def reserved(self, event: IndicesReserved) -> BatchFinished | None:
        """The batch has its numbers. What is returned by this and the next: the batch's end, if every image
        of it has ended now (or had before: it may have gone unsaid)."""
        ...

    async def heard(self, batch_id: str, ordinal: int, index: int, merge: Merge) -> Shown: ...

    async def rejected(self, event: BatchRejected) -> BatchFinished | None: ...

    async def deleted(self, public_id: str) -> Mapping[str, Shown]:
        """The batches that show this asset, each with its end as above: where a retry was under way, the
        deletion ends the image."""
        ...


class Batches(Protocol):
    """Batches by their owner: asked for, looked at, cancelled, tried again."""

    async def accept(self, request: GenerateBatch, webhook: WebhookWish | None = None) -> Batch:
        """Keeps the batch, the command and a webhook in one commit; the same again is the same batch.
        Raises OtherContent, and TooMuch where the user or everybody has too much under way."""
        ...

    async def find(self, batch_id: str, username: str) -> tuple[Batch, Sequence[ImageState]] | None: ...

    async def is_over(self, batch_id: str) -> bool:
        """Whether it has come to its end: the cheapest that one can ask."""
        ...

    async def glance(self, batch_id: str, ordinals: Sequence[int]) -> tuple[Summary, Sequence[ImageState]]:
        """A known batch, and only these of its images."""
        ...

    async def list(
        self, username: str, before: tuple[float, str] | None, limit: int, sought: Sought = ANY
    ) -> Sequence[Summary]:
        """The user's newest batches, those made before a moment and id if one is given."""
        ...

    async def cancel(self, batch_id: str) -> None:
        """Keeps the wish and the command in one commit; nothing happens where every image has ended."""
        ...

    async def retry(self, batch_id: str, ordinals: Sequence[int] | None) -> int:
        """Keeps the new round and the command in one commit; how many images will be rendered again.
        Raises Canceling, and TooMuch."""
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


class Feed(Protocol):
    """The same log as one user sees it: changes of all his batches."""

    async def latest_of(self, username: str) -> int: ...

    async def knows_of(self, username: str, change: int) -> bool: ...

    async def after_of(self, username: str, change: int, limit: int) -> Sequence[tuple[str, Change]]:
        """Batch and change of his next changes after this one."""
        ...


class Due(NamedTuple):
    """A command to send, its id, and where in which trace it was accepted."""

    id: str
    command: Message
    traceparent: str | None


class Outbox(Protocol):
    """Commands that were accepted and are not answered yet."""

    async def due(self, now: float, limit: int) -> Sequence[Due]:
        """Commands to send now; no other replica gets them for a while."""
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

    def ended(self, batch_id: str) -> None:
        """The same, by its end."""
        ...


class Fleet(Protocol):
    """How every process of the system said it is."""

    def tell(self, status: ServiceStatus) -> None: ...


class Courier(Protocol):
    """Makes the calls of webhooks."""

    def stir(self) -> None:
        """Something happened of which somebody may have to be told soon."""
        ...
