"""`/sandbox`: faults on demand and what the stand-in counted. The real server has nothing of this."""

import json

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.comfyui.machine import Machine
from sandbox.comfyui.rules import RULES, Restart


def routes(machine: Machine) -> list[Route]:
    control = _Control(machine)
    return [
        Route("/sandbox/faults", control.add, methods=["POST"]),
        Route("/sandbox/faults", control.show, methods=["GET"]),
        Route("/sandbox/faults", control.clear, methods=["DELETE"]),
        Route("/sandbox/restart", control.restart, methods=["POST"]),
        Route("/sandbox/stats", control.stats, methods=["GET"]),
    ]


class _Control:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def add(self, request: Request) -> Response:
        """One rule or a list of them, as `faults.py` declares them; 422 says what is wrong with one."""
        try:
            body = json.loads(await request.body())
            rules = RULES.validate_python(body if isinstance(body, list) else [body])
        except ValidationError as error:
            return JSONResponse({"errors": json.loads(error.json(include_url=False))}, 422)
        except ValueError:
            return JSONResponse({"errors": ["the body must be JSON: one rule or a list of rules"]}, 422)
        self._machine.faults.add(rules)
        return await self.show(request)

    async def show(self, _request: Request) -> Response:
        return JSONResponse({"rules": self._machine.faults.shown()})

    async def clear(self, request: Request) -> Response:
        self._machine.faults.clear()
        return await self.show(request)

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
