"""A gateway with many images of one character, and a server for their thumbnails."""

import io
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.events import ImageStored, IndicesReserved
from contracts.message import Message
from sandbox.serving import serve
from tests.journeys.waiting import until
from tests.services.gateway.http.door import Door, opened
from tests.services.gateway.http.peer import stored

#: The most that one batch may ask for.
BATCH = 1000


@dataclass(frozen=True)
class Many:
    door: Door
    character: str


@asynccontextmanager
async def many(folder: Path, images: int) -> AsyncIterator[Many]:
    """`images` above a batch are a multiple of it."""
    async with (
        serve(Starlette(routes=[Route("/{name:path}", _thumbnail)])) as host,
        opened(folder, IMAGE_HOSTS=host) as door,
    ):

        def all_there(event: IndicesReserved) -> Sequence[Message]:
            return [_one_by_one(stored(event, ordinal), host) for ordinal in range(event.quantity)]

        door.peer.script = all_there
        character = await door.character()
        for _ in range(0, images, BATCH):
            batch = await door.batch(character, min(images, BATCH))
            await until(partial(_is_made, door, batch["id"]))
        yield Many(door, character)


def _one_by_one(image: ImageStored, host: str) -> ImageStored:
    """Made in the order of the numbers, a second after one another."""
    made = image.created_at.replace(second=0) + timedelta(seconds=image.index)
    return image.model_copy(update={"url": f"{host}/{image.index}", "created_at": made})


async def _is_made(door: Door, batch_id: str) -> bool:
    return bool((await door.seen(batch_id))["status"] == "succeeded")


async def _thumbnail(request: Request) -> Response:
    """A small picture of its own for each address."""
    dice = random.Random(request.path_params["name"])
    picture = Image.new("RGB", (200, 300), tuple(dice.randrange(256) for _ in range(3)))
    kept = io.BytesIO()
    picture.save(kept, "JPEG")
    return Response(kept.getvalue(), media_type="image/jpeg", headers={"Cache-Control": "max-age=86400"})
