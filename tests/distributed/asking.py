"""What is asked of the system in these tests: small portraits, by HTTP and by message."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.distributed.wire import inject
from tests.journeys.around import Around
from tests.journeys.caller import SECRET, Caller
from tests.journeys.evidence import Batch
from tests.journeys.waiting import until
from tests.source import ROOT

SMALL = {"width": 64, "height": 64, "workflow": "portrait", "parameters": {"steps": 4}}
#: Seconds between two looks at a batch: the looks must not be what keeps the machine busy.
LOOK = 0.3


@dataclass(frozen=True)
class Wish:
    """A batch that somebody wants."""

    caller: Caller
    character: str
    name: str
    #: The batch's own id where it is asked for by a message, by HTTP the one that the caller chose.
    id: str
    quantity: int

    async def put(self, **headers: str) -> httpx.Response:
        """Asks at the gateway; the wish's id names the batch."""
        body = {"character_id": self.character, "prompt": "opal light", "quantity": self.quantity, **SMALL}
        return await self.caller.call("PUT", f"/v1/batches/{self.id}", body, **headers)

    def message(self) -> dict[str, Any]:
        """The body that puts the same wish on the exchange."""
        character = {"id": self.character, "name": self.name, "collection": "characters"}
        asked = {"batch_id": self.id, "username": self.caller.username, "quantity": self.quantity}
        return {**asked, "character": character, "prompt": "opal light", **SMALL}


def variables(around: Around, bus_url: str, database_url: str, folder: Path) -> dict[str, str]:
    """What every process is told, by variable name."""
    return {
        "BUS_URL": bus_url,
        "DATABASE_URL": database_url,
        "BLOBS_URL": f"file:{folder / 'blobs'}",
        "WORKFLOWS_DIR": str(ROOT / "workflows"),
        "JWT_SECRET": SECRET,
        "LEASE_SECONDS": "2",
        "POLL_SECONDS": "0.5",
        "RETRY_SECONDS": "0.2",
        # Some looks of the front door.
        "DRAIN_SECONDS": "1",
        **around.where.urls(),
    }


async def wishes(client: httpx.AsyncClient, users: Sequence[str], quantities: Sequence[int]) -> list[Wish]:
    """A batch of each quantity, for the users in turn, each of whom has one character, newly registered."""
    name = "Iron Lily"
    callers = [Caller(client, user) for user in users]
    characters = [await caller.register(name) for caller in callers]
    return [
        Wish(callers[turn % len(users)], characters[turn % len(users)], name, uuid4().hex, quantity)
        for turn, quantity in enumerate(quantities)
    ]


async def ask_all(wanted: Sequence[Wish], bus_url: str, pause: float = 0.0) -> None:
    """One after another, every second one by a message."""
    for turn, wish in enumerate(wanted):
        if turn % 2:
            await inject(bus_url, [wish.message()])
        else:
            answer = await wish.put()
            assert answer.is_success, answer.text
        await asyncio.sleep(pause)


async def ended(wanted: Sequence[Wish], within: float) -> list[Batch]:
    """The batches, once all their images have ended."""
    batches: list[Batch] = []
    async with asyncio.timeout(within):
        for wish in wanted:
            batches.append(await _end(wish))
    return batches


async def under_way(wanted: Sequence[Wish], around: Around) -> None:
    """Returns when some images are rendered, and others are not."""
    total = sum(wish.quantity for wish in wanted)

    async def some() -> bool:
        return 0.1 * total <= (await around.renders()).total()

    await until(some)
    assert (await around.renders()).total() < 0.7 * total, "too fast: nothing happens in mid-batch"


async def _end(wish: Wish) -> Batch:
    while True:
        batch = await _seen(wish)
        if batch and batch["completed_at"]:
            return batch
        await asyncio.sleep(LOOK)


async def _seen(wish: Wish) -> Batch | None:
    """None until the gateway has heard of it."""
    answer = await wish.caller.call("GET", f"/v1/batches/{wish.id}")
    assert answer.status_code in (200, 404), answer.text
    return answer.json() if answer.status_code == 200 else None
