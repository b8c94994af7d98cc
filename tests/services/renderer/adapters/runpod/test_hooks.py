"""Calls that say that a job has ended: unsigned, so believed in nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette

from sandbox.serving import serve
from services.renderer.adapters.runpod import hooks as hooks_module
from services.renderer.adapters.runpod.hooks import MOST_IDS, Hooks

KEY = "0f7e1f5a-3c43-4f0e-9a53-1d0f0f8d6c11"


@asynccontextmanager
async def called(hooks: Hooks) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve(Starlette(routes=list(hooks.routes()))) as url,
        httpx.AsyncClient(base_url=f"{url}/hooks/runpod", trust_env=False) as http,
    ):
        yield http


async def test_a_call_hints_and_tells_the_id_while_that_is_unknown() -> None:
    hooks, hints = Hooks("https://public.example"), asyncio.Event()
    async with called(hooks) as http:
        with hooks.expecting(KEY, nameless=True, hint=hints.set):
            answer = await http.post(f"/{KEY}", json={"id": "abc-u1", "status": "COMPLETED"})
            assert answer.status_code == 200
            assert hints.is_set()
            assert await hooks.told(KEY) == "abc-u1"
            hooks.named(KEY)
            assert (await http.post(f"/{KEY}", json={"id": "lie"})).status_code == 200
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await hooks.told(KEY)


async def test_a_call_for_nobody_is_to_be_repeated_and_changes_nothing() -> None:
    hooks = Hooks("https://public.example")
    async with called(hooks) as http:
        assert (await http.post("/someone", json={"id": "x"})).status_code == 503
        with hooks.expecting(KEY, nameless=True, hint=lambda: None):
            pass
        assert (await http.post(f"/{KEY}", json={"id": "x"})).status_code == 503
        assert (await http.get(f"/{KEY}")).status_code == 405


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"id"', b'{"id": 7}', b'{"id": ""}', b"\xff\xfe"])
async def test_a_call_that_says_nothing_readable_is_a_hint_all_the_same(body: bytes) -> None:
    hooks, hints = Hooks("https://public.example"), asyncio.Event()
    async with called(hooks) as http:
        with hooks.expecting(KEY, nameless=True, hint=hints.set):
            assert (await http.post(f"/{KEY}", content=body)).status_code == 200
            assert hints.is_set()


async def test_a_flood_of_lies_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks_module, "MOST_BODY", 100)
    hooks = Hooks("https://public.example")
    async with called(hooks) as http:
        with hooks.expecting(KEY, nameless=True, hint=lambda: None):
            assert (await http.post(f"/{KEY}", json={"id": "x" * 1000})).status_code == 200
            for number in range(3 * MOST_IDS):
                assert (await http.post(f"/{KEY}", json={"id": str(number)})).status_code == 200
            assert [await hooks.told(KEY) for _ in range(MOST_IDS)] == [str(each) for each in range(MOST_IDS)]


async def test_without_a_public_url_there_is_no_door() -> None:
    hooks = Hooks(None)
    assert hooks.url(KEY) is None
    assert hooks.routes() == []
