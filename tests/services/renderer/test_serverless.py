"""The renderer over RunPod's serverless endpoints: batches go in, images come out, each paid for once."""

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.commands import CancelBatch, Character
from messaging.memory import MemoryBus
from tests.services.renderer.backends import backend
from tests.services.renderer.doomed import killed
from tests.services.renderer.endpoints import free_port, hooked, rendering, serverless
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import done, listening, renderer, settings


async def test_a_batch_ends_as_that_many_different_images(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await heard.bus.publish(reserved(quantity=8, first=5))
        await heard.ended(8)
        assert sorted(image.index for image in heard.ready) == list(range(5, 13))
        assert len({image.md5 for image in heard.ready}) == 8
        assert {image.backend for image in heard.ready} == {one.name}
        assert await one.accepted() == 8


async def test_an_endpoint_that_is_asleep_says_so_and_the_image_comes(tmp_path: Path) -> None:
    async with (
        serverless(tmp_path / "a", cold_start_seconds=2.5) as one,
        rendering(tmp_path, one) as heard,
    ):
        await done(heard)
    assert "cold-start" in [each.stage for each in heard.progress]


async def test_a_place_in_the_queue_is_not_one_of_the_tries_of_an_image(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one, render_deadline=0.4) as heard:
        await one.fault("stuck", times=7)
        await done(heard)
        stats = await one.stats()
    assert stats["accepted"] == 8
    assert stats["executed"] == 1
    assert stats["ended"] == {"CANCELLED": 7, "COMPLETED": 1}


async def test_pods_and_endpoints_share_the_work_and_an_endpoint_that_refuses_the_key_gets_none(
    tmp_path: Path,
) -> None:
    async with serverless(tmp_path / "a") as one, backend(tmp_path / "b") as pod:
        async with rendering(tmp_path, one, pod.renderer_url, runpod_api_key="rpa_WRONG") as heard:
            await done(heard, 3)
            assert {image.backend for image in heard.ready} == {pod.name}
        async with rendering(tmp_path / "more", one, f"{pod.renderer_url}?depth=1") as heard:
            await heard.answered()
            await done(heard, 12)
            assert {image.backend for image in heard.ready} == {pod.name, one.name}


@pytest.mark.parametrize("route", ["/run", "/status"])
async def test_too_many_requests_delay_an_image_and_cost_nothing(tmp_path: Path, route: str) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("too_many", route=route, retry_after=0, times=3)
        await done(heard, 2)
        assert await one.accepted() == 2


@pytest.mark.parametrize("kind", ["html_page", "http_error", "drop_before"])
async def test_an_api_that_is_away_for_a_moment_costs_nothing(tmp_path: Path, kind: str) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault(kind, route="/status", times=2)
        await done(heard, 2)
        assert await one.accepted() == 2


async def test_embeddings_are_those_that_the_url_names(tmp_path: Path) -> None:
    character = Character(
        id="opal", name="Opal Fever", collection="premade_characters", embedding="opal_fever"
    )
    wishes: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 1}, "character": character}
    async with serverless(tmp_path / "a") as one:
        async with rendering(tmp_path / "one", one) as heard:
            await heard.bus.publish(reserved("b1", **wishes))
            await heard.ended(1)
        assert [image.used_embedding for image in heard.ready] == [False]
        knowing = replace(one, url="runpod://abc?embeddings=opal_fever+other")
        async with rendering(tmp_path / "two", knowing) as heard:
            await heard.bus.publish(reserved("b2", **wishes))
            await heard.ended(1)
        assert [image.used_embedding for image in heard.ready] == [True]


async def test_what_an_image_cost_is_what_runpod_says(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a", cold_start_seconds=0.6) as one, hooked(tmp_path, one) as heard:
        await one.fault("latency", route="/status", seconds=0.5, times=None)
        asked_at = time.time()
        await done(heard)
        (job,) = await one.timeline()
    (image,), ((began, ended),) = heard.ready, job["runs"]
    # Half a second of latency and the time until we looked are neither queue nor execution.
    assert image.gpu_ms == pytest.approx((ended - began) * 1000, abs=150)
    assert 600 <= image.queue_ms <= (began - asked_at) * 1000 + 50


async def test_pods_are_not_idle_while_an_endpoint_has_a_long_queue(tmp_path: Path) -> None:
    """It has room for a hundred images and three machines: it gets three of five, not all but four."""
    async with (
        serverless(tmp_path / "a", render_seconds=0.1, min_workers=3) as one,
        backend(tmp_path / "b", render_seconds=0.1) as first,
        backend(tmp_path / "c", render_seconds=0.1) as second,
        rendering(tmp_path, one, first.renderer_url, second.renderer_url) as heard,
    ):
        await done(heard, 10)
        await heard.bus.publish(reserved("b2", quantity=40))
        await heard.until(lambda: len(heard.ready) == 50)
        by = Counter(image.backend for image in heard.ready if image.batch_id == "b2")
    assert by[one.name] <= 32
    assert min(by[first.name], by[second.name]) >= 4


async def test_a_renderer_that_stops_hands_its_jobs_over_by_their_ids(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a", cold_start_seconds=1.0) as one:
        bus = MemoryBus()
        made = settings(tmp_path, [one.url], lease_seconds=600, **one.access)
        async with listening(bus) as heard:
            async with renderer(made, bus, "first"):
                await bus.publish(reserved(quantity=5))
                await one.taken(5)
            async with renderer(made, bus, "second"):
                await heard.ended(5)
        assert set(heard.ends().values()) == {"done"}
        assert await one.accepted() == 5


@pytest.mark.parametrize(("step", "accepted"), [("before-run", 1), ("after-run", 2), ("after-note", 1)])
async def test_a_killed_renderers_job_is_found_by_its_id_once_that_is_in_the_book(
    tmp_path: Path, step: str, accepted: int
) -> None:
    """Between RunPod's answer and the book lies the one moment in which a death may cost a second job."""
    async with serverless(tmp_path / "a") as one:
        alone = f"{one.url}?depth=1"
        await killed(step, tmp_path, alone, one.api_url)
        async with rendering(tmp_path, replace(one, url=alone)) as heard:
            await heard.bus.publish(reserved(quantity=3))
            await heard.ended(3)
        assert set(heard.ends().values()) == {"done"}
        assert await one.accepted() == accepted + 2


async def test_a_hook_tells_the_heir_of_a_killed_renderer_which_job_it_has(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a", webhook_gap_seconds=1.5) as one:
        alone = replace(one, url=f"{one.url}?depth=1")
        port = free_port()
        await killed("after-run", tmp_path, alone.url, one.api_url, f"http://127.0.0.1:{port}")
        async with hooked(tmp_path, alone, port=port) as heard:
            await heard.bus.publish(reserved(quantity=3))
            await heard.ended(3)
        assert set(heard.ends().values()) == {"done"}
        assert await one.accepted() == 3


async def test_a_cancel_that_meets_a_submit_under_way_waits_for_the_id_and_stops_the_job(
    tmp_path: Path,
) -> None:
    async with serverless(tmp_path / "a", cold_start_seconds=30) as one, rendering(tmp_path, one) as heard:
        await one.fault("latency", route="/run", seconds=1.0)
        await heard.bus.publish(reserved())
        await one.asked("run", 1)
        await heard.bus.publish(CancelBatch(batch_id="b1"))
        await heard.ended(1)
        await one.ended("CANCELLED", 1)
    assert heard.ends() == {(0, 1): "cancelled"}
