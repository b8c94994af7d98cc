"""The FastAPI application: routes, problems, and what every request passes through."""

from fastapi import FastAPI

from chassis.web import Readiness, status_routes
from services.gateway.adapters.http import batches, characters, image_generation, problems
from services.gateway.adapters.http.desk import Desk
from services.gateway.adapters.http.envelope import RequestIds, SizeLimit

_ABOUT = """Numbered batches of character images. Every image has its number before it is rendered; every
number ends as an image, as a placeholder that says why, or as a recorded failure. Errors are problem
documents (RFC 9457) with stable codes; what is somebody else's does not exist."""

_TAGS = [
    {"name": "image generation", "description": "The two calls that the product has always made."},
    {"name": "characters", "description": "Who can be pictured."},
    {"name": "batches", "description": "What was asked for, and what came of it."},
]


def build(desk: Desk, readiness: Readiness) -> FastAPI:
    app = FastAPI(title="Darkroom", version="1", description=_ABOUT, openapi_tags=_TAGS)
    app.state.desk = desk
    app.add_middleware(SizeLimit)
    app.add_middleware(RequestIds)
    problems.install(app)
    app.router.routes.extend(status_routes(readiness))
    for module in (image_generation, characters, batches):
        app.include_router(module.router)
    return app
