"""One backend of the fleet: probed, rested when it fails, and measured."""

import asyncio
import time
from contextlib import suppress

import structlog

from contracts.transient import BackendStatus
from services.renderer.adapters.places import Place
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.equipment import Graph, Inventory, Wish, lack
from services.renderer.domain.troubles import Trouble

log = structlog.get_logger("renderer")

#: Seconds between two probes of a healthy backend, and of one that failed once, twice, ... in a row.
PROBE = 5.0
RESTS = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
#: Seconds that a backend which was never reached may keep images waiting that only it could render.
AWAITED = 600.0
#: Seconds that a refusal is remembered for which the backend's own word is no evidence.
REFUSED = 600.0
#: Weight of the newest duration in a backend's speed.
NEWEST = 0.3


class Member:
    """`wake` is set when the backend is taken back."""

    def __init__(self, place: Place, wake: asyncio.Event) -> None:
        self.place = place
        self.backend = place.make()
        self.healthy = False
        self.reason: str | None = "not asked yet"
        #: Failures since the last image.
        self._strikes = 0
        self._seconds: float | None = None
        self._failing = asyncio.Event()
        self._wake = wake
        self._joined = time.monotonic()
        self._judged: tuple[Inventory | None, dict[Wish, bool]] = (None, {})
        self._refused: dict[Wish, float] = {}

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def offer(self) -> Offer:
        return Offer(self.name, self.place.depth, self._seconds, self.backend.machines)

    @property
    def status(self) -> BackendStatus:
        return BackendStatus(
            name=self.name,
            healthy=self.healthy,
            reason=self.reason,
            depth=self.place.depth,
            busy=self.backend.load,
            seconds=self._seconds,
            embeddings=tuple(sorted(self.backend.embeddings)),
        )

    def failed(self, reason: str) -> None:
        if self.healthy:
            log.warning("backend rests", backend=self.name, reason=reason)
            self._strikes += 1
        self.healthy, self.reason = False, reason
        self._failing.set()

    def measured(self, gpu_ms: int) -> None:
        newest, before = gpu_ms / 1000, self._seconds
        self._seconds = newest if before is None else NEWEST * newest + (1 - NEWEST) * before
        self._strikes = 0

    def able(self, wish: Wish, graph: Graph | None) -> bool | None:
        """Whether it has what the wish needs, `graph` being its graph; None while nobody knows."""
        if time.monotonic() < self._refused.get(wish, 0.0):
            return False
        inventory = self.backend.inventory
        if inventory is None:
            return None if time.monotonic() < self._joined + AWAITED else False
        if self._judged[0] is not inventory:
            self._judged = (inventory, {})
        judged = self._judged[1]
        if wish not in judged:
            judged[wish] = graph is None or lack(graph, inventory) is None
        return judged[wish]

    def refused(self, wish: Wish) -> None:
        """It was asked, and does not have what the wish needs."""
        self._refused[wish] = time.monotonic() + REFUSED

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self.backend.listen())
            loops.create_task(self._keep())

    async def _keep(self) -> None:
        """Probes for ever. A backend that fails between two probes gets its rest first."""
        while True:
            self._failing.clear()
            await self._probe()
            if self.healthy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBE):
                        await self._failing.wait()
            if not self.healthy:
                await asyncio.sleep(RESTS[min(max(self._strikes, 1), len(RESTS)) - 1])

    async def _probe(self) -> None:
        try:
            await self.backend.probe()
        except Trouble as why:
            if self.healthy or not self._strikes:
                log.warning("backend rests", backend=self.name, reason=why.detail)
            self.healthy, self.reason = False, why.detail
            self._strikes += 1
            return
        if not self.healthy:
            log.info("backend answers", backend=self.name)
            # It may be another one than before, with more models.
            self._refused.clear()
            self._wake.set()
        self.healthy, self.reason = True, None
