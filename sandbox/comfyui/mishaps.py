"""The faults that strike inside a run: before a node, and on what it saved."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from sandbox.comfyui.node_inputs import Made, NodeClass, Shelf
from sandbox.comfyui.rules import (
    ExtraOutput,
    FileVanishes,
    NodeError,
    NoOutput,
    OutOfMemory,
    Stall,
    TruncatedFile,
)
from sandbox.faults import Faults
from sandbox.rules import Subject

_OUT_OF_MEMORY = (
    "Allocation on device would exceed allowed memory. (out of memory)\n"
    "Currently allocated     : 22.03 GiB\nRequested               : 3.38 GiB\n"
    "Device limit            : 23.65 GiB\nFree (according to CUDA): 26.19 MiB\n"
)


class NodeFailed(Exception):
    """A node raised; `kind` is the name of its exception as `execution_error` gives it."""

    def __init__(self, kind: str, text: str, trace: list[str]) -> None:
        super().__init__(text)
        self.kind, self.text, self.trace = kind, text, trace


class Run(Protocol):
    """What the faults need of a run."""

    @property
    def shelf(self) -> Shelf: ...

    @property
    def faults(self) -> Faults: ...

    @property
    def graph(self) -> dict[str, Any]: ...

    async def wait(self, seconds: float) -> None: ...


async def strike(run: Run, subject: Subject, node_type: str) -> None:
    """Before a node runs. Raises NodeFailed, or Interrupted out of a stall."""
    stall = run.faults.take(Stall, subject, lambda rule: rule.node_type in (None, node_type))
    if stall is not None:
        await run.wait(stall.seconds)
    if node_type in ("KSampler", _first_without_sampler(run.graph)) and run.faults.take(OutOfMemory, subject):
        raise NodeFailed("torch.OutOfMemoryError", _OUT_OF_MEMORY, _trace(node_type))
    error = run.faults.take(NodeError, subject, lambda rule: rule.node_type in (None, node_type))
    if error is not None:
        raise NodeFailed(error.exception_type, error.message, _trace(node_type))


def _first_without_sampler(graph: dict[str, Any]) -> str | None:
    classes: list[str] = [node["class_type"] for node in graph.values()]
    return None if "KSampler" in classes else classes[0]


def _trace(node_type: str) -> list[str]:
    """As long and as telling of server paths as a real one."""
    return [
        '  File "/opt/ComfyUI/execution.py", line 516, in execute\n    output = await produce(obj)\n',
        f'  File "/opt/ComfyUI/nodes.py", line 1548, in {node_type.lower()}\n    return self.inner(*args)\n',
    ]


async def spoil(run: Run, subject: Subject, node_class: NodeClass, made: Made) -> Made:
    """What becomes of the files that a node saved."""
    if not made.shown or node_class.name != "SaveImage":
        return made
    if run.faults.take(NoOutput, subject):
        return Made(made.values, {"images": []})
    images: list[dict[str, str]] = made.shown["images"]
    if run.faults.take(ExtraOutput, subject):
        images = [*images, await asyncio.to_thread(_doubled, run.shelf, images[-1])]
    if run.faults.take(FileVanishes, subject):
        await _each(images, run.shelf, Path.unlink)
    elif run.faults.take(TruncatedFile, subject):  # of a file that is gone nothing is left to cut
        await _each(images, run.shelf, _cut)
    return Made(made.values, {"images": images})


async def _each(images: list[dict[str, str]], shelf: Shelf, act: Callable[[Path], None]) -> None:
    for listed in images:
        await asyncio.to_thread(act, shelf.files.path(listed))


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _doubled(shelf: Shelf, listed: dict[str, str]) -> dict[str, str]:
    twin = {**listed, "filename": listed["filename"].replace("_.png", "_extra_.png")}
    shelf.files.path(twin).write_bytes(shelf.files.path(listed).read_bytes())
    return twin
