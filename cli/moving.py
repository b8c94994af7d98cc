"""`darkroom topology migrate`: gives queues the arguments that this release wants, and loses no message."""

import asyncio
from collections.abc import Callable, Sequence

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage

from chassis.process import STATUS_SECONDS
from chassis.settings import BadSettings
from cli.broker import BrokerSettings
from contracts.message import Undecodable
from contracts.topology import Place, places
from contracts.transient import ServiceStatus
from messaging.rabbitmq.border import border
from messaging.rabbitmq.errands import clashes, errand, is_there
from messaging.rabbitmq.hands import BESIDE
from messaging.rabbitmq.link import own_channel
from messaging.rabbitmq.moving import QUIET, move
from messaging.rabbitmq.topology import declare_listener

Tell = Callable[[str], None]
#: Seconds in which every process that lives has said so.
LISTENING = 2 * STATUS_SECONDS + 1


async def migrated(
    settings: BrokerSettings,
    names: Sequence[str],
    tell: Tell,
    listening: float = LISTENING,
    quiet: float = QUIET,
) -> int:
    """1 where processes have to be stopped first, else 0. Raises BadSettings for a queue that does not exist,
    CannotConnect and Outage; the same call goes on after any of them."""
    wanted = _chosen(names)
    async with errand(settings.bus_url.get_secret_value(), "darkroom topology") as connection:
        due = await _due(connection, wanted)
        for place, why in due:
            tell(f"{place.name}: {why}")
        if not due:
            tell("every queue is as it should be")
            return 0
        readers = {place.service for place, _ in due if place.service}
        if readers and (alive := await _alive(connection, readers, listening)):
            tell(
                f"these processes run, and hold messages of these queues: {', '.join(alive)}; stop them, "
                "wait until they have ended, and do this again. Meanwhile what is for them lies in its queues"
            )
            return 1
        # Beside each other: most of a move is a wait for whoever might still hold something.
        counts = await asyncio.gather(*(move(connection, place, quiet) for place, _ in due))
    for (place, _), count in zip(due, counts, strict=True):
        tell(f"{place.name} is as it should be, with {count} messages that lay in it")
    return 0


def _chosen(names: Sequence[str]) -> Sequence[Place]:
    known = {place.name: place for place in places()}
    if strangers := [name for name in names if name not in known]:
        raise BadSettings(f"there is no queue {', '.join(strangers)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


async def _due(connection: AbstractConnection, wanted: Sequence[Place]) -> Sequence[tuple[Place, str]]:
    """What is to be done, and why."""
    due: list[tuple[Place, str]] = []
    for place in wanted:
        if why := await clashes(connection, place):
            due.append((place, why))
        elif await is_there(connection, place.name + BESIDE):
            due.append((place, "a move of it was cut off"))
    return due


async def _alive(connection: AbstractConnection, services: set[str], seconds: float) -> list[str]:
    """Instances of these services that say within so many seconds how they are."""
    heard: set[str] = set()

    async def hear(delivered: DeliveredMessage) -> None:
        try:
            status = ServiceStatus.decode(delivered.body)
        except Undecodable:
            return
        if status.service in services:
            heard.add(f"{status.service} {status.instance}")

    with border("listening for processes"):
        async with own_channel(connection) as channel:
            queue = await declare_listener(channel, ServiceStatus)
            under = await channel.get_underlay_channel()
            await under.basic_consume(queue, hear, no_ack=True)
            await asyncio.sleep(seconds)
    return sorted(heard)
