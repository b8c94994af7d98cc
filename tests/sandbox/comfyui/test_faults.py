"""Every fault on demand, as a client sees it."""

import io
import time

import httpx
import pytest
from PIL import Image
from websockets.exceptions import InvalidStatus

from tests.sandbox.comfyui.server import (
    Server,
    empty_image,
    eventually,
    images,
    message,
    new_id,
    portrait,
    until_end,
)

BROKEN = (httpx.RemoteProtocolError, httpx.ReadError)


async def submitted(comfy: Server, prompt_id: str, prefix: str = "a/b") -> httpx.Response:
    body = {"prompt": empty_image(prefix=prefix), "prompt_id": prompt_id, "client_id": "c1"}
    return await comfy.http.post("/prompt", json=body)


async def test_a_dropped_call_was_never_read(comfy: Server) -> None:
    await comfy.fault(kind="drop_before")
    with pytest.raises(BROKEN):
        await submitted(comfy, new_id())
    assert (await comfy.stats())["accepted"] == 0
    assert (await submitted(comfy, new_id())).status_code == 200


async def test_a_dropped_answer_leaves_the_prompt_queued(comfy: Server) -> None:
    await comfy.fault(kind="drop_after")
    prompt_id = new_id()
    with pytest.raises(BROKEN):
        await submitted(comfy, prompt_id)
    assert images(await comfy.history(prompt_id))


