"""What ended, kept in memory: `/history` and the finished half of `/api/jobs` read it."""

from dataclasses import dataclass
from typing import Any

from sandbox.comfyui.prompt_queue import Ticket

#: The real server forgets the oldest entry beyond this many.
MAX_ENTRIES = 10_000
Message = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Ended:
    """How a prompt ended."""

    ticket: Ticket
    outputs: dict[str, Any]
    messages: tuple[Message, ...]

    @property
    def last(self) -> str:
        return self.messages[-1][0]

    @property
    def succeeded(self) -> bool:
        return self.last == "execution_success"

    def shown(self) -> dict[str, Any]:
        return {
            "prompt": self.ticket.shown(),
            "outputs": self.outputs,
            "status": self.status(),
            "meta": {node: _meta(node) for node in self.outputs},
        }

    def status(self) -> dict[str, Any]:
        return {
            "status_str": "success" if self.succeeded else "error",
            "completed": self.succeeded,
            "messages": [list(message) for message in self.messages],
        }

    def told(self, *names: str) -> dict[str, Any] | None:
        """The data of the first message with one of these names."""
        return next((data for name, data in self.messages if name in names), None)


def _meta(node: str) -> dict[str, Any]:
    return {"node_id": node, "display_node": node, "parent_node": None, "real_node_id": node}


class History:
    """Ended prompts by id, oldest first. A repeated id overwrites, and moves to the end."""

    def __init__(self) -> None:
        self._ended: dict[str, Ended] = {}

    def put(self, ended: Ended) -> None:
        prompt_id = ended.ticket.prompt_id
        self._ended.pop(prompt_id, None)
        if len(self._ended) >= MAX_ENTRIES:
            del self._ended[next(iter(self._ended))]
        self._ended[prompt_id] = ended

    def get(self, prompt_id: str) -> Ended | None:
        return self._ended.get(prompt_id)

    def all(self) -> list[Ended]:
        return list(self._ended.values())

    def page(self, max_items: int | None, offset: int) -> list[Ended]:
        """From `offset`; a negative offset means the newest `max_items`."""
        ended = self.all()
        if offset < 0:
            offset = max(0, len(ended) - (max_items or len(ended)))
        return ended[offset:] if max_items is None else ended[offset : offset + max_items]

    def delete(self, prompt_id: str) -> None:
        self._ended.pop(prompt_id, None)

    def clear(self) -> None:
        self._ended.clear()
