"""Run, status, cancel, retry, purge, health, in the shapes of RunPod's API."""

import io
from pathlib import Path

import pytest
from PIL import Image

from sandbox.runpod import Settings
from tests.sandbox.comfyui.server import empty_image, portrait
from tests.sandbox.runpod.cloud import Cloud, Json, decoded, eventually, running


async def test_an_accepted_job_is_answered_with_its_id_and_waits(cloud: Cloud) -> None:
    answer = await cloud.post("/run", {"input": {"workflow": empty_image()}})
    told = answer.json()
    assert (answer.status_code, told) == (200, {"id": told["id"], "status": "IN_QUEUE"})
    assert told["id"]


async def test_a_finished_job_tells_its_times_its_worker_and_its_image_as_often_as_asked(
    cloud: Cloud,
) -> None:
    job = await cloud.run(empty_image(0xFF0000, "batch/abc_image_1"))
    told = await cloud.ended(job)
    assert set(told) == {"delayTime", "executionTime", "id", "output", "status", "workerId"}
    assert (told["id"], told["status"]) == (job, "COMPLETED")
    (image,) = told["output"]["images"]
    assert (image["filename"], image["type"]) == ("abc_image_1_00001_.png", "base64")
    assert Image.open(io.BytesIO(decoded(image))).getpixel((0, 0)) == (255, 0, 0)
    assert await cloud.status(job) == told


async def test_a_running_job_says_so_with_its_input(slow: Cloud) -> None:
    told = await slow.reaches(await slow.run(portrait(), {"mine": "key-1"}), "IN_PROGRESS")
    assert set(told) == {"delayTime", "id", "input", "status", "workerId"}
    assert told["input"] == {"workflow": portrait(), "mine": "key-1"}


async def test_a_cancelled_job_ends_whether_it_waits_or_runs_and_frees_its_worker(slow: Cloud) -> None:
    runs, waits = await slow.run(portrait(1)), await slow.run(portrait(2))
    await slow.reaches(runs, "IN_PROGRESS")
    assert (await slow.status(waits)) == {"id": waits, "status": "IN_QUEUE"}
    for job in (waits, runs):
        assert (await slow.post(f"/cancel/{job}")).json() == {"id": job, "status": "CANCELLED"}
        assert (await slow.status(job))["status"] == "CANCELLED"
    assert (await slow.ran(empty_image()))["status"] == "COMPLETED"


async def test_a_cancel_after_the_end_changes_nothing(cloud: Cloud) -> None:
    job = await cloud.run(empty_image())
    await cloud.ended(job)
    assert (await cloud.post(f"/cancel/{job}")).json() == {"id": job, "status": "COMPLETED"}
    assert (await cloud.status(job))["output"]["images"]


async def test_the_same_job_sent_twice_runs_twice(cloud: Cloud) -> None:
    first, second = await cloud.run(empty_image(), {"key": "a"}), await cloud.run(empty_image(), {"key": "a"})
    assert first != second
    await cloud.ended(first)
    await cloud.ended(second)
    stats = await cloud.stats()
    assert (stats["executed"], stats["own_keys"]) == (2, {"a": 2})


@pytest.mark.parametrize("path", ["/status/{}", "/cancel/{}", "/retry/{}"])
async def test_an_unknown_job_is_404(cloud: Cloud, path: str) -> None:
    method = "GET" if path.startswith("/status") else "POST"
    answer = await cloud.http.request(method, path.format("no-such-job"))
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "rpa_SANDBOX", "Basic rpa_SANDBOX"])
async def test_without_the_key_every_call_is_401(cloud: Cloud, authorization: str) -> None:
    headers = {"authorization": authorization}
    assert (await cloud.http.get("/health", headers=headers)).status_code == 401
    assert (await cloud.http.post("/run", json={"input": {}}, headers=headers)).status_code == 401
    assert (await cloud.http.get(f"{cloud.origin}/v2/other/health", headers=headers)).status_code == 401
    assert (await cloud.stats())["accepted"] == 0


async def test_an_endpoint_that_the_account_lacks_is_404(cloud: Cloud) -> None:
    assert (await cloud.http.get(f"{cloud.origin}/v2/other/health")).status_code == 404


