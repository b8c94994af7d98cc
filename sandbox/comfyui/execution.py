"""Runs one accepted graph: node by node, with its cache, its messages and whatever goes wrong in it."""

import asyncio
import hashlib
import io
import json
import time
import traceback
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from sandbox.comfyui.history import Message
from sandbox.comfyui.mishaps import NodeFailed, spoil, strike
from sandbox.comfyui.node_inputs import Made, NodeClass, Shelf
from sandbox.comfyui.nodes import CLASSES
from sandbox.comfyui.pace import Pace
from sandbox.comfyui.prompt_queue import Ticket
from sandbox.faults import Faults, subject_of
from sandbox.rules import Subject


class Interrupted(Exception):
    """Somebody asked for the end of this prompt."""


class Audience(Protocol):
    """Where the messages of a run go."""

    def send(self, kind: str, data: dict[str, Any], client_id: str | None = None) -> None: ...

    def send_preview(self, jpeg: bytes, about: dict[str, Any], client_id: str | None) -> None: ...


@dataclass
class Cache:
    """What the nodes of the last prompt gave, by what they were given; older results are forgotten."""

    made: dict[str, Made] = field(default_factory=dict)

    def keep_only(self, signatures: set[str]) -> None:
        self.made = {key: made for key, made in self.made.items() if key in signatures}


