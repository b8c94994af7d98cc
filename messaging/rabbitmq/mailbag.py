"""What is published at about the same time goes to the broker as one piece.

The client library takes each message through a lock, a short queue and a turn of its writer, and keeps three
lists of whoever waits for a confirmation. Here a message is written down at once, and what came together is
handed to the writer together; confirmations and returned messages stay the library's business.
"""

import asyncio
from typing import Any

from aiormq import Channel
from aiormq.abc import ChannelFrame
from aiormq.channel import Returning
from aiormq.exceptions import ChannelInvalidStateError
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal
from pamqp.header import ContentHeader

#: Seconds until a writer that has its hands full is asked again.
AGAIN = 0.001


class Mailbag:
    """Belongs to a channel with confirms, on which nobody else publishes: the broker counts what comes."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._held: list[bytes] = []
        #: The first frame of a message, which says only where to.
        self._addresses: dict[tuple[str, str, bool], bytes] = {}
        channel.closing.add_done_callback(self._closed)

    async def post(
        self, body: bytes, exchange: str, key: str, mandatory: bool, properties: Basic.Properties
    ) -> None:
        """Returns when the broker has confirmed it. Raises the library's errors: PublishError where no queue
        took it, and whatever closed the channel. The properties have a message id that no other has."""
        channel = self.channel
        if channel.is_closed:
            raise ChannelInvalidStateError(f"{channel!r} closed")
        frames = self._frames(body, self._address(exchange, key, mandatory), properties)
        loop, name = asyncio.get_running_loop(), str(properties.message_id)
        channel.delivery_tag += 1
        confirmed: asyncio.Future[Any] = loop.create_future()
        channel.confirmations[channel.delivery_tag] = confirmed
        channel.message_id_delivery_tag[name] = channel.delivery_tag
        if not self._held:
            loop.call_soon(self._flush)
        self._held.append(frames)
        try:
            await confirmed
        finally:
            channel.message_id_delivery_tag.pop(name, None)

    def _address(self, exchange: str, key: str, mandatory: bool) -> bytes:
        to = (exchange, key, mandatory)
        if to not in self._addresses:
            publish = Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
            self._addresses[to] = marshal(publish, self.channel.number)
        return self._addresses[to]

    def _frames(self, body: bytes, address: bytes, properties: Basic.Properties) -> bytes:
        number, most = self.channel.number, self.channel.max_content_size
        header = marshal(ContentHeader(body_size=len(body), properties=properties), number)
        parts = (body[start : start + most] for start in range(0, len(body), most))
        return b"".join((address, header, *(marshal(ContentBody(part), number) for part in parts)))

    def _flush(self) -> None:
        if self.channel.is_closed:
            return
        try:
            self.channel.write_queue.put_nowait(ChannelFrame(b"".join(self._held), should_close=False))
        except asyncio.QueueFull:
            asyncio.get_running_loop().call_later(AGAIN, self._flush)
        else:
            self._held = []

    def _closed(self, closing: "asyncio.Future[Any]") -> None:
        """Nobody will confirm what has not been confirmed."""
        self._held = []
        why = None if closing.cancelled() else closing.exception()
        for confirmed in self.channel.confirmations.values():
            if not (confirmed.done() or isinstance(confirmed, Returning)):
                confirmed.set_exception(why or ChannelInvalidStateError(f"{self.channel!r} closed"))
