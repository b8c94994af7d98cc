"""A job book with its doors, at a clock that stands still until it is moved."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from sqlalchemy import event, func, select
from sqlalchemy.engine import Engine

from chassis.database import Database, open_database
from contracts.events import ImageReady
from services.renderer.adapters.claims import SqlClaims
from services.renderer.adapters.endings import SqlEndings
from services.renderer.adapters.intake import SqlIntake
from services.renderer.adapters.memory import Memory
from services.renderer.adapters.tables import jobs
from services.renderer.app import MIGRATIONS, NAME
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.equipment import Wish
from services.renderer.domain.jobs import Cost, Job, Picture, ready

LEASE = 15.0
PICTURE = Picture(b"bytes", "0" * 32, "image/png", 64, 64)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Book:
    database: Database
    clock: Clock
    intake: SqlIntake
    claims: SqlClaims
    endings: SqlEndings

    async def claim(self, *offers: Offer) -> list[Job]:
        return list(await self.claims.claim(offers, [offer.name for offer in offers]))

    async def finish(self, job: Job) -> bool:
        return await self.endings.end(job, done(job))

    async def reaches(self, state: str, count: int) -> None:
        """Returns when so many rows are in that state, by the hands of others."""
        async with asyncio.timeout(20):
            while await self.count(state) != count:  # noqa: ASYNC110 - a table tells no one
                await asyncio.sleep(0.02)

    async def count(self, state: str) -> int:
        statement = select(func.count()).select_from(jobs).where(jobs.c.state == state)
        async with self.database.read() as connection:
            return int((await connection.execute(statement)).scalar_one())


def done(job: Job) -> ImageReady:
    return ready(job, PICTURE, Cost(1, 1), "blob", used_embedding=False)


#: Says which backends may get the images of a wish, None for any.
Takers = Callable[[Wish], Collection[str] | None]


#: Says which do them better.
Fond = Callable[[Wish], Collection[str]]


def _any(_wish: Wish) -> None:
    return None


def _none(_wish: Wish) -> Collection[str]:
    return ()


def replica(database: Database, clock: Clock, owner: str, takers: Takers = _any, fond: Fond = _none) -> Book:
    """The same book in the hands of another process."""
    memory = Memory()
    return Book(
        database,
        clock,
        SqlIntake(database, clock, memory),
        SqlClaims(database, owner, LEASE, clock, takers, fond, memory),
        SqlEndings(database, owner, clock),
    )


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of databases meanwhile; a transaction's begin and commit are no statements."""
    asked: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


@asynccontextmanager
async def opened(url: str, owner: str = "one") -> AsyncIterator[Book]:
    async with open_database(url, NAME, MIGRATIONS) as database:
        yield replica(database, Clock(), owner)
