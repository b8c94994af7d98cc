"""Submit, queue, history and interrupt, in the shapes of the real server."""

import asyncio
from pathlib import Path

import httpx
import pytest

from sandbox.comfyui import Settings
from tests.sandbox.comfyui.server import Json, Server, empty_image, images, new_id, portrait, running


async def test_an_accepted_prompt_is_answered_with_its_id_number_and_no_errors(comfy: Server) -> None:
    chosen = new_id()
    answer = await comfy.http.post("/prompt", json={"prompt": empty_image(), "prompt_id": chosen})
    assert answer.json() == {"prompt_id": chosen, "number": 0, "node_errors": {}}
    again = await comfy.http.post("/api/prompt", json={"prompt": empty_image()})
    assert again.json()["number"] == 1


async def test_the_history_of_a_success_has_the_real_shape(comfy: Server) -> None:
    graph = empty_image()
    prompt_id = await comfy.submit(graph)
    entry = await comfy.history(prompt_id)
    number, shown_id, shown_graph, extra, outputs = entry["prompt"]
    assert (number, shown_id, shown_graph, outputs) == (0, prompt_id, graph, ["9"])
    assert set(extra) == {"client_id", "create_time"}
    image = {"filename": "abc_image_1_00001_.png", "subfolder": "batch", "type": "output"}
    assert entry["outputs"] == {"9": {"images": [image]}}
    assert entry["meta"]["9"] == {
        "node_id": "9",
        "display_node": "9",
        "parent_node": None,
        "real_node_id": "9",
    }
    status = entry["status"]
    assert (status["status_str"], status["completed"]) == ("success", True)
    assert [name for name, _ in status["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]


@pytest.mark.parametrize("path", ["/history/{}", "/api/history/{}"])
async def test_an_unknown_prompt_has_an_empty_history(comfy: Server, path: str) -> None:
    answer = await comfy.http.get(path.format(new_id()))
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("bad", ["x", "", None, 7, "3F2504E0-4F89-41D3-9A0C-0305E82C3301", "{}"])
async def test_a_chosen_id_must_be_a_canonical_uuid(comfy: Server, bad: object) -> None:
    answer = await comfy.http.post("/prompt", json={"prompt": empty_image(), "prompt_id": bad})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_prompt_id")
    assert (error["message"], error["extra_info"]) == ("prompt_id must be a valid UUID", {})


async def test_an_old_server_takes_any_id_and_reads_null_as_a_name(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, comfyui_version="0.3.64")) as old:
        assert await old.submit(empty_image(), prompt_id="mine") == "mine"
        assert await old.submit(empty_image(), prompt_id=None) == "None"
        refused = await old.http.post("/prompt", json={"prompt": {"1": {"class_type": "No", "inputs": {}}}})
        assert refused.json()["error"]["type"] == "invalid_prompt"


async def test_the_same_id_twice_runs_twice_and_overwrites_the_history(comfy: Server) -> None:
    chosen = new_id()
    await comfy.ran(empty_image(1), prompt_id=chosen)
    await comfy.submit(empty_image(2), prompt_id=chosen)
    await comfy.is_idle()
    assert images(await comfy.history(chosen))[0]["filename"] == "abc_image_1_00002_.png"
    assert (await comfy.stats())["executed"] == 2


async def test_the_same_id_and_number_answer_500_and_are_both_queued(slow: Server) -> None:
    await slow.is_running(await slow.submit(portrait()))
    body = {"prompt": empty_image(), "prompt_id": new_id(), "number": 7}
    first, second = [await slow.http.post("/prompt", json=body) for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 500)
    assert len((await slow.queue())["queue_pending"]) == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "no_prompt"),
        ({"prompt": {}}, "prompt_no_outputs"),
        ({"prompt": {"1": empty_image()["1"]}}, "prompt_no_outputs"),
        ({"prompt": {"1": {"class_type": "NoSuchNode", "inputs": {}}}}, "missing_node_type"),
    ],
)
async def test_what_cannot_be_a_prompt_is_a_400_with_its_type(comfy: Server, body: Json, kind: str) -> None:
    answer = await comfy.http.post("/prompt", json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, kind)
    assert answer.json()["node_errors"] == {}


@pytest.mark.parametrize(
    "content", ["no json", "[]", '{"prompt": {"nodes": [], "links": []}}', '{"prompt": []}']
)
async def test_what_the_real_server_stumbles_over_is_a_500_without_json(comfy: Server, content: str) -> None:
    answer = await comfy.http.post("/prompt", content=content)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/plain")


async def test_the_queue_shows_what_runs_and_what_waits_in_heap_order(slow: Server) -> None:
    first = await slow.submit(portrait())
    await slow.is_running(first)
    waiting = [await slow.submit(empty_image(n), number=n) for n in (5, 3, 4)]
    queue = await slow.queue()
    assert queue["queue_running"][0][1] == first
    assert [item[0] for item in queue["queue_pending"]] == [3.0, 5.0, 4.0]
    assert [item[1] for item in queue["queue_pending"]] == [waiting[1], waiting[0], waiting[2]]
    assert (await slow.http.get("/prompt")).json() == {"exec_info": {"queue_remaining": 4}}
    assert (await slow.stats())["max_queued"] == 4


