"""`/api/jobs`, and the versions that lack it."""

from pathlib import Path

import pytest

from sandbox.comfyui import Settings
from tests.sandbox.comfyui.server import Json, Server, empty_image, new_id, portrait, running


async def job(server: Server, prompt_id: str) -> Json:
    found: Json = (await server.http.get(f"/api/jobs/{prompt_id}")).json()
    return found


async def test_waiting_running_and_lost_are_told_apart(slow: Server) -> None:
    runs = await slow.submit(portrait())
    await slow.is_running(runs)
    waits = await slow.submit(empty_image())
    assert (await job(slow, runs))["status"] == "in_progress"
    waiting = await job(slow, waits)
    assert set(waiting) == {
        *("id", "status", "priority", "create_time"),
        *("outputs_count", "previewable_outputs_count"),
    }
    assert (waiting["status"], waiting["priority"], waiting["outputs_count"]) == ("pending", 1, 0)
    lost = await slow.http.get(f"/api/jobs/{new_id()}")
    assert (lost.status_code, lost.json()) == (404, {"error": "Job not found"})


async def test_a_finished_job_has_times_outputs_and_its_workflow(comfy: Server) -> None:
    graph = empty_image()
    extra = {"extra_pnginfo": {"workflow": {"id": "w-1"}}}
    prompt_id = await comfy.submit(graph, extra_data=extra)
    entry = await comfy.history(prompt_id)
    found = await job(comfy, prompt_id)
    assert (found["status"], found["outputs_count"], found["workflow_id"]) == ("completed", 1, "w-1")
    assert found["outputs"] == entry["outputs"]
    assert found["execution_status"] == entry["status"]
    assert found["workflow"]["prompt"] == graph
    assert found["execution_start_time"] <= found["execution_end_time"]
    assert found["preview_output"]["nodeId"] == "9"
    assert "execution_error" not in found


async def test_a_failed_job_tells_its_error(comfy: Server) -> None:
    await comfy.fault(kind="node_error")
    prompt_id = await comfy.submit(empty_image())
    await comfy.history(prompt_id)
    found = await job(comfy, prompt_id)
    assert (found["status"], found["execution_error"]["exception_type"]) == ("failed", "RuntimeError")


async def test_a_running_and_a_waiting_job_are_cancelled_and_an_ended_one_is_not(slow: Server) -> None:
    runs = await slow.submit(portrait())
    await slow.is_running(runs)
    waits = await slow.submit(empty_image())

    async def cancel(prompt_id: str) -> Json:
        answer: Json = (await slow.http.post(f"/api/jobs/{prompt_id}/cancel")).json()
        return answer

    assert await cancel(waits) == {"cancelled": True}
    assert await cancel(runs) == {"cancelled": True}
    await slow.history(runs)
    assert (await job(slow, runs))["status"] == "cancelled"
    assert await cancel(runs) == {"cancelled": False}
    assert (await slow.stats())["cancelled"] == 2


async def test_many_are_cancelled_at_once_unless_an_id_is_bad(slow: Server) -> None:
    await slow.is_running(await slow.submit(portrait()))
    ids = [await slow.submit(empty_image(n)) for n in range(2)]
    bad = await slow.http.post("/api/jobs/cancel", json={"job_ids": [*ids, "x"]})
    assert (bad.status_code, bad.json()) == (
        400,
        {"error": "job_ids contains invalid id(s)", "invalid_ids": ["x"]},
    )
    assert len((await slow.queue())["queue_pending"]) == 2
    assert (await slow.http.post("/api/jobs/cancel", json={"job_ids": ids})).json() == {"cancelled": True}
    assert (await slow.queue())["queue_pending"] == []
    assert (await slow.http.post("/api/jobs/cancel", json={"job_ids": "x"})).status_code == 400


async def test_a_repeated_id_shows_its_old_run_while_the_new_one_waits(slow: Server) -> None:
    chosen = new_id()
    await slow.ran(empty_image(), prompt_id=chosen)
    await slow.is_running(await slow.submit(portrait()))
    await slow.submit(empty_image(1), prompt_id=chosen)
    assert (await job(slow, chosen))["status"] == "completed"


async def test_the_list_filters_sorts_and_pages(slow: Server) -> None:
    done = [await slow.submit(empty_image(n)) for n in range(3)]
    await slow.history(done[-1])
    runs = await slow.submit(portrait())
    await slow.is_running(runs)

    async def listed(query: str) -> Json:
        answer: Json = (await slow.http.get(f"/api/jobs?{query}")).json()
        return answer

    finished = await listed("status=completed,failed&sort_order=asc")
    assert sorted(each["id"] for each in finished["jobs"]) == sorted(done)
    assert finished["pagination"] == {"offset": 0, "limit": None, "total": 3, "has_more": False}
    page = await listed("limit=2&offset=1")
    assert (len(page["jobs"]), page["pagination"]["total"], page["pagination"]["has_more"]) == (2, 4, True)
    longest = await listed("status=completed&sort_by=execution_duration")
    spans = [each["execution_end_time"] - each["execution_start_time"] for each in longest["jobs"]]
    assert spans == sorted(spans, reverse=True)


@pytest.mark.parametrize("query", ["status=lost", "sort_by=name", "sort_order=up", "limit=0", "limit=x"])
async def test_a_bad_question_is_a_400(comfy: Server, query: str) -> None:
    answer = await comfy.http.get(f"/api/jobs?{query}")
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


async def test_an_old_server_has_no_jobs(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, comfyui_version="0.3.64")) as old:
        assert (await old.http.get(f"/api/jobs/{new_id()}")).status_code == 404
        assert (await old.http.get("/api/jobs")).status_code == 404
        assert (await old.http.post(f"/api/jobs/{new_id()}/cancel")).status_code == 405
        assert (await old.http.post("/api/jobs/cancel", json={"job_ids": []})).status_code == 405
