"""Gives a queue other arguments, which RabbitMQ never does: the queue is made anew, and what lies in it goes
round by a queue beside it.

Which of the two queues exist says how far a move has come, so one that was cut off anywhere is begun again
and finishes. Each message is safe in the one queue before it is taken out of the other: a cut can double
some, which every handler allows, and lose none.
"""

import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from contracts.topology import WAITS, Arguments, Place
from messaging.rabbitmq.border import TopologyMismatch, border
from messaging.rabbitmq.errands import clashes, declared, is_there
from messaging.rabbitmq.hands import BESIDE, Hands, Put
from messaging.rabbitmq.link import TIMEOUT, own_channel

log = structlog.get_logger("messaging")

#: Keeps whatever it gets for as long as it takes, however often a move is cut off.
_OF_BESIDE: Arguments = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
#: Seconds without a message after which a queue counts as empty: so long may whoever looks at dead letters
#: hold them.
QUIET = 15.0
#: Seconds without one after which the queue beside does, whose messages nobody else can hold.
QUIET_BESIDE = 1.0


async def move(connection: AbstractConnection, place: Place, quiet: float = QUIET) -> int:
    """How many messages came back into the queue, which has the contracts' arguments then. Nobody who takes
    from it may run meanwhile, or be about to end; whoever puts in may.

    Raises TopologyMismatch where somebody takes from it or declares it in the old way, and Outage; after
    either the same call goes on.
    """
    if await clashes(connection, place):
        await _aside(connection, place, quiet)
    if not await is_there(connection, place.name + BESIDE):
        return 0
    with border(f"moving {place.name} back"):
        async with Hands(connection, place) as hands:
            try:
                await declared(hands.taking, place.name, place.arguments)
            except ChannelPreconditionFailed as error:
                raise TopologyMismatch(
                    f"somebody has declared {place.name} in the old way meanwhile ({error}); "
                    "stop the processes of the older release, and do this again"
                ) from error
            # First the one, then the other: what comes in between lies in both, and not in none.
            await hands.bind(place.name)
            await hands.unbind(place.name + BESIDE)
            await hands.take(place.name + BESIDE)
            count = await hands.pour(QUIET_BESIDE, hands.put_back)
            await hands.taking.queue_delete(place.name + BESIDE, timeout=TIMEOUT)
    log.info("queue moved", queue=place.name, messages=count)
    return count


async def _aside(connection: AbstractConnection, place: Place, quiet: float) -> None:
    """Ends with the old queue gone, and all that was in it, or on its way to it, in the one beside."""
    beside = place.name + BESIDE
    with border(f"moving {place.name} aside"):
        async with Hands(connection, place) as hands:
            # Whoever else takes from it could hold messages when it is deleted.
            await hands.take(place.name)
            await declared(hands.taking, beside, _OF_BESIDE)
            await hands.bind(beside)
            await hands.unbind(place.name)
            if place.service:
                await _waiting(connection, place.name, hands.put_aside)
            await hands.pour(quiet, hands.put_aside)
            await hands.alone(place.name)
            await hands.taking.queue_delete(place.name, timeout=TIMEOUT)


async def _waiting(connection: AbstractConnection, key: str, put: Put) -> None:
    """Puts what waits for its return to the queue, which would find it gone."""
    for wait in WAITS:
        async with own_channel(connection) as channel:
            under = await channel.get_underlay_channel()
            try:
                waiting = await under.queue_declare(wait.name, passive=True, timeout=TIMEOUT)
            except ChannelNotFoundEntity:
                continue
            # What is held does not expire. All else goes back with the channel.
            for _ in range(waiting.message_count or 0):
                message = await under.basic_get(wait.name, timeout=TIMEOUT)
                if message.delivery_tag and message.routing_key == key:
                    await put(message)
                    await under.basic_ack(message.delivery_tag)
