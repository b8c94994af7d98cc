"""Batches, graves and folder mirrors in a database."""

from collections.abc import Callable, Mapping, Sequence
from uuid import uuid4

from sqlalchemy import Insert, Table, and_, or_, select, update

from chassis.database import Database
from contracts.events import IndicesReserved
from messaging.errors import Later
from services.uploader.adapters.names import lock_names
from services.uploader.adapters.recent_batches import RecentBatches
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

    def __init__(
        self, database: Database, clock: Callable[[], float], recent: RecentBatches | None = None
    ) -> None:
        """`recent` is for whoever asks for batches in this process, who then need not ask the database."""
        self._database = database
        self._clock = clock
        self._recent = recent or RecentBatches()
        #: Under which lease this process writes a folder.
        self._leases: dict[str, str] = {}

    async def remember(self, reserved: IndicesReserved) -> None:
        batch = self._new(BATCHES, {"batch_id": reserved.batch_id, "reserved": reserved.encode().decode()})
        folder = self._advanced(reserved.folder, reserved.next_index)
        async with self._database.alone() as connection:
            if self._database.is_postgresql:
                await connection.execute(folder.add_cte(batch.cte("batch")))
            else:  # which knows no INSERT beside an INSERT
                await connection.execute(batch)
                await connection.execute(folder)
        self._recent.add(reserved)

    async def advance(self, folder: str, next_index: int) -> None:
        async with self._database.alone() as connection:
            await connection.execute(self._advanced(folder, next_index))

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
        async with self._database.alone() as connection:
            mine = update(FOLDERS).where(FOLDERS.c.folder.in_(sorted(folders)), free)
            taken = mine.values(lease=lease, lease_until=now + LEASE_SECONDS)
            rows = (await connection.execute(taken.returning(FOLDERS.c.folder, FOLDERS.c.known))).all()
        self._leases.update((row.folder, lease) for row in rows)
        return {row.folder: row.known for row in rows}

    async def written(self, folder: str, next_index: int) -> None:
        now, at = self._clock(), FOLDERS.c.folder == folder
        async with self._database.alone() as connection:
            mine = update(FOLDERS).where(at, FOLDERS.c.lease == self._leases.pop(folder, ""))
            done = await connection.execute(
                mine.values(written=next_index, written_at=now, verified_at=now, lease=None, lease_until=0.0)
            )
            if not done.rowcount:  # a transaction of its own, since it only makes sure
                await connection.execute(update(FOLDERS).where(at).values(written=None))

    async def rest(self, folders: Sequence[str]) -> None:
        until = self._clock() + REST_SECONDS
        async with self._database.alone() as connection:
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
        async with self._database.alone() as connection:
            mine = update(FOLDERS).where(FOLDERS.c.folder.in_(sorted(folders)), due).values(verified_at=now)
            rows = (await connection.execute(mine.returning(FOLDERS.c.folder, FOLDERS.c.known))).all()
        return {row.folder: row.known for row in rows}

    async def spoiled(self, folders: Sequence[str]) -> None:
        async with self._database.alone() as connection:
            those = update(FOLDERS).where(FOLDERS.c.folder.in_(sorted(folders)))
            await connection.execute(those.values(written=None))

    def _advanced(self, folder: str, next_index: int) -> Insert:
        """The folder knows this number, or a higher one."""
        row = {"folder": folder, "known": next_index, "lease_until": 0.0}
        new = self._database.insert(FOLDERS).values(row)
        return new.on_conflict_do_update(
            index_elements=[FOLDERS.c.folder],
            set_={"known": new.excluded.known},
            where=FOLDERS.c.known < new.excluded.known,
        )

    def _new(self, table: Table, values: Mapping[str, object]) -> Insert:
        """Adds the row where there is none of its key."""
        return self._database.insert(table).values(values).on_conflict_do_nothing()
