"""Who waits, and with what: a few index probes, however many rows there are."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, literal_column, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.commands import GenerateBatch
from services.renderer.adapters.rows import KEY, key_of
from services.renderer.adapters.tables import READY, batches, jobs
from services.renderer.domain.dispatch import Head, Queue
from services.renderer.domain.equipment import Wish, wish_of

#: Lanes looked at in one claim at most, and selects that one statement joins: SQLite takes 500.
MOST_LANES = 1000
TOGETHER = 200
#: Wishes remembered before all are read again.
REMEMBERED = 10_000

_PLACE = (jobs.c.idx, jobs.c.avoid, jobs.c.backend, jobs.c.remote_id, jobs.c.receipt)
#: What a claim has to know of an image that waits.
HEAD = (*KEY, jobs.c.lane, jobs.c.username, jobs.c.created_at, *_PLACE)


class Lanes:
    """Goes round: where more lanes wait than one claim looks at, the next claim looks at the next ones."""

    def __init__(self, most: int = MOST_LANES) -> None:
        self._most = most
        self._after = ""

    async def waiting(self, connection: AsyncConnection) -> list[Queue]:
        """Queues with images that may be claimed now."""
        rows: Sequence[Any] = (await connection.execute(_lanes(self._after, self._most))).all()
        if self._after and len(rows) < self._most:
            # The end of the alphabet: nobody is counted twice, for the first part ends where this one began.
            first = (await connection.execute(_lanes("", self._most - len(rows)))).all()
            rows = [*rows, *(row for row in first if row.lane <= self._after)]
            self._after = ""
        elif len(rows) == self._most:
            self._after = rows[-1].lane
        return [_queue(row) for row in rows]


class Wishes:
    """What the images of each lane need, read once."""

    def __init__(self) -> None:
        self._known: dict[str, Wish] = {}

    async def of(self, connection: AsyncConnection, queues: Sequence[Queue]) -> list[Wish]:
        """The wishes of these queues, as far as they have one."""
        new = [queue for queue in queues if queue.wish and queue.wish not in self._known]
        if len(self._known) + len(new) > REMEMBERED:
            self._known.clear()
            new = [queue for queue in queues if queue.wish]
        lanes = [queue.lane for queue in {queue.wish: queue for queue in new}.values()]
        for start in range(0, len(lanes), TOGETHER):
            for row in await connection.execute(_requests(lanes[start : start + TOGETHER])):
                wish = wish_of(GenerateBatch.decode(row.request.encode()))
                self._known[wish.key] = wish
        return [self._known[key] for key in {queue.wish for queue in queues} if key in self._known]


async def queues(connection: AsyncConnection) -> list[Queue]:
    """The queues with images that may be claimed now, of the first many."""
    return [_queue(row) for row in await connection.execute(_lanes("", MOST_LANES))]


def _queue(row: Any) -> Queue:
    username, _, wish = row.lane.partition("/")
    return Queue(username, wish, row.oldest)


def _lanes(after: str, most: int) -> Select[Any]:
    """Goes from each lane to the next one in the index, because DISTINCT would read every row."""
    first = select(func.min(jobs.c.lane).label("lane")).where(READY, jobs.c.lane > after)
    found = first.cte("found", recursive=True)
    following = select(func.min(jobs.c.lane)).where(READY, jobs.c.lane > found.c.lane)
    found = found.union_all(select(following.scalar_subquery()).where(found.c.lane.is_not(None)))
    oldest = select(func.min(jobs.c.created_at)).where(READY, jobs.c.lane == found.c.lane)
    statement = select(found.c.lane, oldest.scalar_subquery().label("oldest"))
    return statement.where(found.c.lane.is_not(None)).limit(most)


def _requests(lanes: Sequence[str]) -> Any:
    """The request of one image of each lane."""
    each = [_first(lane, 1, KEY[0]) for lane in lanes]
    one_of_each = union_all(*(select(part.c.batch_id) for part in each))
    return select(batches.c.request).where(batches.c.batch_id.in_(one_of_each))


def _first(lane: str, count: int, *columns: Any) -> Any:
    order = (jobs.c.created_at, jobs.c.batch_id, jobs.c.ordinal)
    return select(*columns).where(READY, jobs.c.lane == lane).order_by(*order).limit(count).subquery()


async def heads_of(connection: AsyncConnection, lanes: Sequence[Queue], count: int) -> list[Head]:
    """The first `count` images of each queue, oldest batch first, in its order."""
    if not lanes:
        return []
    each = [_first(queue.lane, count, *HEAD) for queue in lanes]
    rows: Any = await connection.execute(
        union_all(*(select(literal_column("*")).select_from(part) for part in each))
    )
    return [head_of(row) for row in rows]


def head_of(row: Any) -> Head:
    """Needs the columns `HEAD`."""
    return Head(
        key_of(row),
        row.username,
        row.created_at,
        index=row.idx,
        wish=row.lane.partition("/")[2],
        avoid=row.avoid,
        left_at=row.backend,
        remote_id=row.remote_id,
        receipt=row.receipt,
    )
