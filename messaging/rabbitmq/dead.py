"""The dead letters of a broker: found, replayed and dropped without its management plug-in."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from contracts.topology import QUEUES
from messaging.dead_letters import DeadLetter, Found, Wanted
from messaging.rabbitmq.border import border
from messaging.rabbitmq.link import TIMEOUT, Link
from messaging.rabbitmq.publisher import Publisher
from messaging.rabbitmq.walk import Act, Laid, walk

log = structlog.get_logger("messaging")

#: Looks after which a letter is laid there anew: each counts as a return, and at 1,000,000 of them
#: (`contracts.topology.dead_arguments`) the broker would drop it.
LOOKS = 100_000


class DeadLetterQueues:
    """Keeps the promise of `DeadLetters`; one look at a time."""

    def __init__(self, link: Link, publisher: Publisher) -> None:
        self._link = link
        self._publisher = publisher
        self._turn = asyncio.Lock()

    async def find(self, wanted: Wanted, limit: int) -> Found:
        found: list[DeadLetter] = []

        async def look(page: Sequence[Laid]) -> bool:
            found.extend(laid.letter.bodiless() for laid in page if wanted.matches(laid.letter))
            return len(found) <= limit

        await self._through(wanted, look)
        return Found(found[:limit], len(found) > limit)

    async def show(self, id_: str) -> DeadLetter | None:
        wanted, found = Wanted(ids=frozenset({id_})), list[DeadLetter]()

        async def look(page: Sequence[Laid]) -> bool:
            found.extend(laid.letter for laid in page if wanted.matches(laid.letter))
            return not found

        await self._through(wanted, look)
        return found[0] if found else None

    async def replay(self, wanted: Wanted) -> Sequence[str]:
        async def back(laid: Laid) -> None:
            letter = laid.letter
            await self._publisher.replay(letter.kept().replayed(), letter.queue)

        return await self._settle(wanted, back)

    async def drop(self, wanted: Wanted) -> Sequence[str]:
        async def nowhere(_laid: Laid) -> None:
            return

        return await self._settle(wanted, nowhere)

    async def _settle(self, wanted: Wanted, first: Callable[[Laid], Awaitable[None]]) -> Sequence[str]:
        """Each is taken out once `first` was done with it."""
        settled: list[str] = []

        async def one(laid: Laid) -> None:
            await first(laid)
            await laid.settle()
            settled.append(laid.letter.id)

        async def look(page: Sequence[Laid]) -> bool:
            chosen = [laid for laid in page if wanted.matches(laid.letter)]
            ends = await asyncio.gather(*map(one, chosen), return_exceptions=True)
            for end in ends:
                if isinstance(end, BaseException):
                    raise end
            return wanted.ids is None or len(settled) < len(wanted.ids)

        try:
            await self._through(wanted, look)
        finally:
            if settled:
                log.info("dead letters settled", count=len(settled))
        return settled

    async def _through(self, wanted: Wanted, act: Act) -> None:
        """From queue to queue until `act` has enough."""
        enough = False

        async def looked(page: Sequence[Laid]) -> bool:
            nonlocal enough
            enough = not await act(page)
            await self._renew(page)
            return not enough

        async with self._turn:
            with border("looking at dead letters"):
                async with asyncio.timeout(TIMEOUT):
                    connection = await self._link.connection()
            for queue in QUEUES:
                if wanted.looks_into(queue) and not enough:
                    await walk(connection, queue, looked)

    async def _renew(self, page: Sequence[Laid]) -> None:
        for laid in page:
            if not laid.settled and laid.returns >= LOOKS:
                await self._publisher.bury(laid.letter.kept(), laid.letter.queue)
                await laid.settle()
