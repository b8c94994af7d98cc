"""Batches, graves and folder mirrors in a database."""

from collections.abc import Callable, Mapping, Sequence
from uuid import uuid4

from sqlalchemy import Insert, Table, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts.events import IndicesReserved
from messaging.errors import Later
from services.uploader.adapters.names import lock_names
from services.uploader.adapters.tables import ASSETS, BATCHES, FOLDERS, GRAVES
from services.uploader.domain.rows import State

#: Seconds that a folder's writer has before somebody else may be it.
LEASE_SECONDS = 20.0
#: Seconds before a folder that could not be written is tried again.
REST_SECONDS = 5.0
#: Folders that one writer takes, and writes, at a time.
AT_ONCE = 3
#: A mirror is read back this long after it was written, and again and again, since a frozen process may wake
#: and finish an old write; it is left alone once nothing was written for `WATCHED_SECONDS`.
VERIFY_SECONDS = 30.0
WATCHED_SECONDS = 600.0
#: As many as one listing by public id can name.
VERIFY_AT_ONCE = 100


class SqlFolders:
    """Implements `Batches`, `Graves` and `Mirrors`."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        #: Under which lease this process writes a folder.
        self._leases: dict[str, str] = {}

    async def remember(self, reserved: IndicesReserved) -> None:
        batch = {"batch_id": reserved.batch_id, "reserved": reserved.encode().decode()}
        async with self._database.begin() as connection:
            await connection.execute(self._new(BATCHES, batch))
            await self._advance(connection, reserved.folder, reserved.next_index)

    async def advance(self, folder: str, next_index: int) -> None:
        async with self._database.begin() as connection:
            await self._advance(connection, folder, next_index)

    async def bury(self, public_id: str) -> None:
        now = self._clock()
        async with self._database.begin() as connection:
            await lock_names(self._database, connection, [public_id])
            at = ASSETS.c.public_id == public_id
            held = await connection.scalar(select(ASSETS.c.lease_until).where(at).with_for_update())
            if held is not None and held > now:
                raise Later(f"{public_id} is being worked on", delay=1.0)
            await connection.execute(self._new(GRAVES, {"public_id": public_id, "deleted_at": now}))
            gone = {"state": State.DELETED.value, "ready": None, "lease": None, "lease_until": 0.0}
            await connection.execute(update(ASSETS).where(at).values(**gone, changed_at=now))

    async def claim(self) -> Mapping[str, int]:
        now, lease = self._clock(), uuid4().hex
        stale = or_(FOLDERS.c.written.is_(None), FOLDERS.c.written < FOLDERS.c.known)
        free = and_(stale, FOLDERS.c.lease_until <= now)
        async with self._database.read() as connection:
            found = await connection.scalars(select(FOLDERS.c.folder).where(free).limit(AT_ONCE))
            folders = list(found)
        if not folders:
            return {}
        async with self._database.begin() as connection:
            mine = update(FOLDERS).where(FOLDERS.c.folder.in_(sorted(folders)), free)
            taken = mine.values(lease=lease, lease_until=now + LEASE_SECONDS)
            rows = (await connection.execute(taken.returning(FOLDERS.c.folder, FOLDERS.c.known))).all()
        self._leases.update((row.folder, lease) for row in rows)
        return {row.folder: row.known for row in rows}

    async def written(self, folder: str, next_index: int) -> None:
        now, at = self._clock(), FOLDERS.c.folder == folder
        async with self._database.begin() as connection:
            mine = update(FOLDERS).where(at, FOLDERS.c.lease == self._leases.pop(folder, ""))
            done = await connection.execute(
                mine.values(written=next_index, written_at=now, verified_at=now, lease=None, lease_until=0.0)
            )
            if not done.rowcount:
                await connection.execute(update(FOLDERS).where(at).values(written=None))

    async def rest(self, folders: Sequence[str]) -> None:
        until = self._clock() + REST_SECONDS
        async with self._database.begin() as connection:
            for folder in folders:
                mine = (FOLDERS.c.folder == folder, FOLDERS.c.lease == self._leases.pop(folder, ""))
                await connection.execute(update(FOLDERS).where(*mine).values(lease_until=until))

    async def to_verify(self) -> Mapping[str, int]:
        now = self._clock()
        due = and_(
            FOLDERS.c.written >= FOLDERS.c.known,
            FOLDERS.c.written_at > now - WATCHED_SECONDS,
            FOLDERS.c.verified_at < now - VERIFY_SECONDS,
        )
        some = select(FOLDERS.c.folder).where(due).order_by(FOLDERS.c.verified_at).limit(VERIFY_AT_ONCE)
        async with self._database.read() as connection:
            folders = list(await connection.scalars(some))
        if not folders:
            return {}
        async with self._database.begin() as connection:
            mine = update(FOLDERS).where(FOLDERS.c.folder.in_(sorted(folders)), due).values(verified_at=now)
            rows = (await connection.execute(mine.returning(FOLDERS.c.folder, FOLDERS.c.known))).all()
        return {row.folder: row.known for row in rows}

    async def spoiled(self, folders: Sequence[str]) -> None:
        async with self._database.begin() as connection:
            those = update(FOLDERS).where(FOLDERS.c.folder.in_(sorted(folders)))
            await connection.execute(those.values(written=None))

    async def _advance(self, connection: AsyncConnection, folder: str, next_index: int) -> None:
        await connection.execute(
            self._new(FOLDERS, {"folder": folder, "known": next_index, "lease_until": 0.0})
        )
        less = (FOLDERS.c.folder == folder, FOLDERS.c.known < next_index)
        await connection.execute(update(FOLDERS).where(*less).values(known=next_index))

    def _new(self, table: Table, values: Mapping[str, object]) -> Insert:
        """Adds the row where there is none of its key."""
        return self._database.insert(table).values(values).on_conflict_do_nothing()
