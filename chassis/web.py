"""The HTTP side of a process: health, readiness and metrics, and a server that stops when told."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

#: Says why something is not ready, None if it is.
Check = Callable[[], Awaitable[str | None]]
#: Seconds that a readiness check may take before it counts as failed.
CHECK_SECONDS = 3.0
#: Seconds that open requests may take to end when the process stops.
GRACE_SECONDS = 15


class Readiness:
    """Whether this process should get work, and why not."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self.draining = False

    async def troubles(self) -> dict[str, str]:
        """Name -> reason of each check that fails now; empty means ready."""
        if self.draining:
            return {"process": "stopping"}
        answers = await asyncio.gather(*(self._ask(check) for check in self._checks.values()))
        return {name: why for name, why in zip(self._checks, answers, strict=True) if why}

    async def _ask(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await check()
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:.0f} s"


def status_routes(readiness: Readiness) -> list[Route]:
    """`/health` touches nothing, `/ready` tells the truth, `/metrics` speaks Prometheus."""

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> Response:
        troubles = await readiness.troubles()
        words = {"status": "not ready" if troubles else "ready", "troubles": troubles}
        return JSONResponse(words, status_code=503 if troubles else 200)

    async def metrics(_request: Request) -> Response:
        return Response(await asyncio.to_thread(generate_latest), media_type=CONTENT_TYPE_LATEST)

    return [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncIterator[str]:
    """The base URL while `app` is served inside the running loop. Open requests get GRACE_SECONDS at the end.

    Raises OSError where the address can't be bound.
    """
    listener = socket.create_server((host, port), backlog=1024, reuse_port=False)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


class _Server(uvicorn.Server):
    """Leaves the process's signals to the run loop."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
