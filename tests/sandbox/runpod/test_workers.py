"""Cold starts, scaling up to the maximum, idling down to the minimum."""

import asyncio
from pathlib import Path

from sandbox.runpod import Settings
from tests.sandbox.comfyui.server import empty_image, portrait
from tests.sandbox.runpod.cloud import Cloud, eventually, running


async def workers_are(cloud: Cloud, idle: int, running: int) -> None:
    async def so() -> bool:
        return bool((await cloud.health())["workers"] == {"idle": idle, "running": running})

    await eventually(so)


async def hang(cloud: Cloud) -> None:
    await cloud.fault("stall", node_type="KSampler", seconds=30, times=None)


async def test_a_job_waits_in_the_queue_until_a_cold_worker_has_come(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, cold_start_seconds=0.3)) as cloud:
        job = await cloud.run(empty_image())
        assert await cloud.status(job) == {"id": job, "status": "IN_QUEUE"}
        assert (await cloud.health())["workers"] == {"idle": 0, "running": 0}
        first = await cloud.ended(job)
        second = await cloud.ran(empty_image(2))
    assert first["delayTime"] >= 300
    assert second["delayTime"] < 300


async def test_workers_are_started_for_jobs_that_wait_but_never_beyond_the_maximum(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, max_workers=3)) as cloud:
        await hang(cloud)
        jobs = [await cloud.run(portrait(seed)) for seed in range(5)]
        await workers_are(cloud, idle=0, running=3)
        states = [(await cloud.status(job))["status"] for job in jobs]
        assert states == ["IN_PROGRESS"] * 3 + ["IN_QUEUE"] * 2
        assert len({(await cloud.status(job))["workerId"] for job in jobs[:3]}) == 3
        assert (await cloud.stats())["workers_started"] == 3


async def test_one_job_starts_one_worker(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, cold_start_seconds=0.05)) as cloud:
        await cloud.ran(empty_image())
        assert (await cloud.stats())["workers_started"] == 1


async def test_the_minimum_is_warm_from_the_start_and_stays(tmp_path: Path) -> None:
    settings = Settings(files=tmp_path, min_workers=1, cold_start_seconds=30, idle_seconds=0.01)
    async with running(settings) as cloud:
        assert (await cloud.health())["workers"] == {"idle": 1, "running": 0}
        await cloud.ran(empty_image())
        await workers_are(cloud, idle=1, running=0)


async def test_an_idle_worker_goes_away_and_the_next_job_is_cold_again(tmp_path: Path) -> None:
    settings = Settings(files=tmp_path, cold_start_seconds=0.1, idle_seconds=0.05)
    async with running(settings) as cloud:
        await cloud.ran(empty_image())
        await workers_are(cloud, idle=0, running=0)
        assert (await cloud.ran(empty_image(2)))["delayTime"] >= 100
        assert (await cloud.stats())["workers_started"] == 2


async def test_an_endpoint_without_workers_keeps_its_jobs_in_the_queue(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, max_workers=0)) as cloud:
        job = await cloud.run(empty_image())
        assert (await cloud.status(job))["status"] == "IN_QUEUE"
        assert (await cloud.health())["jobs"]["inQueue"] == 1


async def test_a_thousand_jobs_in_flight_cost_no_task_each(tmp_path: Path) -> None:
    limits = {"run": {"calls": 2000}}
    settings = Settings.model_validate({"files": tmp_path, "max_workers": 1, "limits": limits})
    async with running(settings) as cloud:
        await hang(cloud)
        before = len(asyncio.all_tasks())
        jobs = [await cloud.run(portrait(seed)) for seed in range(1000)]
        assert len(asyncio.all_tasks()) < before + 20
        assert (await cloud.stats())["max_in_flight"] == 1000
        assert (await cloud.status(jobs[-1]))["status"] == "IN_QUEUE"
