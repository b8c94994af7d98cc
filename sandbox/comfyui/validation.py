"""Checks a graph before it is queued, and words what is wrong as the real server does."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.comfyui.node_inputs import Input, NodeClass, Shelf
from sandbox.comfyui.nodes import CLASSES

Reason = dict[str, Any]
_CONVERSIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


class NotAGraph(Exception):
    """The real server stumbles over it with a 500: a graph in the web page's own format, a list, a text."""


class Refused(Exception):
    """400, with this body."""

    def __init__(self, kind: str, message: str, details: str = "", **more: Any) -> None:
        super().__init__(message)
        error = {
            "type": kind,
            "message": message,
            "details": details,
            "extra_info": more.get("extra_info", {}),
        }
        self.body = {"error": error, "node_errors": more.get("node_errors", {})}


@dataclass(frozen=True)
class Accepted:
    """The outputs that will run, and the errors of those that will not."""

    outputs: tuple[str, ...]
    node_errors: dict[str, Any]


def validate(graph: Any, shelf: Shelf) -> Accepted:
    """Converts values of the graph in place, as the real server does. Raises NotAGraph and Refused."""
    if not isinstance(graph, dict) or not all(isinstance(node, dict) for node in graph.values()):
        raise NotAGraph
    for node_id, node in graph.items():
        _check_class(node_id, node, shelf.settings.at_least("0.4.0"))
    wanted = [node_id for node_id, node in graph.items() if CLASSES[node["class_type"]].output_node]
    if not wanted:
        raise Refused("prompt_no_outputs", "Prompt has no outputs")
    return _checked_outputs(_Check(graph, shelf), wanted)


def _check_class(node_id: str, node: dict[str, Any], by_own_type: bool) -> None:
    name, title = node.get("class_type"), (node.get("_meta") or {}).get("title")
    if name in CLASSES:
        return
    details = f"Node ID '#{node_id}'"
    if not by_own_type:
        what = f"node {name} does not exist" if name else "a node is missing the class_type property"
        raise Refused("invalid_prompt", f"Cannot execute because {what}.", details)
    message = (
        f"Node '{title or name}' not found. The custom node may not be installed."
        if name
        else f"Node '{title or 'ID #' + node_id}' has no class_type. The workflow may be corrupted."
    )
    about = {"node_id": node_id, "class_type": name, "node_title": title or name}
    raise Refused("missing_node_type", message, details, extra_info=about)


def _checked_outputs(check: "_Check", wanted: list[str]) -> Accepted:
    good: list[str] = []
    own_reasons: list[Reason] = []
    node_errors: dict[str, Any] = {}
    for output in wanted:
        if check.passes_as_output(output):
            good.append(output)
            continue
        own_reasons += check.reasons[output]
        for node_id, reasons in check.reasons.items():
            if reasons and node_id in check.reached:
                _note(node_errors, node_id, reasons, output, check.graph)
    if not good:
        details = "\n".join(f"{reason['message']}: {reason['details']}" for reason in own_reasons)
        raise Refused(
            "prompt_outputs_failed_validation",
            "Prompt outputs failed validation",
            details,
            node_errors=node_errors,
        )
    return Accepted(tuple(good), node_errors)


def _note(
    errors: dict[str, Any], node_id: str, reasons: list[Reason], output: str, graph: dict[str, Any]
) -> None:
    fresh = {"errors": reasons, "dependent_outputs": [], "class_type": graph[node_id]["class_type"]}
    errors.setdefault(node_id, fresh)["dependent_outputs"].append(output)