@pytest.mark.parametrize("status", [500, 502, 503, 524])
async def test_a_proxy_answers_with_a_page_of_its_own(comfy: Server, status: int) -> None:
    await comfy.fault(kind="http_error", status=status, route="/history")
    answer = await comfy.http.get(f"/history/{new_id()}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert (await comfy.http.get("/history")).status_code == 200


async def test_a_login_page_may_come_at_any_time(comfy: Server) -> None:
    await comfy.fault(kind="login_page", route="/", times=2)
    assert [(await comfy.http.get("/queue")).status_code for _ in range(3)] == [302, 302, 200]


async def test_an_answer_may_come_late(comfy: Server) -> None:
    await comfy.fault(kind="latency", seconds=0.15, route="/queue", method="GET")
    before = time.perf_counter()
    await comfy.http.get("/api/queue")
    assert time.perf_counter() - before >= 0.15


async def test_the_faults_of_a_route_strike_the_websocket_too(comfy: Server) -> None:
    await comfy.fault(kind="http_error", status=502, route="/ws")
    with pytest.raises(InvalidStatus) as refused:
        await comfy.listen()
    assert refused.value.response.status_code == 502
    assert (await message(await comfy.listen()))["type"] == "status"


async def test_a_zombie_socket_never_says_a_word(comfy: Server) -> None:
    await comfy.fault(kind="zombie_socket")
    zombie = await comfy.listen()
    await comfy.ran(empty_image())
    with pytest.raises(TimeoutError):
        await message(zombie, seconds=0.1)
    await comfy.submit(empty_image(2))
    assert await until_end(await comfy.listen())


async def test_a_socket_may_fall_silent_in_the_middle(comfy: Server) -> None:
    await comfy.fault(kind="zombie_socket", after=4)
    zombie = await comfy.listen()
    await comfy.ran(empty_image())
    told = [(await message(zombie))["type"] for _ in range(4)]
    assert told == ["status", "status", "status", "execution_start"]
    with pytest.raises(TimeoutError):
        await message(zombie, seconds=0.1)


@pytest.mark.parametrize("route", ["/history", "/view", "/queue", "/system_stats"])
async def test_html_may_come_in_the_place_of_anything(comfy: Server, route: str) -> None:
    await comfy.fault(kind="html_page", route=route)
    answer = await comfy.http.get(f"/api{route}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (await comfy.http.get(route)).headers.get("content-type") != "text/html; charset=utf-8"


async def test_a_submitted_prompt_may_be_answered_with_html_and_is_none_then(comfy: Server) -> None:
    await comfy.fault(kind="html_page")
    assert "<html>" in (await submitted(comfy, new_id())).text
    assert (await comfy.stats())["accepted"] == 0


async def test_a_whole_backend_may_be_slower_than_others(comfy: Server) -> None:
    await comfy.fault(kind="latency", seconds=0.05, spread=0.02, route="/", times=None)
    before = time.perf_counter()
    for path in ("/queue", "/system_stats", "/embeddings"):
        await comfy.http.get(path)
    assert time.perf_counter() - before >= 0.15


async def test_a_node_raises_with_a_traceback(comfy: Server) -> None:
    await comfy.fault(kind="node_error", node_type="SaveImage")
    entry = await comfy.ran(empty_image())
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    name, error = entry["status"]["messages"][-1]
    assert (name, error["node_id"], error["node_type"]) == ("execution_error", "9", "SaveImage")
    assert (error["exception_type"], error["exception_message"]) == ("RuntimeError", "boom\n")
    assert error["executed"] == ["1"]
    assert error["traceback"]
    assert {"current_inputs", "current_outputs", "timestamp", "prompt_id"} <= set(error)


async def test_a_failed_prompt_may_still_list_an_image(comfy: Server) -> None:
    graph = {**empty_image(), "10": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    await comfy.fault(kind="node_error", node_type="PreviewImage")
    entry = await comfy.ran(graph)
    assert (entry["status"]["status_str"], list(entry["outputs"])) == ("error", ["9"])


async def test_a_sampler_runs_out_of_memory_and_the_next_try_works(comfy: Server) -> None:
    await comfy.fault(kind="out_of_memory")
    first = await comfy.ran(portrait())
    _, error = first["status"]["messages"][-1]
    assert (error["node_type"], error["exception_type"]) == ("KSampler", "torch.OutOfMemoryError")
    assert images(await comfy.ran(portrait()))


@pytest.mark.parametrize(("when", "file_status"), [("queued", 404), ("finished", 200)])
async def test_a_job_vanishes_before_or_after_it_ran(comfy: Server, when: str, file_status: int) -> None:
    await comfy.fault(kind="vanish", when=when)
    prompt_id = new_id()
    await submitted(comfy, prompt_id)
    await comfy.is_idle()
    assert (await comfy.http.get(f"/history/{prompt_id}")).json() == {}
    assert (await comfy.http.get(f"/api/jobs/{prompt_id}")).status_code == 404
    file = {"filename": "b_00001_.png", "subfolder": "a"}
    assert (await comfy.http.head("/view", params=file)).status_code == file_status


async def test_a_file_vanishes(comfy: Server) -> None:
    await comfy.fault(kind="file_vanishes")
    (image,) = images(await comfy.ran(empty_image()))
    assert (await comfy.view(image)).status_code == 404


async def test_a_file_ends_in_the_middle(comfy: Server) -> None:
    await comfy.fault(kind="truncated_file")
    (image,) = images(await comfy.ran(portrait()))
    content = (await comfy.view(image)).content
    with pytest.raises((OSError, SyntaxError)):
        Image.open(io.BytesIO(content)).load()


async def test_a_file_that_vanished_is_not_cut_too(comfy: Server) -> None:
    await comfy.fault(kind="truncated_file")
    await comfy.fault(kind="file_vanishes")
    (gone,) = images(await comfy.ran(portrait(prefix="gone")))
    (cut,) = images(await comfy.ran(portrait(prefix="cut")))
    assert (await comfy.view(gone)).status_code == 404
    assert (await comfy.view(cut)).content[-8:-4] != b"IEND"


async def test_success_without_an_image_and_with_one_too_many(comfy: Server) -> None:
    await comfy.fault(kind="no_output", prefix="none")
    await comfy.fault(kind="extra_output", prefix="more")
    assert images(await comfy.ran(empty_image(prefix="none"))) == []
    first, second = images(await comfy.ran(empty_image(prefix="more")))
    assert first["filename"] != second["filename"]
    assert (await comfy.view(second)).status_code == 200


async def test_a_stalled_prompt_can_be_interrupted(comfy: Server) -> None:
    await comfy.fault(kind="stall", seconds=60)
    prompt_id = await comfy.submit(empty_image())
    await comfy.is_running(prompt_id)
    await eventually(lambda: _cancelled(comfy, prompt_id))
    assert (await comfy.history(prompt_id))["status"]["messages"][-1][0] == "execution_interrupted"


async def _cancelled(comfy: Server, prompt_id: str) -> bool:
    answer = await comfy.http.post(f"/api/jobs/{prompt_id}/cancel")
    return bool(answer.json()["cancelled"])


async def test_a_restart_in_mid_run_loses_the_prompt_and_is_away_for_a_while(
    comfy: Server,
) -> None:
    await comfy.fault(kind="restart", down_seconds=0.2)
    prompt_id = new_id()
    await submitted(comfy, prompt_id)

    async def down() -> bool:
        try:
            return (await comfy.http.get("/queue")).status_code != 200
        except BROKEN:
            return True

    await eventually(down)

    async def up() -> bool:
        return not await down()

    await eventually(up)
    assert (await comfy.http.get(f"/api/jobs/{prompt_id}")).status_code == 404
    assert images(await comfy.ran(empty_image()))
    assert (await comfy.stats())["restarts"] == 1


async def test_a_rule_strikes_only_what_it_names_after_its_skips_and_so_often(comfy: Server) -> None:
    await comfy.fault(kind="http_error", prefix="_image_7", skip=1, times=2)
    answers = [(await submitted(comfy, new_id(), "x_image_7")).status_code for _ in range(4)]
    assert answers == [200, 502, 502, 200]
    await comfy.fault(kind="http_error", text="lantern", times=None)
    await comfy.fault(kind="http_error", pattern="image_[34]$", times=None)
    assert (await submitted(comfy, new_id(), "x_image_3")).status_code == 502
    assert (await submitted(comfy, new_id(), "x_image_5")).status_code == 200
    assert (await comfy.http.post("/prompt", json={"prompt": portrait()})).status_code == 502
    assert (await comfy.stats())["faults"] == {"http_error": 4}


async def test_a_rule_follows_its_prompt_to_other_routes(comfy: Server) -> None:
    marked, plain = await comfy.submit(empty_image(1, "marked")), await comfy.submit(empty_image(2, "plain"))
    (image,) = images(await comfy.history(marked))
    await comfy.history(plain)
    for route in ("/history", "/jobs", "/view"):
        await comfy.fault(kind="http_error", route=route, prefix="marked", times=None)
    assert (await comfy.http.get(f"/history/{plain}")).status_code == 200
    assert (await comfy.http.get(f"/history/{marked}")).status_code == 502
    assert (await comfy.http.get(f"/api/jobs/{plain}")).status_code == 200
    assert (await comfy.http.get(f"/api/jobs/{marked}")).status_code == 502
    assert (await comfy.view(image)).status_code == 502


async def test_rules_are_shown_cleared_and_checked(comfy: Server) -> None:
    rules = [{"kind": "drop_before"}, {"kind": "vanish", "prefix": "a"}]
    shown = (await comfy.http.post("/sandbox/faults", json=rules)).json()["rules"]
    assert [each["kind"] for each in shown] == ["drop_before", "vanish"]
    assert (await comfy.http.get("/sandbox/faults")).json()["rules"] == shown
    assert (await comfy.http.delete("/sandbox/faults")).json() == {"rules": []}
    assert (await submitted(comfy, new_id())).status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "nothing"},
        {"kind": "latency"},
        {"kind": "latency", "seconds": 1, "colour": "red"},
        {"kind": "http_error", "status": 200},
        {"kind": "drop_before", "times": 0},
        {"kind": "node_error", "pattern": "("},
        {},
        7,
    ],
)
async def test_a_rule_that_says_nothing_sensible_is_refused(comfy: Server, rule: object) -> None:
    answer = await comfy.http.post("/sandbox/faults", json=rule)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert (await comfy.http.get("/sandbox/faults")).json() == {"rules": []}


