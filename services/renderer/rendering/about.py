"""What is logged and recorded about one image, whoever works on it."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from messaging import tracing
from services.renderer.domain.jobs import Cost, Job


@contextmanager
def at_work(job: Job, doing: str, quiet: bool = False) -> Iterator[None]:
    """In the trace that the image was asked for in; every line in the block says which image it is. A quiet
    one makes no span."""
    facts = {**job.key._asdict(), "index": job.index, "backend": job.backend}
    with (
        tracing.following(tracing.read(job.traceparent), doing, quiet=quiet, **facts),
        structlog.contextvars.bound_contextvars(**facts),
    ):
        yield


def told(job: Job, spent: Cost, finished_at: float) -> None:
    """What is known only afterwards: how long the image waited, from its request on, and how long it was
    executed. Read off our clock, so the one ends about when the other begins."""
    begun = finished_at - spent.gpu_ms / 1000
    sender = tracing.read(job.traceparent)
    tracing.past("queue", sender, min(job.created_at, begun), begun, ordinal=job.key.ordinal)
    tracing.past("gpu", None, begun, finished_at, backend=job.backend)
