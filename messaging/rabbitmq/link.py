"""One connection to the broker, opened again whenever it is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AMQPConnectionError,
    AuthenticationError,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from messaging.ending import ended
from messaging.errors import Outage
from messaging.rabbitmq.border import Refused, TopologyMismatch, border
from messaging.rabbitmq.careful import CarefulConnection
from messaging.rabbitmq.cork import CorkedConnection
from messaging.rabbitmq.tls import secured, untrusted

log = structlog.get_logger("messaging")

#: Seconds that the broker has for any one answer.
TIMEOUT = 10.0
#: Seconds between attempts to connect; the last one repeats.
BACKOFF = (0.2, 0.5, 1.0, 2.0)
#: Seconds; the client gives a silent broker up after three of them, the broker a silent client after two.
HEARTBEAT = 20
#: Seconds between looks at whether the broker has blocked the connection.
LOOK = 1.0


@dataclass(frozen=True)
class Address:
    """Where the broker is and who asks. Only its words without the password go into logs and errors."""

    url: str
    app_id: str

    @property
    def user(self) -> str:
        return unquote(urlsplit(self.url).username or "guest")

    @property
    def vhost(self) -> str:
        return unquote(urlsplit(self.url).path[1:]) or "/"

    def __str__(self) -> str:
        place = urlsplit(self.url)
        host = f"[{place.hostname}]" if ":" in (place.hostname or "") else place.hostname
        return f"{host}:{place.port}" if place.port else f"{host}"

    def options(self, purpose: str) -> dict[str, Any]:
        named = {"client_properties": {"connection_name": f"{self.app_id} {purpose}"}}
        return (
            named if "heartbeat" in parse_qs(urlsplit(self.url).query) else named | {"heartbeat": HEARTBEAT}
        )


class Link:
    """`prepare` runs on every new connection before anybody else sees it."""

    def __init__(
        self,
        address: Address,
        purpose: str,
        prepare: Callable[[AbstractConnection], Awaitable[None]] | None = None,
    ) -> None:
        self._address = address
        self._purpose = purpose
        self._prepare = prepare
        self._up = asyncio.Event()
        self._connection: AbstractConnection | None = None
        #: Whether a connection was lost to a frame that the library could not read. Care costs some
        #: microseconds for each delivery, so nobody takes it who has not seen why.
        self._careful = False
        self.trouble: str | None = None

    @asynccontextmanager
    async def opened(self, patience: float) -> AsyncIterator[None]:
        """Waits so many seconds for a broker that comes up later, and goes on without it then: the link is
        in trouble until it is up. Raises Refused and TopologyMismatch at once; both are only logged when
        they come up later."""
        until = asyncio.get_running_loop().time() + patience
        connection: AbstractConnection | None = None
        for attempt in count():
            try:
                connection = await self._open()
            except Outage as outage:
                self.trouble = str(outage)
                if asyncio.get_running_loop().time() >= until:
                    break
                await self._wait(attempt, outage)
            else:
                break
        keeper = asyncio.create_task(self._keep(connection), name=f"rabbitmq {self._purpose}")
        try:
            yield
        finally:
            await ended([keeper])
            await self._drop()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def connection(self) -> AbstractConnection:
        """The connection, once there is one."""
        while self._connection is None:
            await self._up.wait()
        return self._connection

    async def unblocked(self) -> AbstractConnection:
        """The connection, once the broker takes messages over it."""
        connection = await self.connection()
        assert connection.transport is not None
        await connection.transport.ready()
        return connection

    async def _keep(self, connection: AbstractConnection | None) -> None:
        while True:
            if connection is not None:
                await self._watch(connection)
                await self._drop()
            connection = await self._reopen()

    async def _reopen(self) -> AbstractConnection:
        attempt = 0
        while True:
            try:
                return await self._open()
            except (Outage, Refused, TopologyMismatch) as why:
                await self._wait(attempt, why)
            except Exception as error:  # whatever it is: a bus that gave up would be silent for ever
                log.error("connecting failed in an unknown way", exc_info=error)
                await self._wait(attempt, error)
            attempt += 1

    async def _wait(self, attempt: int, why: Exception) -> None:
        delay = BACKOFF[min(attempt, len(BACKOFF) - 1)]
        self.trouble = str(why) or type(why).__name__
        log.warning("waiting for the broker", purpose=self._purpose, reason=self.trouble, seconds=delay)
        await asyncio.sleep(delay)

    async def _open(self) -> AbstractConnection:
        connection = await self._dial()
        try:
            if self._prepare:
                await self._prepare(connection)
        except BaseException:
            await _close(connection)
            raise
        self._connection, self.trouble = connection, None
        self._up.set()
        log.info("connected to the broker", purpose=self._purpose, broker=str(self._address))
        return connection

    async def _dial(self) -> AbstractConnection:
        address = self._address
        with border(f"connecting to the broker at {address}"):
            try:
                async with asyncio.timeout(TIMEOUT):
                    connection: AbstractConnection = await aio_pika.connect(
                        address.url,
                        connection_class=CarefulConnection if self._careful else CorkedConnection,
                        **address.options(self._purpose),
                        **secured(address.url),
                    )
                    return connection
            except (AuthenticationError, ProbableAuthenticationError) as error:
                raise Refused(
                    f"the broker at {address} does not know user {address.user!r} by this password"
                ) from error
            except InvalidFrameError as error:
                # The library's answer to a connection.close where open-ok was due.
                if "Connection.Close" not in str(error):
                    raise
                raise Refused(
                    f"the broker at {address} refuses vhost {address.vhost!r} to user {address.user!r}: "
                    "it does not exist, is down, or the user has no permission there"
                ) from error
            except AMQPConnectionError as error:
                if (why := untrusted(error)) is None:
                    raise
                raise Refused(f"the broker at {address} is not called: {why}") from error

    async def _watch(self, connection: AbstractConnection) -> None:
        """Returns when the connection is lost."""
        assert connection.transport is not None
        closing = connection.transport.connection.closing
        while not closing.done():
            self.trouble = (
                None if await _flows(connection) else "the broker has blocked publishing (an alarm)"
            )
            await asyncio.wait({closing}, timeout=LOOK)
        why = None if closing.cancelled() else closing.exception()
        self._careful |= _unreadable(why)
        self.trouble = f"the connection to the broker at {self._address} was lost"
        log.warning("connection to the broker lost", purpose=self._purpose, reason=repr(why))

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._up.clear()
        if connection is not None:
            await _close(connection)


def _unreadable(why: BaseException | None) -> bool:
    """Whether it was the library that gave up, at a frame that it could not read."""
    if why is None or isinstance(why, InvalidFrameError):
        return why is not None
    return not isinstance(why, CONNECTION_EXCEPTIONS)


async def _flows(connection: AbstractConnection) -> bool:
    assert connection.transport is not None
    try:
        async with asyncio.timeout(0):
            await connection.transport.ready()
    except TimeoutError:
        return False
    return True


async def _close(connection: AbstractConnection) -> None:
    with suppress(Outage), border("closing a connection"):
        async with asyncio.timeout(TIMEOUT):
            await connection.close()


@asynccontextmanager
async def own_channel(connection: AbstractConnection) -> AsyncIterator[AbstractChannel]:
    """A channel for one errand: an error there closes it, and nothing else."""
    channel = connection.channel(publisher_confirms=False)
    async with asyncio.timeout(TIMEOUT):
        await channel.initialize()
    try:
        yield channel
    finally:
        if not channel.is_closed:
            with suppress(Outage), border("closing a channel"):
                async with asyncio.timeout(TIMEOUT):
                    await channel.close()
