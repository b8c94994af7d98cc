"""Requests as parts of a trace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.traced import STATUS_PATHS, Traced
from chassis.web import serving
from messaging import tracing
from tests.messaging.recorded import Recorded, recorded

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"


async def told(_: Request) -> Response:
    """Where the request is, and for whom; what is bound here stays here."""
    before = structlog.contextvars.get_contextvars()
    tracing.concerns(batch_id="b-1")
    return JSONResponse([tracing.traceparent(), tracing.SERVICE.get(), before])


async def failing(_: Request) -> Response:
    return Response(status_code=503)


@asynccontextmanager
async def served() -> AsyncIterator[httpx.AsyncClient]:
    paths = ("/thing", *sorted(STATUS_PATHS))
    app = Starlette(routes=[Route("/failing", failing), *(Route(path, told) for path in paths)])
    async with serving(Traced(app, "shop"), "127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


async def asked(*headers: str, path: str = "/thing") -> tuple[str | None, str | None, dict[str, str]]:
    async with served() as client:
        answer = await client.get(path, headers=[("traceparent", header) for header in headers])
        parent, service, before = answer.json()
    return parent, service, before


def only(kept: Recorded) -> tuple[str, str | None]:
    """The trace of the only span, and what it hangs from."""
    (span,) = kept.spans
    return f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}" if span.parent else None


async def test_a_callers_trace_is_gone_on_with() -> None:
    with recorded() as kept:
        parent, service, _ = await asked(SENT)
    assert only(kept) == (TRACE, SPAN)
    assert parent is not None
    assert parent.split("-")[1] == TRACE
    assert SPAN not in parent
    assert service == "shop"


@pytest.mark.parametrize(
    "headers",
    [[], ["nonsense"], [f"00-{'0' * 32}-{SPAN}-01"], [SENT, SENT]],
    ids=["none", "odd", "zero", "two"],
)
async def test_without_a_trace_that_can_be_relied_on_one_begins(headers: list[str]) -> None:
    with recorded() as kept:
        await asked(*headers)
    trace, above = only(kept)
    assert above is None
    assert trace != TRACE


@pytest.mark.parametrize("path", sorted(STATUS_PATHS))
async def test_looks_at_a_process_are_no_traces(path: str) -> None:
    with recorded() as kept:
        parent, _, _ = await asked(SENT, path=path)
    assert kept.spans == []
    assert parent is None


async def test_what_nobody_records_is_handed_on_as_it_came() -> None:
    assert (await asked(SENT))[0] == SENT


async def test_a_span_says_how_it_was_answered_and_asked_with_no_word_of_the_callers_own() -> None:
    with recorded() as kept:
        async with served() as client:
            await client.get("/failing?token=hunter2")
            await client.request("BREW", "/thing")
    bad, odd = kept.spans
    assert (bad.name, dict(bad.attributes or {})) == (
        "GET",
        {"darkroom.path": "/failing", "darkroom.status": 503},
    )
    assert not bad.status.is_ok
    assert odd.name == "HTTP"


async def test_what_one_request_is_about_does_not_stick_to_the_next() -> None:
    async with served() as client:
        answers = [(await client.get("/thing")).json() for _ in range(2)]
    assert [before for _, _, before in answers] == [{}, {}]
    assert len({parent for parent, _, _ in answers}) == 2
