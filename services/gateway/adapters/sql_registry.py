"""Characters in SQL."""

import time
from collections.abc import Sequence

from sqlalchemy import ColumnElement, insert, or_, select
from sqlalchemy.exc import IntegrityError

from chassis.database import Database
from chassis.gathering import Gathering
from contracts.message import Message
from services.gateway.adapters.batch_rows import enqueue
from services.gateway.adapters.rows import to_character
from services.gateway.adapters.tables import CHARACTERS
from services.gateway.ports import Character, SlugTaken

#: Characters that are looked up in one statement, for everybody who asks at the same time, and those that
#: are remembered.
MOST_AT_ONCE, REMEMBERED = 100, 10_000


class SqlRegistry:
    """Keeps the promise of `Registry`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._finding: Gathering[str, Character | None] = Gathering(self._find, MOST_AT_ONCE)
        self._known: dict[str, Character] = {}

    async def register(self, character: Character, said: Sequence[Message]) -> None:
        try:
            async with self._database.begin() as connection:
                await connection.execute(insert(CHARACTERS).values(**vars(character)))
                await enqueue(self._database, connection, said, time.time())
        except IntegrityError:
            raise SlugTaken(character.slug) from None

    async def find(self, character_id: str, username: str) -> Character | None:
        character = self._known.get(character_id) or await self._finding(character_id)
        usable = character is not None and (character.premade or character.owner == username)
        return character if usable else None

    async def known_to(self, username: str, after: str | None, limit: int) -> Sequence[Character]:
        query = select(CHARACTERS).where(_usable_by(username)).order_by(CHARACTERS.c.id).limit(limit)
        if after is not None:
            query = query.where(CHARACTERS.c.id > after)
        async with self._database.read() as connection:
            return [to_character(row) for row in (await connection.execute(query)).mappings()]

    async def _find(self, character_ids: Sequence[str]) -> Sequence[Character | None]:
        query = select(CHARACTERS).where(CHARACTERS.c.id.in_(set(character_ids)))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings()
            found = {character.id: character for character in map(to_character, rows)}
        # Nothing changes or removes a character, so what was found once stays true.
        if len(self._known) > REMEMBERED:
            self._known.clear()
        self._known |= found
        return [found.get(character_id) for character_id in character_ids]


def _usable_by(username: str) -> ColumnElement[bool]:
    # Each half has an index of its own, which knows it by these very words.
    own = ~CHARACTERS.c.premade & (CHARACTERS.c.owner == username)
    return or_(CHARACTERS.c.premade, own)
