"""A walk through the dead letters of one queue, with nothing but AMQP: each is taken, looked at, and put back
where it lay unless it was settled. Whoever dies on the way leaves all of them there."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel as Underlay
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused

from contracts.topology import Queue
from messaging.dead_letters import DeadLetter
from messaging.errors import Outage
from messaging.rabbitmq import wire
from messaging.rabbitmq.border import border
from messaging.rabbitmq.link import TIMEOUT, own_channel

#: Letters whose bodies are held at once.
PAGE = 200
#: Seconds between looks at whether the queue is free, and how long that is waited for.
LOOK, PATIENCE = 0.05, 10.0
#: Seconds that a letter may take from the broker before it is taken for gone.
STALL = 2.0
#: Seconds between looks at whether what was put back lies there.
BACK = 0.005


@dataclass
class Hand:
    """What holds the letters of one walk."""

    channel: Underlay
    queue: Queue
    held: int = 0


@dataclass
class Laid:
    """A letter in the hand."""

    letter: DeadLetter
    #: How often it was put back.
    returns: int
    hand: Hand
    tag: int
    settled: bool = False

    async def settle(self) -> None:
        """Takes it out for good; whatever shall remain of it is safe elsewhere by now."""
        await self.hand.channel.basic_ack(self.tag, wait=False)
        self.settled = True
        self.hand.held -= 1


#: What is done with a page; says whether to go on.
Act = Callable[[Sequence[Laid]], Awaitable[bool]]


class _Taken(Exception):
    """Somebody else was a moment earlier."""


async def walk(connection: AbstractConnection, queue: Queue, act: Act) -> None:
    """Over as many letters as lie there at the beginning, oldest first. Raises Outage."""
    with border(f"looking at the dead letters of {queue.name}"):
        for _ in range(int(PATIENCE / LOOK)):
            try:
                return await _walk(connection, queue, act)
            except _Taken:
                await asyncio.sleep(LOOK)
    raise Outage(f"others look at {queue.dead} all the time; try again")


async def _walk(connection: AbstractConnection, queue: Queue, act: Act) -> None:
    async with own_channel(connection) as channel:
        hand = Hand(await channel.get_underlay_channel(), queue)
        try:
            await _pages(hand, act)
        except ChannelAccessRefused as refused:
            if hand.held or "exclusive" not in str(refused):
                raise Outage(f"{queue.dead} can't be looked at: {refused}") from refused
            raise _Taken from refused
        finally:
            if hand.held and not hand.channel.is_closed:
                await _give_back(hand)


async def _pages(hand: Hand, act: Act) -> None:
    left, number, on = await _waiting(hand), 0, True
    while on and left > 0:
        number += 1
        page = await _page(hand, min(left, PAGE), f"walk-{number:08}")
        left -= len(page)
        on = bool(page) and await act(page)


async def _waiting(hand: Hand) -> int:
    """How many lie there, once nobody else holds any."""
    for _ in range(int(PATIENCE / LOOK)):
        ready, consumers = await _seen(hand)
        if not consumers:
            return ready
        await asyncio.sleep(LOOK)
    dead = hand.queue.dead
    raise Outage(f"somebody else consumes {dead} and does not stop; end that client, and try again")


async def _seen(hand: Hand) -> tuple[int, int]:
    """Messages that nobody holds, and consumers."""
    declared = await hand.channel.queue_declare(hand.queue.dead, passive=True, timeout=TIMEOUT)
    assert declared is not None
    return declared.message_count or 0, declared.consumer_count or 0


async def _page(hand: Hand, count: int, tag: str) -> list[Laid]:
    """So many, or fewer where somebody took them meanwhile. Exclusive: two who look at the same time would
    each see a part. A consumer for each page, because none is given more than it may hold."""
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    channel, dead = hand.channel, hand.queue.dead
    await channel.basic_qos(prefetch_count=count, timeout=TIMEOUT)
    await channel.basic_consume(dead, arrived.put, exclusive=True, consumer_tag=tag, timeout=TIMEOUT)
    page: list[Laid] = []
    with suppress(TimeoutError):
        while len(page) < count:
            async with asyncio.timeout(STALL):
                page.append(_laid(hand, await arrived.get()))
    await channel.basic_cancel(tag, timeout=TIMEOUT)
    return page


def _laid(hand: Hand, delivered: DeliveredMessage) -> Laid:
    hand.held += 1
    letter = wire.dead_letter(hand.queue, delivered)
    return Laid(letter, wire.returns(delivered), hand, delivered.delivery_tag or 0)


async def _give_back(hand: Hand) -> None:
    """In the order in which they lay. Returns when they lie there again, so that whoever looks next finds
    them: the broker answers before it has put them back."""
    others, _ = await _seen(hand)
    await hand.channel.basic_nack(0, multiple=True, requeue=True)
    for _ in range(int(STALL / BACK)):
        if (await _seen(hand))[0] >= others + hand.held:
            return
        await asyncio.sleep(BACK)
