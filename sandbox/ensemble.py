"""All stand-ins together: as many ComfyUI servers as wished and one Cloudinary, at addresses that stay."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.comfyui import Settings as ComfyUISettings
from sandbox.comfyui import comfyui
from sandbox.serving import serve


@dataclass(frozen=True)
class Address:
    """Where the stand-ins listen, and where clients find the storage if that is somewhere else."""

    host: str = "127.0.0.1"
    first_port: int | None = None
    storage_url: str = ""


@dataclass(frozen=True)
class StandIns:
    """Base URLs of what runs; empty where nothing was wished."""

    backends: tuple[str, ...] = ()
    storage: str | None = None

    def urls(self) -> dict[str, str]:
        """The variables that point services at them."""
        made = {}
        if self.backends:
            made["RENDERER_URLS"] = ",".join(f"comfyui+{url}" for url in self.backends)
        if self.storage:
            account = CloudinarySettings(Path())
            credentials = f"{account.api_key}:{account.api_secret}@{account.cloud_name}"
            made["CLOUDINARY_URL"] = f"cloudinary://{credentials}?upload_prefix={self.storage}"
        return made


@asynccontextmanager
async def stand_ins(
    folder: Path,
    backends: int,
    storage: bool,
    render_seconds: float,
    address: Address | None = None,
) -> AsyncIterator[StandIns]:
    """Serves them while the block lasts. Without a first port they take free ones and, in the same folder,
    the same ones at every later start where they can: stored URLs go on working."""
    address = address or Address()
    host = address.host
    ports = _ports(folder / "ports.json", backends + 1, host, address.first_port)
    async with AsyncExitStack() as stack:
        urls = []
        for place, port in enumerate(ports[:backends]):
            settings = ComfyUISettings(files=folder / f"comfyui-{place + 1}", render_seconds=render_seconds)
            urls.append(await stack.enter_async_context(serve(comfyui(settings), host, port)))
        if not storage:
            yield StandIns(tuple(urls))
            return
        # A developer at work must not run into the hourly limit of a free account.
        account = CloudinarySettings(
            folder / "cloudinary", base_url=address.storage_url, admin_calls_per_hour=1_000_000
        )
        yield StandIns(
            tuple(urls), await stack.enter_async_context(serve(cloudinary(account), host, ports[backends]))
        )


def _ports(memory: Path, count: int, host: str, first: int | None) -> list[int]:
    if first is not None:
        return list(range(first, first + count))
    memory.parent.mkdir(parents=True, exist_ok=True)
    remembered: list[int] = json.loads(memory.read_text()) if memory.exists() else []
    ports = [port if _free(host, port) else _any_port(host) for port in remembered[:count]]
    ports += [_any_port(host) for _ in range(count - len(ports))]
    memory.write_text(json.dumps(ports))
    return ports


def _any_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def _free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port)):
            return True
    except OSError:
        return False
