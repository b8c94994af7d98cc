"""An event stream as an answer: kept alive, and taken from whoever does not read it or may no longer."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import structlog
from prometheus_client import Counter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.gateway.adapters.http.frames import HEARTBEAT, Frame, Reason, closing

log = structlog.get_logger("gateway")

CLOSED = Counter(
    "darkroom_event_streams_closed", "Event streams that were closed early, by reason", ["reason"]
)

MEDIA_TYPE = "text/event-stream"
#: Seconds without a word after which a comment says that the stream lives.
SILENCE = 15.0
#: Seconds in which a client has to take what was sent, and after which one that did not is dropped; then the
#: seconds that the reason waits for him to read it.
SLOW, FAREWELL = 30.0, 60.0


class EventResponse(Response):
    """`frames` are taken at the client's pace. `until`: epoch seconds at which his token ends. `leave` gives
    his place to others, and is called once he is not served any longer, however slowly he goes."""

    media_type = MEDIA_TYPE

    def __init__(self, frames: AsyncIterator[Frame], until: float, leave: Callable[[], None]) -> None:
        # Neither caches nor proxies that collect answers may hold it up.
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._until = until
        self._leave = leave

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        listening = asyncio.create_task(_hung_up(receive))
        pumping = asyncio.create_task(self._pump(send))
        try:
            await asyncio.wait([listening, pumping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (listening, pumping):
                task.cancel()
            await asyncio.gather(listening, pumping, return_exceptions=True)
            self._leave()
        if not pumping.cancelled():
            pumping.result()

    async def _pump(self, send: Send) -> None:
        reason = await self._told(send)
        self._leave()
        if reason is not None:
            CLOSED.labels(reason).inc()
            log.info("event stream closed", reason=reason)
        last = b"" if reason is None else closing(reason).wire
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await _send(send, last)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _told(self, send: Send) -> Reason | None:
        """Sends until there is no more to say; why it ended before that."""
        following: asyncio.Future[Frame | None] | None = None
        try:
            while (left := self._until - time.time()) > 0:
                following = following or asyncio.ensure_future(anext(self._frames, None))
                await asyncio.wait([following], timeout=min(left, SILENCE))
                said: Frame | None = HEARTBEAT
                if following.done():
                    said, following = following.result(), None
                if said is None:
                    return None
                if not await _taken(send, said.wire):
                    return "too_slow"
            return "token_expired"
        finally:
            if following:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


async def _taken(send: Send, wire: bytes) -> bool:
    """Whether the client takes it in time."""
    try:
        async with asyncio.timeout(SLOW):
            await _send(send, wire)
    except TimeoutError:
        return False
    return True


async def _send(send: Send, wire: bytes) -> None:
    if wire:
        await send({"type": "http.response.body", "body": wire, "more_body": True})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
