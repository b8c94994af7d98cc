"""How far a run is, and what is still open where it stands still."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg  # type: ignore[import-untyped]

from tests.chaos.system.people import People
from tests.distributed.processes import Cluster
from tests.nodes.rabbitmq import OwnRabbitmq

ENDED = ("succeeded", "placeholder", "failed", "canceled", "deleted", "discarded")
LOOK = 0.5
#: Seconds that one look may take; a frozen database answers nobody.
PATIENCE = 15.0
OPEN = """
    SELECT i.batch_id, i.ordinal, i.round, i.status, j.state, j.backend, j.tries, j.announced, j.lease_owner
    FROM gateway.images i
    LEFT JOIN renderer.jobs j USING (batch_id, ordinal, round)
    WHERE i.status <> ALL($1::text[]) ORDER BY 1, 2 LIMIT 20
"""


class StandsStill(AssertionError):
    """Nothing has moved for longer than anything takes."""


@dataclass
class Progress:
    people: People
    database_url: str
    ended: int = 0

    @property
    def asked(self) -> int:
        return sum(asked.quantity for asked in self.people.asked)

    async def watch(self) -> None:
        """Looks again and again; outages are nothing to it."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    self.ended = await self._count()
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
            ):
                pass
            await asyncio.sleep(LOOK)

    async def until(self, images: float) -> None:
        """Returns once so many have ended."""
        while self.ended < images:  # noqa: ASYNC110 - it is counted in the database, which tells nobody
            await asyncio.sleep(LOOK / 4)

    async def guard(self, still: float, within: float) -> None:
        """Raises StandsStill once nothing has moved for so many seconds, or all takes longer than that."""
        clock = asyncio.get_running_loop().time
        begun = moved = clock()
        before = self._state()
        while True:
            await asyncio.sleep(LOOK)
            if self._state() != before:
                before, moved = self._state(), clock()
            if clock() - moved > still:
                raise StandsStill(f"nothing has moved for {still:g} s")
            if clock() - begun > within:
                raise StandsStill(f"not at its end after {within:g} s")

    async def open_ends(self, system: Cluster, broker: OwnRabbitmq) -> str:
        """What is not over, for whoever has to find out why."""
        connection = await _connected(self.database_url)
        try:
            rows: Sequence[object] = await connection.fetch(OPEN, ENDED)
        finally:
            await connection.close()
        queues = {name: size for name, size in broker.queues().items() if size}
        troubles = {each.name: await each.troubles(system.client) for each in system.replicas}
        lines = [f"{self.ended} of {self.asked} images have ended", *map(str, rows)]
        return "\n".join([*lines, f"queues: {queues}", f"troubles: {troubles}"])

    async def _count(self) -> int:
        connection = await _connected(self.database_url)
        try:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM gateway.images WHERE status = ANY($1::text[])", ENDED
                )
            )
        finally:
            await connection.close()

    def _state(self) -> Counter[str]:
        return Counter(ended=self.ended, asked=self.asked, steps=self.people.steps)


async def _connected(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url.replace("+asyncpg", ""), ssl=False, timeout=PATIENCE)
