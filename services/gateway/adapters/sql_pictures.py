"""The gallery of one character, in SQL."""

from collections.abc import Sequence

from sqlalchemy import func, select

from chassis.database import Database
from services.gateway.adapters.rows import to_image
from services.gateway.adapters.tables import IMAGES
from services.gateway.domain.images import GONE, ImageState


class SqlPictures:
    """Keeps the promise of `Pictures`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, character_id: str, username: str, limit: int) -> tuple[int, Sequence[ImageState]]:
        shown = (
            (IMAGES.c.username == username)
            & (IMAGES.c.character_id == character_id)
            & IMAGES.c.public_id.is_not(None)
            & IMAGES.c.status.not_in(GONE)
        )
        newest = select(IMAGES).where(shown).order_by(IMAGES.c.stored_at.desc(), IMAGES.c.idx.desc())
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).where(shown))).scalar_one()
            rows = (await connection.execute(newest.limit(limit))).mappings().all()
        return total, [to_image(row) for row in rows]
