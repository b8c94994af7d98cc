"""Everybody around the uploaders: who asks for batches, who renders, and who listens to what comes of it."""

import asyncio
import hashlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from aio_pika.abc import AbstractIncomingMessage

from chassis.blobs import Blobs, blob_key
from contracts import names
from contracts.commands import Character, GenerateBatch
from contracts.events import ImageFailed, ImageReady, ImageStored, IndexReassigned, IndicesReserved
from contracts.message import Message
from contracts.topology import BY_ROUTE, EXCHANGE
from messaging.bus import Bus
from messaging.errors import Outage
from tests.distributed.wire import channel
from tests.journeys.around import Around
from tests.services.uploader.stage import picture

HEARD = "studio.heard"
TOLD = (IndicesReserved, ImageStored, ImageFailed, IndexReassigned)
#: Of so many numbers one is taken by somebody's own upload before its image comes.
TAKEN = 40
SIDE = 48

Key = tuple[str, int]


@dataclass
class Studio:
    """Renders each image as soon as it has its number, at a pace, and remembers all that was promised."""

    bus: Bus
    blobs: Blobs
    around: Around
    pause: float
    dice: random.Random
    #: MD5 of each image's own bytes.
    rendered: dict[Key, str] = field(default_factory=dict)
    #: MD5 of what somebody uploaded by hand, by public id.
    foreign: dict[str, str] = field(default_factory=dict)
    #: Every address that was told of an image; one is right.
    stored: dict[Key, set[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(set))
    failed: list[ImageFailed] = field(default_factory=list)
    moved: set[Key] = field(default_factory=set)
    _reserved: asyncio.Queue[IndicesReserved] = field(default_factory=asyncio.Queue)

    async def hear(self, message: Message) -> None:
        match message:
            case IndicesReserved():
                self._reserved.put_nowait(message)
            case ImageStored():
                told = (message.public_id, message.url, message.md5)
                self.stored[message.batch_id, message.ordinal].add(told)
            case ImageFailed():
                self.failed.append(message)
            case IndexReassigned():
                self.moved.add((message.batch_id, message.ordinal))

    async def ask(self, batches: Sequence[GenerateBatch]) -> None:
        for batch in batches:
            await _surely(self.bus, batch)

    async def render(self, batches: int) -> None:
        """Every image of so many batches."""
        known: set[str] = set()
        while len(known) < batches:
            reserved = await self._reserved.get()
            if reserved.batch_id in known:
                continue
            known.add(reserved.batch_id)
            for ordinal in range(reserved.quantity):
                await self._image(reserved, ordinal)
                await asyncio.sleep(self.pause)

    async def _image(self, reserved: IndicesReserved, ordinal: int) -> None:
        data = picture(1 + len(self.rendered), SIDE)
        ready = _ready(reserved, ordinal, data)
        self.rendered[ready.batch_id, ordinal] = ready.md5
        if not self.dice.randrange(TAKEN):
            await self._take(f"{ready.folder}/{ready.name}")
        await self.blobs.put(ready.blob_key, data)
        await _surely(self.bus, ready)

    async def _take(self, public_id: str) -> None:
        data = picture(-1 - len(self.foreign), SIDE)
        self.foreign[public_id] = _digest(data)
        while True:
            try:
                return await self.around.put(public_id, data)
            except httpx.HTTPError:  # storage has its faults for everybody
                await asyncio.sleep(0.1)


def wanted(images: int, users: Sequence[str]) -> list[GenerateBatch]:
    """Batches of 1 to 12, of so many images in all, each user's of one character."""
    character = Character(id="c1", name="Opal Fever", collection=names.CHARACTERS)
    sizes: list[int] = []
    while (rest := images - sum(sizes)) > 0:
        sizes.append(min(rest, 1 + len(sizes) * 5 % 12))
    return [
        GenerateBatch(
            batch_id=f"wish-{turn}",
            username=users[turn % len(users)],
            character=character,
            prompt="opal light",
            quantity=quantity,
            width=64,
            height=64,
        )
        for turn, quantity in enumerate(sizes)
    ]


@asynccontextmanager
async def listening(url: str, studio: Studio) -> AsyncIterator[None]:
    """Whatever is said on the exchange from now on is heard."""

    async def hear(message: AbstractIncomingMessage) -> None:
        await studio.hear(BY_ROUTE[str(message.routing_key)].decode(message.body))

    async with channel(url) as opened:
        queue = await opened.declare_queue(HEARD, durable=True)
        for kind in TOLD:
            await queue.bind(EXCHANGE, kind.route())
        await queue.consume(hear, no_ack=True)
        yield


async def _surely(bus: Bus, message: Message) -> None:
    while True:
        try:
            return await bus.publish(message)
        except Outage:
            await asyncio.sleep(0.2)


def _ready(reserved: IndicesReserved, ordinal: int, data: bytes) -> ImageReady:
    request, index, digest = reserved.request, reserved.first + ordinal, _digest(data)
    return ImageReady(
        batch_id=reserved.batch_id,
        ordinal=ordinal,
        round=1,
        index=index,
        folder=reserved.folder,
        name=names.image_name(request.username, "opal-fever", index, reserved.padding),
        username=request.username,
        character=request.character,
        md5=digest,
        byte_count=len(data),
        media_type="image/png",
        width=SIDE,
        height=SIDE,
        seed=ordinal,
        used_embedding=False,
        backend="studio",
        queue_ms=0,
        gpu_ms=1,
        blob_key=blob_key(reserved.batch_id, ordinal, 1, digest),
    )


def _digest(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()