async def test_the_stats_count_what_was_done(comfy: Server) -> None:
    await comfy.ran(empty_image(1, "a"))
    await comfy.ran(empty_image(2, "a"))
    await comfy.ran(empty_image(2, "a"))
    await comfy.ran(empty_image(2, "b"))
    stats = await comfy.stats()
    assert (stats["accepted"], stats["executed"], stats["max_queued"]) == (4, 4, 1)
    assert stats["executions"] == {"a": 2, "b": 1}
    assert (stats["interrupts"], stats["cancelled"], stats["restarts"]) == (0, 0, 0)


async def test_the_history_says_what_was_struck_and_when(comfy: Server) -> None:
    begun = time.time()
    await comfy.fault(kind="http_error", route="/queue")
    await comfy.fault(kind="file_vanishes", prefix="a/")
    await comfy.http.get("/queue")
    await comfy.ran(empty_image(1, "b/c"))
    await comfy.ran(empty_image(2, "a/b"))
    proxy, file = (await comfy.http.get("/sandbox/faults/history")).json()["struck"]
    assert (proxy["kind"], proxy["route"], proxy["prefixes"]) == ("http_error", "/queue", [])
    assert (file["kind"], file["route"], file["prefixes"]) == ("file_vanishes", "", ["a/b"])
    assert begun <= proxy["at"] <= file["at"] <= time.time()
