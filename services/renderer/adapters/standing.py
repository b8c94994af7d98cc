"""How things stand as a claim begins: what runs, what is due, and who is next where few wait."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Float,
    Select,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.renderer.adapters.queues import HEAD, head_of
from services.renderer.adapters.rows import KEY, Row
from services.renderer.adapters.tables import READY, RESTING, RUNNING, jobs
from services.renderer.domain.dispatch import Head

#: Images read along with all the rest: where no more wait, nothing else need be asked.
FEW = 32


class Standing(NamedTuple):
    #: Images that run, by backend and by user.
    busy: Counter[str]
    flying: Counter[str]
    #: Rows whose lease has run out: their keys and backends, and when.
    expired: Sequence[Row]
    #: Whether some have had their rest.
    rested: bool
    #: All images that may be claimed now; None where they are more than a few.
    heads: Sequence[Head] | None


async def standing(connection: AsyncConnection, now: float) -> Standing:
    """One statement, however much waits or runs."""
    busy, flying = Counter[str](), Counter[str]()
    expired: list[Row] = []
    heads: list[Head] = []
    rested = False
    for row in await connection.execute(_STANDING, {"now": now}):
        match row.kind:
            case "running":
                busy[row.backend] += row.images
                flying[row.username] += row.images
            case "expired":
                expired.append(row)
            case "rests":
                rested = row.not_before is not None and row.not_before <= now
            case _:
                heads.append(head_of(row))
    return Standing(busy, flying, expired, rested, None if len(heads) > FEW else heads)


_NOW: BindParameter[float] = bindparam("now", type_=Float)
_COLUMNS = (*HEAD, jobs.c.lease_until, jobs.c.not_before)


def _part(kind: str, *columns: Any, images: Any = None) -> Select[Any]:
    """Those of the columns that are named, the others empty."""
    given = {column.name: column for column in columns}
    empty = {column.name: cast(null(), column.type).label(column.name) for column in _COLUMNS}
    count = (literal_column("0") if images is None else images).label("images")
    return select(literal_column(f"'{kind}'").label("kind"), count, *(empty | given).values())


def _standing() -> CompoundSelect[Any]:
    running = _part("running", jobs.c.username, jobs.c.backend, images=func.count())
    expired = _part("expired", *KEY, jobs.c.backend, jobs.c.lease_until)
    rests = _part("rests", func.min(jobs.c.not_before).label("not_before"))
    # In the order of the index, or it would read all that wait.
    order = jobs.c.lane, jobs.c.created_at, jobs.c.batch_id, jobs.c.ordinal
    first = _part("waits", *HEAD).where(READY).order_by(*order).limit(FEW + 1).subquery()
    return union_all(
        running.where(RUNNING).group_by(jobs.c.username, jobs.c.backend),
        expired.where(RUNNING, jobs.c.lease_until <= _NOW),
        rests.where(RESTING),
        select(*first.c),
    )


_STANDING = _standing()
