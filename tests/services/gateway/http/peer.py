"""Indexer, renderer and uploader in one: hears the gateway's commands and answers as a test tells it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from contracts import names
from contracts.commands import GenerateBatch
from contracts.events import BatchRejected, ImageFailed, ImageStored, IndexReassigned, IndicesReserved
from contracts.message import Message
from contracts.topology import QUEUES
from contracts.transient import RenderProgress
from messaging.bus import Handler, Subscription
from messaging.memory import MemoryBus

M = TypeVar("M", bound=Message)
#: Given a batch's reservation, what is said after it.
Script = Callable[[IndicesReserved], Sequence[Message]]


class Peer:
    """Reserves every batch and, unless told otherwise, stores every image of it."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.script: Script = all_stored
        #: A word for BatchRejected instead of numbers.
        self.refuses: str | None = None
        self.heard: list[Message] = []
        self.reservations: dict[str, IndicesReserved] = {}
        self._changed = asyncio.Condition()
        self._next: Counter[str] = Counter()

    def subscriptions(self) -> list[Subscription[Any]]:
        """Everything that is not for the gateway, so that the bus can settle."""
        return [
            Subscription(queue.service, queue.message, self._handler(queue.message))
            for queue in QUEUES
            if queue.service != "gateway"
        ]

    def _handler(self, kind: type[Message]) -> Handler[Any]:
        return self._generate if kind is GenerateBatch else self._keep

    async def says(self, *messages: Message) -> None:
        """Publishes, and returns once everybody has taken it in."""
        await self.bus.publish(*messages)
        await self.bus.settled()

    async def hears(self, kind: type[M], times: int = 1) -> M:
        """The last of this kind, once so many came."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._of(kind)) >= times)
        return self._of(kind)[-1]

    async def reserved(self, times: int = 1) -> IndicesReserved:
        """The reservation of the last batch, once so many were asked for and the gateway knows."""
        asked = await self.hears(GenerateBatch, times)
        await self.bus.settled()
        return self.reservations[asked.batch_id]

    def count(self, kind: type[Message]) -> int:
        return len(self._of(kind))

    def _of(self, kind: type[M]) -> list[M]:
        return [message for message in self.heard if isinstance(message, kind)]

    async def _keep(self, message: Message) -> Sequence[Message]:
        async with self._changed:
            self.heard.append(message)
            self._changed.notify_all()
        return []

    async def _generate(self, request: GenerateBatch) -> Sequence[Message]:
        said = self._answer(request)
        await self._keep(request)
        return said

    def _answer(self, request: GenerateBatch) -> Sequence[Message]:
        if self.refuses:
            return [BatchRejected(batch_id=request.batch_id, code="invalid_prompt", reason=self.refuses)]
        if request.batch_id not in self.reservations:
            self.reservations[request.batch_id] = self._reserve(request)
        event = self.reservations[request.batch_id]
        return [event, *self.script(event)]

    def _reserve(self, request: GenerateBatch) -> IndicesReserved:
        character = request.character
        folder = names.folder(request.username, character.collection, names.slug(character.name))
        first = self._next[folder] + 1
        self._next[folder] += request.quantity
        return IndicesReserved(
            request=request,
            folder=folder,
            first=first,
            quantity=request.quantity,
            next_index=first + request.quantity,
        )


def all_stored(event: IndicesReserved) -> Sequence[Message]:
    return [stored(event, ordinal) for ordinal in range(event.quantity)]


def nothing(event: IndicesReserved) -> Sequence[Message]:
    return []


def stored(event: IndicesReserved, ordinal: int, round_: int = 1, **more: Any) -> ImageStored:
    request, index = event.request, event.first + ordinal
    name = names.image_name(request.username, names.slug(request.character.name), index)
    public_id = names.public_id(event.folder, name)
    values = {
        "seed": (request.seed or 0) + ordinal,
        "used_embedding": False,
        "backend": "pod-1",
        "placeholder": False,
        "created_at": datetime(2030, 1, 1, 0, 0, index % 60, tzinfo=UTC),
        **more,
    }
    return ImageStored(
        batch_id=request.batch_id,
        ordinal=ordinal,
        round=round_,
        index=index,
        folder=event.folder,
        name=name,
        username=request.username,
        character=request.character,
        md5=f"{index:032x}",
        byte_count=1000,
        media_type="image/png",
        width=request.width,
        height=request.height,
        queue_ms=100 + ordinal,
        gpu_ms=1000,
        public_id=public_id,
        url=f"https://images.test/{public_id}.png",
        version=1,
        **values,
    )


def blank(event: IndicesReserved, ordinal: int) -> ImageStored:
    """The placeholder of an image that can't be made."""
    return stored(event, ordinal, placeholder=True, seed=None, backend=None)


def moved(event: IndicesReserved, ordinal: int, new: int) -> IndexReassigned:
    return IndexReassigned(
        batch_id=event.batch_id,
        ordinal=ordinal,
        round=1,
        folder=event.folder,
        old_index=event.first + ordinal,
        new_index=new,
        next_index=new + 1,
    )


def failed(event: IndicesReserved, ordinal: int, round_: int = 1, **more: Any) -> ImageFailed:
    values = {
        "code": "missing_model",
        "detail": "no such model",
        "retryable": True,
        "placeholder_follows": False,
        **more,
    }
    return ImageFailed(
        batch_id=event.batch_id,
        ordinal=ordinal,
        round=round_,
        index=event.first + ordinal,
        stage="render",
        **values,
    )


def progress(event: IndicesReserved, ordinal: int, **more: Any) -> RenderProgress:
    return RenderProgress(
        batch_id=event.batch_id, ordinal=ordinal, round=1, index=event.first + ordinal, **more
    )
