"""A render takes as long as the settings say, whatever the graph is made of, and tells its steps."""

import time
from pathlib import Path

import pytest

from sandbox.comfyui import Settings
from tests.sandbox.comfyui.server import Json, empty_image, message, portrait, running, until_end

SECONDS = 0.4


def seconds_of(entry: Json) -> float:
    stamps = [data["timestamp"] for _, data in entry["status"]["messages"]]
    return float(stamps[-1] - stamps[0]) / 1000


def two_samplers() -> Json:
    first = portrait()
    second = {**first["3"]["inputs"], "latent_image": ["3", 0], "denoise": 0.5, "steps": 7}
    first["13"] = {"class_type": "KSampler", "inputs": second}
    first["8"]["inputs"]["samples"] = ["13", 0]
    return first


@pytest.mark.parametrize(
    "graph", [empty_image(), portrait(), two_samplers()], ids=["no sampler", "one sampler", "two samplers"]
)
async def test_a_prompt_lasts_as_long_as_a_render(tmp_path: Path, graph: Json) -> None:
    async with running(Settings(files=tmp_path, render_seconds=SECONDS)) as comfy:
        entry = await comfy.ran(graph)
    # The server's own stamps are whole milliseconds.
    assert seconds_of(entry) >= SECONDS - 0.002


async def test_a_graph_without_a_sampler_tells_steps_too(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, render_seconds=0.1)) as comfy:
        socket = await comfy.listen()
        await comfy.submit(empty_image())
        told = [each["data"] for each in await until_end(socket) if each["type"] == "progress"]
    assert [(each["value"], each["max"], each["node"]) for each in told] == [
        (n, 20, "1") for n in range(1, 21)
    ]


async def test_steps_come_one_by_one(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, render_seconds=SECONDS)) as comfy:
        socket = await comfy.listen()
        await comfy.submit(portrait(steps=2))
        told: list[Json] = []
        at: list[float] = []
        while not told or told[-1]["type"] != "execution_success":
            told.append(await message(socket))
            if told[-1]["type"] == "progress":
                at.append(time.perf_counter())
    first, second = at
    assert second - first >= 0.3 * SECONDS


async def test_what_the_cache_has_takes_no_time(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, render_seconds=SECONDS)) as comfy:
        await comfy.ran(portrait(prefix="a"))
        again, renamed = await comfy.ran(portrait(prefix="a")), await comfy.ran(portrait(prefix="b"))
    assert max(seconds_of(again), seconds_of(renamed)) < SECONDS


async def test_the_timeline_says_when_each_prompt_came_began_and_ended(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, render_seconds=0.1)) as comfy:
        ids = [await comfy.submit(empty_image(colour, f"a/{colour}")) for colour in (1, 2)]
        await comfy.history(ids[-1])
        told = (await comfy.http.get("/sandbox/timeline")).json()
        assert (await comfy.http.delete("/sandbox/timeline")).status_code == 204
        assert (await comfy.http.get("/sandbox/timeline")).json()["entries"] == []
    first, second = told["entries"]
    assert [first["id"], second["id"]] == ids
    assert (first["labels"], told["first_accepted_at"]) == (["a/1"], first["accepted_at"])
    ((began, ended),), ((next_began, last),) = first["runs"], second["runs"]
    assert first["accepted_at"] <= began <= ended - 0.1 <= ended <= next_began
    assert told["last_ended_at"] == last


async def test_a_prompt_that_a_restart_takes_has_a_beginning_alone(tmp_path: Path) -> None:
    async with running(Settings(files=tmp_path, render_seconds=30)) as comfy:
        await comfy.is_running(await comfy.submit(empty_image()))
        await comfy.http.post("/sandbox/restart")
        told = (await comfy.http.get("/sandbox/timeline")).json()
    assert ([len(run) for run in told["entries"][0]["runs"]], told["last_ended_at"]) == ([1], None)
