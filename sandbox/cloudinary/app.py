"""Puts the stand-in together: every route over one product environment."""

import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.cloudinary.account import account_routes
from sandbox.cloudinary.control import control_routes
from sandbox.cloudinary.deletions import deletion_routes
from sandbox.cloudinary.delivery import delivery_routes
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.quota import HourlyQuota
from sandbox.cloudinary.refusals import Refusal
from sandbox.cloudinary.resources import resource_routes
from sandbox.cloudinary.search import search_routes
from sandbox.cloudinary.settings import CloudinarySettings
from sandbox.cloudinary.store import AssetStore
from sandbox.cloudinary.upload_api import upload_routes


def cloudinary(settings: CloudinarySettings, now: Callable[[], float] = time.time) -> Starlette:
    """A stand-in with the assets that its folder holds already; serve it with `sandbox.serving.serve`.

    Reads the folder at once. One process may use a folder at a time.
    """
    store = AssetStore(settings.folder, now)
    quota = HourlyQuota(settings.admin_calls_per_hour, now)
    environment = ProductEnvironment(settings, store, quota, now)
    return Starlette(
        routes=[
            *control_routes(environment),
            *upload_routes(environment),
            *search_routes(environment),
            *resource_routes(environment),
            *deletion_routes(environment),
            *account_routes(environment),
            Route("/v1_1/{rest:path}", _unknown_call, methods=["GET", "POST", "PUT", "DELETE"]),
            *delivery_routes(environment),
        ],
        middleware=[
            Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
        ],
        exception_handlers={HTTPException: _refused},
    )


async def _unknown_call(_: Request) -> Response:
    raise HTTPException(404)


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Refusal(status, f"Unknown call {request.method} {request.url.path}").response()
