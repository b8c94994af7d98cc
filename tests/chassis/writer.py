"""A process that writes: `COUNT` rows from `FIRST` on, or one that stays uncommitted until it is killed."""

import asyncio
import sys
from pathlib import Path

from tests.chassis.databases import NOTES, opened, write


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main(url: str, folder: str, first: int, count: int, then: str) -> None:
    async with opened(url, Path(folder)) as database:
        say("open")
        for number in range(first, first + count):
            await write(database, number)
        say("committed")
        if then == "hold":
            async with database.begin() as connection:
                await connection.execute(NOTES.insert().values(id=first + count))
                say("holds")
                await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
