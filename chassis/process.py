"""One process: services on a bus, loops beside the handlers, HTTP, and an end that loses nothing."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from chassis import meters
from chassis.stopping import Stopped, unless
from chassis.traced import Traced
from chassis.web import Check, Parting, Readiness, serving, status_routes
from contracts.topology import QUEUES, WAITS
from contracts.transient import BackendStatus, ServiceStatus
from messaging import tracing
from messaging.bus import Bus, Subscription
from messaging.errors import Outage

log = structlog.get_logger("process")

#: Runs beside the handlers until it is cancelled.
Loop = Callable[[], Awaitable[None]]
#: Seconds between two words about a process's state.
STATUS_SECONDS = 5.0

#: The name of the check that all services of a process have in common.
BUS = "bus"
#: Seconds after which a loop that did not hear that it should end is told again.
CANCEL_AGAIN = 10.0
#: This process among its replicas, new at every start: the owner of its leases.
INSTANCE = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"


def _no_backends() -> tuple[BackendStatus, ...]:
    return ()


@dataclass(frozen=True)
class Service:
    """What a composition root puts together."""

    name: str
    subscriptions: Sequence[Subscription[Any]] = ()
    loops: Sequence[Loop] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    #: Given readiness, the application that is served at the process's port.
    web: Callable[[Readiness], ASGIApp] | None = None
    #: Beside that application, or beside health and metrics: calls that come from elsewhere.
    routes: Sequence[BaseRoute] = ()
    in_flight: Callable[[], int] = lambda: 0
    backends: Callable[[], tuple[BackendStatus, ...]] = _no_backends
    #: Whether its callers miss nothing while the bus is in trouble: then that must not turn them away.
    outlasts_bus: bool = False
    #: Seconds that it goes on as usual, but not ready, when the process is told to stop: whoever leads
    #: callers to it has to see that before they are turned away.
    linger: float = 0.0
    #: Told once, when the process begins to stop, after it lingered: lets go of whoever waits.
    stopping: Callable[[], None] = lambda: None


async def run(
    services: Sequence[Service],
    bus: Bus,
    host: str,
    port: int,
    stop: asyncio.Event,
    started: Callable[[str], None] | None = None,
) -> None:
    """Runs until `stop` is set, then: no longer ready, no more deliveries, loops cancelled, requests ended.
    Answers ask callers from the first of these on to close their connections.

    A loop that fails ends the process: what it held is found again by lease and redelivery. Raises what the
    loop raised, and BadSettings where nothing can listen at host and port.
    """
    checks: dict[str, Check] = {
        name: check for service in services for name, check in _checks(service).items()
    }

    async def flowing() -> str | None:
        return bus.trouble()

    outlasted = all(service.outlasts_bus for service in services)
    bus_check: dict[str, Check] = {BUS: flowing}
    readiness = Readiness(checks, bus_check) if outlasted else Readiness(bus_check | checks)
    async with AsyncExitStack() as stack:
        for front in [service for service in services if service.web] or services[:1]:
            app = front.web(readiness) if front.web else _bare(readiness)
            served = Traced(Parting(_beside(app, services), readiness), front.name)
            url = await stack.enter_async_context(serving(served, host, port))
            if started:
                started(url)
        running = [
            asyncio.ensure_future(_run(service, loop))
            for service in services
            for loop in (*service.loops, _telling(service, readiness, bus))
        ]
        stack.push_async_callback(_cancel, running)
        subscriptions = [each for service in services for each in service.subscriptions]
        with suppress(Stopped):
            async with unless(stop):
                await stack.enter_async_context(bus.consuming(subscriptions))
        log.info("running", services=[service.name for service in services])
        try:
            await _until(stop, running)
            readiness.draining = True
            await _linger(max(service.linger for service in services), running)
        finally:
            readiness.draining = True
            for service in services:
                service.stopping()
            log.info("stopping")


async def every(
    seconds: float, work: Callable[[], Awaitable[object]], name: str, idle: float | None = None
) -> None:
    """Repeats `work` for ever, with a rest between. What it raises is logged; the next round is the retry.

    With `idle` the rest doubles up to so many seconds while `work` gives nothing true, which is to say that
    there was nothing to do: a process of which nobody wants anything takes next to nothing itself.
    """
    task = asyncio.current_task()
    assert task is not None
    rest = seconds
    while True:
        found: object = True
        try:
            found = await work()
        except Outage as why:
            log.info("waits for a neighbour", loop=name, reason=str(why))
        except Exception as error:  # a loop is a sweep: the next round finds what this one left
            log.warning("round failed", loop=name, exc_info=error)
        if task.cancelling():
            # Python 3.11's wait_for, deep in a library, loses a cancellation that comes as its work ends.
            raise asyncio.CancelledError
        rest = next_rest(rest, seconds, idle, bool(found))
        await asyncio.sleep(rest)


def next_rest(last: float, seconds: float, idle: float | None, found: bool) -> float:
    """Seconds until the next round of a loop that found something to do, or did not."""
    return seconds if found or idle is None else min(2 * last, idle)


async def _run(service: Service, loop: Loop) -> None:
    with tracing.serving(service.name):
        await loop()


async def _until(stop: asyncio.Event, running: Sequence[asyncio.Future[Any]]) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
        for ended in done - {stopping}:
            ended.result()
            raise RuntimeError("a loop ended by itself")
    finally:
        stopping.cancel()


async def _linger(seconds: float, running: Sequence[asyncio.Future[Any]]) -> None:
    """Not beyond the end of a loop: without it there is no as usual."""
    if seconds:
        log.info("lingering", seconds=seconds)
        await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


async def _cancel(running: Sequence[asyncio.Future[Any]]) -> None:
    """Until all have ended: a cancellation can get lost in a library."""
    left = set(running)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN)
    await asyncio.gather(*running, return_exceptions=True)


def _beside(app: ASGIApp, services: Sequence[Service]) -> ASGIApp:
    routes = [route for service in services for route in service.routes]
    return Starlette(routes=[*routes, Mount("/", app=app)]) if routes else app


def _checks(service: Service) -> dict[str, Check]:
    """By the names under which they are told of."""
    return {f"{service.name} {name}": check for name, check in service.checks.items()}


def _bare(readiness: Readiness) -> ASGIApp:
    return Starlette(routes=status_routes(readiness))


def _telling(service: Service, readiness: Readiness, bus: Bus) -> Loop:
    own = {queue.name: queue.dead for queue in QUEUES if queue.service == service.name}
    # In one process with the others, what keeps them from work is theirs to tell.
    checked = {BUS, *_checks(service)}

    async def tell() -> None:
        troubles = await readiness.troubles(checked)
        meters.show(service.name, not troubles, service.in_flight())
        # A few questions to the broker, each answered in a millisecond.
        depths = await bus.depths([*own, *own.values(), *(wait.name for wait in WAITS)])
        meters.show_queues(depths, own)
        await bus.publish(
            ServiceStatus(
                service=service.name,
                instance=INSTANCE,
                at=datetime.now(UTC),
                ready=not troubles,
                reason="; ".join(f"{name}: {why}" for name, why in troubles.items()) or None,
                in_flight=service.in_flight(),
                backends=service.backends(),
                dead_letters={queue: count for queue, dead in own.items() if (count := depths.get(dead, 0))},
                queues={name: count for name, count in depths.items() if name not in own.values()},
            )
        )

    return lambda: every(STATUS_SECONDS, tell, f"{service.name} status")
