"""The run loop: what begins, what goes on, and an end in the order that loses nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from chassis import process
from chassis.process import INSTANCE, Loop, Service, every, next_rest, run
from chassis.settings import BadSettings
from chassis.web import Readiness, status_routes
from contracts.commands import CancelBatch, OpenFolder
from contracts.message import Message
from contracts.transient import BackendStatus, ServiceStatus
from messaging.bus import Subscription
from messaging.errors import Outage, PermanentError
from messaging.memory import MemoryBus
from tests.messaging.rig import until

LOCAL = "127.0.0.1"
GPU = BackendStatus(name="gpu", healthy=True, depth=2, busy=1)


@asynccontextmanager
async def running(bus: MemoryBus, *services: Service) -> AsyncIterator[str]:
    """The process's URL; told to stop at the end of the block, and then waited for."""
    stop, started = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run(services, bus, LOCAL, 0, stop, started.set_result))
    try:
        yield await asyncio.wait_for(started, 20)
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task


async def rest() -> None:
    await asyncio.Event().wait()


async def test_a_process_answers_at_its_port_for_every_service_that_it_runs() -> None:
    async def closed() -> str | None:
        return "closed"

    services = Service("a"), Service("b", checks={"till": closed})
    async with running(MemoryBus(), *services) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).json()["troubles"] == {"b till": "closed"}
        assert "process_cpu_seconds_total" in (await client.get("/metrics")).text


@pytest.mark.parametrize("with_application", [False, True])
async def test_calls_from_elsewhere_come_in_beside_everything_else(with_application: bool) -> None:
    async def page(request: Request) -> Response:
        return PlainTextResponse(request.url.path)

    def web(readiness: Readiness) -> ASGIApp:
        return Starlette(routes=[Route("/page", page), *status_routes(readiness)])

    called = Service("a", routes=[Route("/hooks/{key}", page, methods=["POST"])])
    door = Service("b", web=web if with_application else None)
    async with running(MemoryBus(), called, door) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/hooks/x")).text == "/hooks/x"
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/page")).status_code == (200 if with_application else 404)


class Troubled(MemoryBus):
    def trouble(self) -> str | None:
        return "no broker"


async def test_a_bus_in_trouble_is_not_ready() -> None:
    async with running(Troubled(), Service("a")) as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/ready")).json()["troubles"] == {"bus": "no broker"}


async def test_a_service_that_outlasts_the_bus_wants_calls_also_while_it_is_in_trouble() -> None:
    outlasting = Service("a", outlasts_bus=True)
    async with running(Troubled(), outlasting) as url, httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/ready")
        assert answer.status_code == 200
        told = {"status": "ready", "troubles": {}, "outlasted": {"bus": "no broker"}}
        assert answer.json() == told
    async with running(Troubled(), outlasting, Service("b")) as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/ready")).status_code == 503


