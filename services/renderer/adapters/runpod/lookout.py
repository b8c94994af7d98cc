"""The one that looks at all jobs of an endpoint, in turn: what that costs follows the rate, not their number.

A job that nobody has anything new to say of is not told so: it sleeps until there is news.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count, takewhile

import structlog

from services.renderer.adapters.runpod.client import TooMany
from services.renderer.adapters.runpod.pace import Rate, next_look, pace
from services.renderer.domain.remote import Finished, Lost, Queued, Remote, Running, Seen
from services.renderer.domain.troubles import Trouble, Unreachable

log = structlog.get_logger("renderer")

#: Looks under way at once; results of finished jobs come with them and lie in memory then.
LOOKS = 32
#: Looks that must find nothing, one after the other, before a job counts as gone.
GONE = 2
#: Weight of the newest duration in the usual one.
NEWEST = 0.2
#: Seconds without a look at anything after a failure, doubled up to the longest.
REST, LONGEST_REST = 0.5, 8.0


@dataclass(frozen=True)
class Sight:
    """What a look brought, and the seconds that the job waited before it ran, where that is known."""

    seen: Seen
    waited: float | None = None


@dataclass
class Watched:
    """One job's place in the round, and the last word of it."""

    poll: float
    #: Whether it may be done by now: sent by whoever held it before us, or ended before we came to look.
    ripe: bool
    remote: Remote | None = None
    #: By the loop's clock.
    enrolled: float = 0.0
    due: float = 0.0
    began: float | None = None
    misses: int = 0
    seen: Seen | None = None
    #: Still to be heard by whoever waits.
    word: Seen | Trouble | None = None
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    def tell(self, word: Seen | Trouble) -> None:
        """A state that was told already is no news."""
        if word == self.seen:
            return
        self.seen = None if isinstance(word, Trouble) else word
        self.word = word
        self.heard.set()


class Lookout:
    """`look` asks the endpoint for one job."""

    def __init__(self, look: Callable[[Remote], Awaitable[Sight]], rate: Rate) -> None:
        self._look = look
        self._rate = rate
        self._clock = asyncio.get_running_loop().time
        self._watched: dict[str, Watched] = {}
        #: (when, tie, key): an entry counts only while it is the one that its job is due at.
        self._round: list[tuple[float, int, str]] = []
        self._ties = count()
        self._sooner = asyncio.Event()
        self._free = asyncio.Semaphore(LOOKS)
        self._rest = REST
        self._not_before = 0.0
        self._usual: float | None = None
        self._cold = False

    @property
    def jobs(self) -> int:
        return len(self._watched)

    @contextmanager
    def watching(self, remote: Remote, poll: float) -> Iterator["EndpointWatch"]:
        watched = self._watched[remote.key] = Watched(poll, ripe=remote.receipt is not None)
        try:
            yield EndpointWatch(self, watched)
        finally:
            if self._watched.get(remote.key) is watched:
                del self._watched[remote.key]

    def enrol(self, watched: Watched, remote: Remote) -> None:
        """The job is looked at from now on."""
        watched.remote, watched.enrolled = remote, self._clock()
        self._put(watched, self._clock() + (0.0 if watched.ripe else watched.poll))

    def hint(self, key: str) -> None:
        """Somebody says that the job moved on."""
        watched = self._watched.get(key)
        if watched is None or watched.over:
            return
        watched.ripe = True
        if watched.remote is not None:
            self._put(watched, self._clock())

    def cold(self, cold: bool) -> None:
        """Whether the endpoint has no machine up; told to the jobs that wait."""
        if cold == self._cold:
            return
        self._cold = cold
        for watched in self._watched.values():
            if isinstance(watched.seen, Queued):
                watched.tell(replace(watched.seen, cold=cold))

    async def run(self) -> None:
        """Looks for ever."""
        async with asyncio.TaskGroup() as looks:
            while True:
                await self._free.acquire()
                watched = await self._next()
                looks.create_task(self._turn(watched))

    async def _next(self) -> Watched:
        """The next one that is due, when the rate allows."""
        while True:
            self._sooner.clear()
            due = self._round[0][0] if self._round else None
            now = self._clock()
            if due is not None and max(due, self._not_before) <= now:
                if (watched := self._pop()) is not None:
                    await asyncio.sleep(self._rate.step(now))
                    return watched
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(due, self._not_before) - now):
                    await self._sooner.wait()

    def _pop(self) -> Watched | None:
        due, _, key = heapq.heappop(self._round)
        watched = self._watched.get(key)
        return watched if watched is not None and watched.due == due and not watched.over else None

    def _put(self, watched: Watched, due: float) -> None:
        assert watched.remote is not None
        watched.due = due
        heapq.heappush(self._round, (due, next(self._ties), watched.remote.key))
        self._sooner.set()

    async def _turn(self, watched: Watched) -> None:
        remote = watched.remote
        assert remote is not None
        try:
            sight = await self._look(remote)
        except TooMany as why:
            self._rate.refused(self._clock(), why.seconds)
            self._put(watched, self._clock())
        except Unreachable as why:
            self._away(watched, why)
        except Trouble as why:
            self._end(watched, why)
        else:
            self._saw(watched, sight)
        finally:
            self._free.release()

    def _saw(self, watched: Watched, sight: Sight) -> None:
        self._rest = REST
        self._rate.answered()
        now, seen = self._clock(), sight.seen
        if isinstance(seen, Finished):
            self._measure(seen)
            self._end(watched, seen)
            return
        watched.misses = watched.misses + 1 if isinstance(seen, Lost) else 0
        if watched.misses >= GONE:
            self._end(watched, seen)
            return
        if isinstance(seen, Running) and watched.began is None:
            watched.began = min(now, watched.enrolled + sight.waited) if sight.waited is not None else now
        if not isinstance(seen, Lost):
            watched.tell(Queued(self._ahead(watched), self._cold) if isinstance(seen, Queued) else seen)
        spacing = pace(len(self._watched), self._rate.per_second, watched.poll)
        self._put(watched, next_look(seen, now, watched.began, self._usual, spacing))

    def _ahead(self, watched: Watched) -> int:
        """Jobs of ours that wait at the endpoint and came there before this one."""
        before = takewhile(lambda each: each is not watched, self._watched.values())
        return sum(isinstance(each.seen, Queued) for each in before)

    def _end(self, watched: Watched, word: Seen | Trouble) -> None:
        watched.over = True
        watched.tell(word)

    def _away(self, watched: Watched, why: Unreachable) -> None:
        """One look that fails is enough to know of all jobs; the next one says whether it is over."""
        now = self._clock()
        self._not_before, self._rest = now + self._rest, min(LONGEST_REST, self._rest * 2)
        for each in self._watched.values():
            if each.remote is not None and not each.over:
                each.tell(Unreachable(why.detail))
        self._put(watched, now)

    def _measure(self, seen: Finished) -> None:
        if seen.gpu_ms is not None:
            newest, usual = seen.gpu_ms / 1000, self._usual
            self._usual = newest if usual is None else NEWEST * newest + (1 - NEWEST) * usual


class EndpointWatch:
    def __init__(self, lookout: Lookout, watched: Watched) -> None:
        self._lookout = lookout
        self._watched = watched

    async def news(self, remote: Remote) -> Seen:
        if self._watched.remote is None:
            self._lookout.enrol(self._watched, remote)
        await self._watched.heard.wait()
        self._watched.heard.clear()
        word = self._watched.word
        assert word is not None
        if isinstance(word, Trouble):
            raise word
        return word
