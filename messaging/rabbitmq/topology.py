"""The contracts' topology on a broker: declared whole, or looked at without changing anything."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused

from contracts.message import Message
from contracts.topology import (
    DEAD_EXCHANGE,
    EXCHANGE,
    QUEUES,
    WAITS,
    Arguments,
    Place,
    Queue,
    places,
)
from messaging.consumer import HINTS
from messaging.rabbitmq.border import TopologyMismatch, border
from messaging.rabbitmq.link import TIMEOUT, own_channel

log = structlog.get_logger("messaging")

# A classic queue: its hints are not worth a disk, and the oldest of too many are dropped.
_OF_HINTS: Arguments = {"x-queue-type": "classic", "x-max-length": HINTS, "x-overflow": "drop-head"}


async def declare(connection: AbstractConnection) -> None:
    """Raises TopologyMismatch where the broker has something else by one of our names, or the user may not
    declare, and Outage."""
    with border("declaring the topology"):
        async with own_channel(connection) as channel:
            for exchange in dict.fromkeys(place.exchange for place in places()):
                await _declare_exchange(channel, exchange)
            for place in places():
                await _declare_queue(channel, place)


async def put_back(connection: AbstractConnection) -> None:
    """As `declare`, for whoever has worked here before: what another release has made anew meanwhile, with
    other arguments, stays as it is."""
    try:
        await declare(connection)
    except TopologyMismatch as why:
        log.warning("works with the topology of another release", reason=str(why))
        await check(connection)


async def declare_queue(connection: AbstractConnection, queue: Queue) -> None:
    """One queue with its dead letters, for a consumer that found it gone. Raises as `declare`."""
    with border(f"declaring {queue.name}"):
        async with own_channel(connection) as channel:
            for place in places():
                if place.name in (queue.name, queue.dead):
                    await _declare_queue(channel, place)


async def declare_listener(channel: AbstractChannel, message: type[Message]) -> str:
    """The name of a queue for this process alone, which goes with the channel's connection."""
    queue = await channel.declare_queue(
        "", exclusive=True, auto_delete=True, arguments={**_OF_HINTS}, timeout=TIMEOUT
    )
    await queue.bind(EXCHANGE, message.route(), timeout=TIMEOUT)
    return queue.name


async def check(connection: AbstractConnection) -> None:
    """Raises TopologyMismatch that names whatever is missing, and Outage. What this user may not look at
    counts as there."""
    exchanges = (EXCHANGE, DEAD_EXCHANGE, *(wait.exchange for wait in WAITS))
    queues = [name for queue in QUEUES for name in (queue.name, queue.dead)]
    with border("checking the topology"):
        seen = await _look(connection, exchanges, _exchange_is_there)
        missing = [f"exchange {name}" for name, size in seen.items() if size is None]
        seen = await _look(connection, [*queues, *(wait.name for wait in WAITS)], _queue_size)
        missing += [f"queue {name}" for name, size in seen.items() if size is None]
    if missing:
        raise TopologyMismatch(
            f"the broker has no {', no '.join(missing)}; declare the topology (`darkroom topology apply`) "
            "or let the services declare it"
        )


async def dead_letters(connection: AbstractConnection) -> Mapping[str, int]:
    """Queue name -> messages in its dead-letter queue, where there are any. Raises Outage."""
    with border("counting dead letters"):
        sizes = await _look(connection, [queue.dead for queue in QUEUES], _queue_size)
    return {queue.name: size for queue in QUEUES if (size := sizes.get(queue.dead))}


async def depths(connection: AbstractConnection, queues: Sequence[str]) -> Mapping[str, int]:
    """Queue name -> messages that wait in it; without what is not there. Raises Outage."""
    with border("counting messages"):
        sizes = await _look(connection, queues, _queue_size)
    return {name: size for name, size in sizes.items() if size is not None}


async def _declare_exchange(channel: AbstractChannel, name: str) -> None:
    with _naming(f"exchange {name}"):
        await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True, timeout=TIMEOUT)


async def _declare_queue(channel: AbstractChannel, place: Place) -> None:
    """With its way in."""
    with _naming(f"queue {place.name}"):
        await channel.declare_queue(place.name, durable=True, arguments={**place.arguments}, timeout=TIMEOUT)
    with _naming(f"the binding of queue {place.name}"):
        # Not by declaring once more: whoever may bind need not be allowed to declare.
        underlay = await channel.get_underlay_channel()
        await underlay.queue_bind(place.name, place.exchange, place.key, timeout=TIMEOUT)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except ChannelPreconditionFailed as error:
        raise TopologyMismatch(
            f"the broker has another {what}: {error}; `darkroom topology migrate` makes queues anew and "
            "keeps their messages, anything else is deleted by hand"
        ) from error
    except ChannelAccessRefused as error:
        raise TopologyMismatch(
            f"this user may not declare {what}: {error}; "
            "declare the topology as another user and let the services only check it"
        ) from error


async def _look(
    connection: AbstractConnection,
    names: Sequence[str],
    size: Callable[[AbstractChannel, str], Awaitable[int]],
) -> dict[str, int | None]:
    """Name -> its size, None where it does not exist; without those that this user may not look at."""
    seen: dict[str, int | None] = {}
    left = list(reversed(names))
    while left:
        # Whatever is missing costs a channel.
        async with own_channel(connection) as channel:
            while left and not channel.is_closed:
                name = left.pop()
                try:
                    seen[name] = await size(channel, name)
                except ChannelNotFoundEntity:
                    seen[name] = None
                    break
                except ChannelAccessRefused:
                    break
    return seen


async def _exchange_is_there(channel: AbstractChannel, name: str) -> int:
    await channel.declare_exchange(name, passive=True, timeout=TIMEOUT)
    return 0


async def _queue_size(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True, timeout=TIMEOUT)
    return queue.declaration_result.message_count or 0
