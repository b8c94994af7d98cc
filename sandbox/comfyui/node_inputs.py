"""What an input of a node takes: the declaration that `/object_info` shows and that validation goes by."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.comfyui.files import Files
from sandbox.comfyui.settings import Settings


@dataclass(frozen=True)
class Input:
    """A type name with its options, or a choice from a list that depends on the server."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: Callable[["Shelf"], list[str]] | None = None
    #: Why the value is no good, None where it is; for what choices cannot say.
    check: Callable[["Shelf", Any], str | None] | None = None

    def shown(self, shelf: "Shelf") -> list[Any]:
        kind: Any = self.type if self.choices is None else self.choices(shelf)
        return [kind, dict(self.options)] if self.options or self.choices is None else [kind]


@dataclass(frozen=True)
class Shelf:
    """What this server has to offer to a graph."""

    settings: Settings
    files: Files


class Stage(Protocol):
    """What a running node may touch."""

    @property
    def shelf(self) -> Shelf: ...

    @property
    def graph(self) -> dict[str, Any]: ...

    @property
    def extra_pnginfo(self) -> dict[str, Any]: ...

    async def step(self, value: int, of: int) -> None:
        """Returns when the node is so far, and has told so. Raises Interrupted where the prompt was."""
        ...

    async def preview(self, picture: Any) -> None:
        """Show the picture as it is so far to whoever listens."""
        ...


@dataclass(frozen=True)
class Made:
    """What a node gave: values for its output slots, and what `outputs` in the history shows of it."""

    values: tuple[Any, ...] = ()
    shown: dict[str, Any] = field(default_factory=dict)


Runner = Callable[[Stage, dict[str, Any]], Awaitable[Made]]


@dataclass(frozen=True)
class NodeClass:
    """A class of nodes."""

    name: str
    display_name: str
    category: str
    run: Runner
    required: Mapping[str, Input]
    outputs: tuple[str, ...] = ()
    output_node: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)

    def info(self, shelf: Shelf) -> dict[str, Any]:
        """As `/object_info` describes it."""
        inputs: dict[str, Any] = {"required": {n: each.shown(shelf) for n, each in self.required.items()}}
        if self.hidden:
            inputs["hidden"] = dict(self.hidden)
        return {
            "input": inputs,
            "input_order": {part: list(names) for part, names in inputs.items()},
            "is_input_list": False,
            "output": list(self.outputs),
            "output_is_list": [False] * len(self.outputs),
            "output_name": list(self.outputs),
            "name": self.name,
            "display_name": self.display_name,
            "description": "",
            "python_module": "nodes",
            "category": self.category,
            "output_node": self.output_node,
            "deprecated": False,
            "experimental": False,
        }
