"""Characters in SQL."""

import time
from collections.abc import Sequence

from sqlalchemy import ColumnElement, insert, or_, select
from sqlalchemy.exc import IntegrityError

from chassis.database import Database
from contracts.message import Message
from services.gateway.adapters.batch_rows import enqueue
from services.gateway.adapters.rows import to_character
from services.gateway.adapters.tables import CHARACTERS
from services.gateway.ports import Character, SlugTaken


class SqlRegistry:
    """Keeps the promise of `Registry`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, character: Character, said: Sequence[Message]) -> None:
        try:
            async with self._database.begin() as connection:
                await connection.execute(insert(CHARACTERS).values(**vars(character)))
                await enqueue(self._database, connection, said, time.time())
        except IntegrityError:
            raise SlugTaken(character.slug) from None

    async def find(self, character_id: str, username: str) -> Character | None:
        query = select(CHARACTERS).where(CHARACTERS.c.id == character_id, _usable_by(username))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return to_character(row) if row else None

    async def known_to(self, username: str, after: str | None, limit: int) -> Sequence[Character]:
        query = select(CHARACTERS).where(_usable_by(username)).order_by(CHARACTERS.c.id).limit(limit)
        if after is not None:
            query = query.where(CHARACTERS.c.id > after)
        async with self._database.read() as connection:
            return [to_character(row) for row in (await connection.execute(query)).mappings()]


def _usable_by(username: str) -> ColumnElement[bool]:
    return or_(CHARACTERS.c.premade, CHARACTERS.c.owner == username)
