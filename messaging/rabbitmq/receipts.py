"""Acknowledgements that come due together go to the broker as one."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage

from messaging.errors import Outage
from messaging.rabbitmq.border import border
from messaging.rabbitmq.link import TIMEOUT

log = structlog.get_logger("messaging")

#: Seconds that an acknowledgement waits for others, unless they are a quarter of what may be held: nobody
#: waits for it but the broker, which then writes one entry for all. A crash meanwhile brings them again.
TOGETHER = 0.005


@dataclass(frozen=True)
class Answer:
    """One acknowledgement: of this tag, and with `multiple` of all before it."""

    tag: int
    multiple: bool = False


@dataclass
class Tags:
    """The deliveries of one channel, which the broker counts from 1, as far as they are settled."""

    #: Every delivery up to this one is settled.
    floor: int = 0
    #: Those beyond, settled out of turn.
    beyond: set[int] = field(default_factory=set)

    def settled(self, tags: Iterable[int]) -> list[Answer]:
        """What to tell the broker. The last tag of an answer is always one of these: it knows no other any
        more."""
        fresh = set(tags)
        self.beyond |= fresh
        while self.floor + 1 in self.beyond:
            self.floor += 1
            self.beyond.remove(self.floor)
        together = sorted(tag for tag in fresh if tag <= self.floor)
        alone = [Answer(tag) for tag in sorted(fresh) if tag > self.floor]
        return [Answer(together[-1], multiple=len(together) > 1), *alone] if together else alone


class Receipts:
    """Those of one consumer, over all its channels, of which the last is the living one."""

    def __init__(self, prefetch: int = 1) -> None:
        self._enough = max(1, prefetch // 4)
        self._of: _Channel | None = None

    async def acknowledge(self, delivered: DeliveredMessage) -> bool:
        """Within TOGETHER seconds, with whatever comes due meanwhile. False where its channel is gone: then
        it comes again, which every handler allows."""
        channel = delivered.channel
        if self._of is None or self._of.channel is not channel:
            self._of = _Channel(channel, self._enough)
        tag = delivered.delivery_tag or 0
        if self._of.taken_along(tag):
            return True
        try:
            # On a connection that has just been lost the library may wait for its turn to write for ever.
            with border("acknowledging"):
                async with asyncio.timeout(TIMEOUT):
                    await self._of.carry(tag)
        except Outage as why:
            log.info("will be delivered again", reason=str(why))
            return False
        return True


class _Channel:
    def __init__(self, channel: AbstractChannel, enough: int) -> None:
        self.channel = channel
        self._enough = enough
        self._full = asyncio.Event()
        self._tags = Tags()
        self._due: list[int] = []
        self._carried = False

    def taken_along(self, tag: int) -> bool:
        """Whether somebody is about to carry others', and this one too."""
        if self._carried:
            self._due.append(tag)
            if len(self._due) >= self._enough:
                self._full.set()
        return self._carried

    async def carry(self, tag: int) -> None:
        """The first who comes carries the others' too. One alone at a time: the broker closes a channel that
        names a tag again, which an overtaken answer would."""
        self._carried = True
        self._due.append(tag)
        try:
            if len(self._due) < self._enough:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TOGETHER):
                        await self._full.wait()
            self._full.clear()
            while self._due:
                due, self._due = self._due, []
                for answer in self._tags.settled(due):
                    await self.channel.basic_ack(answer.tag, answer.multiple, wait=False)
        finally:
            self._carried = False
