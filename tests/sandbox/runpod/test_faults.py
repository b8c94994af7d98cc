"""Every fault on demand, as a client sees it."""

import json
import time

import httpx
import pytest

from tests.sandbox.comfyui.server import Json, empty_image
from tests.sandbox.runpod.cloud import Cloud, eventually

BROKEN = (httpx.RemoteProtocolError, httpx.ReadError)


async def submitted(cloud: Cloud, prefix: str = "a/b", **beside: str) -> httpx.Response:
    return await cloud.post("/run", {"input": {"workflow": empty_image(prefix=prefix), **beside}})


async def test_a_dropped_call_was_never_read(cloud: Cloud) -> None:
    await cloud.fault("drop_before")
    with pytest.raises(BROKEN):
        await submitted(cloud)
    assert (await cloud.stats())["accepted"] == 0
    assert (await submitted(cloud)).status_code == 200


async def test_a_dropped_answer_leaves_a_job_that_no_one_can_ask_for(cloud: Cloud) -> None:
    await cloud.fault("drop_after")
    with pytest.raises(BROKEN):
        await submitted(cloud, key="mine")

    async def completed() -> bool:
        return bool((await cloud.health())["jobs"]["completed"])

    await eventually(completed)
    assert (await cloud.stats())["own_keys"] == {"mine": 1}


