"""Collections in SQL."""

import time
from collections.abc import Callable, Sequence
from collections.abc import Collection as Keys

from sqlalchemy import Select, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from chassis.database import Database
from services.gateway.adapters.tables import COLLECTED, COLLECTIONS, IMAGES
from services.gateway.domain.pictures import Collection, Key
from services.gateway.image_ports import NameTaken


class SqlCollections:
    """Keeps the promise of `Collections`."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def make(self, collection: Collection) -> None:
        values = {name: value for name, value in vars(collection).items() if name != "images"}
        try:
            async with self._database.begin() as connection:
                await connection.execute(insert(COLLECTIONS).values(**values))
        except IntegrityError:
            raise NameTaken(collection.name) from None

    async def find(self, username: str, collection_id: str) -> Collection | None:
        async with self._database.read() as connection:
            query = _counted(username).where(COLLECTIONS.c.id == collection_id)
            row = (await connection.execute(query)).mappings().one_or_none()
        return Collection(**row) if row else None

    async def list(self, username: str, after: str | None, limit: int) -> Sequence[Collection]:
        query = _counted(username).order_by(COLLECTIONS.c.id).limit(limit)
        if after is not None:
            query = query.where(COLLECTIONS.c.id > after)
        async with self._database.read() as connection:
            return [Collection(**row) for row in (await connection.execute(query)).mappings()]

    async def rename(self, username: str, collection_id: str, name: str) -> None:
        chosen = (COLLECTIONS.c.id == collection_id) & (COLLECTIONS.c.username == username)
        try:
            async with self._database.begin() as connection:
                await connection.execute(update(COLLECTIONS).where(chosen).values(name=name))
        except IntegrityError:
            raise NameTaken(name) from None

    async def drop(self, username: str, collection_id: str) -> bool:
        chosen = (COLLECTIONS.c.id == collection_id) & (COLLECTIONS.c.username == username)
        async with self._database.begin() as connection:
            dropped = (await connection.execute(delete(COLLECTIONS).where(chosen))).rowcount > 0
            if dropped:
                inside = COLLECTED.c.collection_id == collection_id
                await connection.execute(delete(COLLECTED).where(inside))
        return dropped

    async def put(self, collection_id: str, username: str, keys: Sequence[Key]) -> Keys[Key]:
        owned = select(IMAGES.c.batch_id, IMAGES.c.ordinal).where(
            tuple_(IMAGES.c.batch_id, IMAGES.c.ordinal).in_(keys), IMAGES.c.username == username
        )
        # Held, so that it is not dropped in between: its images would be left in nothing.
        there = select(COLLECTIONS.c.id).where(COLLECTIONS.c.id == collection_id).with_for_update()
        async with self._database.begin() as connection:
            if (await connection.execute(there)).first() is None:
                return set()
            found = {(row.batch_id, row.ordinal) for row in await connection.execute(owned)}
            told = {"collection_id": collection_id, "added_at": self._clock()}
            inside = [{**told, "batch_id": key[0], "ordinal": key[1]} for key in sorted(found)]
            if inside:
                fresh = self._database.insert(COLLECTED).on_conflict_do_nothing()
                await connection.execute(fresh, inside)
        return found

    async def take_out(self, collection_id: str, keys: Sequence[Key]) -> None:
        named = tuple_(COLLECTED.c.batch_id, COLLECTED.c.ordinal).in_(keys)
        async with self._database.begin() as connection:
            await connection.execute(
                delete(COLLECTED).where(COLLECTED.c.collection_id == collection_id, named)
            )


def _counted(username: str) -> Select[tuple[str, str, str, float, int]]:
    inside = select(func.count()).where(COLLECTED.c.collection_id == COLLECTIONS.c.id).scalar_subquery()
    columns = (COLLECTIONS.c.id, COLLECTIONS.c.username, COLLECTIONS.c.name, COLLECTIONS.c.created_at)
    return select(*columns, inside.label("images")).where(COLLECTIONS.c.username == username)
