"""What the broker lets a user do, found out without doing any of it."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, PublishError
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from contracts.topology import EXCHANGE, QUEUES
from contracts.transient import ServiceStatus
from messaging.rabbitmq.border import border
from messaging.rabbitmq.link import TIMEOUT

#: Seconds for one word to come back.
PATIENCE = 3.0
#: Nobody binds it, and whoever may say the first version may say this one: it comes back.
_UNHEARD = f"{ServiceStatus.__name__}.v0"
#: No priority: the broker objects to it once it has asked whether the queue may be read; it delivers nothing.
_IMPOSSIBLE: dict[str, Any] = {"x-priority": "none"}


class Rights(NamedTuple):
    """Of one user in one vhost."""

    declares: bool
    says: bool
    #: Work queues that it may take from, of those that are there.
    reads: frozenset[str]


async def rights(connection: AbstractConnection) -> Rights:
    """Of whoever has made the connection; of a topology that is there. Raises Outage."""

    async def declares(channel: AbstractChannel) -> object:
        # What is there already stays as it is.
        return await channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True, timeout=TIMEOUT)

    async def says(channel: AbstractChannel) -> object:
        return await channel.basic_publish(
            b"", exchange=EXCHANGE, routing_key=_UNHEARD, mandatory=True, timeout=PATIENCE
        )

    async def reads(channel: AbstractChannel, queue: str) -> object:
        return await channel.basic_consume(queue, _nothing, arguments=_IMPOSSIBLE, timeout=TIMEOUT)

    async def readable(queue: str) -> bool:
        return await _may(connection, lambda channel: reads(channel, queue))

    with border("asking what the user may do"):
        able = frozenset([queue.name for queue in QUEUES if await readable(queue.name)])
        may_declare = await _may(connection, declares)
        # The last: a broker that is short of memory or disk answers nothing more on this connection.
        return Rights(may_declare, await _may(connection, says), able)


async def _may(connection: AbstractConnection, deed: Callable[[AbstractChannel], Awaitable[object]]) -> bool:
    channel = connection.channel(publisher_confirms=True, on_return_raises=True)
    try:
        await channel.initialize(timeout=TIMEOUT)
        await deed(await channel.get_underlay_channel())
    except (ChannelAccessRefused, ChannelNotFoundEntity):
        return False
    except (ChannelPreconditionFailed, PublishError):
        return True
    finally:
        if not channel.is_closed:
            await channel.close()
    return True


async def _nothing(_delivered: object) -> None:
    raise AssertionError("a consumer that can't be was made")
