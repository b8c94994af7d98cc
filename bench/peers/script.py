"""One plain asyncio script without a broker: the least that makes and stores images with our adapters."""

import asyncio
import sys

from bench.peers.place import Tally
from bench.peers.studio import Studio, opened, request
from contracts.commands import GenerateBatch

TALLY = Tally()


async def batch(studio: Studio, asked: GenerateBatch) -> None:
    first = await studio.reserve(asked)

    async def image(ordinal: int) -> None:
        picture = await studio.render(asked, first, ordinal)
        await studio.store(asked, first + ordinal, picture.data)
        TALLY.add()

    await asyncio.gather(*map(image, range(asked.quantity)))


async def work() -> None:
    """Obeys orders: a number of batches, and of images in each."""
    async with opened() as studio:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            batches, quantity = map(int, line.split())
            asked = [GenerateBatch.model_validate(request(n, quantity)) for n in range(batches)]
            await asyncio.gather(*(batch(studio, each) for each in asked))
            print("sent", flush=True)


if __name__ == "__main__":
    asyncio.run(work())
