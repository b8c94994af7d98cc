"""The metrics that the source declares. `python -m tests.meters` prints the table of docs/sight.md."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import source

KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
#: What Prometheus calls what they are made of.
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True)
class Meter:
    """A metric, and by whom it is told."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    where: str

    @property
    def shown(self) -> str:
        return f"{self.name}_total" if self.kind == "counter" else self.name

    @property
    def series(self) -> frozenset[str]:
        """Every name under which Prometheus knows it."""
        return frozenset(self.name + ending for ending in ENDINGS[self.kind])


def meters() -> list[Meter]:
    found = [meter for path in source.files("messaging", "chassis", "services") for meter in _declared(path)]
    return sorted(found, key=lambda meter: meter.shown)


def markdown() -> str:
    lines = ["| metric | labels | told by | what it says |", "|---|---|---|---|"]
    for each in meters():
        labels = ", ".join(f"`{label}`" for label in each.labels)
        lines.append(f"| `{each.shown}` {each.kind} | {labels} | {each.where} | {each.help} |")
    return "\n".join(lines) + "\n"


def _declared(path: Path) -> Iterator[Meter]:
    for node in ast.walk(source.parse(path)):
        match node:
            case ast.Call(
                func=ast.Name(id=kind) | ast.Attribute(attr=kind), args=[ast.Constant(str(name)), *rest]
            ) if kind in KINDS and name.startswith("darkroom_"):
                words = [ast.literal_eval(each) for each in rest]
                labels = tuple(words[1]) if len(words) > 1 else ()
                yield Meter(name, KINDS[kind], labels, words[0], _whose(path))


def _whose(path: Path) -> str:
    parts = path.relative_to(source.ROOT).parts
    if parts[0] == "services":
        return parts[1]
    return "indexer, uploader" if "cloudinary" in path.name else "all"


if __name__ == "__main__":
    sys.stdout.write(markdown())
