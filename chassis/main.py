"""The main function of one service on its own."""

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar

import structlog
from pydantic import Field

from chassis import garbage, logs, loop
from chassis.exporting import exporting
from chassis.process import Service, run
from chassis.settings import BadSettings, Settings, Url, read
from chassis.stopping import Stopped, stop_on_signals, unless
from messaging.bus import Bus
from messaging.connect import CannotConnect, open_bus

log = structlog.get_logger("main")

#: Seconds that a service waits for its broker before it opens its port without it: not ready, but alive, and
#: what callers want meanwhile is kept where a service has a place for it.
BUS_PATIENCE = 2.0


class ServiceSettings(Settings):
    """What every service on a bus knows."""

    bus_url: Url = Field(
        description="`amqp://user:password@host/vhost`, or `amqps://...?cafile=FILE` with TLS; `memory:` "
        "inside one process"
    )
    bus_declare: bool = Field(
        True, description="declare queues and exchanges; `false` where the service may only use them"
    )
    port: int = Field(8080, description="port of HTTP: the API at the gateway, health and metrics elsewhere")


S = TypeVar("S", bound=ServiceSettings)


def main(name: str, kind: type[S], opening: Callable[[S, Bus], AbstractAsyncContextManager[Service]]) -> None:
    """Runs one service until SIGTERM or SIGINT, and exits 0 then. Exits 2 with a sentence where a setting is
    wrong, 1 with a logged reason where something else ends it."""
    try:
        settings = read(kind)
        if settings.bus_url.get_secret_value().startswith("memory:"):
            raise BadSettings(
                "BUS_URL is memory:, which reaches nobody outside one process; set "
                "amqp://user:password@host/vhost, or run the whole system with `python -m services`"
            )
        logs.configure(name, settings.log_level, settings.log_format)
        with exporting(settings.otel_exporter_otlp_endpoint):
            loop.run(_serve(name, settings, opening))
    except (BadSettings, CannotConnect) as why:
        print(f"{name} does not start:\n{why}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except Exception as error:  # the interpreter's own trace would not be redacted, nor be one line
        log.critical("ended by an error", exc_info=error)
        sys.exit(1)


async def _serve(
    name: str, settings: S, opening: Callable[[S, Bus], AbstractAsyncContextManager[Service]]
) -> None:
    stop = stop_on_signals()
    url = settings.bus_url.get_secret_value()
    async with AsyncExitStack() as opened:
        try:
            async with unless(stop):
                bus = await opened.enter_async_context(
                    open_bus(url, name, settings.bus_declare, BUS_PATIENCE)
                )
                service = await opened.enter_async_context(opening(settings, bus))
        except Stopped:
            log.info("stopped before it was open")
            return
        garbage.quiet()
        await run([service], bus, settings.host, settings.port, stop)
