"""Transient messages: hints to every replica that listens now. Losing one costs a moment, never an image."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from contracts.message import BatchId, Index, Kind, Message, Ordinal, Round, Value


class Transient(Message):
    kind: ClassVar[Kind] = Kind.TRANSIENT
    mandatory: ClassVar[bool] = False


class RenderProgress(Transient):
    """renderer -> every gateway: where an image stands; at most two a second per image."""

    batch_id: BatchId
    ordinal: Ordinal
    round: Round
    index: Index
    stage: Literal["queued", "cold-start", "running"]
    step: int = 0
    steps: int = 0
    #: Images that will be rendered before this one.
    ahead: int = 0


class ImagesWaiting(Transient):
    """renderer -> every renderer: the job book has new rows; whoever has a free slot may look."""

    def key(self) -> tuple[str | int, ...]:
        return ()


class ChangesLogged(Transient):
    """gateway -> every gateway: the event log has grown; streams and waiting callers may look."""

    batch_id: BatchId


class BackendStatus(Value):
    """One backend of the fleet as this renderer sees it."""

    name: str
    healthy: bool
    reason: str | None = None
    #: Images it may hold at once, and holds now.
    depth: int
    busy: int
    #: Seconds that an image takes on it, from what it made of late; None before the first.
    seconds: float | None = None
    embeddings: tuple[str, ...] = ()


class ServiceStatus(Transient):
    """every process -> every gateway: how this process is."""

    service: str
    instance: str
    at: datetime
    ready: bool
    reason: str | None = None
    in_flight: int = 0
    backends: tuple[BackendStatus, ...] = ()
    #: Queue name -> messages in its dead-letter queue.
    dead_letters: dict[str, int] = Field(default_factory=dict)
    #: Queue name -> messages that wait in it: the service's own queues and the shared wait queues.
    queues: dict[str, int] = Field(default_factory=dict)

    def key(self) -> tuple[str | int, ...]:
        return (self.service, self.instance, self.at.isoformat())
