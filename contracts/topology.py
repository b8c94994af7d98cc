"""Where messages go: one exchange, a quorum queue per service and message, dead letters, four wait queues.

Pure data; `messaging` declares it. The arguments and their reasons are those of a quorum queue on
RabbitMQ 3.10 to 4.x.
"""

from collections.abc import Mapping
from typing import NamedTuple

from contracts import commands, events, transient
from contracts.message import Kind, Message

EXCHANGE = "darkroom"
#: Dead letters go through it under the name of the queue that they lie in: a topic exchange, because that is
#: the one kind for which RabbitMQ grants a user some routing keys and refuses the others.
DEAD_EXCHANGE = f"{EXCHANGE}.dead"

MESSAGES: tuple[type[Message], ...] = (
    commands.GenerateBatch,
    commands.RetryImages,
    commands.CancelBatch,
    commands.DeleteImage,
    commands.OpenFolder,
    events.IndicesReserved,
    events.BatchRejected,
    events.ImageReady,
    events.ImageFailed,
    events.ImageStored,
    events.IndexTaken,
    events.IndexReassigned,
    events.ImageDeleted,
    events.FolderOpened,
    events.BatchFinished,
    transient.RenderProgress,
    transient.ImagesWaiting,
    transient.ChangesLogged,
    transient.ServiceStatus,
)
BY_ROUTE: Mapping[str, type[Message]] = {message.route(): message for message in MESSAGES}

#: Who reads what. Transient messages reach every replica through a queue of its own.
READERS: Mapping[str, tuple[type[Message], ...]] = {
    "indexer": (commands.GenerateBatch, commands.OpenFolder, events.IndexTaken),
    "renderer": (
        events.IndicesReserved,
        commands.RetryImages,
        commands.CancelBatch,
        transient.ImagesWaiting,
    ),
    "uploader": (
        events.IndicesReserved,
        events.ImageReady,
        events.ImageFailed,
        events.IndexReassigned,
        events.FolderOpened,
        commands.DeleteImage,
    ),
    "gateway": (
        events.IndicesReserved,
        events.BatchRejected,
        events.ImageStored,
        events.ImageFailed,
        events.IndexReassigned,
        events.ImageDeleted,
        transient.RenderProgress,
        transient.ChangesLogged,
        transient.ServiceStatus,
    ),
}
#: Who says what, for the AsyncAPI document and for permissions.
SENDERS: Mapping[str, tuple[type[Message], ...]] = {
    "gateway": (
        commands.GenerateBatch,
        commands.RetryImages,
        commands.CancelBatch,
        commands.DeleteImage,
        commands.OpenFolder,
        events.BatchFinished,
        transient.ChangesLogged,
        transient.ServiceStatus,
    ),
    "indexer": (
        events.IndicesReserved,
        events.BatchRejected,
        events.IndexReassigned,
        events.FolderOpened,
        events.ImageFailed,
        transient.ServiceStatus,
    ),
    "renderer": (
        events.ImageReady,
        events.ImageFailed,
        transient.RenderProgress,
        transient.ImagesWaiting,
        transient.ServiceStatus,
    ),
    "uploader": (
        events.ImageStored,
        events.ImageFailed,
        events.IndexTaken,
        events.ImageDeleted,
        transient.ServiceStatus,
    ),
}

#: Returns after which the consumer itself refuses a delivery, with a reason.
MAX_DELIVERIES = 20
#: The broker's own limit: a backstop only, so that every dead letter is made by a service that can say why.
BROKER_DELIVERY_LIMIT = 1000


class Queue(NamedTuple):
    """The durable queue of one service for one message."""

    service: str
    message: type[Message]

    @property
    def name(self) -> str:
        return f"{self.service}.{self.message.__name__}"

    @property
    def dead(self) -> str:
        return f"{self.name}.dead"


class Wait(NamedTuple):
    """A shared queue in which deliveries wait under the routing key that they came with: the name of the
    queue that they go back to."""

    name: str
    seconds: int

    @property
    def exchange(self) -> str:
        """The way in: a topic exchange that keeps every key, for the reason of `DEAD_EXCHANGE`."""
        return f"{EXCHANGE}.{self.name}"


QUEUES: tuple[Queue, ...] = tuple(
    Queue(service, message)
    for service, messages in READERS.items()
    for message in messages
    if message.kind is not Kind.TRANSIENT
)
WAITS: tuple[Wait, ...] = (
    Wait("wait.1s", 1),
    Wait("wait.10s", 10),
    Wait("wait.60s", 60),
    Wait("wait.5m", 300),
)

Arguments = dict[str, str | int]

# at-least-once dead-lettering needs overflow=reject-publish; there is no length cap for it to enforce.
_SAFELY: Arguments = {
    "x-queue-type": "quorum",
    "x-dead-letter-exchange": "",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


def work_arguments(queue: Queue) -> Arguments:
    return _SAFELY | {
        "x-dead-letter-routing-key": queue.dead,
        "x-delivery-limit": BROKER_DELIVERY_LIMIT,
    }


def dead_arguments() -> Arguments:
    # An explicit limit: from 4.0 a queue without one drops what was returned 20 times.
    return {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}


def wait_arguments(wait: Wait) -> Arguments:
    """No routing key of its own: what expires goes to the default exchange under the key it came with."""
    return _SAFELY | {"x-message-ttl": wait.seconds * 1000}


class Place(NamedTuple):
    """A durable queue as the broker has it, with its way in."""

    name: str
    arguments: Arguments
    exchange: str
    key: str
    #: Who takes from it all the time; nobody takes dead letters, and the broker itself what has waited.
    service: str | None = None


def places() -> tuple[Place, ...]:
    """Every durable queue there is, after those that its own letters go to."""
    return (
        *(Place(queue.dead, dead_arguments(), DEAD_EXCHANGE, queue.dead) for queue in QUEUES),
        # Every version: one that is not known becomes a dead letter with a reason.
        *(
            Place(queue.name, work_arguments(queue), EXCHANGE, f"{queue.message.__name__}.*", queue.service)
            for queue in QUEUES
        ),
        *(Place(wait.name, wait_arguments(wait), wait.exchange, "#") for wait in WAITS),
    )