class Shift:
    """A service with one of everything, which writes down how each comes to its end."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.busy, self.asked, self.go = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.readiness: Readiness | None = None

    async def handle(self, message: OpenFolder) -> Sequence[Message]:
        self.seen.append(f"took {message.folder}")
        self.busy.set()
        await self.go.wait()
        self.seen.append(f"handled, {(await self._troubles())['process']}")
        return [OpenFolder(folder="b")] if message.folder == "a" else []

    async def loop(self) -> None:
        try:
            await rest()
        finally:
            self.seen.append("loop")

    async def slow(self, _request: Request) -> Response:
        self.asked.set()
        while "loop" not in self.seen:  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.01)
        self.seen.append("request")
        return PlainTextResponse("done")

    async def _troubles(self) -> dict[str, str]:
        assert self.readiness is not None
        return await self.readiness.troubles()

    def web(self, readiness: Readiness) -> ASGIApp:
        self.readiness = readiness
        return Starlette(routes=[*status_routes(readiness), Route("/slow", self.slow)])

    def service(self) -> Service:
        return Service(
            "indexer",
            [Subscription("indexer", OpenFolder, self.handle)],
            loops=[self.loop],
            web=self.web,
            stopping=self.stopping,
        )

    def stopping(self) -> None:
        self.seen.append("stopping")
        self.go.set()


async def test_the_end_is_not_ready_then_deliveries_then_loops_then_requests() -> None:
    shift, bus = Shift(), MemoryBus()
    async with httpx.AsyncClient() as client:
        async with running(bus, shift.service()) as url:
            await bus.publish(OpenFolder(folder="a"))
            asking = asyncio.create_task(client.get(f"{url}/slow"))
            await asyncio.gather(shift.busy.wait(), shift.asked.wait())
        assert (await asking).text == "done"
    assert shift.seen == ["took a", "stopping", "handled, stopping", "loop", "request"]


async def test_what_comes_after_the_end_has_begun_is_left_for_the_next_process() -> None:
    first, second, bus = Shift(), Shift(), MemoryBus()
    async with running(bus, first.service()):
        await bus.publish(OpenFolder(folder="a"))
        await first.busy.wait()
    assert "took b" not in first.seen
    async with running(bus, second.service()):
        await second.busy.wait()
    assert second.seen[0] == "took b"


class Door:
    """A service that lingers; `stopped` says when it was told to let go."""

    def __init__(self, linger: float) -> None:
        self.stop, self.stopped = asyncio.Event(), asyncio.Event()
        self.url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._linger = linger

    def run(self, *loops: Loop) -> Coroutine[Any, Any, None]:
        service = Service("a", loops=loops, linger=self._linger, stopping=self.stopped.set)
        return run([service], MemoryBus(), LOCAL, 0, self.stop, self.url.set_result)


async def test_a_door_that_lingers_says_that_it_closes_and_still_answers_and_sends_callers_off() -> None:
    door = Door(linger=0.5)
    running = asyncio.create_task(door.run())
    async with httpx.AsyncClient(base_url=await door.url) as client:
        before = await client.get("/health")
        door.stop.set()

        async def draining() -> httpx.Response | None:
            answer = await client.get("/ready")
            return answer if answer.status_code == 503 else None

        answer = await until(draining)
        assert answer.json()["troubles"] == {"process": "stopping"}
        assert not door.stopped.is_set()
        during = await client.get("/health")
    assert (before.headers.get("connection"), during.headers["connection"]) == (None, "close")
    await door.stopped.wait()
    await running


async def test_a_door_whose_loop_ends_lingers_no_longer() -> None:
    door = Door(linger=3600)
    door.stop.set()
    async with asyncio.timeout(20):
        await door.run(partial(asyncio.sleep, 0.1))
    assert door.stopped.is_set()


async def test_a_loop_that_fails_ends_the_process_with_its_error() -> None:
    async def fails() -> None:
        raise ValueError("no more")

    shift = Shift()
    services = [shift.service(), Service("b", loops=[fails])]
    with pytest.raises(ValueError, match="no more"):
        await run(services, MemoryBus(), LOCAL, 0, asyncio.Event())
    assert shift.seen == ["stopping", "loop"]


async def test_a_loop_that_simply_returns_ends_the_process_too() -> None:
    async def returns() -> None:
        return

    with pytest.raises(RuntimeError, match="ended by itself"):
        await run([Service("a", loops=[returns])], MemoryBus(), LOCAL, 0, asyncio.Event())


async def test_a_process_that_was_told_to_stop_before_it_began_ends_at_once() -> None:
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(5):
        await run([Service("a", loops=[rest])], MemoryBus(), LOCAL, 0, stop)


async def test_a_taken_port_ends_the_process_with_a_sentence() -> None:
    with socket.create_server((LOCAL, 0)) as taken, pytest.raises(BadSettings, match="HOST and PORT"):
        await run([Service("a")], MemoryBus(), LOCAL, taken.getsockname()[1], asyncio.Event())


async def test_every_service_says_how_it_is_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STATUS_SECONDS", 0.02)
    heard: list[ServiceStatus] = []
    thrice = asyncio.Event()

    async def hear(status: ServiceStatus) -> Sequence[Message]:
        heard.append(status)
        if sum(status.service == "renderer" for status in heard) >= 3:
            thrice.set()
        return []

    async def cold() -> str | None:
        return "cold"

    ear = Service("gateway", [Subscription("gateway", ServiceStatus, hear)])
    renderer = Service("renderer", checks={"gpu": cold}, in_flight=lambda: 4, backends=lambda: (GPU,))
    async with running(MemoryBus(), ear, renderer):
        await thrice.wait()
    told = next(status for status in heard if status.service == "renderer")
    assert (told.instance, told.in_flight, told.backends) == (INSTANCE, 4, (GPU,))
    assert (told.ready, told.reason) == (False, "renderer gpu: cold")
    assert len({status.at for status in heard if status.service == "renderer"}) >= 3


async def test_a_service_tells_of_its_own_queues_and_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STATUS_SECONDS", 0.02)
    heard: asyncio.Queue[ServiceStatus] = asyncio.Queue()

    async def hear(status: ServiceStatus) -> Sequence[Message]:
        await heard.put(status)
        return []

    async def refuse(message: CancelBatch) -> Sequence[Message]:
        raise PermanentError("never")

    bus = MemoryBus()
    await bus.publish(OpenFolder(folder="waits"), CancelBatch(batch_id="b1"))
    async with bus.consuming([Subscription("renderer", CancelBatch, refuse)]):
        await until(bus.dead_letters)
    ear = Service("gateway", [Subscription("gateway", ServiceStatus, hear)])
    async with running(bus, ear, Service("indexer"), Service("renderer")):
        told: dict[str, ServiceStatus] = {}
        while len(told) < 3:
            status = await heard.get()
            told[status.service] = status
    assert told["indexer"].queues["indexer.OpenFolder"] == 1
    assert told["indexer"].dead_letters == {}
    assert told["renderer"].dead_letters == {"renderer.CancelBatch": 1}
    assert "indexer.OpenFolder" not in told["renderer"].queues
    assert "renderer.CancelBatch.dead" not in told["renderer"].queues
    assert told["gateway"].queues["wait.1s"] == 0


async def test_a_sweep_goes_on_after_outages_and_errors() -> None:
    ends: list[Exception | None] = [Outage("no storage"), ValueError("a bug"), None]
    enough = asyncio.Event()

    async def work() -> None:
        if not ends:
            enough.set()
        elif end := ends.pop(0):
            raise end

    with capture_logs() as lines:
        task = asyncio.create_task(every(0.001, work, "sweep"))
        await enough.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    told = [(line["log_level"], line["event"], line["loop"]) for line in lines]
    assert told == [("info", "waits for a neighbour", "sweep"), ("warning", "round failed", "sweep")]


async def test_a_loop_ends_though_its_work_loses_the_cancellation() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    task = asyncio.create_task(every(3600, work, "sweep"))
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_loop_that_finds_nothing_rests_longer() -> None:
    rounds: list[float] = []
    enough = asyncio.Event()

    async def work() -> bool:
        rounds.append(asyncio.get_running_loop().time())
        if len(rounds) == 4:
            enough.set()
        return False

    task = asyncio.create_task(every(0.02, work, "sweep", 0.08))
    await enough.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    # The loop's clock has a grain.
    assert rounds[3] - rounds[0] >= 0.04 + 0.08 + 0.08 - 0.01


@pytest.mark.parametrize(
    ("last", "idle", "found", "rest"),
    [(1.0, None, False, 1.0), (1.0, 5.0, False, 2.0), (4.0, 5.0, False, 5.0), (5.0, 5.0, True, 1.0)],
)
def test_a_rest_grows_to_its_longest_and_is_short_again_once_something_was_found(
    last: float, idle: float | None, found: bool, rest: float
) -> None:
    assert next_rest(last, 1.0, idle, found) == rest
