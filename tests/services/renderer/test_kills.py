"""Killed at each step, a renderer leaves a book from which another goes on: nothing is rendered twice."""

from pathlib import Path

import pytest

from messaging.memory import MemoryBus
from services.renderer.adapters.receipts import SqlReceipts
from services.renderer.adapters.runpod.endpoint import Endpoint
from tests.services.renderer.backends import backend
from tests.services.renderer.doomed import STEPS, killed
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import listening, renderer, settings, stage


@pytest.mark.parametrize("step", [step for step in STEPS if STEPS[step][0] not in (Endpoint, SqlReceipts)])
async def test_another_renderer_goes_on_and_renders_nothing_twice(tmp_path: Path, step: str) -> None:
    async with backend(tmp_path / "a") as one:
        await killed(step, tmp_path, one.renderer_url)
        async with stage(tmp_path, one.renderer_url) as heard:
            # The delivery was perhaps not acknowledged: then it comes again.
            await heard.bus.publish(reserved(quantity=3))
            await heard.ended(3)
        assert set(heard.ends().values()) == {"done"}
        assert (await one.stats())["accepted"] == 3
        assert sorted((await one.executions()).values()) == [1, 1, 1]
    assert len({image.id() for image in heard.ready}) == 3
    assert len({image.blob_key for image in heard.ready}) == 3


@pytest.mark.slow
async def test_an_end_that_was_never_announced_is_announced_without_being_asked(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one:
        await killed("after-commit", tmp_path, one.renderer_url)
        async with stage(tmp_path, one.renderer_url) as heard:
            await heard.ended(3)
        assert sorted((await one.executions()).values()) == [1, 1, 1]


async def test_a_renderer_that_stops_hands_its_running_jobs_over_at_once(tmp_path: Path) -> None:
    async with backend(tmp_path / "a", render_seconds=1.0) as one:
        bus = MemoryBus()
        made = settings(tmp_path, [one.renderer_url], lease_seconds=600)
        async with listening(bus) as heard:
            async with renderer(made, bus, "first"):
                await bus.publish(reserved(quantity=2, workflow="portrait", parameters={"steps": 4}))
                await heard.until(lambda: any(each.stage == "running" for each in heard.progress))
            async with renderer(made, bus, "second"):
                await heard.ended(2)
        assert (await one.stats())["accepted"] == 2
        assert set((await one.executions()).values()) == {1}


async def test_two_renderers_share_a_backend_and_render_each_image_once(
    tmp_path: Path, postgres_url: str
) -> None:
    async with backend(tmp_path / "a", render_seconds=0.02) as one, backend(tmp_path / "b") as two:
        bus = MemoryBus()
        urls = [one.renderer_url, two.renderer_url]
        made = settings(tmp_path, urls, database_url=postgres_url)
        async with (
            listening(bus) as heard,
            renderer(made, bus, "first"),
            renderer(made, bus, "second"),
        ):
            await bus.publish(reserved(quantity=30, workflow="portrait", parameters={"steps": 2}))
            await heard.ended(30)
        stats = [await one.stats(), await two.stats()]
    assert sum(each["accepted"] for each in stats) == 30
    assert all(each["max_queued"] <= 2 for each in stats)
    assert len(heard.ready) == 30
