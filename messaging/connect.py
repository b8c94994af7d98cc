"""A bus by its URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from messaging.bus import Bus
from messaging.memory import MemoryBus


@asynccontextmanager
async def open_bus(url: str, app_id: str, declare: bool = True) -> AsyncIterator[Bus]:
    """`memory:` lives and ends with the context; `amqp://` and `amqps://` are a RabbitMQ broker, on which
    `declare` says whether to declare the topology or only check it.

    Raises ValueError for any other URL, and what `open_rabbitmq` raises.
    """
    scheme = url.partition(":")[0]
    match scheme:
        case "memory":
            yield MemoryBus(app_id)
        case "amqp" | "amqps":
            # The client library is loaded only where a broker is used.
            from messaging.rabbitmq import open_rabbitmq

            async with open_rabbitmq(url, app_id, declare) as bus:
                yield bus
        case _:
            raise ValueError(f"a bus is `memory:` or `amqp://USER:PASSWORD@HOST/VHOST`, not {scheme[:20]!r}:")
