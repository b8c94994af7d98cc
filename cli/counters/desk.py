"""Looks at folders, and repairs what can be repaired without guessing."""

import asyncio
from collections.abc import Collection, Sequence

from chassis.settings import BadSettings
from cli.counters.sources import Sources
from cli.counters.standing import Standing, disagreements
from contracts import names
from messaging.errors import Outage

#: Folders that storage is asked about at once.
AT_ONCE = 4
#: Seconds between the two looks at a folder where something differs: images may be made meanwhile.
GRACE = 2.0
#: Seconds that a repaired index.txt may take: longer than the lease of a writer that died.
WRITING = 40.0


async def look(sources: Sources, folders: Collection[str] = ()) -> list[Standing]:
    """How these folders stand, or all that have a counter: two calls of the Admin API each, and one more for
    every 500 images. Where something differs the second look counts. Raises Outage, and BadSettings for what
    is no folder of ours."""
    for folder in folders:
        if names.parse_folder(folder) is None:
            raise BadSettings(f"{folder} is no folder: it reads username/collection/character/images")
    first = await _looks(sources, dict.fromkeys(folders or await sources.counters.all()))
    doubtful = {one.folder: one.counter for one in first if disagreements(one)}
    if not doubtful:
        return first
    await asyncio.sleep(GRACE)
    second = {one.folder: one for one in await _looks(sources, doubtful)}
    return [second.get(one.folder, one) for one in first]


async def adopt(sources: Sources, standings: Sequence[Standing]) -> dict[str, int]:
    """Raises these folders' counters to what storage holds and has their index.txt written; the counters, by
    folder. Raises Outage where that takes too long; nothing is lost then, an uploader does the rest."""
    raised = {one.folder: await sources.counters.raise_to(one.folder, one.raised) for one in standings}
    for folder, next_index in raised.items():
        await sources.mirrors.advance(folder, next_index)
    await sources.mirrors.spoiled(list(raised))
    try:
        async with asyncio.timeout(WRITING):
            await _written(sources, raised)
    except TimeoutError:
        raise Outage("the counters are raised, index.txt is still to be written; an uploader will") from None
    return raised


async def _written(sources: Sources, wanted: dict[str, int]) -> None:
    folders = list(wanted)
    for start in range(0, len(folders), 100):
        some = folders[start : start + 100]
        while True:
            await sources.mirror.write()
            said = await sources.files.read(some)
            if all(said.get(folder, 0) >= wanted[folder] for folder in some):
                break
            await asyncio.sleep(1)


async def _looks(sources: Sources, folders: dict[str, int | None]) -> list[Standing]:
    """`folders` with what their index.txt is due to say, where that is known from an earlier look."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(folder: str, due: int | None) -> Standing:
        async with turns:
            # Storage first: what it holds then was reserved before, so a counter below it is no accident.
            contents = await sources.listing.look(folder)
            counter = await sources.counters.next_index(folder)
        return Standing(folder, counter, contents, due or counter or 1)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(folder, due)) for folder, due in folders.items()]
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]
