"""The whole system on one page, from what its processes said of themselves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.topology import QUEUES, WAITS
from contracts.transient import BackendStatus, ServiceStatus

#: Seconds without a word after which a process counts as silent, and as gone; it speaks every five.
SILENT, GONE = 20.0, 120.0


@dataclass(frozen=True)
class Heard:
    """The last word of a process."""

    status: ServiceStatus
    #: Seconds since it was heard here: clocks of other machines are not compared.
    ago: float

    @property
    def silent(self) -> bool:
        return self.ago > SILENT


@dataclass(frozen=True)
class QueueDepth:
    name: str
    waiting: int
    #: None: nothing dies in it.
    dead: int | None


@dataclass(frozen=True)
class Backend:
    """One GPU server as all renderers together see it."""

    name: str
    #: Whether any of them may send to it.
    healthy: bool
    #: What keeps one of them from it.
    reason: str | None
    depth: int
    #: Images that all of them have there.
    busy: int
    seconds: float | None
    embeddings: tuple[str, ...]
    #: Renderers that told of it, and those of them that find it healthy.
    renderers: int
    healthy_for: int


@dataclass(frozen=True)
class Recent:
    """What came of images, from the read model."""

    #: Real images that ended in the last five and sixty minutes.
    images_5: int = 0
    images_60: int = 0
    #: In the last hour.
    placeholders: int = 0
    failed: int = 0
    #: Why there is no image, of placeholders and failures of the last hour: code -> how many.
    causes: Mapping[str, int] = field(default_factory=dict)
    #: Images of everybody that were asked for and have not ended.
    outstanding: int = 0


@dataclass(frozen=True)
class Overview:
    processes: Sequence[Heard]
    queues: Sequence[QueueDepth]
    backends: Sequence[Backend]

    @property
    def in_flight(self) -> int:
        return sum(each.status.in_flight for each in self.processes if not each.silent)

    @property
    def dead(self) -> int:
        return sum(queue.dead or 0 for queue in self.queues)


def overview(words: Iterable[Heard]) -> Overview:
    """A process that said nothing for long is left out; one that is silent still shows, as silent."""
    known = sorted(
        (word for word in words if word.ago <= GONE),
        key=lambda word: (word.status.service, word.status.instance),
    )
    return Overview(known, _queues(known), _backends([word for word in known if not word.silent]))


def _queues(words: Sequence[Heard]) -> list[QueueDepth]:
    """In the order of the topology; of several words about one queue, the newest."""
    oldest_first = sorted(words, key=lambda word: -word.ago)
    waiting = {name: count for word in oldest_first for name, count in word.status.queues.items()}
    dead: dict[str, int] = {}
    for word in oldest_first:
        own = [queue.name for queue in QUEUES if queue.service == word.status.service]
        dead.update({name: word.status.dead_letters.get(name, 0) for name in own})
    work = [QueueDepth(queue.name, waiting.get(queue.name, 0), dead.get(queue.name, 0)) for queue in QUEUES]
    waits = [QueueDepth(wait.name, waiting.get(wait.name, 0), None) for wait in WAITS]
    return [queue for queue in (*work, *waits) if queue.name in waiting or queue.dead]


def _backends(words: Sequence[Heard]) -> list[Backend]:
    told: dict[str, list[BackendStatus]] = {}
    for word in words:
        for backend in word.status.backends:
            told.setdefault(backend.name, []).append(backend)
    return [_together(name, views) for name, views in sorted(told.items())]


def _together(name: str, views: Sequence[BackendStatus]) -> Backend:
    speeds = [view.seconds for view in views if view.seconds is not None]
    ill = [view for view in views if not view.healthy]
    return Backend(
        name=name,
        healthy=len(ill) < len(views),
        reason=next((view.reason for view in ill if view.reason), None),
        depth=max(view.depth for view in views),
        busy=sum(view.busy for view in views),
        seconds=sum(speeds) / len(speeds) if speeds else None,
        embeddings=tuple(sorted({name for view in views for name in view.embeddings})),
        renderers=len(views),
        healthy_for=len(views) - len(ill),
    )