@pytest.mark.parametrize(("kind", "status"), [("http_error", 502), ("http_error", 524), ("html_page", 200)])
async def test_a_page_may_come_in_the_place_of_json(cloud: Cloud, kind: str, status: int) -> None:
    job = await cloud.run(empty_image())
    await cloud.fault(kind, route="/status", **({} if kind == "html_page" else {"status": status}))
    answer = await cloud.http.get(f"/status/{job}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert (await cloud.ended(job))["status"] == "COMPLETED"


@pytest.mark.parametrize("route", [None, "/health"])
async def test_the_api_itself_may_fail(cloud: Cloud, route: str | None) -> None:
    await cloud.fault("api_error", status=500, route=route)
    answer = await (submitted(cloud) if route is None else cloud.http.get(route))
    assert (answer.status_code, answer.json()) == (500, {"error": "Internal Server Error"})
    assert (await cloud.stats())["accepted"] == 0


async def test_the_api_may_have_too_many_calls(cloud: Cloud) -> None:
    await cloud.fault("too_many", retry_after=1.5)
    await cloud.fault("too_many")
    first, second, third = [await submitted(cloud) for _ in range(3)]
    assert [each.status_code for each in (first, second, third)] == [429, 429, 200]
    assert (first.headers["retry-after"], "retry-after" in second.headers) == ("1.5", False)


async def test_an_answer_may_come_late(cloud: Cloud) -> None:
    await cloud.fault("latency", route="/health", seconds=0.15, spread=0.05)
    before = time.perf_counter()
    await cloud.health()
    assert time.perf_counter() - before >= 0.15


@pytest.mark.parametrize(("when", "executed"), [("queued", 0), ("finished", 1)])
async def test_an_accepted_job_is_lost_before_or_after_it_ran(cloud: Cloud, when: str, executed: int) -> None:
    await cloud.fault("vanish", when=when)
    await cloud.gone(await cloud.run(empty_image()))
    assert (await cloud.stats())["executed"] == executed


async def test_a_job_fails_once_with_a_json_text_full_of_the_servers_insides(cloud: Cloud) -> None:
    await cloud.fault("job_fails")
    told = await cloud.ran(empty_image())
    inner = json.loads(told["error"])
    assert (told["status"], "output" in told) == ("FAILED", False)
    assert set(inner) == {
        *("error_type", "error_message", "error_traceback"),
        *("hostname", "worker_id", "runpod_version"),
    }
    assert (await cloud.ran(empty_image()))["status"] == "COMPLETED"


async def test_a_job_is_completed_without_output_or_with_fewer_images(cloud: Cloud) -> None:
    await cloud.fault("no_result")
    assert "output" not in await cloud.ran(empty_image(1))
    await cloud.fault("fewer_images", times=2)
    assert len((await cloud.ran(empty_image(2, batch_size=3)))["output"]["images"]) == 2
    assert (await cloud.ran(empty_image(3)))["output"] == {"images": []}
    await cloud.fault("no_output")
    told = await cloud.ran(empty_image(4))
    assert told["output"] == {"status": "success_no_images", "images": []}


async def test_a_files_faults_reach_the_worker_as_well(cloud: Cloud) -> None:
    await cloud.fault("file_vanishes")
    told = await cloud.ran(empty_image(prefix="x"))
    assert told["output"]["details"] == ["Failed to fetch image data for x_00001_.png from /view endpoint."]


async def test_a_job_is_stuck_while_workers_idle(cloud: Cloud) -> None:
    await cloud.fault("stuck", seconds=0.3)
    told = await cloud.ran(empty_image())
    assert told["delayTime"] >= 300
    await cloud.fault("stuck")
    job = await cloud.run(empty_image())
    await cloud.ran(empty_image(2))
    assert (await cloud.status(job))["status"] == "IN_QUEUE"
    assert (await cloud.post(f"/cancel/{job}")).json()["status"] == "CANCELLED"


async def test_a_job_that_runs_twice_is_paid_twice(cloud: Cloud) -> None:
    await cloud.fault("runs_twice")
    assert (await cloud.ran(empty_image()))["output"]["images"]
    assert (await cloud.stats())["executed"] == 2
    (entry,) = (await cloud.http.get("/sandbox/timeline")).json()["entries"]
    assert len(entry["runs"]) == 2


async def test_a_job_may_go_back_from_its_worker_to_the_queue(slow: Cloud) -> None:
    await slow.fault("runs_twice")
    await slow.fault("stuck", skip=1)
    job = await slow.run(empty_image())

    async def came_back() -> bool:
        return bool((await slow.stats())["faults"].get("stuck"))

    await eventually(came_back)
    assert await slow.status(job) == {"id": job, "status": "IN_QUEUE"}


async def test_status_may_say_what_no_list_has(cloud: Cloud) -> None:
    await cloud.fault("odd_state", state="RUNNING")
    job = await cloud.run(empty_image())
    assert (await cloud.status(job))["status"] == "RUNNING"
    assert (await cloud.ended(job))["status"] == "COMPLETED"


async def test_rules_see_the_graph_the_clients_own_key_and_the_route_of_a_job(cloud: Cloud) -> None:
    await cloud.fault("http_error", text="key-7", times=None)
    assert [(await submitted(cloud, key=key)).status_code for key in ("key-6", "key-7")] == [200, 502]
    marked, plain = await cloud.run(empty_image(1, "marked")), await cloud.run(empty_image(2, "plain"))
    await cloud.fault("http_error", route="/status", prefix="marked", times=None)
    assert (await cloud.http.get(f"/status/{plain}")).status_code == 200
    assert (await cloud.http.get(f"/status/{marked}")).status_code == 502


async def test_a_rule_may_strike_every_nth_match(cloud: Cloud) -> None:
    await cloud.fault("http_error", skip=1, every=2, times=2)
    answers = [(await submitted(cloud)).status_code for _ in range(7)]
    assert answers == [200, 200, 502, 200, 502, 200, 200]
    assert (await cloud.stats())["faults"] == {"http_error": 2}


@pytest.mark.parametrize(
    "rule", [{"kind": "nothing"}, {"kind": "stuck", "seconds": 0}, {"kind": "vanish", "x": 1}]
)
async def test_a_rule_that_is_none_is_refused(cloud: Cloud, rule: Json) -> None:
    answer = await cloud.post("/sandbox/faults", rule)
    assert (answer.status_code, len(answer.json()["errors"]) > 0) == (422, True)
    assert (await cloud.http.get("/sandbox/faults")).json() == {"rules": []}


async def test_rules_can_be_taken_away(cloud: Cloud) -> None:
    await cloud.fault("http_error", times=None)
    assert (await cloud.http.delete("/sandbox/faults")).json() == {"rules": []}
    assert (await submitted(cloud)).status_code == 200
