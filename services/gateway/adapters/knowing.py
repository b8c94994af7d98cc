"""What events of images have to know of the tables before they change them, read once every lock is held."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.adapters.growth import Key
from services.gateway.adapters.rows import to_image
from services.gateway.adapters.tables import DELETED, IMAGES
from services.gateway.adapters.webhooks.announcing import listening
from services.gateway.domain.images import ImageState

# One round trip. A line says of an asset that it is gone, of a user that he has webhooks, or is an image.
_READ = text(
    """
    SELECT public_id AS gone, NULL AS listening, (CAST(NULL AS images)).*
    FROM deleted WHERE public_id = ANY(CAST(:public_ids AS text[]))
    UNION ALL
    SELECT NULL, username, (CAST(NULL AS images)).*
    FROM unnest(CAST(:usernames AS text[])) AS listener (username)
    WHERE EXISTS (
        SELECT FROM webhooks WHERE webhooks.username = listener.username AND disabled IS NULL
    )
    UNION ALL
    SELECT deleted.public_id, NULL, images.*
    FROM images LEFT JOIN deleted ON deleted.public_id = images.public_id
    WHERE batch_id = ANY(CAST(:whole AS text[]))
    UNION ALL
    SELECT deleted.public_id, NULL, images.*
    FROM unnest(CAST(:batch_ids AS text[]), CAST(:ordinals AS integer[])) AS key (batch_id, ordinal)
    JOIN images ON images.batch_id = key.batch_id AND images.ordinal = key.ordinal
    LEFT JOIN deleted ON deleted.public_id = images.public_id
    """
)


def _images(wanted: Any) -> Select[Any]:
    """With the public id of what they show, if that is gone."""
    shown = IMAGES.outerjoin(DELETED, DELETED.c.public_id == IMAGES.c.public_id)
    return select(IMAGES, DELETED.c.public_id.label("gone")).select_from(shown).where(wanted)


# Put together once: that costs more than to have it answered.
_NAMED = _images(tuple_(IMAGES.c.batch_id, IMAGES.c.ordinal).in_(bindparam("keys", expanding=True)))
_OF_BATCHES = _images(IMAGES.c.batch_id.in_(bindparam("batch_ids", expanding=True)))
_GONE = select(DELETED.c.public_id).where(DELETED.c.public_id.in_(bindparam("public_ids", expanding=True)))


@dataclass(frozen=True)
class Known:
    images: Mapping[Key, ImageState]
    #: Of the assets that were asked for and those that the images show, the ones that are deleted.
    gone: frozenset[str]
    #: Of each user who was asked for, whether any webhook of his may want to hear.
    listening: Mapping[str, bool]


async def known_of(
    connection: AsyncConnection,
    keys: Collection[Key],
    whole: Collection[str],
    public_ids: Collection[str],
    usernames: Collection[str],
) -> Known:
    """These images and all of `whole` batches, with what else is said of such assets and users."""
    named = sorted(key for key in keys if key[0] not in whole)
    if connection.dialect.name == "postgresql":
        lists = {"public_ids": public_ids, "usernames": usernames, "whole": whole}
        columns = {"batch_ids": [key[0] for key in named], "ordinals": [key[1] for key in named]}
        asked = {name: list(values) for name, values in lists.items()} | columns
        rows = (await connection.execute(_READ, asked)).mappings().all()
        gone = {row["gone"] for row in rows}
        hears = {row["listening"] for row in rows}
        images = [row for row in rows if row["batch_id"] is not None]
    else:
        gone = set(await connection.scalars(_GONE, {"public_ids": list(public_ids)}))
        hears = await listening(connection, usernames)
        images = await _on_sqlite(connection, named, whole)
        gone |= {row["gone"] for row in images}
    return Known(
        {(row["batch_id"], row["ordinal"]): to_image(row) for row in images},
        frozenset(gone - {None}),
        {username: username in hears for username in usernames},
    )


async def _on_sqlite(
    connection: AsyncConnection, named: Collection[Key], whole: Collection[str]
) -> list[RowMapping]:
    rows: list[RowMapping] = []
    if named:
        rows += (await connection.execute(_NAMED, {"keys": list(named)})).mappings()
    if whole:
        rows += (await connection.execute(_OF_BATCHES, {"batch_ids": list(whole)})).mappings()
    return rows
