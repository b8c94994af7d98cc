"""Puts what storage holds back into the gallery, through the read model itself: again and again is once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from chassis.database import Database
from contracts import names
from services.gateway.adapters.http.orders import character_id_of
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.tables import CHARACTERS, IMAGES
from services.gateway.domain import images, rebuilding
from services.gateway.domain.images import ImageState
from services.gateway.domain.rebuilding import Asset

#: Owner and slug; of a premade character its slug alone.
Whose = tuple[str | None, str]


@dataclass
class Tally:
    """What became of the assets."""

    added: int = 0
    known: int = 0
    #: No image of ours by its name.
    foreign: int = 0
    #: Of premade characters that nobody registered, so that their ids are not known.
    unregistered: int = 0


class Rebuilder:
    """One run. `premade_owner` registered the premade characters that are not in the registry."""

    def __init__(self, database: Database, premade_owner: str | None) -> None:
        self._database = database
        self._gallery = SqlGallery(database)
        self._premade_owner = premade_owner
        self._characters: dict[Whose, str | None] = {}
        self.tally = Tally()

    async def take(self, assets: Sequence[Asset]) -> None:
        """A page of a listing."""
        known = await self._known([asset.public_id for asset in assets])
        for asset in assets:
            place = names.parse_public_id(asset.public_id)
            if place is None:
                self.tally.foreign += 1
            elif asset.public_id in known:
                self.tally.known += 1
            else:
                await self._add(asset, place)

    async def _known(self, public_ids: Sequence[str]) -> set[str]:
        """What the gallery has heard of says more than storage does."""
        query = select(IMAGES.c.public_id).where(IMAGES.c.public_id.in_(public_ids))
        async with self._database.read() as connection:
            return set((await connection.execute(query)).scalars())

    async def _add(self, asset: Asset, place: names.ImagePlace) -> None:
        character_id = await self._character(place)
        event = rebuilding.found(asset, character_id) if character_id else None
        if event is None:
            self.tally.unregistered += 1
            return

        def merge(known: ImageState) -> ImageState:
            return images.stored(known, event)

        await self._gallery.heard(event.batch_id, event.ordinal, event.index, merge)
        self.tally.added += 1

    async def _character(self, place: names.ImagePlace) -> str | None:
        """Its id: as registered, else registered now."""
        premade = place.collection == names.PREMADE
        whose = (None if premade else place.username, place.slug)
        if whose not in self._characters:
            self._characters[whose] = await self._registered(*whose) or await self._register(*whose)
        return self._characters[whose]

    async def _registered(self, owner: str | None, slug: str) -> str | None:
        own = ~CHARACTERS.c.premade & (CHARACTERS.c.owner == owner)
        whose = CHARACTERS.c.premade if owner is None else own
        query = select(CHARACTERS.c.id).where(whose, CHARACTERS.c.slug == slug)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def _register(self, owner: str | None, slug: str) -> str | None:
        registrar = owner or self._premade_owner
        if registrar is None:
            return None
        values = {
            "id": character_id_of(registrar, slug, premade=owner is None),
            "owner": registrar,
            "name": rebuilding.title(slug),
            "slug": slug,
            "premade": owner is None,
            "created_at": time.time(),
        }
        async with self._database.begin() as connection:
            await connection.execute(
                self._database.insert(CHARACTERS).values(values).on_conflict_do_nothing()
            )
        return str(values["id"])
