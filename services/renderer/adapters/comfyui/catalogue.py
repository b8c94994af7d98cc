"""What `/object_info/{class}` says of a node class. Pure.

A list of choices stands where the type would, or, in newer declarations, under `options` of a `COMBO`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.renderer.domain.equipment import NodeClass


def node_class(answer: Any, name: str) -> NodeClass | None:
    """None where the server has no such class: it answers with an empty object."""
    info = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(info, Mapping):
        return None
    return NodeClass(dict(_choices(info.get("input"))), bool(info.get("output_node")))


def _choices(declared: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    for part in ("required", "optional"):
        inputs = declared.get(part) if isinstance(declared, Mapping) else None
        for name, spec in inputs.items() if isinstance(inputs, Mapping) else ():
            choices = _list_of(spec)
            if choices is not None:
                yield name, choices


def _list_of(spec: Any) -> Sequence[Any] | None:
    if not isinstance(spec, list) or not spec:
        return None
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
    # Files that are uploaded are checked by the node itself, which takes more than the list says.
    if "remote" in options or any(name.endswith("_upload") and value for name, value in options.items()):
        return None
    listed = options.get("options") if spec[0] == "COMBO" else spec[0]
    return listed if isinstance(listed, list) else None
