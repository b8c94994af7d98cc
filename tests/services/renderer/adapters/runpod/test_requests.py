"""What is sent to RunPod, to the letter, and what is done with answers that no good server gives."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.serving import serve
from services.renderer.adapters.runpod import client as limits
from services.renderer.adapters.runpod.address import read_address
from services.renderer.adapters.runpod.endpoint import Account, Endpoint
from services.renderer.adapters.runpod.hooks import Hooks
from services.renderer.domain.remote import File, Link, Lost, Remote, Running, Seen
from services.renderer.domain.troubles import Broke, Hopeless, NotSent, Passing, Trouble, Unreachable

SENT = Remote("5d0c", "abc-u1", "b1/0/1.0", "9", File("Areg_opal_image_1_00001_.png", "b1/1"))
REMOTE = Remote("5d0c", None, "b1/0/1.0", "9", File("Areg_opal_image_1_00001_.png", "b1/1"))
GRAPH: dict[str, Any] = {"9": {"class_type": "SaveImage", "inputs": {}}}


@dataclass
class Api:
    """Answers every call with `answer`, and keeps what it was asked."""

    answer: Response = field(default_factory=lambda: JSONResponse({"id": "abc-u1", "status": "IN_QUEUE"}))
    calls: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)

    async def receive(self, request: Request) -> Response:
        body = await request.json() if await request.body() else None
        self.calls.append((request.method, request.url.path, dict(request.headers), body))
        return self.answer


@asynccontextmanager
async def endpoint(api: Api, hooks: Hooks | None = None, deadline: float = 900.0) -> AsyncIterator[Endpoint]:
    app = Starlette(routes=[Route("/{path:path}", api.receive, methods=["GET", "POST"])])
    async with serve(app) as url:
        account = Account(f"{url}/v2/", "rpa_KEY", hooks or Hooks(None), deadline, 0.1)
        made = Endpoint(read_address("runpod://abc"), account, "rpa_KEY")
        try:
            yield made
        finally:
            await made.close()


@contextmanager
def at_most(size: int) -> Iterator[None]:
    before = limits.MOST_ANSWER
    limits.MOST_ANSWER = size
    try:
        yield
    finally:
        limits.MOST_ANSWER = before


async def test_a_job_goes_with_our_key_its_limits_and_the_hook_that_nobody_can_guess() -> None:
    api = Api()
    async with endpoint(api, Hooks("https://darkroom.example/")) as one:
        assert await one.submit(REMOTE, GRAPH) == "abc-u1"
    ((method, path, headers, body),) = api.calls
    assert (method, path) == ("POST", "/v2/abc/run")
    assert headers["authorization"] == "Bearer rpa_KEY"
    assert headers["user-agent"].startswith("Darkroom/")
    assert body == {
        "input": {"workflow": GRAPH, "darkroom_key": "5d0c", "darkroom_image": "b1/0/1.0"},
        "policy": {"executionTimeout": 900_000, "ttl": 2_400_000},
        "webhook": "https://darkroom.example/hooks/runpod/5d0c",
    }


async def test_limits_stay_within_what_runpod_takes_and_no_hook_is_asked_for_without_a_url() -> None:
    api = Api()
    for deadline, execution, life in ((0.5, 5_000, 601_000), (10**7, 604_800_000, 604_800_000)):
        async with endpoint(api, deadline=deadline) as one:
            await one.submit(REMOTE, GRAPH)
        assert api.calls[-1][3]["policy"] == {"executionTimeout": execution, "ttl": life}
        assert "webhook" not in api.calls[-1][3]


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (JSONResponse({"error": "no"}, 401), NotSent, "RUNPOD_API_KEY"),
        (JSONResponse({"error": "no"}, 403), NotSent, "RUNPOD_API_KEY"),
        (JSONResponse({"error": "endpoint not found"}, 404), NotSent, "RENDERER_URLS"),
        (Response("404 page not found", 404), NotSent, "RENDERER_URLS"),
        (JSONResponse({"error": "bad input"}, 400), Hopeless, "bad input"),
        (JSONResponse({"error": "no credit"}, 402), NotSent, "no credit"),
        (Response("Payment Required", 402), NotSent, "402"),
        (Response(status_code=413), Hopeless, "size"),
        (JSONResponse({"error": "?"}, 500), Broke, "500"),
        (Response(status_code=502), Unreachable, "502"),
        (Response(status_code=524), Unreachable, "524"),
        (HTMLResponse("<html>"), Unreachable, "RUNPOD_API_URL"),
        (RedirectResponse("https://login.example"), Unreachable, "RUNPOD_API_URL"),
        (Response("{", media_type="application/json"), Unreachable, "no JSON"),
        (JSONResponse(["id"]), Unreachable, "not what its API gives"),
        (JSONResponse({"status": "IN_QUEUE"}), Unreachable, "names no job"),
        (JSONResponse({"id": 7}), Unreachable, "names no job"),
    ],
)
async def test_an_answer_to_a_submit_says_whether_the_job_can_have_arrived(
    answer: Response, kind: type[Trouble], says: str
) -> None:
    async with endpoint(Api(answer)) as one:
        with pytest.raises(Trouble, match=says) as told:
            await one.submit(REMOTE, GRAPH)
    assert type(told.value) is kind
    assert "rpa_KEY" not in str(told.value)


async def test_an_endpoint_that_nobody_answers_for_certainly_got_nothing() -> None:
    account = Account("http://127.0.0.1:1/v2", "rpa_KEY", Hooks(None), 900, 0.1)
    one = Endpoint(read_address("runpod://abc"), account, "rpa_KEY")
    with pytest.raises(NotSent):
        await one.submit(REMOTE, GRAPH)
    await one.close()


async def test_a_request_that_runpod_would_not_take_is_not_sent() -> None:
    api = Api()
    async with endpoint(api) as one:
        with pytest.raises(Hopeless) as told:
            await one.submit(REMOTE, {"1": "x" * 10_000_000})
    assert told.value.code == "request_too_large"
    assert not api.calls


@pytest.mark.parametrize("answer", [JSONResponse({}, 401), JSONResponse({}, 404), HTMLResponse("x")])
async def test_a_probe_says_why_an_endpoint_cannot_be_used(answer: Response) -> None:
    async with endpoint(Api(answer)) as one:
        with pytest.raises(Unreachable):
            await one.probe()


async def test_trap_18_the_local_server_of_the_sdk_is_not_taken_for_an_endpoint() -> None:
    """It takes jobs and runs none of them by itself; it has no /health."""
    async with endpoint(Api(JSONResponse({"detail": "Not Found"}, status_code=404))) as one:
        with pytest.raises(Unreachable, match="no endpoint abc"):
            await one.probe()


async def test_an_endpoint_renders_as_many_images_at_once_as_it_has_machines_up() -> None:
    api = Api(JSONResponse({"jobs": {}, "workers": {"idle": 1, "running": 2}}))
    async with endpoint(api) as one:
        assert one.machines == 1
        await one.probe()
        assert one.machines == 3


async def test_ids_are_opaque_and_stay_in_their_place_of_a_path() -> None:
    api = Api()
    async with endpoint(api) as one:
        loop = asyncio.create_task(one.listen())
        sent = Remote("k", "sync-a/../../other-u1", "", "9", REMOTE.file)
        async with asyncio.timeout(5):
            await one.cancel(sent)
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop
    assert api.calls[0][1] == "/v2/abc/cancel/sync-a/../../other-u1"


async def test_a_result_is_read_without_the_key_and_through_a_few_redirects() -> None:
    api = Api(Response(b"image"))
    async with endpoint(api) as one:
        base = str(one._client._api.base_url).partition("/v2")[0]
        hops = Api(RedirectResponse(f"{base}/bucket/f.png"))
        async with serve(Starlette(routes=[Route("/{path:path}", hops.receive)])) as url:
            assert await one.fetch(Link(f"{url}/signed")) == b"image"
        api.answer = RedirectResponse("/again")
        with pytest.raises(Passing, match="chain of redirects"):
            await one.fetch(Link(f"{base}/bucket/f.png"))
    assert all("authorization" not in headers for _, _, headers, _ in [*api.calls, *hops.calls])
    assert len(api.calls) == 1 + limits.HOPS + 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(status_code=403), Passing),
        (Response(status_code=404), Passing),
        (Response(status_code=503), Unreachable),
        (Response(status_code=429), Unreachable),
        (RedirectResponse("file:///etc/passwd"), Passing),
    ],
)
async def test_a_result_that_is_not_there_is_gone_and_a_place_that_is_away_is_asked_again(
    answer: Response, kind: type[Trouble]
) -> None:
    async with endpoint(Api(answer)) as one:
        base = str(one._client._api.base_url).partition("/v2")[0]
        with pytest.raises(kind):
            await one.fetch(Link(f"{base}/bucket/f.png"))


async def test_a_result_without_end_is_not_read_to_its_end() -> None:
    async with endpoint(Api(Response(b"x" * 5000))) as one:
        base = str(one._client._api.base_url).partition("/v2")[0]
        with at_most(1000), pytest.raises(Passing, match="no image of ours"):
            await one.fetch(Link(f"{base}/bucket/f.png"))


async def test_a_file_of_a_pod_is_nothing_that_an_endpoint_has() -> None:
    async with endpoint(Api()) as one:
        with pytest.raises(Passing):
            await one.fetch(REMOTE.file)


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (JSONResponse({"error": "job not found"}, 404), Lost()),
        (JSONResponse({"error": "invalid job id"}, 400), Lost()),
        (JSONResponse({"status": "IN_PROGRESS"}), Running()),
        (JSONResponse({"error": "no credit"}, 402), None),
        (JSONResponse({"error": "no"}, 401), None),
        (HTMLResponse("<html>"), None),
    ],
)
async def test_a_look_tells_a_job_that_is_gone_from_an_api_that_does_not_say(
    answer: Response, seen: Seen | None
) -> None:
    async with endpoint(Api(answer)) as one:
        loop = asyncio.create_task(one.listen())
        with one.watching(SENT, 0.01) as watch:
            if seen is None:
                with pytest.raises(Unreachable):
                    await watch.news(SENT)
            else:
                assert await watch.news(SENT) == seen
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop


def test_the_key_is_not_in_what_is_printed() -> None:
    assert "geheim" not in repr(Account("https://api.runpod.ai/v2", "geheim", Hooks(None), 900, 60))
