"""The FastAPI application: routes, problems, and what every request passes through."""

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from chassis.web import Readiness, status_routes
from services.gateway.adapters.http import (
    batches,
    characters,
    collections,
    events,
    export,
    files,
    image_generation,
    images,
    operate,
    problems,
    usage,
    webhook_deliveries,
    webhooks,
    workflows,
)
from services.gateway.adapters.http.desk import Desk
from services.gateway.adapters.http.docs import docs_routes
from services.gateway.adapters.http.document import Application
from services.gateway.adapters.http.envelope import Envelope
from services.gateway.adapters.http.page import page_routes
from services.gateway.adapters.http.webhook_document import webhook_routes

_ABOUT = """Numbered batches of character images. Every image has its number before it is rendered; every
number ends as an image, as a placeholder that says why, or as a recorded failure. Errors are problem
documents (RFC 9457) with stable codes; what is somebody else's does not exist."""

_TAGS = [
    {"name": "image generation", "description": "The two calls that the product has always made."},
    {"name": "characters", "description": "Who can be pictured."},
    {"name": "batches", "description": "What was asked for, and what came of it."},
    {"name": "events", "description": "What happens, as it happens."},
    {"name": "workflows", "description": "What a batch may ask for."},
    {"name": "images", "description": "Every image as a thing of its own."},
    {"name": "collections", "description": "Images put together by their owner."},
    {"name": "webhooks", "description": "Being called when something happens."},
    {"name": "usage", "description": "What was made, by character and day."},
    {"name": "operate", "description": "The whole system, for whoever runs it."},
    {"name": "health", "description": "How this process is; without a token."},
]
# Looked through in this order: what is called most comes first.
ROUTERS: tuple[APIRouter, ...] = (
    batches.router,
    image_generation.router,
    characters.router,
    events.router,
    images.router,
    export.router,
    files.router,
    collections.router,
    usage.router,
    webhooks.router,
    webhook_deliveries.router,
    workflows.router,
    operate.router,
)


def build(desk: Desk, readiness: Readiness, image_hosts: str) -> ASGIApp:
    """`image_hosts`, separated by spaces, are where the page may load pictures from."""
    app = Application(
        title="Darkroom",
        version="1",
        description=_ABOUT,
        openapi_tags=_TAGS,
        # Its own pages load their scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        # A path is right or it is not: no redirects to a host that the caller named.
        redirect_slashes=False,
    )
    app.state.desk = desk
    problems.install(app)
    events.install(app)
    app.add_exception_handler(405, _not_this_method)
    app.router.routes.extend([*status_routes(readiness), *docs_routes(), *page_routes(image_hosts)])
    for router in ROUTERS:
        app.include_router(router)
    app.webhooks.include_router(webhook_routes())
    return Envelope(app)


async def _not_this_method(request: Request, error: Exception) -> Response:
    """The framework names the methods of the first route of this path; there may be more."""
    assert isinstance(error, HTTPException)
    first = (error.headers or {}).get("Allow", "").replace(" ", "").split(",")
    allow = {"Allow": ", ".join(_methods(request.url.path) or sorted(first))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    detail = f"{request.method} is not for this path; it knows {allow['Allow']}"
    return problems.answer(request, problems.Problem("method_not_allowed", detail, headers=allow))


def _methods(path: str) -> list[str]:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    known = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    return sorted(known | ({"HEAD"} if "GET" in known else set()))
