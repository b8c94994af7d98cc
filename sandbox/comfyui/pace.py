"""How long a prompt takes, whatever it is made of: GPU time in a program that has no GPU."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sandbox.comfyui.nodes import CLASSES

#: Of the seconds, for the steps; the rest is for decoding and saving, which take real time here too.
_STEPPING = 0.85
#: Steps that a graph without a sampler shows.
_STEPS_OF_OTHERS = 20


class Pace:
    """Spreads `seconds` over the steps that a prompt has to do, without drift, from the moment it is made.

    A prompt that only saves again what is cached takes no time, as in the real server.
    """

    def __init__(self, seconds: float, graph: dict[str, Any], to_run: Sequence[str]) -> None:
        """`to_run` are the nodes that the cache has nothing of, in the order of the graph."""
        classes = {node: CLASSES[graph[node]["class_type"]] for node in to_run}
        makers = [node for node, each in classes.items() if not each.output_node]
        samplers = [node for node in makers if classes[node].name == "KSampler"]
        self._seconds = seconds if makers else 0.0
        self._began = asyncio.get_running_loop().time()
        self._done = 0
        self._of = sum(graph[node]["inputs"]["steps"] for node in samplers) or _STEPS_OF_OTHERS
        #: The node that does the steps where no sampler does.
        self._stand_in = makers[0] if makers and seconds and not samplers else None

    def steps_before(self, node: str) -> int:
        """How many steps this node shows that has none of its own."""
        return _STEPS_OF_OTHERS if node == self._stand_in else 0

    async def step(self) -> None:
        """Returns when the next step is done."""
        self._done += 1
        await asyncio.sleep(self._until(_STEPPING * self._done / self._of))

    def left(self) -> float:
        """Seconds until the prompt may end."""
        return self._until(1.0)

    def _until(self, part: float) -> float:
        due = self._began + self._seconds * part
        return max(0.0, due - asyncio.get_running_loop().time())
