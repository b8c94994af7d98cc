"""Puts one stand-in together."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from sandbox.comfyui.answers import LOGIN_PATH, login_page, plainly, web_page
from sandbox.comfyui.entrance import Entrance
from sandbox.comfyui.machine import Machine
from sandbox.comfyui.routes import catalogue, control, jobs, pictures, prompts
from sandbox.comfyui.rules import ZombieSocket
from sandbox.comfyui.settings import Settings
from sandbox.rules import Subject


def comfyui(settings: Settings) -> Starlette:
    """One ComfyUI server for `sandbox.serving.serve`; its worker runs from start-up to shutdown."""
    machine = Machine(settings)
    shared = [*_everywhere(machine), WebSocketRoute("/ws", _socket(machine))]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with machine.working():
            yield

    return Starlette(
        routes=[
            *control.routes(machine),
            Route(LOGIN_PATH, login_page, methods=["GET"]),
            Route("/", web_page, methods=["GET"]),
            *shared,
            Mount("/api", routes=[*shared, *jobs.routes(machine), _nothing_else()]),
            _nothing_else(),
        ],
        middleware=[Middleware(Entrance, machine=machine)],
        exception_handlers={HTTPException: plainly},
        lifespan=lifespan,
    )


def _everywhere(machine: Machine) -> list[BaseRoute]:
    parts = (prompts, pictures, catalogue)
    return [route for part in parts for route in part.routes(machine)]


def _socket(machine: Machine) -> Callable[[WebSocket], Awaitable[None]]:
    async def keep(websocket: WebSocket) -> None:
        zombie = machine.faults.take(ZombieSocket, Subject("/ws"))
        await machine.sockets.keep(websocket, zombie.after if zombie else None)

    return keep


def _nothing_else() -> Route:
    """The web page's files: a GET of anything else is 404 there, and a POST therefore 405."""

    async def missing(_request: Request) -> None:
        raise HTTPException(404)

    return Route("/{path:path}", missing, methods=["GET"])
