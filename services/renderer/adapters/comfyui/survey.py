"""Asks a server what it is and what it has."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from services.renderer.adapters.comfyui.catalogue import node_class
from services.renderer.adapters.comfyui.client import Client
from services.renderer.domain.equipment import Inventory, NodeClass
from services.renderer.domain.troubles import Broke, Unreachable


@dataclass(frozen=True)
class Machine:
    """From `/system_stats`; bytes, 0 where they are not told."""

    version: str
    devices: tuple[str, ...]
    memory_free: int
    memory_total: int
    gpu_free: int
    gpu_total: int

    def __str__(self) -> str:
        gpu = f"{_gib(self.gpu_free)} of {_gib(self.gpu_total)} GiB of GPU memory"
        memory = f"{_gib(self.memory_free)} of {_gib(self.memory_total)} GiB of memory free"
        return f"ComfyUI {self.version} on {', '.join(self.devices) or 'no device'}, {gpu} and {memory}"


async def machine(client: Client) -> Machine:
    """Raises Unreachable where no ComfyUI answers."""
    status, stats = await client.json("GET", "/system_stats")
    system = stats.get("system") if status == 200 and isinstance(stats, dict) else None
    if not isinstance(system, dict):
        raise Unreachable(f"no ComfyUI answers there (HTTP {status}); check the host and port of its URL")
    devices = [each for each in stats.get("devices") or () if isinstance(each, dict)]
    return Machine(
        version=str(system.get("comfyui_version") or "unknown"),
        devices=tuple(str(each.get("name")) for each in devices),
        memory_free=_bytes(system, "ram_free"),
        memory_total=_bytes(system, "ram_total"),
        gpu_free=sum(_bytes(each, "vram_free") for each in devices),
        gpu_total=sum(_bytes(each, "vram_total") for each in devices),
    )


async def embeddings(client: Client) -> frozenset[str]:
    _, names = await client.json("GET", "/embeddings")
    return frozenset(name for name in names or () if isinstance(name, str))


async def inventory(client: Client, classes: Collection[str]) -> Inventory:
    """Of these classes only: the whole answer has 745 KB, those of a workflow a few. One after the other, on
    one connection: this is asked again and again, and nobody waits for it. Raises Unreachable."""
    answers = {name: await _class(client, name) for name in sorted(classes)}
    return {name: found for name, found in answers.items() if not isinstance(found, Broke)}


async def _class(client: Client, name: str) -> NodeClass | Broke | None:
    try:
        _, answer = await client.json("GET", f"/object_info/{quote(name, safe='')}")
    except Broke as why:
        # A custom node that cannot describe itself says nothing about the server.
        return why
    return node_class(answer, name)


def _gib(count: int) -> str:
    return f"{count / 1024**3:.0f}"


def _bytes(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    return int(value) if isinstance(value, int | float) else 0
