"""What was reserved, without asking the database again and again."""

from collections.abc import Collection

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import IndicesReserved
from services.uploader.adapters.tables import BATCHES

_BATCHES = select(BATCHES.c.reserved).where(BATCHES.c.batch_id.in_(bindparam("ids", expanding=True)))


class RecentBatches:
    """The latest that were kept or asked for are remembered, since what was reserved never changes."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._latest: dict[str, IndicesReserved] = {}

    def add(self, *kept: IndicesReserved) -> None:
        """To be called once they are in the table, and not before."""
        for batch in kept:
            self._latest.pop(batch.batch_id, None)
            self._latest[batch.batch_id] = batch
        for oldest in list(self._latest)[: -self._most]:
            del self._latest[oldest]

    async def of(self, connection: AsyncConnection, ids: Collection[str]) -> dict[str, IndicesReserved]:
        """Without those that are not known yet."""
        found = {one: self._latest[one] for one in ids if one in self._latest}
        if missing := sorted(set(ids) - set(found)):
            for kept in await connection.scalars(_BATCHES, {"ids": missing}):
                batch = IndicesReserved.decode(kept.encode())
                found[batch.batch_id] = batch
        self.add(*found.values())
        return found
