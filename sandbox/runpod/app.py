"""Puts one stand-in together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from secrets import token_hex

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sandbox.faults import fault_routes
from sandbox.runpod import calls
from sandbox.runpod.bucket import Bucket
from sandbox.runpod.endpoint import Endpoint
from sandbox.runpod.entrance import Entrance, error
from sandbox.runpod.jobs import BadCall
from sandbox.runpod.rules import RULES
from sandbox.runpod.settings import Settings
from sandbox.timeline import timeline_routes


def runpod(settings: Settings) -> Starlette:
    """An account's endpoints below `/v2` for `sandbox.serving.serve`; they work from start-up to shutdown.

    `/v2/ENDPOINT/sandbox/{faults,stats,timeline}` is the stand-in's own and needs no key.
    """
    bucket = Bucket(settings.files / "bucket", token_hex(), settings.presigned_seconds)
    endpoints = {name: Endpoint(name, settings, bucket) for name in settings.endpoints}

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for endpoint in endpoints.values():
                await stack.enter_async_context(endpoint.open())
            yield

    return Starlette(
        routes=[
            *bucket.routes(),
            *(Mount(f"/v2/{name}", routes=_routes(each)) for name, each in endpoints.items()),
        ],
        middleware=[
            Middleware(Entrance, endpoints=endpoints, key=settings.api_key.get_secret_value()),
        ],
        exception_handlers={HTTPException: _refused, BadCall: _bad},
        lifespan=lifespan,
    )


def _routes(endpoint: Endpoint) -> list[BaseRoute]:
    async def stats(_request: Request) -> Response:
        return JSONResponse(endpoint.described())

    return [
        *fault_routes(endpoint.faults, RULES),
        *timeline_routes(endpoint.timeline),
        Route("/sandbox/stats", stats, methods=["GET"]),
        *calls.routes(endpoint),
    ]


async def _refused(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return error(problem.status_code, problem.detail, dict(problem.headers or {}))


async def _bad(_request: Request, problem: Exception) -> Response:
    return error(400, str(problem))