@dataclass
class _Check:
    graph: dict[str, Any]
    shelf: Shelf
    #: What is wrong with each node that was looked at.
    reasons: dict[str, list[Reason]] = field(default_factory=dict)
    #: Nodes with a fault of their own or upstream.
    failed: set[str] = field(default_factory=set)
    #: What the present output leans on.
    reached: set[str] = field(default_factory=set)

    def passes_as_output(self, output: str) -> bool:
        self.reached = set()
        try:
            return self._passes(output, ())
        except (LookupError, TypeError) as error:
            self._fail(
                output, _raised("exception_during_validation", "Exception when validating node", error)
            )
            return False

    def _passes(self, node_id: str, path: tuple[str, ...]) -> bool:
        self.reached.add(node_id)
        if node_id in path:
            self._fail(node_id, _cycle((*path, node_id), self.graph))
            return False
        if node_id in self.reasons:
            return self._again(node_id)
        self.reasons[node_id] = []
        for name, declared in _class_of(self.graph, node_id).required.items():
            self._check_input(node_id, name, declared, (*path, node_id))
        return node_id not in self.failed

    def _again(self, node_id: str) -> bool:
        """A node that another output has had checked: what it leans on is reached by this output too."""
        for linked in _linked(self.graph, node_id):
            if linked in self.reasons and linked not in self.reached:
                self.reached.add(linked)
                self._again(linked)
        return node_id not in self.failed

    def _check_input(self, node_id: str, name: str, declared: Input, path: tuple[str, ...]) -> None:
        inputs = self.graph[node_id].setdefault("inputs", {})
        if name not in inputs:
            missing = {"input_name": name}
            self._fail(node_id, _reason("required_input_missing", "Required input is missing", name, missing))
        elif isinstance(inputs[name], list):
            self._check_link(node_id, name, declared, path)
        else:
            self._check_value(node_id, name, declared)

    def _check_link(self, node_id: str, name: str, declared: Input, path: tuple[str, ...]) -> None:
        link, about = self.graph[node_id]["inputs"][name], self._about(name, declared)
        if len(link) != 2:
            text = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            self._fail(node_id, _reason("bad_linked_input", text, name, {**about, "received_value": link}))
            return
        given = _class_of(self.graph, link[0]).outputs[link[1]]
        if given != declared.type:
            details = f"{name}, received_type({given}) mismatch input_type({declared.type})"
            told = {**about, "received_type": given, "linked_node": link}
            text = "Return type mismatch between linked nodes"
            self._fail(node_id, _reason("return_type_mismatch", text, details, told))
            return
        try:
            sound = self._passes(link[0], path)
        except (LookupError, TypeError) as error:
            text = "Exception when validating inner node"
            self._fail(link[0], _raised("exception_during_inner_validation", text, error))
            sound = False
        if not sound:
            self.failed.add(node_id)

    def _check_value(self, node_id: str, name: str, declared: Input) -> None:
        inputs = self.graph[node_id]["inputs"]
        about = {**self._about(name, declared), "received_value": inputs[name]}
        try:
            inputs[name] = _CONVERSIONS.get(declared.type, _unchanged)(inputs[name])
        except (TypeError, ValueError, OverflowError) as error:
            text = f"Failed to convert an input value to a {declared.type} value"
            told = {**about, "exception_message": str(error)}
            details = f"{name}, {inputs[name]}, {error}"
            self._fail(node_id, _reason("invalid_input_type", text, details, told))
            return
        problem = _out_of_bounds(name, inputs[name], declared, self.shelf)
        if problem is not None:
            self._fail(node_id, _reason(*problem, about))

    def _about(self, name: str, declared: Input) -> dict[str, Any]:
        return {"input_name": name, "input_config": declared.shown(self.shelf)}

    def _fail(self, node_id: str, reason: Reason) -> None:
        self.failed.add(node_id)
        self.reasons.setdefault(node_id, []).append(reason)


def _unchanged(value: Any) -> Any:
    return value


def _out_of_bounds(name: str, value: Any, declared: Input, shelf: Shelf) -> tuple[str, str, str] | None:
    low, high = declared.options.get("min"), declared.options.get("max")
    if low is not None and value < low:
        return "value_smaller_than_min", f"Value {value} smaller than min of {low}", name
    if high is not None and value > high:
        return "value_bigger_than_max", f"Value {value} bigger than max of {high}", name
    if declared.check is not None:
        problem = declared.check(shelf, value)
        found = ("custom_validation_failed", "Custom validation failed for node", f"{name} - {problem}")
        return found if problem else None
    choices = declared.choices(shelf) if declared.choices else None
    if choices is not None and value not in choices:
        shown = choices if len(choices) <= 20 else f"(list of length {len(choices)})"
        return "value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}"
    return None


def _class_of(graph: dict[str, Any], node_id: str) -> NodeClass:
    return CLASSES[graph[node_id]["class_type"]]


def _linked(graph: dict[str, Any], node_id: str) -> list[str]:
    inputs = graph[node_id].get("inputs", {}).values()
    return [value[0] for value in inputs if isinstance(value, list) and len(value) == 2]


def _reason(kind: str, message: str, details: str, extra_info: dict[str, Any]) -> Reason:
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def _raised(kind: str, message: str, error: Exception) -> Reason:
    about = {"exception_type": type(error).__name__, "traceback": [f"{type(error).__name__}: {error}\n"]}
    return _reason(kind, message, str(error), about)


def _cycle(path: tuple[str, ...], graph: dict[str, Any]) -> Reason:
    shown = " -> ".join(f"{graph[node]['class_type']} ({node})" for node in path)
    return _reason("dependency_cycle", "Dependency cycle detected", shown, {"cycle_nodes": list(path)})
