"""A job as its backend sees it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """An output of a job in the backend's own folder."""

    filename: str
    subfolder: str
    type: str = "output"


@dataclass(frozen=True)
class Attached:
    """An output that came along with the word that the job is done."""

    data: bytes


@dataclass(frozen=True)
class Link:
    """An output that lies elsewhere, for a while."""

    url: str


Image = File | Attached | Link


@dataclass(frozen=True)
class Remote:
    """One job at one backend, as the job book knows it."""

    #: Ours: unguessable, and in the job book before anything is sent under it.
    key: str
    #: What the backend calls the job, where it gives it a name of its own; None until that is known.
    receipt: str | None
    #: Batch, ordinal, round and try, for whoever reads the backend's own list of jobs.
    label: str
    #: The node whose one image is the result.
    output: str
    #: Where a backend that keeps files saves it: this image's place alone.
    file: File


@dataclass(frozen=True)
class Queued:
    """It waits there, behind `ahead` others as far as that is known; `cold` while no machine is up."""

    ahead: int = 0
    cold: bool = False


@dataclass(frozen=True)
class Running:
    step: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Lost:
    """The backend knows nothing of it: never sent, or forgotten in a restart."""


@dataclass(frozen=True)
class Finished:
    """It came to its end; `gpu_ms` is its execution and `queue_ms` its wait before that, both by the
    backend's own clock, None where unknown."""

    image: Image
    gpu_ms: int | None = None
    queue_ms: int | None = None


Seen = Queued | Running | Lost | Finished
