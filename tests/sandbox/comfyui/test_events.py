"""The WebSocket: order, routing, and the traps that a listener falls into."""

import asyncio
import json
import struct
from pathlib import Path

import pytest

from sandbox.comfyui import Settings
from tests.sandbox.comfyui.server import (
    Json,
    Server,
    empty_image,
    message,
    portrait,
    running,
    until_end,
)


async def test_a_listener_is_greeted_with_the_queue_and_its_own_id(comfy: Server) -> None:
    socket = await comfy.listen("me")
    told = {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"}
    assert await message(socket) == {"type": "status", "data": told}


async def test_the_messages_of_a_prompt_come_in_the_real_order(comfy: Server) -> None:
    socket = await comfy.listen()
    await message(socket)
    prompt_id = await comfy.submit(empty_image())
    told = await until_end(socket)
    assert [each["type"] for each in told] == [
        *("status", "status", "execution_start", "execution_cached"),
        *("progress_state", "executing", "progress_state"),
        *("progress_state", "executing", "executed", "progress_state"),
        *("execution_success", "status", "executing"),
    ]
    executed = next(each["data"] for each in told if each["type"] == "executed")
    assert set(executed) == {"node", "display_node", "output", "prompt_id"}
    assert told[-1]["data"] == {"node": None, "prompt_id": prompt_id}
    assert [t["data"]["status"]["exec_info"]["queue_remaining"] for t in told if t["type"] == "status"] == [
        1,
        1,
        0,
    ]


def _remaining(status: Json) -> int:
    remaining: int = status["data"]["status"]["exec_info"]["queue_remaining"]
    return remaining


async def test_every_step_of_a_sampler_is_told(comfy: Server) -> None:
    socket = await comfy.listen()
    prompt_id = await comfy.submit(portrait(steps=3))
    told = await until_end(socket)
    progress = [each["data"] for each in told if each["type"] == "progress"]
    assert progress == [{"value": n, "max": 3, "prompt_id": prompt_id, "node": "3"} for n in (1, 2, 3)]
    states = [
        e["data"]["nodes"]["3"] for e in told if e["type"] == "progress_state" and "3" in e["data"]["nodes"]
    ]
    assert states[0]["state"] == "running"
    assert states[-1]["state"] == "finished"


async def test_success_is_told_before_the_history_has_it(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, history_lag=0.3)) as comfy:
        socket = await comfy.listen()
        prompt_id = await comfy.submit(empty_image())
        while (await message(socket))["type"] != "execution_success":
            pass
        assert (await comfy.http.get(f"/history/{prompt_id}")).json() == {}
        await until_end(socket)
        assert prompt_id in (await comfy.http.get(f"/history/{prompt_id}")).json()


async def test_events_go_to_the_client_of_the_prompt_and_status_to_everyone(comfy: Server) -> None:
    mine, other = await comfy.listen("mine"), await comfy.listen("other")
    await comfy.submit(empty_image(1), client_id="mine")
    await until_end(mine)
    await comfy.submit(empty_image(2), client_id="other")
    kinds = [each["type"] for each in await until_end(other)]
    assert kinds[:4] == ["status", "status", "status", "status"]
    assert kinds.count("execution_start") == 1


async def test_the_progress_of_an_anonymous_prompt_reaches_everyone(comfy: Server) -> None:
    socket = await comfy.listen("bystander")
    await comfy.ran(empty_image(), client_id=None)
    await comfy.submit(empty_image(2), client_id="bystander")
    before = []
    while (each := await message(socket))["type"] != "execution_start":
        before.append(each["type"])
    assert set(before) == {"status", "progress_state"}


async def test_an_interrupted_anonymous_prompt_is_told_to_everyone(slow: Server) -> None:
    socket = await slow.listen("bystander")
    await slow.is_running(await slow.submit(portrait(), client_id=None))
    await slow.http.post("/interrupt")
    while (await message(socket))["type"] != "execution_interrupted":
        pass


