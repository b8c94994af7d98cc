"""What an image needs of a backend, and whether the backend has it: node classes, models, choices."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from contracts.commands import GenerateBatch
from services.renderer.domain.troubles import MISSING_MODEL, MISSING_NODE, Hopeless

Graph = Mapping[str, Any]

#: Input names of the loaders that take a file from the models folder.
_MODELS = frozenset(
    {"ckpt_name", "lora_name", "vae_name", "unet_name", "clip_name", "control_net_name", "model_name"}
)
_MODEL_FILE = re.compile(r".\.(safetensors|ckpt|pth?|bin|gguf|onnx|sft)$", re.IGNORECASE)
#: Choices that a sentence names at most.
_NAMED = 5


@dataclass(frozen=True)
class NodeClass:
    """A node class as a backend declares it."""

    #: Input -> the values that it may have, for inputs that take one of a list.
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    #: Whether it saves or shows something, and so is run whoever needs it.
    output: bool = False


#: Class name -> what the backend says of it, None where it has no such class. What is not named here was not
#: asked, and nothing can be said of it.
Inventory = Mapping[str, NodeClass | None]


@dataclass(frozen=True)
class Wish:
    """The part of a request that decides which backends can do it: the same for all images of a batch."""

    workflow: str
    style: str | None
    #: Parameters that are texts: the names of models, samplers and the like.
    texts: tuple[tuple[str, str], ...]
    #: The character's embedding: a backend without it can do it too, but not as well.
    embedding: str | None = None

    @cached_property
    def key(self) -> str:
        """Short and the same at every replica."""
        embedding = [] if self.embedding is None else [self.embedding]
        said = json.dumps([self.workflow, self.style, self.texts, *embedding])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def wish_of(request: GenerateBatch) -> Wish:
    texts = [(name, value) for name, value in sorted(request.parameters.items()) if isinstance(value, str)]
    return Wish(request.workflow, request.style, tuple(texts), request.character.embedding)


def lack(graph: Graph, inventory: Inventory) -> Hopeless | None:
    """The first thing that the backend lacks for this graph, None where it has all."""
    return next(lacks(graph, inventory), None)


def lacks(graph: Graph, inventory: Inventory) -> Iterator[Hopeless]:
    """Everything that the backend lacks for this graph, in words that say what to do about it."""
    for node_id, node in graph.items():
        name = node["class_type"]
        if name in inventory and inventory[name] is None:
            yield Hopeless(
                MISSING_NODE,
                f"node {node_id}: the backend has no node class {name!r}; install the custom node that "
                "brings it there, or take it out of the workflow",
            )
    for node_id in _needed(graph, inventory):
        yield from _wrong_choices(node_id, graph[node_id], inventory)


def is_model(input_name: str, value: object) -> bool:
    """Whether the value of this input names a file of the models folder."""
    return input_name in _MODELS or (isinstance(value, str) and bool(_MODEL_FILE.search(value)))


@dataclass(frozen=True)
class Standing:
    """A backend before one wish."""

    name: str
    healthy: bool
    #: Whether it has what the wish needs; None while nobody knows.
    able: bool | None


def takers(standings: Sequence[Standing]) -> frozenset[str]:
    """The backends that may get the image now. None where it waits for one that is away and may have what it
    needs. All that are healthy where no backend has it: whichever gets the image says so."""
    healthy = frozenset(each.name for each in standings if each.healthy)
    able = frozenset(each.name for each in standings if each.able)
    if able & healthy:
        return able & healthy
    return frozenset() if able or any(each.able is None for each in standings) else healthy


def _needed(graph: Graph, inventory: Inventory) -> Iterator[str]:
    """The nodes that will run: outputs, and what they lean on. Others may be as wrong as they like."""
    pending = [node_id for node_id, node in graph.items() if _is_output(inventory.get(node["class_type"]))]
    seen = set(pending)
    while pending:
        node_id = pending.pop()
        yield node_id
        links = [value[0] for value in graph[node_id]["inputs"].values() if _is_link(value)]
        fresh = [each for each in links if each in graph and each not in seen]
        seen.update(fresh)
        pending += fresh


def _is_output(node_class: NodeClass | None) -> bool:
    return node_class is not None and node_class.output


def _is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _wrong_choices(node_id: str, node: Mapping[str, Any], inventory: Inventory) -> Iterator[Hopeless]:
    name = node["class_type"]
    declared = inventory.get(name)
    for input_name, choices in declared.choices.items() if declared else ():
        value = node["inputs"].get(input_name)
        if value is None or _is_link(value) or value in choices:
            continue
        place = f"node {node_id} ({name})"
        if is_model(input_name, value):
            yield Hopeless(
                MISSING_MODEL,
                f"{place}: the backend does not have {value!r} for {input_name}; install it there, or ask "
                f"for one that it has: {_named(choices)}",
            )
        else:
            wrong = f"{place}: {input_name} cannot be {value!r}; one of: {_named(choices)}"
            yield Hopeless("invalid_parameters", wrong)


def _named(choices: Sequence[Any]) -> str:
    shown = ", ".join(str(each) for each in choices[:_NAMED]) or "none"
    more = len(choices) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown
