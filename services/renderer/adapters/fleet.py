"""The backends of this process: probed, rested when they fail, and measured."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from contracts.transient import BackendStatus
from services.renderer.adapters.comfyui.address import Address
from services.renderer.adapters.comfyui.pod import Pod
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.troubles import Trouble

log = structlog.get_logger("renderer")

#: Seconds between two probes of a healthy backend, and of one that failed once, twice, ... in a row.
PROBE = 5.0
RESTS = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
#: Weight of the newest duration in a backend's speed.
NEWEST = 0.3


class _Member:
    def __init__(self, pod: Pod, depth: int) -> None:
        self.pod = pod
        self.depth = depth
        self.healthy = False
        self.reason: str | None = "not asked yet"
        #: Failures since the last image.
        self.strikes = 0
        self.seconds: float | None = None
        self.failing = asyncio.Event()

    @property
    def rest(self) -> float:
        return RESTS[min(self.strikes, len(RESTS)) - 1] if self.strikes else PROBE


class PodFleet:
    """`wake` is set when a backend is taken back."""

    def __init__(self, pods: Sequence[Pod], depth: int, wake: asyncio.Event) -> None:
        self._members = {pod.name: _Member(pod, depth) for pod in pods}
        self._wake = wake

    def offers(self) -> list[Offer]:
        members = self._members.items()
        return [Offer(name, each.depth, each.seconds) for name, each in members if each.healthy]

    def known(self) -> list[str]:
        return list(self._members)

    def backend(self, name: str) -> Pod:
        return self._members[name].pod

    def elsewhere(self, name: str) -> bool:
        return any(each.healthy for other, each in self._members.items() if other != name)

    def healthy(self, name: str) -> bool:
        return self._members[name].healthy

    def failed(self, name: str, reason: str) -> None:
        member = self._members[name]
        if member.healthy:
            log.warning("backend rests", backend=name, reason=reason)
            member.strikes += 1
        member.healthy, member.reason = False, reason
        member.failing.set()

    def measured(self, name: str, gpu_ms: int) -> None:
        member = self._members[name]
        newest, before = gpu_ms / 1000, member.seconds
        member.seconds = newest if before is None else NEWEST * newest + (1 - NEWEST) * before
        member.strikes = 0

    def statuses(self) -> tuple[BackendStatus, ...]:
        return tuple(
            BackendStatus(
                name=name,
                healthy=each.healthy,
                reason=each.reason,
                depth=each.depth,
                busy=each.pod.load,
                embeddings=tuple(sorted(each.pod.embeddings)),
            )
            for name, each in self._members.items()
        )

    async def trouble(self) -> str | None:
        """Why nothing can be rendered now, None where something can."""
        if any(each.healthy for each in self._members.values()):
            return None
        return "; ".join(f"{name}: {each.reason}" for name, each in self._members.items())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            for member in self._members.values():
                loops.create_task(member.pod.listen())
                loops.create_task(self._watch(member))

    async def _watch(self, member: _Member) -> None:
        """Probes for ever. A backend that fails between two probes gets its rest first."""
        while True:
            member.failing.clear()
            await self._probe(member)
            if member.healthy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBE):
                        await member.failing.wait()
            if not member.healthy:
                await asyncio.sleep(member.rest)

    async def _probe(self, member: _Member) -> None:
        try:
            await member.pod.probe()
        except Trouble as why:
            if member.healthy:
                log.warning("backend rests", backend=member.pod.name, reason=why.detail)
            member.healthy, member.reason = False, why.detail
            member.strikes += 1
            return
        if not member.healthy:
            log.info("backend answers", backend=member.pod.name)
            self._wake.set()
        member.healthy, member.reason = True, None


@asynccontextmanager
async def open_fleet(
    addresses: Sequence[Address], depth: int, stagger: float, wake: asyncio.Event
) -> AsyncIterator[PodFleet]:
    """`stagger`: least seconds between two submits to one backend."""
    pods = [Pod(address, stagger) for address in addresses]
    try:
        yield PodFleet(pods, depth, wake)
    finally:
        await asyncio.gather(*(pod.close() for pod in pods))
