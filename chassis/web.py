"""The HTTP side of a process: health, readiness and metrics, and a server that stops when told."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager

import h11
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from chassis.logs import redact
from chassis.settings import BadSettings

#: Says why something is not ready, None if it is.
Check = Callable[[], Awaitable[str | None]]
#: Seconds that a readiness check may take before it counts as failed.
CHECK_SECONDS = 3.0
#: Seconds that open requests may take to end when the process stops.
GRACE_SECONDS = 15
#: Seconds that a caller has for the head of a request, once he is connected or has begun with it.
HEAD_SECONDS = 20.0
#: Seconds that a connection without a request stays open: longer than load balancers and clients keep one
#: (60 s as a rule), so that it is they who end it. Ended here, it could meet a request already on its way.
KEPT_SECONDS = 75
#: Seconds after which a connection is cut whose other end takes nothing of what was sent.
UNREAD_SECONDS = 90
HIGHEST_PORT = 65_535


class Readiness:
    """Whether this process should get work, and why not."""

    def __init__(self, checks: Mapping[str, Check], outlasted: Mapping[str, Check] | None = None) -> None:
        """`outlasted`: what is told when it fails, but keeps no work away."""
        self._checks = checks
        self._outlasted = outlasted or {}
        self.draining = False

    async def troubles(self, of: Collection[str] | None = None) -> dict[str, str]:
        """Name -> reason of each check that fails now; empty means ready. With `of`, only checks so named."""
        if self.draining:
            return {"process": "stopping"}
        asked = {name: check for name, check in self._checks.items() if of is None or name in of}
        return await self._failing(asked)

    async def outlasted(self) -> dict[str, str]:
        """Name -> reason of what fails now and is outlasted."""
        return await self._failing(self._outlasted)

    async def _failing(self, checks: Mapping[str, Check]) -> dict[str, str]:
        answers = await asyncio.gather(*(self._ask(check) for check in checks.values()))
        return {name: why for name, why in zip(checks, answers, strict=True) if why}

    async def _ask(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await check()
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001  a check that breaks has found trouble, whatever it is
            return redact(f"{type(error).__name__}: {error}")


def status_routes(readiness: Readiness) -> list[Route]:
    """`/health` touches nothing, `/ready` tells the truth, `/metrics` speaks Prometheus."""

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> Response:
        troubles = await readiness.troubles()
        words: dict[str, object] = {"status": "not ready" if troubles else "ready", "troubles": troubles}
        if outlasted := await readiness.outlasted():
            words["outlasted"] = outlasted
        return JSONResponse(words, status_code=503 if troubles else 200)

    async def metrics(_request: Request) -> Response:
        return Response(await asyncio.to_thread(generate_latest), media_type=CONTENT_TYPE_LATEST)

    return [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]


class Parting:
    """An application whose answers say `Connection: close` while its process drains: a caller who keeps his
    connection would send a request down it just when it is closed, and never know whether it arrived."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def parting(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        # No wrapper while there is nothing to say: every event of every stream would pass through it.
        await self._app(scope, receive, parting if self._readiness.draining else send)


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncIterator[str]:
    """The base URL while `app` is served inside the running loop. Open requests get GRACE_SECONDS at the end.

    Raises BadSettings where the address can't be bound.
    """
    listener = _listener(host, port)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=KEPT_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        try:
            await task
        finally:
            listener.close()


def _listener(host: str, port: int) -> socket.socket:
    if not 0 <= port <= HIGHEST_PORT:
        raise BadSettings(f"PORT is {port}; choose one from 1 to {HIGHEST_PORT}, or 0 for any that is free")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as why:
        raise BadSettings(
            f"HOST and PORT: nothing can listen at {host}, port {port} ({why.strerror}); choose another"
        ) from why
    # asyncio does this only for sockets that name their protocol, which these don't. Without it the body of
    # an answer waits until the caller's kernel acknowledges its head: 40 ms on a connection kept open.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Inherited by every connection: without it a caller who takes nothing of his answer, and lives, keeps it
    # and its bytes for ever. Only Linux has it.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    return listener


class _Server(uvicorn.Server):
    """Leaves the process's signals to the run loop."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Protocol(H11Protocol):
    """Hangs up on whoever never comes to the end of a request's head; the server itself waits for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def data_received(self, data: bytes) -> None:
        if self._late is None and self._idle():
            self._late = self.loop.call_later(HEAD_SECONDS, self._hang_up)
        super().data_received(data)
        if not self._idle():
            self._punctual()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._late is None and self._idle() and self.conn.trailing_data[0]:
            # The next request was begun while this one was answered.
            self._late = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._punctual()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._punctual()
        super().handle_websocket_upgrade(event)

    def _idle(self) -> bool:
        """Whether no request has arrived that is not answered."""
        return self.cycle is None or self.cycle.response_complete

    def _punctual(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        self._late = None
        if self._idle():
            self.transport.close()
