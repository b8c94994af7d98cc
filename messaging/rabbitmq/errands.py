"""What a person asks a broker once: a connection for it, and whether queues are as the contracts say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from contracts.topology import Arguments, Place
from messaging.errors import Outage
from messaging.rabbitmq.border import TopologyMismatch, border
from messaging.rabbitmq.link import TIMEOUT, Address, Link, own_channel


@asynccontextmanager
async def errand(url: str, app_id: str) -> AsyncIterator[AbstractConnection]:
    """A connection for what a person wants done now. Raises Refused, and Outage where nobody answers."""
    link = Link(Address(url, app_id), "runs an errand")
    async with link.opened(0):
        if not link.connected:
            raise Outage(link.trouble or "the broker does not answer")
        yield await link.connection()


async def clashes(connection: AbstractConnection, place: Place) -> str | None:
    """In what the broker's queue of this name differs from ours; None where it does not, or is not there.
    Raises TopologyMismatch where this user may not find out, and Outage."""
    with border(f"comparing {place.name}"):
        async with own_channel(connection) as channel:
            under = await channel.get_underlay_channel()
            try:
                await under.queue_declare(place.name, passive=True, timeout=TIMEOUT)
                # Changes nothing where it is the same.
                await declared(under, place.name, place.arguments)
            except ChannelNotFoundEntity:
                return None
            except ChannelPreconditionFailed as error:
                return str(error)
            except ChannelAccessRefused as error:
                raise TopologyMismatch(
                    f"this user may not compare queues ({error}); ask as one who may declare them"
                ) from error
    return None


async def is_there(connection: AbstractConnection, name: str) -> bool:
    """Raises Outage."""
    with border(f"looking for {name}"), suppress(ChannelNotFoundEntity):
        async with own_channel(connection) as channel:
            under = await channel.get_underlay_channel()
            await under.queue_declare(name, passive=True, timeout=TIMEOUT)
            return True
    return False


async def declared(channel: AbstractChannel, name: str, arguments: Arguments) -> None:
    """Raises the library's own errors."""
    await channel.queue_declare(name, durable=True, arguments={**arguments}, timeout=TIMEOUT)
