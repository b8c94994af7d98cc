"""Backends that restart, hang, hide behind a login or are away: no image is lost, none is paid for twice."""

from pathlib import Path
from typing import Any

import pytest

from tests.services.renderer.backends import backend, renders
from tests.services.renderer.books import opened
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import done, stage

OLD = "0.3.64"
VERSIONS = pytest.mark.parametrize("version", [OLD, "0.33.0"])
PORTRAIT: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 4}}


@VERSIONS
async def test_a_restart_that_forgets_everything_loses_no_image(tmp_path: Path, version: str) -> None:
    async with (
        backend(tmp_path / "a", comfyui_version=version) as one,
        stage(tmp_path, one.renderer_url) as heard,
    ):
        await one.fault("restart", prefix="image_3", down_seconds=0.3)
        await done(heard, 6)
        assert len({image.md5 for image in heard.ready}) == 6
        assert await renders(one) == [1] * 6


@pytest.mark.parametrize("status", [502, 503, 524])
async def test_a_proxy_that_answers_for_a_dead_server_ends_no_image(tmp_path: Path, status: int) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await one.fault("http_error", route="/", status=status, times=3)
        await done(heard, 2)
        assert await renders(one) == [1, 1]


async def test_a_login_page_is_no_image_and_no_failure(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, backend(tmp_path / "b") as two:
        await one.fault("login_page", route="/prompt", times=None)
        await two.fault("login_page", route="/view", times=2)
        async with stage(tmp_path, one.renderer_url, two.renderer_url) as heard:
            await done(heard, 3)
        assert {image.backend for image in heard.ready} == {two.name}


@pytest.mark.parametrize(
    ("login", "user", "query"),
    [
        ({"username": "pod", "password": "geheim"}, "pod:geheim@", ""),
        ({"token": "geheim"}, "", "?token=geheim"),
        ({"token": "geheim"}, "", "?bearer=geheim"),
        ({"token": "geheim"}, "", "?header.Authorization=Bearer%20geheim"),
    ],
)
async def test_a_login_in_front_is_passed_on_http_and_websocket(
    tmp_path: Path, login: dict[str, str], user: str, query: str
) -> None:
    async with backend(tmp_path / "a", render_seconds=1.2, login=login) as one:
        url = one.renderer_url.replace("://", f"://{user}") + query
        async with stage(tmp_path, url) as heard:
            await heard.bus.publish(reserved(**PORTRAIT))
            await heard.ended(1)
    assert heard.ends() == {(0, 1): "done"}
    # Only the socket tells of steps.
    assert any(each.steps for each in heard.progress)


async def test_a_job_that_hangs_is_stopped_and_done_elsewhere(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, backend(tmp_path / "b") as two:
        for each in (one, two):
            await each.fault("stall", prefix="image_1", seconds=30, times=1)
        await two.heal()
        async with stage(tmp_path, one.renderer_url, two.renderer_url, render_deadline=0.8) as heard:
            await done(heard, 2)
        stopped = (await one.stats())["cancelled"]
        assert stopped == (1 if (await one.stats())["faults"] else 0)


async def test_an_image_that_no_backend_can_render_ends_at_its_deadline(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one:
        await one.fault("stall", seconds=30, times=None)
        async with stage(tmp_path, one.renderer_url, image_deadline=1.0) as heard:
            await heard.bus.publish(reserved(quantity=4))
            await heard.ended(4)
    assert set(heard.ends().values()) == {"deadline"}
    assert all(each.retryable for each in heard.failed)


async def test_a_backend_that_was_away_past_the_deadline_is_asked_for_the_job_that_it_was_given(
    tmp_path: Path,
) -> None:
    """With no other backend there is nowhere else to go, and what it rendered meanwhile is paid for."""
    async with backend(tmp_path / "a", render_seconds=2.0) as one:
        async with stage(tmp_path, one.renderer_url, render_deadline=2.5) as heard:
            await heard.bus.publish(reserved(**PORTRAIT))
            await heard.until(lambda: bool(heard.progress))
            await one.taken(1)
            await one.fault("http_error", route="/", status=502, times=None)
            async with opened(f"sqlite+aiosqlite:///{tmp_path}/renderer.db") as book:
                await book.reaches("waiting", 1)
            await one.heal()
            await heard.ended(1)
        assert heard.ends() == {(0, 1): "done"}
        assert (await one.stats())["accepted"] == 1
