"""All stand-ins together, at addresses that stay: ComfyUI servers, RunPod endpoints, and one Cloudinary."""

import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.comfyui import Settings as ComfyUISettings
from sandbox.comfyui import comfyui
from sandbox.runpod import Settings as RunPodSettings
from sandbox.runpod import runpod
from sandbox.serving import Application, serve


@dataclass(frozen=True)
class Address:
    """Where the stand-ins listen, and where clients find the storage if that is somewhere else."""

    host: str = "127.0.0.1"
    #: The others take those after it; 0 for whichever are free.
    first_port: int | None = None
    storage_url: str = ""


@dataclass(frozen=True)
class Serverless:
    """How many RunPod endpoints, and what each of them may have."""

    endpoints: int = 0
    workers: int = 3
    cold_start_seconds: float = 2.0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"sandbox-{number}" for number in range(1, self.endpoints + 1))


@dataclass(frozen=True)
class StandIns:
    """Base URLs of what runs; empty where nothing was wished."""

    backends: tuple[str, ...] = ()
    storage: str | None = None
    #: RunPod's API, and the ids of the endpoints there.
    runpod: str | None = None
    endpoints: tuple[str, ...] = ()

    def urls(self) -> dict[str, str]:
        """The variables that point services at them."""
        made = {}
        renderers = [f"comfyui+{url}" for url in self.backends]
        renderers += [f"runpod://{name}" for name in self.endpoints]
        if renderers:
            made["RENDERER_URLS"] = ",".join(renderers)
        if self.runpod:
            made["RUNPOD_API_URL"] = self.runpod
            made["RUNPOD_API_KEY"] = RunPodSettings(files=Path()).api_key.get_secret_value()
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
    serverless: Serverless | None = None,
    versions: Sequence[str] = ("0.33.0",),
) -> AsyncIterator[StandIns]:
    """Serves them while the block lasts. Without a first port they take free ones and, in the same folder,
    the same ones at every later start where they can: stored URLs go on working. The ComfyUI servers have
    these versions in turn."""
    address, serverless = address or Address(), serverless or Serverless()
    # ComfyUI servers, the storage, and RunPod last, so that wishing for it moves none of the others.
    count = backends + 1 + bool(serverless.endpoints)
    ports = _ports(folder / "ports.json", count, address.host, address.first_port)
    async with AsyncExitStack() as stack:

        async def served(app: Application, port: int) -> str:
            return await stack.enter_async_context(serve(app, address.host, port))

        urls = []
        for place, port in enumerate(ports[:backends]):
            files = folder / f"comfyui-{place + 1}"
            version = versions[place % len(versions)]
            settings = ComfyUISettings(files=files, render_seconds=render_seconds, comfyui_version=version)
            urls.append(await served(comfyui(settings), port))
        cloud = await served(cloudinary(_account(folder, address)), ports[backends]) if storage else None
        api = None
        if serverless.endpoints:
            account = _serverless(folder, serverless, render_seconds)
            api = f"{await served(runpod(account), ports[-1])}/v2"
        yield StandIns(tuple(urls), cloud, api, serverless.names)


def _account(folder: Path, address: Address) -> CloudinarySettings:
    # A developer at work must not run into the hourly limit of a free account.
    return CloudinarySettings(
        folder / "cloudinary", base_url=address.storage_url, admin_calls_per_hour=1_000_000
    )


def _serverless(folder: Path, wished: Serverless, render_seconds: float) -> RunPodSettings:
    return RunPodSettings(
        files=folder / "runpod",
        endpoints=wished.names,
        max_workers=wished.workers,
        cold_start_seconds=wished.cold_start_seconds,
        render_seconds=render_seconds,
    )


def _ports(memory: Path, count: int, host: str, first: int | None) -> list[int]:
    if first is not None:
        return [first + place if first else 0 for place in range(count)]
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
