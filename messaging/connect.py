"""A bus by its URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

from messaging.bus import Bus
from messaging.errors import CannotConnect
from messaging.memory import MemoryBus

__all__ = ["CannotConnect", "open_bus"]


@asynccontextmanager
async def open_bus(url: str, app_id: str, declare: bool = True, patience: float = inf) -> AsyncIterator[Bus]:
    """`memory:` lives and ends with the context; `amqp://` and `amqps://` are a RabbitMQ broker, on which
    `declare` says whether to declare the topology or only check it. A broker that is away is waited for,
    `patience` seconds at the most; then the bus is open, and in trouble until the broker is there.

    Raises CannotConnect for any other URL, a refused login, or a topology that does not fit.
    """
    if url.startswith("memory:"):
        yield MemoryBus(app_id)
    elif url.startswith(("amqp://", "amqps://")):
        # The client library is loaded only where a broker is used.
        from messaging.rabbitmq import open_rabbitmq

        async with open_rabbitmq(url, app_id, declare, patience) as bus:
            yield bus
    else:
        # Only the scheme: the rest may hold a password.
        scheme = url.partition(":")[0][:20]
        raise CannotConnect(
            f"a bus is `memory:` or `amqp://USER:PASSWORD@HOST/VHOST` (or `amqps:`), not {scheme!r}"
        )
