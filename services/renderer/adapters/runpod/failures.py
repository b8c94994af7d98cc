"""What a failed job says, sorted. Pure.

Structure counts before words: ComfyUI's own refusals are read back as data and judged as a pod's are, and an
error that is a JSON object comes from a worker that broke. What is left is text that changes with versions:
whatever in it is not recognised is tried again, a bounded number of times.
"""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from services.renderer.adapters.comfyui.answers import refusal
from services.renderer.domain.troubles import Hopeless, Passing, Trouble

Json = Mapping[str, Any]

_OUT_OF_MEMORY = re.compile(r"out ?of ?memory|CUDA error: out", re.IGNORECASE)
_NODE = re.compile(r"Node Type:\s*(?P<kind>[^,]+),\s*Node ID:\s*(?P<id>[^,]+),\s*Message:\s*(?P<why>.*)")
_NODE_ERRORS = re.compile(r"Node (\S+) \((errors|class_type)\): (.*)")
_TRACE = re.compile(r"Traceback \(most recent call last\)|\n\s*File \"")


def failure(answer: Json) -> Trouble:
    """From a status `FAILED`."""
    output = answer.get("output")
    details = output.get("details") if isinstance(output, Mapping) else None
    error = answer.get("error")
    if error is None and isinstance(output, Mapping):
        error = output.get("error")
    broken = _object(error)
    if broken is not None:
        return _worker(str(broken.get("error_type") or "error"), str(broken.get("error_message") or ""))
    return trouble([*_texts(details), *_texts(error)])


def trouble(texts: list[str]) -> Trouble:
    """From what a worker wrote of an execution, most telling first."""
    whole = "\n".join(texts)
    if _OUT_OF_MEMORY.search(whole):
        return Passing("out_of_memory", "the worker ran out of GPU memory")
    if found := _NODE.search(whole):
        place = f"node {found['id'].strip()} ({found['kind'].strip()})"
        return Hopeless("node_failed", f"{place} failed: {_first_line(found['why'])}")
    refused = _refusal(whole)
    if refused is not None:
        return refusal(refused)
    if "validation failed" in whole.lower() or "'workflow'" in whole:
        return Hopeless("invalid_workflow", f"the worker refuses the graph: {_first_line(whole)}")
    return Passing("worker_failed", f"the worker failed: {_first_line(whole) or 'it gave no reason'}")


def _worker(kind: str, message: str) -> Trouble:
    """A handler that raised: its own machine is in trouble, seldom the graph."""
    name = re.sub(r"[^\w.]", "", kind.removeprefix("<class").removesuffix(">")) or "error"
    if _OUT_OF_MEMORY.search(message) or "OutOfMemory" in name:
        return Passing("out_of_memory", "the worker ran out of GPU memory")
    return Passing("worker_failed", f"the worker broke: {name}: {_first_line(message)}")


def _refusal(text: str) -> Json | None:
    """ComfyUI's answer to a graph that it refused, as far as the worker quotes it."""
    _, quoted, raw = text.partition("Raw response:")
    answer = _object(raw.strip()) if quoted else None
    if answer is not None:
        return answer
    nodes: dict[str, dict[str, Any]] = {}
    for node, field, value in _NODE_ERRORS.findall(text):
        nodes.setdefault(node, {})[field] = value if field == "class_type" else _literal(value)
    named = {node: about for node, about in nodes.items() if about.get("errors")}
    return {"node_errors": named} if named else None


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _object(value: Any) -> Json | None:
    """An object, also one that was made a string of."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping) else None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _first_line(text: str) -> str:
    """Without the trace that follows."""
    return _TRACE.split(text)[0].strip().partition("\n")[0]