async def test_endpoints_of_one_account_know_nothing_of_each_other(tmp_path: Path) -> None:
    settings = Settings(files=tmp_path, endpoints=("one", "two"))
    async with running(settings, "two") as cloud:
        await cloud.ran(empty_image())
        other = await cloud.http.get(f"{cloud.origin}/v2/one/health")
        assert (await cloud.health())["jobs"]["completed"] == 1
        assert other.json()["jobs"]["completed"] == 0


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[]",
        "{}",
        '{"input": {}, "webhook": 7}',
        '{"input": {}, "policy": []}',
        '{"input": {}, "policy": {"executionTimeout": "soon"}}',
        '{"input": {}, "policy": {"executionTimeout": 4999}}',
        '{"input": {}, "policy": {"ttl": 9999}}',
        '{"input": {}, "policy": {"ttl": 604800001}}',
        '{"input": {}, "policy": {"lowPriority": "no"}}',
    ],
)
async def test_what_cannot_be_a_job_is_400(cloud: Cloud, body: str) -> None:
    answer = await cloud.http.post("/run", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert (await cloud.stats())["accepted"] == 0


async def test_a_body_of_more_than_ten_mebibytes_is_refused(cloud: Cloud) -> None:
    body = {"input": {"workflow": empty_image(), "images": [{"name": "a", "image": "A" * 10 * 1024**2}]}}
    assert (await cloud.post("/run", body)).status_code == 400
    assert (await cloud.post("/runsync", body)).status_code == 200


async def test_runsync_answers_with_the_finished_job(cloud: Cloud) -> None:
    told = (await cloud.post("/runsync", {"input": {"workflow": empty_image()}})).json()
    assert told["id"].startswith("sync-")
    assert (told["status"], len(told["output"]["images"])) == ("COMPLETED", 1)


async def test_runsync_answers_with_the_job_as_it_is_when_the_wait_is_over(slow: Cloud) -> None:
    answer = await slow.post("/runsync", {"input": {"workflow": portrait()}}, wait=1000)
    assert answer.json()["status"] == "IN_PROGRESS"
    assert (await slow.post("/runsync", {"input": {}}, wait=999)).status_code == 400


async def test_only_a_failed_or_overdue_job_can_be_retried_under_its_id(cloud: Cloud) -> None:
    await cloud.fault("job_fails")
    job = await cloud.run(empty_image())
    assert (await cloud.ended(job))["status"] == "FAILED"
    assert (await cloud.post(f"/retry/{job}")).json() == {"id": job, "status": "IN_QUEUE"}
    assert (await cloud.ended(job))["status"] == "COMPLETED"
    assert (await cloud.post(f"/retry/{job}")).status_code == 400
    assert (await cloud.health())["jobs"]["retried"] == 1


async def test_purging_the_queue_removes_what_waits_alone(slow: Cloud) -> None:
    runs = await slow.run(portrait(1))
    await slow.reaches(runs, "IN_PROGRESS")
    waiting = [await slow.run(portrait(seed)) for seed in (2, 3)]
    assert (await slow.post("/purge-queue")).json() == {"removed": 2, "status": "completed"}
    assert [(await slow.http.get(f"/status/{job}")).status_code for job in waiting] == [404, 404]
    assert (await slow.status(runs))["status"] == "IN_PROGRESS"


async def test_health_counts_jobs_and_workers(slow: Cloud) -> None:
    assert await slow.health() == {
        "jobs": {"completed": 0, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0},
        "workers": {"idle": 0, "running": 0},
    }
    await slow.reaches(await slow.run(portrait(1)), "IN_PROGRESS")
    await slow.run(portrait(2))
    told = await slow.health()
    assert (told["jobs"]["inProgress"], told["jobs"]["inQueue"]) == (1, 1)
    assert told["workers"] == {"idle": 0, "running": 1}


async def test_calls_that_the_api_lacks_are_404_and_wrong_methods_405(cloud: Cloud) -> None:
    assert (await cloud.http.get("/nothing")).status_code == 404
    assert (await cloud.http.post("/status/a")).status_code == 405
    assert (await cloud.http.get("/run")).status_code == 405


async def test_the_timeline_says_when_each_job_came_began_and_ended(cloud: Cloud) -> None:
    await cloud.ran(empty_image(), beside={"key": "mine"})

    async def shown() -> Json | None:
        told: Json = (await cloud.http.get("/sandbox/timeline")).json()
        return told if told["last_ended_at"] else None

    told = await eventually(shown)
    assert told is not None
    (entry,) = told["entries"]
    ((began, over),) = entry["runs"]
    assert entry["labels"] == ["batch/abc_image_1", "mine"]
    assert told["first_accepted_at"] == entry["accepted_at"] <= began <= over == told["last_ended_at"]
    assert (await cloud.http.delete("/sandbox/timeline")).status_code == 204
    assert (await cloud.http.get("/sandbox/timeline")).json()["entries"] == []
