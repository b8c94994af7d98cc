"""What the indexer needs from outside, in its own words."""

from collections.abc import Sequence
from typing import Protocol

from services.indexer.domain import Contents, Move, Reassignment, Reservation, Wish


class Ledger(Protocol):
    """Who got which numbers. Every method raises Outage where the database can't be used."""

    async def reserve(self, wish: Wish) -> Reservation | None:
        """The batch's block: the stored one where its id is known, else a new one right after the folder's
        last. Atomic and durable; None, and nothing done, where the folder has no counter yet. The caller
        compares digests."""
        ...

    async def find(self, batch_id: str) -> Reservation | None: ...

    async def reassignments(self, batch_id: str, ordinal: int) -> Sequence[Reassignment]:
        """Every move of this image so far, in order."""
        ...

    async def reassign(self, move: Move) -> Reassignment:
        """The folder's next number, not below `move.floor`; the stored one where this image was moved away
        from this number before."""
        ...


class Counters(Protocol):
    """The next number of each folder. Every method raises Outage where the database can't be used."""

    async def next_index(self, folder: str) -> int | None:
        """None for a folder that was never seen."""
        ...

    async def adopt(self, folder: str, first: int) -> int:
        """Lets a folder begin with `first`, unless it has a counter already; returns its next number."""
        ...


class Folders(Protocol):
    """Folders with a counter."""

    async def open(self, folder: str) -> int:
        """The folder has a counter afterwards, beyond everything that storage holds in it; returns its next
        number. Raises Later where storage can't be asked, Outage where the database can't be used,
        PermanentError where the numbers in storage are beyond any use."""
        ...


class Shelf(Protocol):
    """What storage already holds."""

    async def look(self, folder: str) -> Contents:
        """Raises Outage where storage can't be asked; it never guesses."""
        ...
