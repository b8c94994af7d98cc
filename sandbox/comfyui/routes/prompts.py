"""Submit, queue, history, interrupt."""

import re
import time
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.comfyui.answers import Stumbled, number_in, object_of, stumbled, texts_in
from sandbox.comfyui.machine import Machine
from sandbox.comfyui.prompt_queue import SameNumberSameId, Ticket
from sandbox.comfyui.settings import Settings
from sandbox.comfyui.validation import NotAGraph, Refused, validate
from sandbox.faults import subject_of

CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def routes(machine: Machine) -> list[Route]:
    desk = _Desk(machine)
    return [
        Route("/prompt", desk.submit, methods=["POST"]),
        Route("/prompt", desk.remaining, methods=["GET"]),
        Route("/queue", desk.queue, methods=["GET"]),
        Route("/queue", desk.change_queue, methods=["POST"]),
        Route("/history", desk.history, methods=["GET"]),
        Route("/history", desk.change_history, methods=["POST"]),
        Route("/history/{prompt_id}", desk.one_of_history, methods=["GET"]),
        Route("/interrupt", desk.interrupt, methods=["POST"]),
        Route("/free", desk.free, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def submit(self, request: Request) -> Response:
        body = await object_of(request)
        try:
            ticket, node_errors = self._ticket(body)
        except Refused as refused:
            return JSONResponse(refused.body, 400)
        except NotAGraph:
            return stumbled()
        self._machine.stats.accepted += 1
        self._machine.timeline.accepted(ticket.prompt_id, subject_of(ticket.graph).prefixes)
        try:
            self._machine.memory.queue.put(ticket)
        except SameNumberSameId:
            return stumbled()
        return JSONResponse(
            {"prompt_id": ticket.prompt_id, "number": ticket.number, "node_errors": node_errors}
        )

    def _ticket(self, body: dict[str, Any]) -> tuple[Ticket, dict[str, Any]]:
        """Raises Refused and NotAGraph. The number is spent even then."""
        number = self._number(body)
        if "prompt" not in body:
            raise Refused("no_prompt", "No prompt provided", "No prompt provided")
        prompt_id = prompt_id_of(body, self._machine.settings)
        accepted = validate(body["prompt"], self._machine.shelf)
        told = body.get("extra_data") or {}
        if not isinstance(told, dict):
            raise Stumbled
        extra_data = {**told, "create_time": int(time.time() * 1000)}
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        ticket = Ticket(number, prompt_id, body["prompt"], extra_data, accepted.outputs)
        return ticket, accepted.node_errors

    def _number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return number_in(body["number"])
        number = self._machine.memory.next_number()
        return -number if body.get("front") else number

    async def remaining(self, _request: Request) -> Response:
        return JSONResponse({"exec_info": {"queue_remaining": len(self._machine.memory.queue)}})

    async def queue(self, _request: Request) -> Response:
        queue = self._machine.memory.queue
        running = [queue.running.shown()] if queue.running else []
        pending = [ticket.shown() for ticket in queue.pending()]
        return JSONResponse({"queue_running": running, "queue_pending": pending})

    async def change_queue(self, request: Request) -> Response:
        body, queue, stats = await object_of(request), self._machine.memory.queue, self._machine.stats
        if body.get("clear"):
            stats.cancelled += queue.clear()
        stats.cancelled += queue.delete(texts_in(body.get("delete")))
        return Response()

    async def history(self, request: Request) -> Response:
        wanted, offset = request.query_params.get("max_items"), request.query_params.get("offset")
        page = self._machine.memory.history.page(_whole(wanted), _whole(offset or -1) or 0)
        return JSONResponse({ended.ticket.prompt_id: ended.shown() for ended in page})

    async def one_of_history(self, request: Request) -> Response:
        """An empty object while the prompt waits or runs, and where it is unknown: the caller cannot tell."""
        ended = self._machine.memory.history.get(request.path_params["prompt_id"])
        return JSONResponse({ended.ticket.prompt_id: ended.shown()} if ended else {})

    async def change_history(self, request: Request) -> Response:
        body, history = await object_of(request), self._machine.memory.history
        if body.get("clear"):
            history.clear()
        for prompt_id in texts_in(body.get("delete")):
            history.delete(prompt_id)
        return Response()

    async def interrupt(self, request: Request) -> Response:
        """Without a prompt_id whatever runs is interrupted, whoever sent it."""
        body = await object_of(request) if await request.body() else {}
        self._machine.interrupt(body.get("prompt_id") or None)
        return Response()

    async def free(self, request: Request) -> Response:
        body = await object_of(request)
        if body.get("free_memory"):
            self._machine.memory.cache.made.clear()
        return Response()


def prompt_id_of(body: dict[str, Any], settings: Settings) -> str:
    """The id that the client chose, or a new one. Raises Refused where this version wants a UUID."""
    chosen = body.get("prompt_id", str(uuid4()))
    if not settings.at_least("0.25.0"):
        return str(chosen)
    if isinstance(chosen, str) and CANONICAL_UUID.fullmatch(chosen):
        return chosen
    raise Refused(
        "invalid_prompt_id",
        "prompt_id must be a valid UUID",
        f"{chosen!r} is not a lower-case UUID with hyphens",
    )


def _whole(told: object) -> int | None:
    return int(number_in(told)) if told else None