async def test_lower_numbers_and_the_front_run_first(slow: Server) -> None:
    first = await slow.submit(portrait())
    await slow.is_running(first)
    late, middle, front = [
        await slow.submit(empty_image(1), number=9),
        await slow.submit(empty_image(2), number=2),
        await slow.submit(empty_image(3), front=True),
    ]
    await slow.http.post("/interrupt", json={"prompt_id": first})
    await slow.history(late)
    everything = (await slow.http.get("/history")).json()
    assert list(everything) == [first, front, middle, late]


async def test_a_deleted_prompt_leaves_no_trace_and_a_running_one_stays(slow: Server) -> None:
    runs = await slow.submit(portrait())
    await slow.is_running(runs)
    waits = await slow.submit(empty_image())
    answer = await slow.http.post("/queue", json={"delete": [runs, waits, new_id()]})
    assert (answer.status_code, answer.content) == (200, b"")
    queue = await slow.queue()
    assert ([item[1] for item in queue["queue_running"]], queue["queue_pending"]) == ([runs], [])
    assert (await slow.http.get(f"/history/{waits}")).json() == {}
    assert (await slow.stats())["cancelled"] == 1


async def test_clearing_the_queue_hits_all_that_wait(slow: Server) -> None:
    await slow.is_running(await slow.submit(portrait()))
    for colour in range(3):
        await slow.submit(empty_image(colour))
    await slow.http.post("/queue", json={"clear": True})
    assert (await slow.queue())["queue_pending"] == []


async def test_an_interrupt_is_told_apart_by_its_last_message_alone(slow: Server) -> None:
    prompt_id = await slow.submit(portrait())
    await slow.is_running(prompt_id)
    answer = await slow.http.post("/interrupt", json={"prompt_id": prompt_id})
    assert (answer.status_code, answer.content) == (200, b"")
    entry = await slow.history(prompt_id)
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    name, data = entry["status"]["messages"][-1]
    assert name == "execution_interrupted"
    assert set(data) == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}
    assert (data["node_id"], data["node_type"]) == ("3", "KSampler")


async def test_an_interrupt_of_another_prompt_or_while_idle_hits_nothing(slow: Server) -> None:
    await slow.http.post("/interrupt")
    prompt_id = await slow.submit(portrait())
    await slow.is_running(prompt_id)
    await slow.http.post("/interrupt", json={"prompt_id": new_id()})
    assert (await slow.stats())["interrupts"] == 0
    assert (await slow.queue())["queue_running"][0][1] == prompt_id


@pytest.mark.parametrize("body", [None, {}])
async def test_an_interrupt_without_an_id_hits_whoever_runs(slow: Server, body: Json | None) -> None:
    prompt_id = await slow.submit(portrait(), client_id="somebody else")
    await slow.is_running(prompt_id)
    await (slow.http.post("/interrupt") if body is None else slow.http.post("/interrupt", json=body))
    assert (await slow.history(prompt_id))["status"]["messages"][-1][0] == "execution_interrupted"


async def test_the_history_pages_deletes_and_clears(comfy: Server) -> None:
    ids = [await comfy.submit(empty_image(colour)) for colour in range(4)]
    await comfy.history(ids[-1])

    async def listed(query: str = "") -> list[str]:
        return list((await comfy.http.get(f"/history{query}")).json())

    assert await listed() == ids
    assert await listed("?max_items=2") == ids[2:]
    assert await listed("?max_items=2&offset=1") == ids[1:3]
    await comfy.http.post("/history", json={"delete": [ids[0], new_id()]})
    assert await listed() == ids[1:]
    await comfy.http.post("/history", json={"clear": True})
    assert await listed() == []


async def test_what_is_not_there_is_404_and_posting_to_it_405(comfy: Server) -> None:
    missing = await comfy.http.get("/api/nothing")
    assert (missing.status_code, missing.text) == (404, "404: Not Found")
    assert (await comfy.http.post("/api/nothing")).status_code == 405


async def test_a_web_page_of_another_site_is_turned_away(comfy: Server) -> None:
    async def status(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await comfy.http.get("/queue", headers=named)).status_code

    port = httpx.URL(comfy.url).port
    assert await status(origin=comfy.url) == 200
    assert await status(origin=f"http://localhost:{port}") == 403
    assert await status(sec_fetch_site="cross-site") == 403
    assert await status(host="pod-8188.proxy.runpod.net", origin="https://elsewhere.example") == 200


async def test_a_body_of_more_than_100_mebibytes_is_refused_unread(comfy: Server) -> None:
    address = httpx.URL(comfy.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(f"POST /prompt HTTP/1.1\r\nHost: a\r\nContent-Length: {100 * 1024**2 + 1}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    await writer.wait_closed()


async def test_the_server_answers_while_it_paints(comfy: Server) -> None:
    graph = portrait()
    graph["5"]["inputs"].update(width=1024, height=1536, batch_size=6)
    prompt_id = await comfy.submit(graph)
    await comfy.is_running(prompt_id)
    answered = 0
    while not (await comfy.http.get(f"/history/{prompt_id}")).json():
        answered += 1
    assert answered > 5
