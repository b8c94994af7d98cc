"""What came of everybody's images of late, counted in SQL, at most once a second in each process."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

from sqlalchemy import Row, Select, case, func, select

from chassis.database import Database
from services.gateway.adapters.tables import BATCHES, IMAGES
from services.gateway.domain.images import BLANK, MADE, Status
from services.gateway.domain.operating import Recent

#: Seconds for which a count is good, and the spans that are counted.
LOOK, SHORT, LONG = 1.0, 300.0, 3600.0

_OPEN = BATCHES.c.finished_at.is_(None) & BATCHES.c.quantity.is_not(None)
_WAITING = select(func.coalesce(func.sum(BATCHES.c.quantity - BATCHES.c.ended), 0)).where(_OPEN)


class SqlFigures:
    """Keeps the promise of `Figures`."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._known = Recent()
        self._good_until = 0.0
        self._turn = asyncio.Lock()

    async def recent(self) -> Recent:
        async with self._turn:
            if monotonic() >= self._good_until:
                self._known = await self._count()
                self._good_until = monotonic() + LOOK
        return self._known

    async def _count(self) -> Recent:
        async with self._database.read() as connection:
            rows = (await connection.execute(ended_since(self._clock()))).all()
            outstanding = int((await connection.execute(_WAITING)).scalar_one())
        return _summed(rows, outstanding)


def ended_since(now: float) -> Select[str, str | None, int, int]:
    """Status, cause, and how many ended like that in the longer and in the shorter span; all of it stands in
    the index `images_by_end`."""
    newer = func.sum(case((IMAGES.c.ended_at > now - SHORT, 1), else_=0))
    return (
        select(IMAGES.c.status, IMAGES.c.cause, func.count(), newer)
        .where(IMAGES.c.ended_at > now - LONG)
        .group_by(IMAGES.c.status, IMAGES.c.cause)
    )


def _summed(rows: Sequence[Row[str, str | None, int, int]], outstanding: int) -> Recent:
    ended, newer, causes = Counter[str](), Counter[str](), Counter[str]()
    for status, cause, count, new in rows:
        ended[status] += count
        newer[status] += int(new)
        if cause is not None:
            causes[cause] += count
    return Recent(
        images_5=sum(newer[status] for status in MADE),
        images_60=sum(ended[status] for status in MADE),
        placeholders=sum(ended[status] for status in BLANK),
        failed=ended[Status.FAILED],
        causes=dict(causes.most_common()),
        outstanding=outstanding,
    )
