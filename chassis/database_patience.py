"""SQLite connections that a cancelled task leaves in order.

SQLAlchemy throws a connection away when a statement on it is cancelled. For SQLite that means closing it
with the statement unfinished, which keeps the transaction, and with it the file's one write lock, until the
garbage is collected: every other writer then waits in vain. Statements on a file take milliseconds, so here a
cancellation waits for the one that is under way, and the transaction is rolled back as after any error.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")


class PatientConnection(AsyncConnection):
    """A connection whose calls end before they are cancelled."""

    async def start(self, is_ctxmanager: bool = False) -> AsyncConnection:
        try:
            return await _ended(super().start(is_ctxmanager))
        except asyncio.CancelledError:
            # Nobody will leave the block that was being entered.
            if self.sync_connection is not None:
                await _ended(self.close())
            raise

    async def execute(self, *args: Any, **options: Any) -> Any:
        return await _ended(super().execute(*args, **options))

    async def commit(self) -> None:
        await _ended(super().commit())

    async def rollback(self) -> None:
        await _ended(super().rollback())


class PatientEngine(AsyncEngine):
    """Hands out PatientConnections."""

    _connection_cls = PatientConnection


async def _ended(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. A cancellation is heard when it has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()  # heard, so that the loop does not report it as forgotten
        raise
