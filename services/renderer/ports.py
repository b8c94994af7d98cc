"""What the renderer needs of the world."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from contracts.commands import RetryImages
from contracts.events import ImageFailed, ImageReady, IndicesReserved
from services.renderer.domain.dispatch import Head, Offer
from services.renderer.domain.equipment import Wish
from services.renderer.domain.jobs import Job, Key
from services.renderer.domain.remote import Image, Remote, Seen
from services.renderer.domain.troubles import Again, Hopeless, Trouble
from services.renderer.domain.workflows import Graph

#: Epoch seconds.
Clock = Callable[[], float]
Ending = ImageReady | ImageFailed


class Owed(NamedTuple):
    """An ending that has to be said, and where in which trace the image came to it."""

    ending: Ending
    traceparent: str | None


class Bell(Protocol):
    """Wakes the loop, as an asyncio.Event does."""

    def set(self) -> None: ...


class Intake(Protocol):
    """The job book as messages see it. Every method may be repeated, and then answers the same.

    What it answers is marked as announced: the message that asked stays unacknowledged until it is said.
    """

    async def accept(self, reserved: IndicesReserved) -> Sequence[Ending]:
        """One waiting row per image, ended as cancelled where a cancel came first; the endings of all that
        has ended."""
        ...

    async def retry(self, command: RetryImages) -> Sequence[Ending]:
        """Rows of this round for every named image that has ended and has no newer row; the endings of those
        that have ended in this round already. Raises TemporaryError where the batch is not known, yet."""
        ...

    async def cancel(self, batch_id: str, round_: int | None) -> Sequence[Ending]:
        """Ends what waits, marks what runs and what is yet to come, all up to this round, or up to the newest
        one that is known; the endings of all that has ended."""
        ...

    async def endings(self, batch_id: str) -> Sequence[Ending] | None:
        """The endings of a batch's last rounds, None where the batch is unknown."""
        ...


class Claims(Protocol):
    """The job book as the loop sees it: rows under a lease of this process."""

    #: Whether there was no image at the last look that waits, rests or is rendered, by anybody.
    quiet: bool

    async def claim(self, offers: Sequence[Offer], known: Collection[str]) -> Sequence[Job]:
        """Takes over rows whose lease has expired on `known` backends, then fills the free slots of `offers`.
        A slot is counted over all replicas; no row is ever given twice while its lease holds."""
        ...

    async def extend(self, keys: Collection[Key]) -> set[Key]:
        """Those of the rows that are still ours, for another lease."""
        ...

    async def release(self, keys: Collection[Key]) -> None:
        """Lets go of rows of ours at once: whoever claims next goes on from their remote jobs."""
        ...

    async def cancelled(self) -> set[Key]:
        """Those of our rows that somebody cancelled."""
        ...


class Waiting(Protocol):
    """Who waits, as far as it is worth telling."""

    async def waiting(self) -> Mapping[Head, int]:
        """The images that are next, of each user, and how many are rendered before each."""
        ...


class Endings(Protocol):
    """The job book's last words on a row."""

    async def end(self, job: Job, ending: Ending) -> bool:
        """Whether this ending is the row's first. It is announced by the caller, else by a sweep."""
        ...

    async def put_back(self, job: Job, again: Again) -> None:
        """Back to waiting, unless the row is no longer ours."""
        ...

    async def announced(self, messages: Sequence[Ending]) -> None:
        """These were said and need not be said again."""
        ...


class Sweeping(Protocol):
    """What a sweep finds in the job book."""

    async def unannounced(self, older_than: float) -> Sequence[Owed]:
        """Some endings that were not announced, ended before this epoch second, oldest first."""
        ...

    async def end_overdue(self, created_before: float, detail: str) -> int:
        """Ends waiting rows of rounds that began before this epoch second; how many."""
        ...


class Receipts(Protocol):
    """The names that backends gave to jobs, in the job book."""

    async def note(self, job: Job, receipt: str) -> None:
        """The job goes by this name at its backend; nothing happens where the row is no longer ours."""
        ...


class Strays(Protocol):
    """Jobs that were left at a backend when their images went on, or ended, without them."""

    async def leave(self, job: Job) -> None:
        """Somebody has to look after the job at its backend."""
        ...

    async def left_at(self, backends: Collection[str]) -> Sequence[Job]:
        """Some of the jobs at these backends, the oldest first."""
        ...

    async def forget(self, remote_id: str) -> bool:
        """Whether it was still remembered: of several who forget it, one is told so."""
        ...

    async def forget_older(self, than: float) -> None:
        """Of these no backend knows any more: they were left before this epoch second."""
        ...


class Watch(Protocol):
    """Where one job stands, told as it changes."""

    async def news(self, remote: Remote) -> Seen:
        """Returns when there is something to say of the job, which has been sent: at a hint of the backend,
        or at a look at it. Raises Hopeless or Passing where the job failed, Unreachable where the backend
        gives no usable answer; the next call goes on."""
        ...


class Renderer(Protocol):
    """One backend. Every method raises Unreachable where it gives no usable answer."""

    @property
    def name(self) -> str: ...

    @property
    def embeddings(self) -> frozenset[str]:
        """Names of the textual-inversion embeddings that it offers."""
        ...

    @property
    def load(self) -> int:
        """Jobs that are being watched there."""
        ...

    @property
    def ahead(self) -> int:
        """Jobs that are done there before the newest one, as far as that is known."""
        ...

    def watching(self, remote: Remote, poll: float) -> AbstractContextManager[Watch]:
        """Listens for this job while the block lasts; `poll`: least seconds between two looks at it."""
        ...

    async def submit(self, remote: Remote, graph: Graph) -> str:
        """Sends the job; what the backend calls it, perhaps just its key. Raises NotSent where it certainly
        did not arrive, Unreachable where it may have, Hopeless where the backend refuses the graph."""
        ...

    async def locate(self, remote: Remote) -> str | None:
        """What the backend calls a job that may have been sent before, unheard. None where it is not there,
        or where nobody can tell: then it is sent again."""
        ...

    async def fetch(self, image: Image) -> bytes:
        """The bytes of a finished job's image. Raises Passing where they are gone."""
        ...

    async def cancel(self, remote: Remote) -> None:
        """Stops this job and no other, queued or running; not an error where there is none."""
        ...


class Fleet(Protocol):
    """All backends of this process."""

    def offers(self) -> Sequence[Offer]:
        """The healthy ones."""
        ...

    def known(self) -> Collection[str]: ...

    def backend(self, name: str) -> Renderer: ...

    def elsewhere(self, name: str) -> bool:
        """Whether another backend is healthy."""
        ...

    def healthy(self, name: str) -> bool: ...

    def failed(self, name: str, reason: str) -> None:
        """Rests the backend until a probe succeeds."""
        ...

    def measured(self, name: str, gpu_ms: int) -> None:
        """One more duration for its speed."""
        ...

    def check(self, name: str, wish: Wish, graph: Graph) -> None:
        """Raises what `refused` returns where the backend is known to lack something that the graph needs."""
        ...

    def refused(self, name: str, wish: Wish, why: Hopeless) -> Trouble:
        """The backend lacks something: Misplaced where another one may have it, else `why` itself. It gets no
        images of this wish for a while."""
        ...
