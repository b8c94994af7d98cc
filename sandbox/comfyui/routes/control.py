"""`/sandbox`: faults on demand and what the stand-in counted. The real server has nothing of this."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.comfyui.machine import Machine
from sandbox.comfyui.rules import RULES, Restart
from sandbox.faults import fault_routes
from sandbox.timeline import timeline_routes


def routes(machine: Machine) -> list[Route]:
    control = _Control(machine)
    return [
        *fault_routes(machine.faults, RULES),
        *timeline_routes(machine.timeline),
        Route("/sandbox/restart", control.restart, methods=["POST"]),
        Route("/sandbox/stats", control.stats, methods=["GET"]),
    ]


class _Control:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def restart(self, request: Request) -> Response:
        """At once: `{"down_seconds": 1.5}`, or no body. Answers when the server is up again."""
        body = await request.body()
        try:
            rule = Restart.model_validate({"kind": "restart", **(json.loads(body) if body else {})})
        except (TypeError, ValueError):
            return JSONResponse({"errors": ['the body is {"down_seconds": SECONDS} or empty']}, 422)
        await self._machine.restart(rule.down_seconds)
        return Response(status_code=204)

    async def stats(self, _request: Request) -> Response:
        return JSONResponse(self._machine.describe())
