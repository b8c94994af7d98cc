"""What storage holds where nobody has to look, and one look for all who want to know at once."""

from chassis.gathering import Shared
from services.indexer.domain import Contents
from services.indexer.ports import Shelf


class NewStorage:
    """A storage that is known to hold nothing of ours yet."""

    async def look(self, folder: str) -> Contents:  # noqa: ARG002 - every folder is empty
        return Contents()


class SharedShelf:
    """Listings are rate-limited: those who ask for one folder at the same time share one."""

    def __init__(self, shelf: Shelf) -> None:
        self._looking = Shared(shelf.look)

    async def aclose(self) -> None:
        await self._looking.aclose()

    async def look(self, folder: str) -> Contents:
        return await self._looking(folder)
