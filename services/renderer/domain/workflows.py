"""A workflow: a ComfyUI graph, which of its inputs take what a request says, and how one image is bound."""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.commands import Parameter
from contracts.forms import Allowed
from services.renderer.domain.equipment import Wish
from services.renderer.domain.jobs import Job
from services.renderer.domain.troubles import Hopeless

Graph = dict[str, Any]
#: What a request can fill in by itself.
INPUTS = ("prompt", "negative_prompt", "seed", "width", "height", "filename_prefix")


@dataclass(frozen=True)
class Place:
    """An input of a node."""

    node: str
    input: str


@dataclass(frozen=True)
class Binding:
    """Where a value goes; a seed that must fit into less is taken modulo `modulo`."""

    to: tuple[Place, ...]
    modulo: int | None = None


@dataclass(frozen=True)
class Rule:
    """A parameter that a request may set."""

    to: tuple[Place, ...]
    allowed: Allowed


@dataclass(frozen=True)
class Style:
    """Words that join the prompts, and parameters that the request did not set itself."""

    prompt: str = ""
    negative_prompt: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True)
class Workflow:
    name: str
    graph: Graph
    #: The node whose one image is the result.
    output: str
    inputs: Mapping[str, Binding]
    parameters: Mapping[str, Rule]
    styles: Mapping[str, Style]

    @property
    def classes(self) -> frozenset[str]:
        """The node classes that it needs."""
        return frozenset(node["class_type"] for node in self.graph.values())


@dataclass(frozen=True)
class Bound:
    """A graph that is ready to be sent."""

    graph: Graph
    output: str
    used_embedding: bool


def bind(workflow: Workflow, job: Job, embeddings: Collection[str]) -> Bound:
    """The graph of one image on a backend with these embeddings. Raises as `dressed`."""
    request = job.batch.request
    graph = dressed(workflow, request.style, request.parameters)
    style = _style(workflow, request.style)
    embedding = _offered(request.character.embedding, embeddings) if "prompt" in workflow.inputs else None
    values: dict[str, Any] = {
        "prompt": _joined(f"embedding:{embedding}" if embedding else "", request.prompt, style.prompt),
        "negative_prompt": _joined(request.negative_prompt, style.negative_prompt),
        "seed": job.seed,
        "width": request.width,
        "height": request.height,
        "filename_prefix": job.filename_prefix,
    }
    for name, binding in workflow.inputs.items():
        value = values[name]
        _put(graph, binding.to, value % binding.modulo if binding.modulo else value)
    return Bound(graph, workflow.output, embedding is not None)


def dressed(workflow: Workflow, style: str | None, parameters: Mapping[str, Parameter]) -> Graph:
    """A graph of one's own with the style's and the request's parameters in it. Raises Hopeless
    (`invalid_parameters`) for a style or parameter that the workflow does not have, or a value that it does
    not take."""
    graph = copy.deepcopy(workflow.graph)
    for name, value in {**_style(workflow, style).parameters, **parameters}.items():
        _put(graph, _rule(workflow, name, value).to, value)
    return graph


def wished(workflows: Mapping[str, Workflow], wish: Wish) -> Graph | None:
    """What a wish needs of a backend, as a graph; None where it can be had nowhere, so that whoever gets the
    image says why."""
    try:
        return dressed(workflows[wish.workflow], wish.style, dict(wish.texts))
    except (KeyError, Hopeless):
        return None


def _put(graph: Graph, places: Sequence[Place], value: Any) -> None:
    for place in places:
        graph[place.node]["inputs"][place.input] = value


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _offered(wanted: str | None, embeddings: Collection[str]) -> str | None:
    return wanted if wanted is not None and wanted in embeddings else None


def _style(workflow: Workflow, name: str | None) -> Style:
    if name is None:
        return Style()
    if name not in workflow.styles:
        raise _invalid(f"{workflow.name} has no style {name!r}; {_known('styles', workflow.styles)}")
    return workflow.styles[name]


def _rule(workflow: Workflow, name: str, value: Parameter) -> Rule:
    rule = workflow.parameters.get(name)
    if rule is None:
        raise _invalid(
            f"{workflow.name} has no parameter {name!r}; {_known('parameters', workflow.parameters)}"
        )
    why = rule.allowed.misfit(value)
    if why is not None:
        raise _invalid(f"parameter {name!r} of {workflow.name} {why}")
    return rule


def _known(what: str, names: Mapping[str, Any]) -> str:
    return f"known {what}: {', '.join(sorted(names)) or 'none'}"


def _invalid(reason: str) -> Hopeless:
    return Hopeless("invalid_parameters", reason)
