"""The backends of this process, of whichever kind; some may come and go while it runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from contracts.transient import BackendStatus
from services.renderer.adapters.member import Member
from services.renderer.adapters.places import Backend, BadAddress, Place, Places
from services.renderer.domain.dispatch import Offer
from services.renderer.domain.equipment import Graph, Standing, Wish, lack, takers
from services.renderer.domain.troubles import Hopeless, Misplaced, Trouble, Unreachable

log = structlog.get_logger("renderer")

#: Seconds between two looks at the list of backends.
LOOK = 1.0
#: Wishes whose graphs are remembered.
REMEMBERED = 1000

#: What a wish needs, as a graph; None where it can be had nowhere.
GraphOf = Callable[[Wish], Graph | None]


class MixedFleet:
    """`places` may change; `wake` is set when a backend is taken in or back; `graph_of` says what a wish
    needs, as a graph."""

    def __init__(
        self, places: Places, first: Sequence[Place], wake: asyncio.Event, graph_of: GraphOf
    ) -> None:
        self._places = places
        self._graph_of = graph_of
        self._graphs: dict[Wish, Graph | None] = {}
        self._wake = wake
        self._members = {place.name: Member(place, wake) for place in first}
        #: Taken off the list: they end what they have, and get nothing new.
        self._leaving: list[Member] = []
        self._tasks: dict[Member, asyncio.Task[None]] = {}

    def offers(self) -> list[Offer]:
        return [each.offer for each in self._members.values() if each.healthy]

    def known(self) -> list[str]:
        return list(dict.fromkeys(each.name for each in self._all()))

    def backend(self, name: str) -> Backend:
        found = self._find(name)
        if found is None:
            raise Unreachable(f"{name} was taken out of the fleet")
        return found.backend

    def elsewhere(self, name: str) -> bool:
        return any(each.healthy for other, each in self._members.items() if other != name)

    def healthy(self, name: str) -> bool:
        found = self._find(name)
        return found is not None and found.healthy

    def failed(self, name: str, reason: str) -> None:
        for each in self._all():
            if each.name == name:
                each.failed(reason)

    def measured(self, name: str, gpu_ms: int) -> None:
        if name in self._members:
            self._members[name].measured(gpu_ms)

    def share(self, parts: Mapping[str, float]) -> None:
        """Which part of each backend's jobs this process has, where there are any."""
        for each in self._all():
            each.backend.share(parts.get(each.name, 1.0))

    def takers(self, wish: Wish) -> frozenset[str]:
        """The backends that may get the images of this wish now."""
        if wish not in self._graphs:
            if len(self._graphs) >= REMEMBERED:
                self._graphs.clear()
            self._graphs[wish] = self._graph_of(wish)
        graph = self._graphs[wish]
        members = self._members.items()
        return takers([Standing(name, each.healthy, each.able(wish, graph)) for name, each in members])

    def fond(self, wish: Wish) -> frozenset[str]:
        """The healthy backends that have the embedding which it names, none where it names none."""
        healthy = (each for each in self._members.values() if each.healthy)
        return frozenset(each.name for each in healthy if wish.embedding in each.backend.embeddings)

    def check(self, name: str, wish: Wish, graph: Graph) -> None:
        member = self._find(name)
        found = lack(graph, member.backend.inventory or {}) if member else None
        if found:
            raise self.refused(name, wish, found)

    def refused(self, name: str, wish: Wish, why: Hopeless) -> Trouble:
        graph = self._graph_of(wish)
        for each in self._all():
            if each.name == name:
                each.refused(wish)
        others = [each for other, each in self._members.items() if other != name]
        if any(each.able(wish, graph) is not False for each in others):
            return Misplaced(why.code, why.detail)
        return why

    def statuses(self) -> tuple[BackendStatus, ...]:
        return tuple(each.status for each in self._members.values())

    async def trouble(self) -> str | None:
        """Why nothing can be rendered now, None where something can."""
        if not self._members:
            return "the list of backends is empty"
        if any(each.healthy for each in self._members.values()):
            return None
        return "; ".join(f"{name}: {each.reason}" for name, each in self._members.items())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            for member in self._members.values():
                self._tasks[member] = loops.create_task(member.run())
            while True:
                await asyncio.sleep(LOOK)
                self._follow(loops)
                await self._dismiss()

    async def close(self) -> None:
        await asyncio.gather(*(each.backend.close() for each in self._all()))

    def _all(self) -> Iterator[Member]:
        yield from self._members.values()
        yield from self._leaving

    def _find(self, name: str) -> Member | None:
        return next((each for each in self._all() if each.name == name), None)

    def _follow(self, loops: asyncio.TaskGroup) -> None:
        """Takes over what the list says now. A list that can't be read changes nothing."""
        try:
            wanted = self._places.changed()
        except BadAddress as why:
            log.warning("list of backends not taken over", reason=str(why))
            return
        if wanted is None:
            return
        before, self._members = self._members, {}
        for place in wanted:
            self._members[place.name] = self._kept(place, before) or self._taken_in(place, loops)
        self._leaving += before.values()
        for member in before.values():
            log.info("backend leaves", backend=member.name, under_way=member.backend.load)

    def _kept(self, place: Place, before: dict[str, Member]) -> Member | None:
        """The member that this place has already, also if it was about to leave."""
        if place.name in before and before[place.name].place == place:
            return before.pop(place.name)
        for member in self._leaving:
            if member.place == place:
                self._leaving.remove(member)
                return member
        return None

    def _taken_in(self, place: Place, loops: asyncio.TaskGroup) -> Member:
        log.info("backend joins", backend=place.name)
        member = Member(place, self._wake)
        self._tasks[member] = loops.create_task(member.run())
        return member

    async def _dismiss(self) -> None:
        """Those that have nothing left to end."""
        for member in [each for each in self._leaving if not each.backend.load]:
            self._leaving.remove(member)
            task = self._tasks.pop(member)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await member.backend.close()
            log.info("backend left", backend=member.name)


@asynccontextmanager
async def open_fleet(
    places: Places, first: Sequence[Place], wake: asyncio.Event, graph_of: GraphOf
) -> AsyncIterator[MixedFleet]:
    """`first`: what `places` said when it was read."""
    fleet = MixedFleet(places, first, wake, graph_of)
    try:
        yield fleet
    finally:
        await fleet.close()
