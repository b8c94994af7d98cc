"""Time limits: of the execution, of the whole job, of the result; and how often one may ask."""

import asyncio
from pathlib import Path
from typing import Any

from sandbox.runpod import Limit, Settings
from tests.sandbox.comfyui.server import empty_image, portrait
from tests.sandbox.runpod.cloud import Cloud, eventually, running


def quick(files: Path, **more: Any) -> Settings:
    """Takes policies of a fraction of a second."""
    return Settings(files=files, shortest_execution_seconds=0.01, shortest_ttl_seconds=0.01, **more)


async def hang(cloud: Cloud) -> None:
    await cloud.fault("stall", node_type="KSampler", seconds=30, times=None)


async def test_an_execution_that_takes_too_long_times_out_and_frees_its_worker(tmp_path: Path) -> None:
    async with running(quick(tmp_path, max_workers=1)) as cloud:
        await hang(cloud)
        told = await cloud.ran(portrait(), policy={"executionTimeout": 100})
        assert (told["status"], "output" in told) == ("TIMED_OUT", False)
        assert told["executionTime"] >= 100
        assert (await cloud.ran(empty_image()))["status"] == "COMPLETED"


async def test_the_execution_timeout_does_not_count_the_wait(tmp_path: Path) -> None:
    async with running(quick(tmp_path, cold_start_seconds=0.4)) as cloud:
        told = await cloud.ran(empty_image(), policy={"executionTimeout": 300})
    assert (told["status"], told["delayTime"] >= 400) == ("COMPLETED", True)


async def test_the_ttl_deletes_a_job_that_waits(tmp_path: Path) -> None:
    async with running(quick(tmp_path, max_workers=0)) as cloud:
        await cloud.gone(await cloud.run(empty_image(), policy={"ttl": 100}))
        assert (await cloud.stats())["expired"] == 1


async def test_the_ttl_counts_from_submission_and_deletes_even_what_runs(tmp_path: Path) -> None:
    async with running(quick(tmp_path, cold_start_seconds=0.2, max_workers=1)) as cloud:
        await hang(cloud)
        job = await cloud.run(portrait(), policy={"ttl": 500})
        await cloud.reaches(job, "IN_PROGRESS")
        await cloud.gone(job)
        assert (await cloud.ran(empty_image()))["status"] == "COMPLETED"
        assert (await cloud.health())["jobs"]["inProgress"] == 0


async def test_a_result_is_kept_for_a_while_and_then_gone(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, kept_seconds=0.3)) as cloud:
        job = await cloud.run(empty_image())
        assert (await cloud.ended(job))["output"]["images"]
        await cloud.gone(job)
        assert (await cloud.stats())["expired"] == 0
        assert list((tmp_path / "results" / "sandbox").iterdir()) == []


async def test_a_result_of_runsync_is_kept_for_a_shorter_while(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, kept_after_runsync_seconds=0.05)) as cloud:
        answer = await cloud.post("/runsync", {"input": {"workflow": empty_image()}})
        await cloud.gone(answer.json()["id"])


async def test_asking_with_a_ttl_shortens_the_retention(cloud: Cloud) -> None:
    job = await cloud.run(empty_image())
    await cloud.ended(job)
    assert (await cloud.http.get(f"/status/{job}", params={"ttl": 50})).status_code == 200
    await cloud.gone(job)
    assert (await cloud.http.get("/status/x", params={"ttl": "soon"})).status_code == 404


async def test_calls_beyond_the_rate_are_429_until_the_window_has_passed(tmp_path: Path) -> None:
    settings = Settings(files=tmp_path, limits={"status": Limit(calls=2)}, limit_window_seconds=1)
    async with running(settings) as cloud:
        job = await cloud.run(empty_image())
        statuses = [(await cloud.http.get(f"/status/{job}")).status_code for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        assert (await cloud.http.get("/health")).status_code == 200
        assert (await cloud.stats())["limited"] == {"status": 2}

        async def answers_again() -> bool:
            return (await cloud.http.get(f"/status/{job}")).status_code == 200

        await eventually(answers_again)


async def test_a_refused_run_is_no_job(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, limits={"run": Limit(calls=1)})) as cloud:
        await cloud.run(empty_image())
        refused = await cloud.post("/run", {"input": {"workflow": empty_image()}})
        assert (refused.status_code, list(refused.json())) == (429, ["error"])
        assert (await cloud.stats())["accepted"] == 1


async def test_calls_that_are_open_at_once_have_a_limit_too(tmp_path: Path) -> None:
    settings = Settings(files=tmp_path, limits={"health": Limit(calls=100, concurrent=2)})
    async with running(settings) as cloud:
        await cloud.fault("latency", route="/health", seconds=0.5, times=2)
        slow = [asyncio.create_task(cloud.http.get("/health")) for _ in range(2)]

        async def both_are_open() -> bool:
            return bool((await cloud.stats())["calls"].get("health") == 2)

        await eventually(both_are_open)
        assert (await cloud.http.get("/health")).status_code == 429
        assert [answer.status_code for answer in await asyncio.gather(*slow)] == [200, 200]
        assert (await cloud.http.get("/health")).status_code == 200


def test_the_limits_are_the_documented_ones(tmp_path: Path) -> None:
    limits = Settings(files=tmp_path).limits
    assert {name: (each.calls, each.concurrent) for name, each in limits.items()} == {
        "run": (1000, 200),
        "runsync": (2000, 400),
        "status": (2000, 400),
        "cancel": (100, 20),
        "purge-queue": (2, None),
    }
