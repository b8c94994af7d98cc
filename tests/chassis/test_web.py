"""The HTTP side: alive, ready or why not, metrics, and an end that lets requests end."""

import asyncio
import socket

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chassis import web
from chassis.settings import BadSettings
from chassis.web import Check, Readiness, serving, status_routes

LOCAL = "127.0.0.1"


async def fine() -> str | None:
    return None


async def broken() -> str | None:
    return "the till is open"


async def stuck() -> str | None:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def wrong() -> str | None:
    raise ValueError("amqp://user:pw@host")


def app(checks: dict[str, Check]) -> tuple[Readiness, Starlette]:
    readiness = Readiness(checks)
    return readiness, Starlette(routes=list(status_routes(readiness)))


async def asked(app: Starlette, path: str) -> httpx.Response:
    async with serving(app, LOCAL, 0) as url, httpx.AsyncClient() as client:
        return await client.get(url + path)


async def at_once(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def test_health_asks_nobody() -> None:
    _, served = app({"till": wrong})
    answer = await asked(served, "/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready_while_nothing_is_wrong() -> None:
    _, served = app({"till": fine})
    answer = await asked(served, "/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "troubles": {}})


async def test_not_ready_says_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CHECK_SECONDS", 0.1)
    _, served = app({"till": broken, "door": fine, "clerk": stuck, "safe": wrong})
    answer = await asked(served, "/ready")
    assert answer.status_code == 503
    assert answer.json()["troubles"] == {
        "till": "the till is open",
        "clerk": "no answer within 0.1 s",
        "safe": "ValueError: amqp://user:***@host",
    }


async def test_a_process_that_stops_is_not_ready_whatever_its_checks_say() -> None:
    readiness, served = app({"till": fine})
    readiness.draining = True
    answer = await asked(served, "/ready")
    assert (answer.status_code, answer.json()["troubles"]) == (503, {"process": "stopping"})


async def test_metrics_can_be_read_by_prometheus() -> None:
    _, served = app({})
    answer = await asked(served, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["content-type"].count("charset") == 1
    families = list(text_string_to_metric_families(answer.text))
    assert "process_start_time_seconds" in {family.name for family in families}


async def test_an_open_request_ends_before_the_server_does() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request) -> Response:
        begun.set()
        await go.wait()
        return PlainTextResponse("done")

    async with httpx.AsyncClient() as client:
        async with serving(Starlette(routes=[Route("/", slow)]), LOCAL, 0) as url:
            asking = asyncio.create_task(client.get(url))
            await begun.wait()
            asyncio.get_running_loop().call_later(0.2, go.set)
        async with asyncio.timeout(5):
            assert (await asking).text == "done"
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_an_open_request_holds_the_end_up_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "GRACE_SECONDS", 1)
    begun = asyncio.Event()

    async def never(_request: Request) -> Response:
        begun.set()
        return PlainTextResponse(await stuck() or "")

    async with httpx.AsyncClient() as client, asyncio.timeout(10):
        async with serving(Starlette(routes=[Route("/", never)]), LOCAL, 0) as url:
            asking = asyncio.create_task(client.get(url))
            await begun.wait()
        (end,) = await asyncio.gather(asking, return_exceptions=True)
    assert isinstance(end, httpx.HTTPError) or (isinstance(end, httpx.Response) and end.status_code == 500)


async def test_a_connection_is_kept_for_longer_than_load_balancers_keep_it() -> None:
    """A server that ends idle connections first ends one now and then under a request."""
    async with serving(Starlette(routes=[Route("/", at_once)]), "127.0.0.1", 0) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        for pause in (0, 6):
            await asyncio.sleep(pause)
            writer.write(b"GET / HTTP/1.1\r\nHost: darkroom\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            await reader.readuntil(b"\r\n\r\nok")
        writer.close()
        await writer.wait_closed()


async def test_a_taken_port_is_said_in_a_sentence() -> None:
    _, served = app({})
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadSettings, match=f"^HOST and PORT: nothing can listen at {LOCAL}, port {port} "):
            await _served(served, LOCAL, port)


@pytest.mark.parametrize(("host", "port"), [(LOCAL, 70_000), ("darkroom.invalid", 0)])
async def test_an_address_that_cannot_be_is_said_in_a_sentence(host: str, port: int) -> None:
    _, served = app({})
    with pytest.raises(BadSettings, match="PORT"):
        await _served(served, host, port)


async def _served(app: Starlette, host: str, port: int) -> None:
    async with serving(app, host, port):
        pass


async def test_an_address_of_the_newer_kind_is_served_where_there_is_one() -> None:
    _, served = app({})
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        with pytest.raises(BadSettings):
            await _served(served, "::1", 0)
        return
    async with serving(served, "::1", 0) as url, httpx.AsyncClient() as client:
        assert url.startswith("http://[::1]:")
        assert (await client.get(f"{url}/health")).status_code == 200
