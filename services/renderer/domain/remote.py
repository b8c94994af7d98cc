"""A job as its backend sees it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """An output of a job, where the backend keeps it."""

    filename: str
    subfolder: str
    type: str = "output"


@dataclass(frozen=True)
class Queued:
    pass


@dataclass(frozen=True)
class Running:
    pass


@dataclass(frozen=True)
class Lost:
    """The backend knows nothing of it: never sent, or forgotten in a restart."""


@dataclass(frozen=True)
class Finished:
    """It came to its end; `gpu_ms` is its execution by the backend's own clock, None where unknown."""

    file: File
    gpu_ms: int | None = None


Seen = Queued | Running | Lost | Finished
