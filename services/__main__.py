"""The whole system in one process: four services, and stand-ins for whatever the environment has no URL of.

The only module that sees every service, and the only one that makes up a URL.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from chassis import garbage, logs, loop
from chassis.exporting import exporting
from chassis.main import BUS_PATIENCE, ServiceSettings
from chassis.process import Service, run
from chassis.settings import BadSettings, Settings, read
from chassis.stopping import Stopped, stop_on_signals, unless
from messaging.bus import Bus
from messaging.connect import CannotConnect, open_bus
from sandbox.ensemble import StandIns, stand_ins
from services.gateway.app import open_gateway
from services.gateway.settings import DEVELOPMENT_SECRET, LOOPBACK
from services.gateway.settings import Settings as GatewaySettings
from services.indexer.app import open_indexer
from services.indexer.settings import Settings as IndexerSettings
from services.renderer.app import open_renderer
from services.renderer.settings import Settings as RendererSettings
from services.uploader.app import open_uploader
from services.uploader.settings import Settings as UploaderSettings

#: Settings and composition root of each service, in the order in which work flows through them.
SERVICES: Mapping[str, tuple[type[ServiceSettings], Callable[..., Any]]] = {
    "gateway": (GatewaySettings, open_gateway),
    "indexer": (IndexerSettings, open_indexer),
    "renderer": (RendererSettings, open_renderer),
    "uploader": (UploaderSettings, open_uploader),
}


class SystemSettings(Settings):
    """What only the system in one process knows: its stand-ins."""

    sandbox_backends: int = Field(
        2, ge=1, le=64, description="ComfyUI stand-ins that `python -m services` starts without RENDERER_URLS"
    )
    sandbox_render_seconds: float = Field(1.0, ge=0, description="seconds that a stand-in takes for an image")


@dataclass(frozen=True)
class Started:
    """Where the running system is, for whoever started it."""

    url: str
    #: The secret that its tokens are signed with, None where keys come from elsewhere.
    jwt_secret: str | None
    stand_ins: StandIns


async def serve(
    stop: asyncio.Event, started: Callable[[Started], None], defaults: Mapping[str, str] | None = None
) -> None:
    """Runs the system until `stop` is set. `defaults`, by variable name, stand in for what the environment
    lacks, and this module's own for what they lack. Raises BadSettings and CannotConnect."""
    system = read(SystemSettings, defaults)
    # An empty variable is an unset one, as for all settings.
    set_here = {name: value for name, value in os.environ.items() if value}
    wanted = set(set_here) | set(defaults or {})
    async with AsyncExitStack() as stack:
        stack.enter_context(exporting(system.otel_exporter_otlp_endpoint))
        ensemble = await stack.enter_async_context(
            stand_ins(
                system.var_dir / "sandbox",
                backends=0 if "RENDERER_URLS" in wanted else system.sandbox_backends,
                storage="CLOUDINARY_URL" not in wanted,
                render_seconds=system.sandbox_render_seconds,
            )
        )
        known = _made_up(system.var_dir, ensemble) | ensemble.urls() | dict(defaults or {})
        bus_url = set_here.get("BUS_URL", known["BUS_URL"])
        # A memory bus forgets what was in flight when its process ends: the outbox asks for all of it again.
        known.setdefault("RESEND_AT_START", str(bus_url.startswith("memory:")))
        # Receivers of webhooks may be on this machine where nobody but this machine can ask.
        known.setdefault("WEBHOOK_ALLOW_PRIVATE", str(system.host in LOOPBACK))
        # Nobody leads callers to one of several systems in one process.
        known.setdefault("DRAIN_SECONDS", "0")
        try:
            async with unless(stop):
                bus = await stack.enter_async_context(open_bus(bus_url, "darkroom", patience=BUS_PATIENCE))
                services = await stack.enter_async_context(opened(bus, known, system.var_dir))
        except Stopped:
            return
        door = _settings("gateway", GatewaySettings, known, system.var_dir)
        secret = door.jwt_secret.get_secret_value() if door.jwt_secret else None
        garbage.quiet()
        await run(
            services, bus, door.host, door.port, stop, lambda url: started(Started(url, secret, ensemble))
        )


@asynccontextmanager
async def opened(bus: Bus, known: Mapping[str, str], var: Path) -> AsyncIterator[list[Service]]:
    """The four services on one bus, ready to run, with the settings of the environment and of `known`."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(opening(_settings(name, kind, known, var), bus))
            for name, (kind, opening) in SERVICES.items()
        ]


def _made_up(var: Path, ensemble: StandIns) -> dict[str, str]:
    made = {
        "BUS_URL": "memory:",
        "BLOBS_URL": f"file:{var / 'blobs'}",
        "JWT_SECRET": DEVELOPMENT_SECRET,
    }
    return made | ({"IMAGE_HOSTS": ensemble.storage} if ensemble.storage else {})


def _settings(name: str, kind: type[Any], known: Mapping[str, str], var: Path) -> Any:
    """A SQLite file of its own for each service, unless a database is named."""
    database = {"DATABASE_URL": f"sqlite+aiosqlite:///{var / name}.db"}
    return read(kind, database | dict(known))


async def _until_signal() -> None:
    stop = stop_on_signals()
    await serve(stop, lambda system: print(f"Darkroom is at {system.url}", flush=True))  # noqa: T201


def main() -> None:
    """Exits 2 with a sentence where a setting is missing or wrong."""
    try:
        settings = read(SystemSettings)
        logs.configure("darkroom", settings.log_level, settings.log_format)
        loop.run(_until_signal())
    except (BadSettings, CannotConnect) as why:
        print(f"the system does not start:\n{why}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


if __name__ == "__main__":
    main()
