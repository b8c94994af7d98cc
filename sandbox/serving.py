"""Serves any ASGI application on a real port, inside the running event loop, for as long as a block lasts."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: How long open requests and sockets may take to end by themselves when the block ends.
GRACE_SECONDS = 0.25
_HANG_UP = "sandbox.hang_up"


class DidNotStart(RuntimeError):
    """The application's start-up failed; its traceback is in the log `uvicorn.error`."""


@asynccontextmanager
async def serve(app: Application, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The application's base URL, `http://HOST:PORT` without a slash; port 0 takes a free one.

    Installs no signal handler and leaves every logger as it is. At the end, open requests and WebSockets get
    `GRACE_SECONDS`, then they are cut. Raises OSError where the port is taken and DidNotStart where the
    application's own start-up fails.
    """
    listener = socket.create_server((host, port), backlog=512)
    # Connections inherit it. asyncio sets it only where a socket names its protocol, which this one does not;
    # without it, an answer of two packets waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _Server(app)
    try:
        await server.start(listener)
    except BaseException:
        listener.close()
        raise
    clock = asyncio.create_task(server.main_loop(), name="date header of a stand-in")
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        clock.cancel()
        await server.stop()


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Cut the connection of a request without an answer, as a crash or a broken line does.

    Works under `serve` only (KeyError elsewhere). The application returns right after it.
    """
    scope["extensions"][_HANG_UP]["cut"]()
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


class _Config(uvicorn.Config):
    def configure_logging(self) -> None:
        """Loggers belong to the process, which may run other servers: a stand-in changes none of them."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, and with an end that does not wait for slow clients."""

    def __init__(self, app: Application) -> None:
        super().__init__(
            _Config(
                self._entry,
                ws="websockets-sansio",
                ws_ping_interval=None,
                access_log=False,
                lifespan="auto",
                interface="asgi3",
                proxy_headers=False,
                server_header=False,
            )
        )
        self._app = app
        self._ending = False

    async def start(self, listener: socket.socket) -> None:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        try:
            await self.startup(sockets=[listener])
        except SystemExit:
            raise DidNotStart("the application's start-up failed; see the log uvicorn.error") from None

    async def stop(self) -> None:
        self._ending = True
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not await self._quiet(GRACE_SECONDS):
            self._cut_everything()
            await self._quiet(GRACE_SECONDS)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()

    async def _quiet(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # uvicorn keeps these as bare sets, without an event to wait for.
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
                return True
        return False

    def _cut_everything(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()

    async def _entry(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            extensions = scope.setdefault("extensions", {})
            extensions[_HANG_UP] = {"cut": lambda: self._cut(scope["client"])}
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            # Only stop() cancels requests, after it has cut their connections: nobody waits for an answer.
            if not self._ending:
                raise

    def _cut(self, client: tuple[str, int]) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport.get_extra_info("peername")[:2] == client:
                connection.transport.abort()
