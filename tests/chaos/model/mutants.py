"""Systems with one mistake each: a check that does not find them proves nothing."""

from dataclasses import dataclass, replace
from typing import Any

from contracts.commands import GenerateBatch
from services.indexer.adapters.sql_ledger import SqlLedger
from services.indexer.domain import Reservation, Wish
from services.uploader.domain.rows import Upload
from tests.chaos.model.plant import Indexer, Process, Renderer, Uploader
from tests.chaos.model.pods import Machine, Pod


class CommitsWhatItHasSaid(Indexer):
    """Tells a block of numbers first, and writes it down once the delivery is acknowledged."""

    def reservations(self) -> SqlLedger:
        return LateLedger(self.database, self.ground.now)

    def __post_init__(self) -> None:
        super().__post_init__()
        ledger = self.ledger
        assert isinstance(ledger, LateLedger)

        async def write(_: Any) -> None:
            await ledger.write()

        self.subscriptions = [
            replace(one, then=write) if one.message is GenerateBatch else one for one in self.subscriptions
        ]


class LateLedger(SqlLedger):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._owed: list[Wish] = []

    async def reserve(self, wish: Wish) -> Reservation | None:
        async with self._database.begin() as connection:
            blocks = await self._reserve(connection, [wish], self._clock())
            await connection.rollback()
        self._owed.append(wish)
        return blocks.get(wish.batch_id)

    async def write(self) -> None:
        while self._owed:
            await super().reserve(self._owed.pop())


class Overwrites(Uploader):
    """Puts its images over whatever lies at their names."""

    def __post_init__(self) -> None:
        super().__post_init__()
        put = self.ground.cupboard.put

        async def over(upload: Upload, data: bytes, **_: Any) -> Any:
            return await put(upload, data, replace=True)

        self.shelf.put = over


class NeverLooks(Renderer):
    """Sends a job that it took over without looking for it first."""

    def pod(self, machine: Machine) -> Pod:
        return BlindPod(machine, self.life)


@dataclass
class BlindPod(Pod):
    async def locate(self, remote: Any) -> None:
        return None


#: What each of them breaks, as the checks put it.
BREACHES: dict[type[Process], str] = {
    CommitsWhatItHasSaid: "was given to|got .* after",
    Overwrites: "was overwritten for",
    NeverLooks: "was paid",
}