async def test_a_reconnect_is_told_the_running_node_without_a_prompt_and_nothing_again(slow: Server) -> None:
    first = await slow.listen()
    await slow.submit(portrait(steps=1))
    while (each := await message(first))["type"] != "executing" or each["data"]["node"] != "3":
        pass
    await first.close()
    second = await slow.listen()
    assert (await message(second))["type"] == "status"
    assert await message(second) == {"type": "executing", "data": {"node": "3"}}


async def test_nothing_is_replayed_after_the_end(comfy: Server) -> None:
    await comfy.ran(empty_image())
    await comfy.is_idle()
    socket = await comfy.listen()
    await comfy.submit(empty_image(2))
    assert [(await message(socket))["type"] for _ in range(4)] == [
        "status",
        "status",
        "status",
        "execution_start",
    ]


async def test_a_lingering_socket_takes_the_entry_of_its_successor_along(comfy: Server) -> None:
    lingering = await comfy.listen("same")
    successor = await comfy.listen("same")
    await message(successor)
    await lingering.close()
    await comfy.ran(empty_image(), client_id="same")
    await comfy.is_idle()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await successor.recv()


async def test_a_socket_that_closed_before_its_successor_came_does_no_harm(comfy: Server) -> None:
    await (await comfy.listen("same")).close()
    successor = await comfy.listen("same")
    await comfy.submit(empty_image(), client_id="same")
    assert (await until_end(successor))[-1]["data"]["node"] is None


async def test_an_interruption_ends_with_no_node_too(slow: Server) -> None:
    socket = await slow.listen()
    prompt_id = await slow.submit(portrait())
    await slow.is_running(prompt_id)
    await slow.http.post(f"/api/jobs/{prompt_id}/cancel")
    kinds = [each["type"] for each in await until_end(socket)]
    assert kinds[-3:] == ["execution_interrupted", "status", "executing"]


async def test_previews_are_binary_and_carry_metadata_for_those_who_read_it(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, previews=True)) as comfy:
        socket = await comfy.listen("plain")
        await comfy.submit(portrait(), client_id="plain")
        while isinstance(frame := await socket.recv(), str):
            pass
        assert struct.unpack(">II", frame[:8]) == (1, 1)
        assert frame[8:10] == b"\xff\xd8"

        reader = await comfy.listen("reader")
        flags = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
        await reader.send(json.dumps(flags))
        while (await message(reader))["type"] != "feature_flags":
            pass
        await comfy.submit(portrait(2), client_id="reader")
        while isinstance(frame := await reader.recv(), str):
            pass
        event, length = struct.unpack(">II", frame[:8])
        assert (event, json.loads(frame[8 : 8 + length])["node_id"]) == (4, "3")


async def test_a_restart_loses_queue_history_cache_and_sockets_and_keeps_files(slow: Server) -> None:
    done = await slow.submit(empty_image())
    image = (await slow.history(done))["outputs"]["9"]["images"][0]
    socket = await slow.listen()
    running_id = await slow.submit(portrait())
    waiting = await slow.submit(empty_image(1))
    await slow.is_running(running_id)
    assert (await slow.http.post("/sandbox/restart")).status_code == 204
    for prompt_id in (done, running_id, waiting):
        assert (await slow.http.get(f"/history/{prompt_id}")).json() == {}
        assert (await slow.http.get(f"/api/jobs/{prompt_id}")).status_code == 404
    assert (await slow.view(image)).status_code == 200
    await socket.wait_closed()
    answer = await slow.http.post("/prompt", json={"prompt": empty_image()})
    assert answer.json()["number"] == 0
    assert (await slow.history(answer.json()["prompt_id"]))["outputs"]["9"]["images"][0] != image


async def test_restarts_at_the_same_moment_leave_one_worker(slow: Server) -> None:
    await asyncio.gather(*(slow.http.post("/sandbox/restart") for _ in range(3)))
    first = await slow.submit(portrait(1))
    await slow.is_running(first)
    await slow.submit(portrait(2))
    queue = await slow.queue()
    assert (len(queue["queue_running"]), len(queue["queue_pending"])) == (1, 1)
