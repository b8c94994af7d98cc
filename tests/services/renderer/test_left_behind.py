"""A job that was left at an unreachable backend: stopped when it is back, or counted if it was rendered."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from contracts.commands import CancelBatch
from services.renderer.adapters.tables import strays
from tests.services.renderer.backends import Backend, backend, renders
from tests.services.renderer.books import opened
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import stage

VERSIONS = pytest.mark.parametrize("version", ["0.3.64", "0.33.0"])
#: Of many steps, between which an interrupt takes effect.
PORTRAIT: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 100}}


def wasted(one: Backend) -> float:
    return REGISTRY.get_sample_value("darkroom_renders_wasted_total", {"backend": one.name}) or 0.0


def saved(one: Backend) -> list[str]:
    return [path.name for path in one.files.rglob("*_image_*.png")]


async def remembered(tmp_path: Path, expected: int) -> None:
    """Returns when the book remembers so many jobs left behind."""
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/renderer.db") as book, asyncio.timeout(20):
        count = None
        while count != expected:
            await asyncio.sleep(0.05)
            async with book.database.read() as connection:
                count = (await connection.execute(select(func.count()).select_from(strays))).scalar_one()


@VERSIONS
async def test_an_image_that_was_rendered_elsewhere_meanwhile_is_counted_as_rendered_in_vain(
    tmp_path: Path, version: str
) -> None:
    async with (
        backend(tmp_path / "a", render_seconds=0.5, comfyui_version=version) as one,
        backend(tmp_path / "b") as two,
    ):
        await two.fault("http_error", route="/", status=502, times=None)
        async with stage(tmp_path, one.renderer_url, two.renderer_url) as heard:
            await heard.bus.publish(reserved(**PORTRAIT))
            await one.taken(1)
            await one.fault("http_error", route="/", status=502, times=None)
            await two.heal()
            await heard.ended(1)
            await remembered(tmp_path, 1)
            await one.rendered(1)
            await one.heal()
            await remembered(tmp_path, 0)
            assert wasted(one) == 1
        assert await renders(one, two) == [1, 1]
    assert [image.backend for image in heard.ready] == [two.name]


async def test_a_job_that_still_waits_or_runs_there_is_stopped_and_nothing_is_paid_twice(
    tmp_path: Path,
) -> None:
    async with backend(tmp_path / "a", render_seconds=30) as one, backend(tmp_path / "b") as two:
        await two.fault("http_error", route="/", status=502, times=None)
        async with stage(tmp_path, one.renderer_url, two.renderer_url) as heard:
            await heard.bus.publish(reserved(quantity=2, **PORTRAIT))
            await one.taken(2)
            await one.fault("http_error", route="/", status=502, times=None)
            await two.heal()
            await heard.ended(2)
            await remembered(tmp_path, 2)
            await one.heal()
            await remembered(tmp_path, 0)
            assert wasted(one) == 0
            assert (await one.stats())["cancelled"] >= 2
        assert saved(one) == []
    assert {image.backend for image in heard.ready} == {two.name}


async def test_what_was_cancelled_while_its_backend_was_away_is_stopped_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with (
        backend(tmp_path / "a", render_seconds=30) as one,
        stage(tmp_path, one.renderer_url) as heard,
    ):
        await heard.bus.publish(reserved(**PORTRAIT))
        await one.taken(1)
        await one.fault("http_error", route="/", status=502, times=None)
        await heard.bus.publish(CancelBatch(batch_id="b1"))
        await heard.ended(1)
        await remembered(tmp_path, 1)
        await one.heal()
        await remembered(tmp_path, 0)
        assert saved(one) == []
    assert heard.ends() == {(0, 1): "cancelled"}
