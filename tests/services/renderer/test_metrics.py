"""What an image costs, in the job book, in its message and in the metrics."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from services.renderer.adapters.tables import jobs
from tests.services.renderer.backends import backend
from tests.services.renderer.books import opened
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import done, stage

PORTRAIT: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 4}}


def read(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_an_images_cost_is_in_the_book_in_its_message_and_in_the_metrics(tmp_path: Path) -> None:
    async with backend(tmp_path / "a", render_seconds=0.2) as one:
        async with stage(tmp_path, one.renderer_url) as heard:
            queued = read("darkroom_queue_seconds_count")
            await heard.bus.publish(reserved(quantity=2, **PORTRAIT))
            await heard.ended(2)
        name = one.name
    said = {image.ordinal: (image.queue_ms, image.gpu_ms, image.backend) for image in heard.ready}
    async with (
        opened(f"sqlite+aiosqlite:///{tmp_path}/renderer.db") as book,
        book.database.read() as connection,
    ):
        columns = (jobs.c.ordinal, jobs.c.queue_ms, jobs.c.gpu_ms, jobs.c.backend)
        kept = {row[0]: tuple(row[1:]) for row in await connection.execute(select(*columns))}
    assert kept == said
    assert all(cost[1] >= 200 for cost in said.values())
    assert read("darkroom_renders_submitted_total", backend=name) == 2
    assert read("darkroom_images_rendered_total", backend=name) == 2
    assert read("darkroom_render_seconds_count", backend=name) == 2
    seconds = sum(cost[1] for cost in said.values()) / 1000
    assert read("darkroom_render_seconds_sum", backend=name) == pytest.approx(seconds)
    assert read("darkroom_gpu_seconds_total", backend=name) >= 0.4
    assert read("darkroom_queue_seconds_count") == queued + 2


async def test_submits_per_image_grow_with_what_had_to_be_sent_again(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await one.fault("out_of_memory", times=2)
        await done(heard)
        assert read("darkroom_renders_submitted_total", backend=one.name) == 3
        assert read("darkroom_images_rendered_total", backend=one.name) == 1
        assert read("darkroom_submits_per_image") > 1


async def test_the_fleet_is_shown_and_who_left_it_is_not(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    async with backend(tmp_path / "a") as one, backend(tmp_path / "b") as two:
        await two.fault("http_error", route="/", status=502, times=None)
        file.write_text(f"{one.renderer_url}\n{two.renderer_url}\n")
        async with stage(tmp_path, f"file:{file}") as heard:
            await heard.until(lambda: read("darkroom_backend_healthy", backend=one.name) == 1.0)
            assert read("darkroom_backend_healthy", backend=two.name) == 0.0
            assert REGISTRY.get_sample_value("darkroom_backend_healthy", {"backend": two.name}) == 0.0
            await one.fault("stall", seconds=30, times=None)
            await heard.bus.publish(reserved(quantity=2))
            await heard.until(lambda: read("darkroom_backend_busy", backend=one.name) == 2.0)
            assert read("darkroom_images_in_flight") == 2.0
            file.write_text(f"{one.renderer_url}\n")
            async with asyncio.timeout(10):
                while (  # noqa: ASYNC110 - the registry tells no one
                    REGISTRY.get_sample_value("darkroom_backend_healthy", {"backend": two.name}) is not None
                ):
                    await asyncio.sleep(0.05)
