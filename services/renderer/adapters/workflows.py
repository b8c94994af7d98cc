"""Reads `workflows/<name>/{graph.json,inputs.toml}`, and says where something is wrong."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chassis.workflows import BadForm, allowed_of
from contracts.commands import Parameter
from contracts.forms import Allowed
from services.renderer.domain.workflows import (
    INPUTS,
    Binding,
    Graph,
    Place,
    Rule,
    Style,
    Workflow,
)

Table = dict[str, Any]
#: What each input of a request puts into the graph.
_KINDS: Mapping[str, type[Parameter]] = {
    "prompt": str,
    "negative_prompt": str,
    "filename_prefix": str,
    "seed": int,
    "width": int,
    "height": int,
}


class BadWorkflow(ValueError):
    """A workflow that can't be used; the text names the file and the place."""


def load_workflows(folder: Path) -> dict[str, Workflow]:
    """Every subfolder with a graph, by name. Raises BadWorkflow."""
    found = sorted(path.parent for path in folder.glob("*/graph.json"))
    if not found:
        raise BadWorkflow(f"{folder} has no <name>/graph.json")
    return {path.name: load(path) for path in found}


def load(folder: Path) -> Workflow:
    """Raises BadWorkflow."""
    graph = _graph(folder / "graph.json")
    path = folder / "inputs.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as why:
        raise BadWorkflow(f"{path}: {why}") from None
    reader = _Reader(str(path), graph)
    reader.only(table, "", {"title", "output", "inputs", "parameters", "styles"})
    parameters = reader.parameters(reader.table(table, "parameters"))
    return Workflow(
        folder.name,
        graph,
        reader.output(table.get("output")),
        reader.inputs(reader.table(table, "inputs")),
        parameters,
        reader.styles(reader.table(table, "styles"), parameters),
    )


def _graph(path: Path) -> Graph:
    try:
        graph = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as why:
        raise BadWorkflow(f"{path}: {why}") from None
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise BadWorkflow(f"{path} is an export of ComfyUI's editor; use its menu's Export (API) instead")
    if not isinstance(graph, dict) or not graph:
        raise BadWorkflow(f"{path}: a graph is an object of nodes by id")
    for node_id, node in graph.items():
        _check_node(f"{path}: node {node_id}", node, graph)
    return graph


def _check_node(place: str, node: Any, graph: Table) -> None:
    if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
        raise BadWorkflow(f"{place} has no class_type")
    if not isinstance(node.get("inputs"), dict):
        raise BadWorkflow(f"{place} has no inputs")
    for name, value in node["inputs"].items():
        if _is_link(value) and value[0] not in graph:
            raise BadWorkflow(f"{place}: {name} comes from node {value[0]}, which is not in the graph")


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


class _Reader:
    """Turns the tables of one inputs.toml into values, against its graph."""

    def __init__(self, path: str, graph: Graph) -> None:
        self._path = path
        self._graph = graph
        #: Who fills in each input: two would overwrite each other.
        self._filled: dict[Place, str] = {}

    def output(self, node: Any) -> str:
        if not isinstance(node, str) or node not in self._graph:
            raise self._wrong("output", f"names no node of the graph; it has {', '.join(self._graph)}")
        return node

    def inputs(self, table: Table) -> dict[str, Binding]:
        self.only(table, "inputs.", set(INPUTS))
        bindings = {name: self._binding(f"inputs.{name}", value) for name, value in table.items()}
        for name in ("seed", "filename_prefix"):
            if name not in bindings:
                raise self._wrong(f"inputs.{name}", "is missing: without it images would repeat each other")
        return bindings

    def parameters(self, table: Table) -> dict[str, Rule]:
        return {name: self._rule(f"parameters.{name}", value) for name, value in table.items()}

    def styles(self, table: Table, rules: Mapping[str, Rule]) -> dict[str, Style]:
        return {name: self._style(f"styles.{name}", value, rules) for name, value in table.items()}

    def _binding(self, place: str, value: Any) -> Binding:
        table = value if isinstance(value, dict) else {"to": value}
        self.only(table, f"{place}.", {"to", "modulo"})
        modulo = table.get("modulo")
        if modulo is not None and (not isinstance(modulo, int) or modulo < 1 or place != "inputs.seed"):
            raise self._wrong(f"{place}.modulo", "is for the seed, and a whole number from 1")
        return Binding(self._places(place, table.get("to"), _KINDS[place.rpartition(".")[2]]), modulo)

    def _rule(self, place: str, value: Any) -> Rule:
        try:
            allowed = allowed_of(place, value)
        except BadForm as why:
            raise BadWorkflow(f"{self._path}: {why}") from None
        self.only(value, f"{place}.", {"to", "type", "min", "max", "choices"})
        return Rule(self._places(place, value.get("to"), allowed.type), allowed)

    def _style(self, place: str, value: Any, rules: Mapping[str, Rule]) -> Style:
        if not isinstance(value, dict):
            raise self._wrong(place, "must be a table")
        self.only(value, f"{place}.", {"prompt", "negative_prompt", "parameters"})
        parameters = self.table(value, "parameters")
        for name, setting in parameters.items():
            why = rules[name].allowed.misfit(setting) if name in rules else "is no parameter of this workflow"
            if why:
                raise self._wrong(f"{place}.parameters.{name}", why)
        words = [value.get(name, "") for name in ("prompt", "negative_prompt")]
        if not all(isinstance(text, str) for text in words):
            raise self._wrong(place, "has a prompt that is no text")
        return Style(words[0], words[1], parameters)

    def _places(self, place: str, to: Any, kind: type[Parameter]) -> tuple[Place, ...]:
        targets = to if isinstance(to, list) else [to]
        if not targets or not all(isinstance(target, str) for target in targets):
            raise self._wrong(place, 'needs to = "NODE.INPUT", or a list of them')
        return tuple(self._place(place, target, kind) for target in targets)

    def _place(self, place: str, target: str, kind: type[Parameter]) -> Place:
        node, _, name = target.partition(".")
        if node not in self._graph:
            raise self._wrong(place, f"names node {node!r}; the graph has {', '.join(self._graph)}")
        inputs = self._graph[node]["inputs"]
        if name not in inputs:
            raise self._wrong(place, f"names input {name!r}; node {node} has {', '.join(inputs)}")
        if _is_link(inputs[name]):
            raise self._wrong(place, f"would cut the link of {target} to node {inputs[name][0]}")
        if Allowed(kind).misfit(inputs[name]) is not None:
            there = type(inputs[name]).__name__
            raise self._wrong(place, f"puts a {kind.__name__} into {target}, where the graph has a {there}")
        filled = self._filled.setdefault(Place(node, name), place)
        if filled != place:
            raise self._wrong(place, f"fills in {target}, and so does {filled}")
        return Place(node, name)

    def table(self, table: Table, name: str) -> Table:
        value = table.get(name, {})
        if not isinstance(value, dict):
            raise self._wrong(name, "must be a table")
        return value

    def only(self, table: Table, place: str, known: set[str]) -> None:
        for name in table.keys() - known:
            raise self._wrong(f"{place}{name}", f"is unknown; known: {', '.join(sorted(known))}")

    def _wrong(self, place: str, reason: str) -> BadWorkflow:
        return BadWorkflow(f"{self._path}: {place} {reason}")
