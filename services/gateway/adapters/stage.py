"""What is live in this process: how far renders are, who waits for news, and how the others said they are."""

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from contracts.transient import RenderProgress, ServiceStatus
from services.gateway.adapters.room import Room
from services.gateway.domain.operating import Heard

#: Renders whose progress is remembered; the oldest is forgotten first.
REMEMBERED = 20_000
#: Processes whose word is remembered; who was silent longest is forgotten first.
PROCESSES = 1_000
#: Seconds after which a waiting caller looks by himself: hints may be lost.
LOOK = 1.0


class Ear:
    """One caller who waits for news of one batch."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        #: Whether it is known here that the batch has come to its end. That it has not, is not known by this.
        self.over = False

    def ring(self) -> None:
        self._rung.set()

    def end(self) -> None:
        self.over = True

    def step(self, progress: RenderProgress) -> None:
        """A render went on, which is nothing to whoever waits for the end."""

    async def news(self, seconds: float) -> None:
        """Returns at the first change since the last call, or after `seconds`, a second at the most."""
        await self._heard(min(seconds, LOOK))

    async def _heard(self, seconds: float) -> None:
        # Not `wait_for`: in Python 3.11 it loses a cancellation that comes together with the ring.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()


class Watcher(Ear):
    """One caller who watches a batch, or several: he hears of changes, and of how far renders are. He never
    looks by himself, but relies on whoever looks into the event log for all."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = False
        self._stepped: set[tuple[str, int]] = set()

    def ring(self) -> None:
        self._changed = True
        super().ring()

    def step(self, progress: RenderProgress) -> None:
        # Once is enough until he looks: renders step more often than anybody wants to hear of it.
        if not self._stepped:
            super().ring()
        self._stepped.add((progress.batch_id, progress.ordinal))

    async def news(self, seconds: float) -> None:
        """Returns at the first change or step since the last call, or after `seconds`."""
        await self._heard(seconds)

    def changed(self) -> bool:
        """Whether there was a change since the last call."""
        changed, self._changed = self._changed, False
        return changed

    @property
    def stepping(self) -> bool:
        """Whether a render went on since they were asked for."""
        return bool(self._stepped)

    def stepped(self) -> set[tuple[str, int]]:
        """Batch and ordinal of the images whose render went on since the last call."""
        stepped, self._stepped = self._stepped, set()
        return stepped


class LiveStage:
    """Keeps the promise of `Stage`."""

    def __init__(self) -> None:
        self._progress: OrderedDict[tuple[str, int], RenderProgress] = OrderedDict()
        self._begun: OrderedDict[str, float] = OrderedDict()
        self._rooms: dict[str, Room] = defaultdict(Room)
        self.closing = False

    def show(self, progress: RenderProgress) -> None:
        key = progress.batch_id, progress.ordinal
        known = self._progress.get(key)
        if known and known.round > progress.round:
            return
        self._progress[key] = progress
        self._progress.move_to_end(key)
        if progress.stage == "running":
            self._begun.setdefault(progress.batch_id, time.time())
        if len(self._begun) > REMEMBERED:
            self._begun.popitem(last=False)
        if len(self._progress) > REMEMBERED:
            self._progress.popitem(last=False)
        if room := self._rooms.get(progress.batch_id):
            room.step(progress)

    def progress(self, batch_id: str, ordinal: int, round_: int) -> RenderProgress | None:
        """The last that was heard of this round."""
        known = self._progress.get((batch_id, ordinal))
        return known if known and known.round == round_ else None

    def last(self, batch_id: str, ordinal: int) -> RenderProgress | None:
        """The last that was heard of an image, in any round."""
        return self._progress.get((batch_id, ordinal))

    @property
    def followed(self) -> bool:
        """Whether anybody watches all that is some user's."""
        return any(" " in name for name in self._rooms)

    def begun(self, batch_id: str) -> float | None:
        """Epoch seconds at which an image of this batch was first heard to be on a GPU."""
        return self._begun.get(batch_id)

    def changed(self, batch_id: str) -> None:
        self._ring(batch_id)

    def ended(self, batch_id: str) -> None:
        """As `changed`, by the end of the batch: whoever waits for that need not ask."""
        if room := self._rooms.get(batch_id):
            room.end()

    def changed_for(self, username: str) -> None:
        """Wakes whoever watches all that is this user's."""
        self._ring(_everything_of(username))

    @contextmanager
    def listening(self, batch_id: str) -> Iterator[Ear]:
        """Hears every change of the batch from here on: listen first, look then, and no news is missed."""
        ear = Ear()
        with self._inside(batch_id, ear):
            yield ear

    @contextmanager
    def watching(self, batch_id: str) -> Iterator[tuple[Watcher, Room]]:
        """Hears every change of the batch, and every step of its renders, from here on."""
        watcher = Watcher()
        with self._inside(batch_id, watcher) as room:
            yield watcher, room

    @contextmanager
    def watching_all(self, username: str) -> Iterator[tuple[Watcher, Room]]:
        """Hears every change of any batch of this user's from here on."""
        watcher = Watcher()
        with self._inside(_everything_of(username), watcher) as room:
            yield watcher, room

    @contextmanager
    def steps(self, batch_id: str, watcher: Watcher) -> Iterator[None]:
        """Lets somebody who watches more than this batch hear of its renders, too."""
        with self._inside(batch_id, watcher):
            yield

    @contextmanager
    def _inside(self, name: str, ear: Ear) -> Iterator[Room]:
        room = self._rooms[name]
        room.ears.add(ear)
        try:
            yield room
        finally:
            room.ears.discard(ear)
            if not room.ears:
                room.leave()
                del self._rooms[name]

    def _ring(self, name: str) -> None:
        if room := self._rooms.get(name):
            room.ring()

    def waiting(self) -> int:
        """How many callers wait for news."""
        return sum(len(room.ears) for room in self._rooms.values())

    def close(self) -> None:
        """The process stops: nobody is kept waiting any longer."""
        self.closing = True
        for room in self._rooms.values():
            room.ring()


def _everything_of(username: str) -> str:
    # No batch's id has a space.
    return f"all of {username}"


class KnownFleet:
    """Keeps the promise of `Fleet`: the last word of each process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: OrderedDict[tuple[str, str], tuple[ServiceStatus, float]] = OrderedDict()

    def tell(self, status: ServiceStatus) -> None:
        key = status.service, status.instance
        self._said[key] = status, self._clock()
        self._said.move_to_end(key)
        # Every start of a process is an instance of its own.
        if len(self._said) > PROCESSES:
            self._said.popitem(last=False)

    def said(self) -> Mapping[tuple[str, str], ServiceStatus]:
        return {key: status for key, (status, _) in self._said.items()}

    def heard(self) -> Sequence[Heard]:
        now = self._clock()
        return [Heard(status, now - at) for status, at in self._said.values()]
