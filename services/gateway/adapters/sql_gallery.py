"""The read model in SQL: images' events by the group, those of batches one by one."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import BigInteger, RowMapping, case, delete, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts import names
from contracts.commands import DeleteImage
from contracts.events import BatchFinished, BatchRejected, IndicesReserved
from services.gateway.adapters import change_log
from services.gateway.adapters.batch_rows import closed, hold, locked
from services.gateway.adapters.growth import Heard
from services.gateway.adapters.hearing import Hearing
from services.gateway.adapters.rows import of_image
from services.gateway.adapters.tables import CHARACTERS, DELETED, IMAGES, OUTBOX
from services.gateway.adapters.webhooks.announcing import announce, announce_known, of_its_end
from services.gateway.domain.images import ENDED, ImageState
from services.gateway.domain.news import of_start
from services.gateway.ports import Merge, Shown

#: Characters that are remembered.
REMEMBERED = 10_000


class SqlGallery:
    """Keeps the promise of `Gallery`. Belongs to one event loop; to be closed."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._hearing = Hearing(database, clock)
        #: Characters that have a row, or never will: nothing changes or removes one.
        self._registered: set[str] = set()

    async def aclose(self) -> None:
        """To be called when nobody tells it anything any more."""
        await self._hearing.aclose()

    async def reserved(self, event: IndicesReserved) -> BatchFinished | None:
        now, request = self._clock(), event.request
        async with self._database.begin() as connection:
            row = await locked(self._database, connection, event.batch_id, now)
            known = {
                "username": request.username,
                "character_id": request.character.id,
                "request": request.encode().decode(),
                "quantity": event.quantity,
                "folder": event.folder,
                "first": event.first,
                "next_index": event.next_index,
                "padding": event.padding,
            }
            ended = await self._number(connection, event)
            await self._register(connection, event, now)
            end = await closed(connection, row, ended, now, **known)
            await self._announce_numbers(connection, row, known, end, now)
            if row["first"] is None:
                indexes = {"first": event.first, "last": event.first + event.quantity - 1}
                await change_log.append(connection, event.batch_id, "reserved", indexes)
        if len(self._registered) >= REMEMBERED:
            self._registered.clear()
        self._registered.add(request.character.id)
        return end

    async def heard(self, batch_id: str, ordinal: int, index: int, merge: Merge) -> Shown:
        return await self._hearing(Heard(batch_id, ordinal, index, merge))

    async def rejected(self, event: BatchRejected) -> BatchFinished | None:
        now = self._clock()
        async with self._database.begin() as connection:
            row = await locked(self._database, connection, event.batch_id, now)
            # Of several refusals always the same one, whichever comes last.
            reason = max(row["rejected"] or "", event.encode().decode())
            end = await closed(connection, row, row["ended"], now, rejected=reason)
            refused = {**row, "rejected": reason}
            await announce(self._database, connection, refused, of_its_end(row, end), now)
            if row["first"] is None and reason != row["rejected"]:
                await change_log.append(connection, event.batch_id, "rejected", {"code": event.code})
            return end

    async def deleted(self, public_id: str) -> Mapping[str, Shown]:
        async with self._database.begin() as connection:
            await hold(connection, public_id)
            tombstone = self._database.insert(DELETED).values(public_id=public_id)
            await connection.execute(tombstone.on_conflict_do_nothing())
            asked = str(DeleteImage(public_id=public_id).id())
            await connection.execute(delete(OUTBOX).where(OUTBOX.c.id == asked))
        # Apart from the above, because everybody else locks the batch first and the asset then.
        async with self._database.read() as connection:
            shown = select(IMAGES.c.batch_id, IMAGES.c.ordinal, IMAGES.c.idx)
            images = (await connection.execute(shown.where(IMAGES.c.public_id == public_id))).all()
        return {image.batch_id: await self.heard(*image, merge=lambda known: known) for image in images}

    async def _announce_numbers(
        self,
        connection: AsyncConnection,
        row: RowMapping,
        known: Mapping[str, Any],
        end: BatchFinished | None,
        now: float,
    ) -> None:
        batch = {**row, **known}
        if row["first"] is None:
            await announce(self._database, connection, batch, [of_start(row["batch_id"])], now)
        if row["username"] is None:
            await announce_known(self._database, connection, batch, now)
        await announce(self._database, connection, batch, of_its_end(row, end), now)

    async def _number(self, connection: AsyncConnection, event: IndicesReserved) -> int:
        """Every image of the block has a row; what was heard before keeps what it says. How many ended."""
        owner = {"username": event.request.username, "character_id": event.request.character.id}
        fresh = [
            of_image(ImageState(event.batch_id, ordinal, event.first + ordinal)) | owner
            for ordinal in range(event.quantity)
        ]
        await connection.execute(self._database.insert(IMAGES).on_conflict_do_nothing(), fresh)
        # An ordinal is a small number to PostgreSQL, and would make one of the sum.
        reserved = literal(event.first, BigInteger) + IMAGES.c.ordinal
        higher = case((IMAGES.c.idx < reserved, reserved), else_=IMAGES.c.idx)
        numbered = update(IMAGES).where(IMAGES.c.batch_id == event.batch_id).values(idx=higher, **owner)
        statuses = await connection.scalars(numbered.returning(IMAGES.c.status))
        return sum(status in ENDED for status in statuses)

    async def _register(self, connection: AsyncConnection, event: IndicesReserved, now: float) -> None:
        """A character that nobody registered, but somebody made images of, is one of the gallery's too."""
        character = event.request.character
        if character.id in self._registered:
            return
        values = {
            "id": character.id,
            "owner": event.request.username,
            "name": character.name,
            "slug": names.slug(character.name),
            "premade": character.collection == names.PREMADE,
            "embedding": character.embedding,
            "created_at": now,
        }
        # Also where its slug is another character's: then the batch is seen, the character is not.
        await connection.execute(self._database.insert(CHARACTERS).values(values).on_conflict_do_nothing())
