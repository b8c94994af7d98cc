"""What the gateway needs to know of images, and to keep of what their owners say of them."""

from collections.abc import Collection as Collection_
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

from services.gateway.domain.images import ImageState
from services.gateway.domain.pictures import Collection, Deletion, Key, Picture, Usage, Wanted


class NameTaken(Exception):
    """The owner already has a collection of this name."""


class Pictures(Protocol):
    """What lies in storage, by its owner; what is somebody else's does not exist."""

    async def newest(self, character_id: str, username: str, limit: int) -> tuple[int, Sequence[ImageState]]:
        """How many there are of one character, and the newest of them."""
        ...

    async def page(self, wanted: Wanted) -> Sequence[Picture]:
        """Images in storage, those that are being deleted among them."""
        ...

    async def find(self, username: str, key: Key) -> Picture | None:
        """Any image that has its number, also one that is not stored yet or not any more."""
        ...

    async def usage(self, username: str, first: date, last: date) -> Sequence[Usage]:
        """By day and character, the days between these two, oldest first."""
        ...


class Marks(Protocol):
    """What an owner says of his images, many at once. An image that is not his is left out of the answer."""

    async def favourite(self, username: str, keys: Sequence[Key], value: bool) -> Collection_[Key]: ...

    async def delete(self, username: str, keys: Sequence[Key]) -> Mapping[Key, Deletion]:
        """Keeps the wishes and the commands in one commit."""
        ...


class Collections(Protocol):
    """Images put together by their owner."""

    async def make(self, collection: Collection) -> None:
        """Raises NameTaken."""
        ...

    async def find(self, username: str, collection_id: str) -> Collection | None: ...

    async def list(self, username: str, after: str | None, limit: int) -> Sequence[Collection]:
        """In the order of their ids, beginning after one."""
        ...

    async def rename(self, username: str, collection_id: str, name: str) -> None:
        """Raises NameTaken."""
        ...

    async def drop(self, username: str, collection_id: str) -> bool:
        """Whether there was one. Its images stay."""
        ...

    async def put(self, collection_id: str, username: str, keys: Sequence[Key]) -> Collection_[Key]:
        """Into a collection of his; the images that are his, in it now."""
        ...

    async def take_out(self, collection_id: str, keys: Sequence[Key]) -> None: ...
