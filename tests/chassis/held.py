"""Puts a large blob and gets it again; writes how much more was held meanwhile, in blobs of its size.

`python -m tests.chassis.held BLOBS_URL`, in a process of its own: the server's memory is not counted.
"""

import asyncio
import os
import sys
import tracemalloc

from chassis.blobs import open_blobs
from tests.chassis.blob_stores import KEY
from tests.s3.server import LOGIN

SIZE = 16_000_000


async def main(url: str) -> None:
    data = os.urandom(SIZE)
    async with open_blobs(url, LOGIN) as blobs:
        await blobs.get(KEY)
        tracemalloc.start()
        await blobs.put(KEY, data)
        put = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        found = await blobs.get(KEY)
        got = tracemalloc.get_traced_memory()[1]
    sys.stdout.write(f"{put / SIZE:.3f} {got / SIZE:.3f} {found == data}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