class Execution:
    """One run of one ticket. `run` never raises what a node raised: how it ended is the last message."""

    def __init__(
        self, ticket: Ticket, shelf: Shelf, cache: Cache, audience: Audience, faults: Faults
    ) -> None:
        self.ticket, self.shelf, self.faults = ticket, shelf, faults
        self.outputs: dict[str, Any] = {}
        self.messages: list[Message] = []
        self.node: str | None = None
        #: Whether a node did run, rather than the cache answer for all of them.
        self.rendered = False
        self._cache, self._audience = cache, audience
        self._subject: Subject = subject_of(ticket.graph)
        self._signatures = {node: signature(ticket.graph, node) for node in _needed(ticket)}
        self._executed: list[str] = []
        self._progress: dict[str, dict[str, Any]] = {}
        self._interrupt = asyncio.Event()
        self._pace: Pace

    @property
    def graph(self) -> dict[str, Any]:
        return self.ticket.graph

    @property
    def extra_pnginfo(self) -> dict[str, Any]:
        return self.ticket.pnginfo

    def interrupt(self) -> None:
        """The run ends at its next step."""
        self._interrupt.set()

    async def run(self) -> None:
        self._tell("execution_start", {})
        self._cache.keep_only(set(self._signatures.values()))
        cached = [node for node, key in self._signatures.items() if key in self._cache.made]
        self._tell("execution_cached", {"nodes": cached})
        to_run = [node for node in self._signatures if node not in cached]
        self._pace = Pace(self.shelf.settings.render_seconds, self.graph, to_run)
        try:
            for output in self.ticket.outputs:
                await self._reach(output)
            await self.wait(self._pace.left())
        except Interrupted:
            self._tell("execution_interrupted", self._where(), to_all=True)
        except NodeFailed as failure:
            self._tell("execution_error", {**self._where(), **self._told(failure)})
        else:
            self._tell("execution_success", {})

    async def wait(self, seconds: float) -> None:
        """Raises Interrupted as soon as the prompt is."""
        if not seconds:
            return
        try:
            await asyncio.wait_for(self._interrupt.wait(), seconds)
        except TimeoutError:
            return
        raise Interrupted

    async def step(self, value: int, of: int) -> None:
        await self._pace.step()
        if self._interrupt.is_set():
            raise Interrupted
        self._show_progress("running", value, of)
        node = {"value": value, "max": of, "prompt_id": self.ticket.prompt_id, "node": self.node}
        self._send("progress", node)

    async def preview(self, picture: Image.Image) -> None:
        packed = io.BytesIO()
        picture.save(packed, "JPEG")
        about = {"node_id": self.node, "prompt_id": self.ticket.prompt_id}
        self._audience.send_preview(packed.getvalue(), about, self.ticket.client_id)

    async def _reach(self, node: str) -> None:
        """The node and all that it needs, whatever the cache does not have."""
        if node in self.outputs:
            return
        self.node = node
        key = self._signatures[node]
        if key in self._cache.made:
            self._show(node, self._cache.made[key])
            return
        for value in _inputs(self.graph, node).values():
            if _is_link(value):
                await self._reach(value[0])
        if key not in self._cache.made:
            await self._run_node(node, key)

    async def _run_node(self, node: str, key: str) -> None:
        self.node, self.rendered = node, True
        self._show_progress("running", 0, 1)
        self._send("executing", {"node": node, "display_node": node, "prompt_id": self.ticket.prompt_id})
        node_class = CLASSES[self.graph[node]["class_type"]]
        made = await self._made(node_class, node)
        self._cache.made[key] = made
        self._executed.append(node)
        self._show(node, made)
        self._show_progress("finished", 1, 1)

    async def _made(self, node_class: NodeClass, node: str) -> Made:
        await asyncio.sleep(0)
        if self._interrupt.is_set():
            raise Interrupted
        await strike(self, self._subject, node_class.name)
        steps = self._pace.steps_before(node)
        for value in range(1, steps + 1):
            await self.step(value, steps)
        try:
            made = await node_class.run(self, self._given(node_class, node))
        except (Interrupted, asyncio.CancelledError):
            raise
        except Exception as error:  # whatever a node raises becomes the prompt's execution_error
            name = type(error).__name__
            raise NodeFailed(name, str(error), traceback.format_tb(error.__traceback__)) from error
        return await spoil(self, self._subject, node_class, made)

    def _given(self, node_class: NodeClass, node: str) -> dict[str, Any]:
        inputs = _inputs(self.graph, node)
        return {name: self._value(inputs[name]) for name in node_class.required}

    def _value(self, value: Any) -> Any:
        return self._cache.made[self._signatures[value[0]]].values[value[1]] if _is_link(value) else value

    def _show(self, node: str, made: Made) -> None:
        if not made.shown:
            return
        self.outputs[node] = made.shown
        about = {"node": node, "display_node": node, "output": made.shown}
        self._send("executed", {**about, "prompt_id": self.ticket.prompt_id})

    def _show_progress(self, state: str, value: int, of: int) -> None:
        """To everyone where the prompt has no client, as the real server does."""
        node = self.node or ""
        place = {"display_node_id": node, "parent_node_id": None, "real_node_id": node}
        about = {"state": state, "node_id": node, "prompt_id": self.ticket.prompt_id, **place}
        self._progress[node] = {"value": value, "max": of, **about}
        data = {"prompt_id": self.ticket.prompt_id, "nodes": dict(self._progress)}
        self._audience.send("progress_state", data, self.ticket.client_id)

    def _where(self) -> dict[str, Any]:
        node = self.node or ""
        return {
            "node_id": node,
            "node_type": self.graph[node]["class_type"],
            "executed": list(self._executed),
        }

    def _told(self, failure: NodeFailed) -> dict[str, Any]:
        inputs = _inputs(self.graph, self.node or "")
        return {
            "exception_message": failure.text,
            "exception_type": failure.kind,
            "traceback": failure.trace,
            "current_inputs": {name: [str(value)] for name, value in inputs.items()},
            "current_outputs": list(self._executed),
        }

    def _tell(self, kind: str, data: dict[str, Any], to_all: bool = False) -> None:
        """A message that the history keeps as well."""
        stamp = {"prompt_id": self.ticket.prompt_id, "timestamp": int(time.time() * 1000)}
        self.messages.append((kind, {**data, **stamp}))
        if to_all and self.ticket.client_id is None:
            self._audience.send(kind, self.messages[-1][1])
        else:
            self._send(kind, self.messages[-1][1])

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        if self.ticket.client_id is not None:
            self._audience.send(kind, data, self.ticket.client_id)


def signature(graph: dict[str, Any], node: str) -> str:
    """Equal for nodes that do the same with the same inputs, all the way up."""
    inputs = {
        name: [signature(graph, value[0]), value[1]] if _is_link(value) else value
        for name, value in _inputs(graph, node).items()
    }
    told = json.dumps([graph[node]["class_type"], inputs], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _needed(ticket: Ticket) -> list[str]:
    """The outputs and what they lean on, in the order of the graph."""
    needed: set[str] = set()
    waiting = list(ticket.outputs)
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting += [value[0] for value in _inputs(ticket.graph, node).values() if _is_link(value)]
    return [node for node in ticket.graph if node in needed]


def _inputs(graph: dict[str, Any], node: str) -> dict[str, Any]:
    declared = CLASSES[graph[node]["class_type"]].required
    return {name: value for name, value in graph[node]["inputs"].items() if name in declared}


def _is_link(value: Any) -> bool:
    return isinstance(value, list)
