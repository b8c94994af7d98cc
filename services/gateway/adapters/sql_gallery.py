"""The read model in SQL: one transaction per event, batches taking turns only with themselves."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, RowMapping, case, delete, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts import names
from contracts.commands import DeleteImage
from contracts.events import BatchFinished, BatchRejected, IndicesReserved
from services.gateway.adapters import change_log, metrics
from services.gateway.adapters.batch_rows import answer_retries, closed, count_ended, locked
from services.gateway.adapters.rows import of_image, to_image
from services.gateway.adapters.tables import CHARACTERS, DELETED, IMAGES, OUTBOX
from services.gateway.adapters.webhooks.announcing import announce, announce_known, of_its_end
from services.gateway.domain.images import ENDED, ImageState
from services.gateway.domain.news import of_image as of_image_change
from services.gateway.domain.news import of_start
from services.gateway.ports import Merge

#: Seconds; days are counted from 1970 in UTC.
DAY = 86_400

_TURN = text("SELECT pg_advisory_xact_lock(hashtext(:public_id))")


class SqlGallery:
    """Keeps the promise of `Gallery`."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

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
            await self._number(connection, event)
            await self._register(connection, event, now)
            ended = await count_ended(connection, event.batch_id)
            end = await closed(connection, row, ended, now, **known)
            await self._announce_numbers(connection, row, known, end, now)
            if row["first"] is None:
                indexes = {"first": event.first, "last": event.first + event.quantity - 1}
                await change_log.append(connection, event.batch_id, "reserved", indexes)
            return end

    async def heard(self, batch_id: str, ordinal: int, index: int, merge: Merge) -> BatchFinished | None:
        now = self._clock()
        async with self._database.begin() as connection:
            row = await locked(self._database, connection, batch_id, now)
            old = await self._image(connection, batch_id, ordinal)
            new = await self._with_deletion(connection, merge(old or ImageState(batch_id, ordinal, index)))
            ended = row["ended"]
            if new != old:
                await self._write(connection, new, row, now)
                ended += (new.status in ENDED) - (old is not None and old.status in ENDED)
            if new.round > 1 and new.status in ENDED:
                await answer_retries(connection, batch_id)
            started = {"started_at": _started(row, new)}
            end = await closed(connection, row, ended, now, **started)
            news = [*of_image_change(old, new), *of_its_end(row, end)]
            await announce(self._database, connection, {**row, **started}, news, now)
            if new != old:
                shown = {"ordinal": ordinal, "index": new.index, "status": new.status.word}
                await change_log.append(connection, batch_id, "image", shown)
        if new.status in ENDED and (old is None or old.status not in ENDED):
            metrics.ended(new, now - row["created_at"])
        return end

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

    async def deleted(self, public_id: str) -> Mapping[str, BatchFinished | None]:
        async with self._database.begin() as connection:
            await self._hold(connection, public_id)
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

    async def _hold(self, connection: AsyncConnection, public_id: str) -> None:
        """Whoever stores an image and whoever deletes it take turns: one of them sees the other."""
        if self._database.is_postgresql:
            await connection.execute(_TURN, {"public_id": public_id})

    async def _image(self, connection: AsyncConnection, batch_id: str, ordinal: int) -> ImageState | None:
        query = select(IMAGES).where(IMAGES.c.batch_id == batch_id, IMAGES.c.ordinal == ordinal)
        row = (await connection.execute(query)).mappings().one_or_none()
        return to_image(row) if row else None

    async def _with_deletion(self, connection: AsyncConnection, image: ImageState) -> ImageState:
        if image.asset is None:
            return image
        await self._hold(connection, image.asset.public_id)
        query = select(DELETED.c.public_id).where(DELETED.c.public_id == image.asset.public_id)
        return replace(image, deleted=(await connection.execute(query)).first() is not None)

    async def _write(
        self, connection: AsyncConnection, image: ImageState, batch: RowMapping, now: float
    ) -> None:
        asset = image.asset
        owner = {
            "username": batch["username"] or (asset and asset.username),
            "character_id": batch["character_id"] or (asset and asset.character.id),
        }
        end = _end(image, now)
        values = of_image(image) | owner
        statement = self._database.insert(IMAGES).values(**values, **end)
        changes = {name: value for name, value in values.items() if name not in ("batch_id", "ordinal")}
        # An end without an asset has no time of its own: when it was first heard of counts.
        keeps = end["ended_at"] is not None and asset is None
        changes |= {
            name: func.coalesce(IMAGES.c[name], value) if keeps else value for name, value in end.items()
        }
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["batch_id", "ordinal"], set_=changes)
        )

    async def _number(self, connection: AsyncConnection, event: IndicesReserved) -> None:
        """Every image of the block has a row; what was heard before keeps what it says."""
        owner = {"username": event.request.username, "character_id": event.request.character.id}
        fresh = [
            of_image(ImageState(event.batch_id, ordinal, event.first + ordinal)) | owner
            for ordinal in range(event.quantity)
        ]
        await connection.execute(self._database.insert(IMAGES).on_conflict_do_nothing(), fresh)
        # An ordinal is a small number to PostgreSQL, and would make one of the sum.
        reserved = literal(event.first, BigInteger) + IMAGES.c.ordinal
        higher = case((IMAGES.c.idx < reserved, reserved), else_=IMAGES.c.idx)
        await connection.execute(
            update(IMAGES).where(IMAGES.c.batch_id == event.batch_id).values(idx=higher, **owner)
        )

    async def _register(self, connection: AsyncConnection, event: IndicesReserved, now: float) -> None:
        """A character that nobody registered, but somebody made images of, is one of the gallery's too."""
        character = event.request.character
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


def _started(batch: RowMapping, image: ImageState) -> float | None:
    """When the batch's first image was begun: an image is stored soon after its GPU time has passed."""
    known: float | None = batch["started_at"]
    if image.picture is None:
        return known
    begun = image.picture.created_at.timestamp() - image.picture.gpu_ms / 1000
    return begun if known is None else min(known, begun)


def _end(image: ImageState, now: float) -> dict[str, float | int | None]:
    if image.status not in ENDED:
        return {"ended_at": None, "ended_day": None}
    at = image.asset.created_at.timestamp() if image.asset else now
    return {"ended_at": at, "ended_day": int(at // DAY)}
