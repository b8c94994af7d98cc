"""What this process knows of the job book without asking."""

from collections.abc import Collection, Mapping

from sqlalchemy import select

from chassis.database import Database
from services.renderer.adapters.rows import batch_of
from services.renderer.adapters.tables import batches
from services.renderer.domain.jobs import Batch

#: Batches remembered; the oldest are forgotten first.
REMEMBERED = 1000


class Memory:
    """The batches that came last or were asked for last, since what they ask for never changes."""

    def __init__(self) -> None:
        self._batches: dict[str, Batch] = {}
        self._any_new = False

    def came(self, batch_id: str, batch: Batch) -> None:
        """To be called when its rows wait, committed."""
        self._remember({batch_id: batch})
        self._any_new = True

    def any_new(self) -> bool:
        """Whether a batch came since the last time that this was asked."""
        new, self._any_new = self._any_new, False
        return new

    async def batches(self, database: Database, ids: Collection[str]) -> Mapping[str, Batch]:
        found = {each: self._batches[each] for each in ids if each in self._batches}
        if missing := set(ids) - set(found):
            async with database.read() as connection:
                for row in await connection.execute(select(batches).where(batches.c.batch_id.in_(missing))):
                    found[row.batch_id] = batch_of(row)
        self._remember(found)
        return found

    def _remember(self, found: Mapping[str, Batch]) -> None:
        for each in found:
            self._batches.pop(each, None)
        self._batches |= found
        for oldest in list(self._batches)[:-REMEMBERED]:
            del self._batches[oldest]
