"""The job book as messages see it: batches come in, are cancelled, and are asked for again."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Insert, Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts.commands import RetryImages
from contracts.events import IndicesReserved
from messaging.errors import TemporaryError
from services.renderer.adapters.arrivals import ARRIVAL, TURN, arrival_values
from services.renderer.adapters.memory import Memory
from services.renderer.adapters.rows import (
    KEY,
    Row,
    Values,
    among,
    batch_of,
    batch_values,
    end_waiting,
    ended_values,
    ending_of,
    key_of,
    waiting_ended,
    waiting_values,
)
from services.renderer.adapters.tables import WAITING, batches, cancels, jobs
from services.renderer.domain.jobs import DRAWN_SEEDS, Batch, Key, cancelled
from services.renderer.ports import Clock, Ending


def _draw() -> int:
    return secrets.randbelow(DRAWN_SEEDS)


@dataclass(frozen=True)
class SqlIntake:
    database: Database
    clock: Clock
    memory: Memory
    #: The seed of a batch that has none of its own.
    draw: Callable[[], int] = _draw

    async def accept(self, reserved: IndicesReserved) -> Sequence[Ending]:
        values = batch_values(reserved, self.draw(), self.clock())
        batch = Batch(reserved.request, reserved.folder, reserved.first, reserved.padding, values["seed"])
        if not await self._arrives(values, batch, reserved.quantity):
            return await self._accept(values, batch, reserved.quantity)
        self.memory.came(reserved.batch_id, batch)
        async with self.database.read() as connection:
            over = await _cancelled_round(connection, reserved.batch_id)
        # As if it had come a moment later than the batch. Should this process die first, the delivery comes
        # again, and the cancel is found then.
        return await self.cancel(reserved.batch_id, over) if over else []

    async def _arrives(self, values: Values, batch: Batch, quantity: int) -> bool:
        """Whether one statement was enough: the batch is new, and no cancel of it is known."""
        if not self.database.is_postgresql:
            return False
        first = waiting_values(Key(values["batch_id"], 0, 1), batch, values["created_at"])
        async with self.database.alone() as connection:
            rows = await connection.execute(ARRIVAL, arrival_values(values, first, quantity))
            return rows.rowcount > 0

    async def _accept(self, values: Values, batch: Batch, quantity: int) -> Sequence[Ending]:
        batch_id, now = values["batch_id"], values["created_at"]
        async with self.database.begin() as connection:
            await self._alone(connection, batch_id)
            new = (await connection.execute(self._once(batches, values))).rowcount == 1
            over = await _cancelled_round(connection, batch_id)
            if not new:
                # A cancel may have come between the batch and the look for it.
                return await (
                    _cancel(connection, batch_id, over, now) if over else _say_again(connection, batch_id)
                )
            keys = [Key(batch_id, ordinal, 1) for ordinal in range(quantity)]
            await connection.execute(insert(jobs), [_row(key, batch, now, over > 0) for key in keys])
        if over:
            return [cancelled(key, batch) for key in keys]
        self.memory.came(batch_id, batch)
        return []

    async def retry(self, command: RetryImages) -> Sequence[Ending]:
        now = self.clock()
        async with self.database.begin() as connection:
            await self._alone(connection, command.batch_id)
            batch = await _batch(connection, command.batch_id)
            newest = {row.ordinal: row for row in await _newest(connection, command.batch_id)}
            wanted = [newest[ordinal] for ordinal in sorted(set(command.ordinals)) if ordinal in newest]
            again = [row for row in wanted if row.round < command.round and row.ending is not None]
            over = await _cancelled_round(connection, command.batch_id) >= command.round
            keys = [Key(row.batch_id, row.ordinal, command.round) for row in again]
            if keys:
                await connection.execute(insert(jobs), [_row(key, batch, now, over) for key in keys])
            fresh = [cancelled(key, batch) for key in keys] if over else []
            said = [row for row in wanted if row.round == command.round and row.ending is not None]
            return [*fresh, *await _mark_said(connection, said)]

    async def cancel(self, batch_id: str, round_: int | None) -> Sequence[Ending]:
        now = self.clock()
        async with self.database.begin() as connection:
            await self._alone(connection, batch_id)
            last = round_ or await _last_round(connection, batch_id)
            await connection.execute(self._marked(batch_id, last, now))
            return await _cancel(connection, batch_id, last, now)

    async def endings(self, batch_id: str) -> Sequence[Ending] | None:
        async with self.database.read() as connection:
            known = select(batches.c.batch_id).where(batches.c.batch_id == batch_id)
            if (await connection.execute(known)).first() is None:
                return None
            rows = await _newest(connection, batch_id)
            return [ending_of(row) for row in rows if row.ending is not None]

    async def _alone(self, connection: AsyncConnection, batch_id: str) -> None:
        """On SQLite any transaction is."""
        if self.database.is_postgresql:
            await connection.execute(TURN, {"batch_id": batch_id})

    def _marked(self, batch_id: str, round_: int, now: float) -> Insert:
        """Remembers the cancel; a later round outlives an earlier one."""
        row = self.database.insert(cancels).values(batch_id=batch_id, round=round_, at=now)
        newer = row.excluded.round > cancels.c.round
        return row.on_conflict_do_update(
            index_elements=[cancels.c.batch_id],
            set_={"round": row.excluded.round, "at": row.excluded.at},
            where=newer,
        )

    def _once(self, table: Table, values: Values) -> Insert:
        """Inserts the row unless it is there."""
        return self.database.insert(table).values(values).on_conflict_do_nothing()


def _row(key: Key, batch: Batch, now: float, over: bool) -> Values:
    row = waiting_values(key, batch, now)
    return row | ended_values(cancelled(key, batch), now, announced=True) if over else row


async def _cancelled_round(connection: AsyncConnection, batch_id: str) -> int:
    """The newest round that was cancelled, 0 where none was."""
    found = await connection.execute(select(cancels.c.round).where(cancels.c.batch_id == batch_id))
    return found.scalar() or 0


async def _last_round(connection: AsyncConnection, batch_id: str) -> int:
    """The newest round there is; 1 for a batch that is yet to come."""
    found = await connection.execute(select(func.max(jobs.c.round)).where(jobs.c.batch_id == batch_id))
    return found.scalar() or 1


async def _batch(connection: AsyncConnection, batch_id: str) -> Batch:
    row = (await connection.execute(select(batches).where(batches.c.batch_id == batch_id))).first()
    if row is None:
        raise TemporaryError(f"batch {batch_id} is not in the job book")
    return batch_of(row)


async def _newest(connection: AsyncConnection, batch_id: str) -> list[Row]:
    """The last round of each image."""
    columns = (*KEY, jobs.c.state, jobs.c.ending, jobs.c.announced)
    statement = select(*columns).where(jobs.c.batch_id == batch_id).order_by(jobs.c.ordinal, jobs.c.round)
    rows = await connection.execute(statement)
    return list({row.ordinal: row for row in rows}.values())


async def _say_again(connection: AsyncConnection, batch_id: str) -> Sequence[Ending]:
    ended = [row for row in await _newest(connection, batch_id) if row.ending is not None]
    return await _mark_said(connection, ended)


async def _mark_said(connection: AsyncConnection, rows: Sequence[Row]) -> Sequence[Ending]:
    """Their endings, marked as announced: the delivery that asked is acknowledged after they are said."""
    owed = [key_of(row) for row in rows if not row.announced]
    if owed:
        await connection.execute(update(jobs).where(among(owed)).values(announced=True))
    return [ending_of(row) for row in rows]


async def _cancel(connection: AsyncConnection, batch_id: str, last: int, now: float) -> Sequence[Ending]:
    """Ends what waits and marks what runs, up to this round; the endings of all that has ended."""
    live = jobs.c.batch_id == batch_id, jobs.c.ended_at.is_(None), jobs.c.round <= last
    # First the mark on all, so that a row on its way back from running to waiting keeps it.
    await connection.execute(update(jobs).where(*live).values(cancel=True))
    found = await connection.execute(select(jobs).where(*live, WAITING).with_for_update())
    waiting = [key_of(row) for row in found]
    if waiting:
        batch = await _batch(connection, batch_id)
        ends = [waiting_ended(cancelled(key, batch), now, True) for key in waiting]
        await connection.execute(end_waiting(), ends)
    return await _say_again(connection, batch_id)
