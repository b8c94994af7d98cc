"""What ComfyUI servers and the proxies before them do, and what must not come of it.

One test or more for each trap that concerns a server of ComfyUI's own API. 13 to 15 and 18 concern RunPod's
serverless API alone, 16 its ids; that error texts are not parsed is held by `test_answers.py`.
"""

from pathlib import Path
from typing import Any

import pytest

from contracts.commands import CancelBatch
from tests.services.renderer.backends import backend, renders
from tests.services.renderer.requests import card, reserved, workflow
from tests.services.renderer.stage import done, stage

OLD = "0.3.64"
VERSIONS = pytest.mark.parametrize("version", [OLD, "0.33.0"])
PORTRAIT: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 4}}


@VERSIONS
async def test_trap_1_the_history_is_read_when_the_job_is_in_it_and_not_before(
    tmp_path: Path, version: str
) -> None:
    async with backend(tmp_path / "a", history_lag=0.3, comfyui_version=version) as one:
        async with stage(tmp_path, one.renderer_url) as heard:
            await done(heard, 3)
        assert await renders(one) == [1, 1, 1]


@VERSIONS
async def test_trap_2_a_job_that_waits_or_runs_long_is_not_taken_for_lost(
    tmp_path: Path, version: str
) -> None:
    async with backend(tmp_path / "a", render_seconds=0.6, comfyui_version=version) as one:
        async with stage(tmp_path, one.renderer_url, poll_seconds=0.05) as heard:
            await heard.bus.publish(reserved(quantity=2, **PORTRAIT))
            await heard.ended(2)
        assert (await one.stats())["accepted"] == 2


async def test_trap_3_a_zombie_socket_costs_time_and_nothing_else_and_is_replaced(tmp_path: Path) -> None:
    async with backend(tmp_path / "a", render_seconds=0.8) as one:
        await one.fault("zombie_socket", times=1)
        async with stage(tmp_path, one.renderer_url) as heard:
            for number in range(1, 8):
                await heard.bus.publish(reserved(f"b{number}", **PORTRAIT))
                await heard.until(lambda wanted=number: len(heard.ready) == wanted)  # type: ignore[misc]
                if any(each.steps for each in heard.progress):
                    break
        assert 1 < number < 7
        assert set((await one.executions()).values()) == {1}


@VERSIONS
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
async def test_trap_4_an_unanswered_submit_is_looked_up_before_it_is_sent_again(
    tmp_path: Path, version: str, kind: str
) -> None:
    async with backend(tmp_path / "a", comfyui_version=version) as one:
        async with stage(tmp_path, one.renderer_url) as heard:
            await one.fault(kind, route="/prompt", times=1)
            await done(heard, 3)
        assert (await one.stats())["accepted"] == 3
        assert await renders(one) == [1, 1, 1]


async def test_trap_11_a_500_to_a_submit_may_have_queued_it_all_the_same(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await one.fault("http_error", route="/prompt", status=500, times=2)
        await done(heard, 2)
        assert (await one.stats())["accepted"] == 2


async def test_trap_5_a_file_that_vanished_is_saved_again_and_not_answered_from_the_cache(
    tmp_path: Path,
) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await one.fault("file_vanishes", times=1)
        await done(heard)
        assert sorted(await one.executions()) == [
            "b1/1.1/Areg_opal-fever_image_1",
            "b1/1/Areg_opal-fever_image_1",
        ]


async def test_trap_5_an_image_of_the_same_graph_is_another_image(tmp_path: Path) -> None:
    """Two batches with the same seed and prompt: the cache of the backend must not give one file for both."""
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await heard.bus.publish(reserved("b1", seed=5), reserved("b2", seed=5, first=2))
        await heard.until(lambda: len(heard.ready) == 2)
        assert len({image.md5 for image in heard.ready}) == 2
        assert len(await one.executions()) == 2


async def test_trap_6_node_errors_in_a_200_are_a_refusal(tmp_path: Path) -> None:
    # The second output has no image to save.
    graph = card("x") | {"8": {"class_type": "SaveImage", "inputs": {"filename_prefix": "y"}}}
    graph["8"], graph["9"] = graph["9"], graph["8"]
    made = workflow(tmp_path / "workflows", "half", graph)
    async with (
        backend(tmp_path / "a") as one,
        stage(tmp_path, one.renderer_url, workflows_dir=made) as heard,
    ):
        await heard.bus.publish(reserved(workflow="half"))
        await heard.ended(1)
    assert [(each.code, each.retryable) for each in heard.failed] == [("invalid_workflow", False)]


@pytest.mark.parametrize("kind", ["no_output", "extra_output", "truncated_file"])
async def test_trap_7_a_success_is_one_whole_image_or_none(tmp_path: Path, kind: str) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await one.fault(kind, times=1)
        await done(heard)
        assert (await one.stats())["faults"] == {kind: 1}


async def test_trap_7_a_success_without_an_image_that_repeats_itself_is_a_failure(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await one.fault("no_output", times=None)
        await heard.bus.publish(reserved())
        await heard.ended(1)
        assert (await one.stats())["accepted"] == 5
    assert heard.ends() == {(0, 1): "no_image"}


@VERSIONS
async def test_trap_9_a_cancel_never_touches_the_prompt_of_somebody_else(
    tmp_path: Path, version: str
) -> None:
    async with backend(tmp_path / "a", comfyui_version=version) as one:
        await one.fault("stall", prefix="theirs", seconds=3.0)
        await one.submit(card("theirs"))
        async with stage(tmp_path, one.renderer_url) as heard:
            await heard.bus.publish(reserved(quantity=2))
            await heard.until(lambda: any(each.stage == "queued" for each in heard.progress))
            await heard.bus.publish(CancelBatch(batch_id="b1"))
            await heard.ended(2)
            assert set(heard.ends().values()) == {"cancelled"}
            await one.idle()
        assert await one.executions() == {"theirs": 1}
        assert (await one.stats())["interrupts"] == 0


async def test_trap_12_a_failed_node_fails_the_image_at_once_without_traces_or_paths(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await one.fault("node_error", message="cannot open /opt/ComfyUI/models/x.safetensors\n  File two")
        await heard.bus.publish(reserved())
        await heard.ended(1)
        assert (await one.stats())["accepted"] == 1
    (failed,) = heard.failed
    assert failed.code == "node_failed"
    assert "EmptyImage" in failed.detail
    assert "/opt" not in failed.detail
    assert "\n" not in failed.detail
    assert failed.placeholder_follows


async def test_trap_10_a_missing_model_fails_the_image_at_once_and_is_named(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url) as heard:
        await heard.bus.publish(
            reserved(workflow="portrait", parameters={"checkpoint": "none.safetensors"}, on_failure="omit")
        )
        await heard.ended(1)
    (failed,) = heard.failed
    assert failed.code == "missing_model"
    assert "none.safetensors" in failed.detail
    assert not failed.placeholder_follows


async def test_trap_10_out_of_memory_goes_elsewhere(tmp_path: Path) -> None:
    async with backend(tmp_path / "a") as small, backend(tmp_path / "b") as large:
        await small.fault("out_of_memory", times=None)
        async with stage(tmp_path, small.renderer_url, large.renderer_url) as heard:
            await done(heard, 4)
        assert {image.backend for image in heard.ready} == {large.name}


async def test_trap_10_out_of_memory_everywhere_ends_after_ten_tries(tmp_path: Path) -> None:
    quick: dict[str, Any] = {"retry_seconds": 0.001}
    async with backend(tmp_path / "a") as one, stage(tmp_path, one.renderer_url, **quick) as heard:
        await one.fault("out_of_memory", times=None)
        await heard.bus.publish(reserved())
        await heard.ended(1)
        assert (await one.stats())["executed"] == 10
    assert heard.ends() == {(0, 1): "out_of_memory"}


@VERSIONS
@pytest.mark.parametrize("when", ["queued", "finished"])
async def test_trap_2_a_vanished_job_is_rendered_again_only_where_its_file_is_gone_too(
    tmp_path: Path, version: str, when: str
) -> None:
    async with (
        backend(tmp_path / "a", comfyui_version=version) as one,
        stage(tmp_path, one.renderer_url) as heard,
    ):
        await one.fault("vanish", when=when, times=1)
        await done(heard)
        assert (await one.stats())["accepted"] == (2 if when == "queued" else 1)
        assert await renders(one) == [1]


async def test_trap_7_a_failure_that_saved_an_image_first_is_a_failure(tmp_path: Path) -> None:
    """The first output of the graph is saved, the second one fails."""
    graph = card("first") | {
        "2": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
        "8": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
        "7": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    made = workflow(tmp_path / "workflows", "two", graph)
    async with (
        backend(tmp_path / "a") as one,
        stage(tmp_path, one.renderer_url, workflows_dir=made) as heard,
    ):
        await one.fault("node_error", node_type="PreviewImage", times=None)
        await heard.bus.publish(reserved(workflow="two"))
        await heard.ended(1)
    assert heard.ends() == {(0, 1): "node_failed"}


async def test_trap_8_a_file_of_another_node_is_never_taken_for_the_image(tmp_path: Path) -> None:
    """Two outputs with equal inputs, of which a real server lists one file twice."""
    graph = card("x") | {
        "8": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "other"}}
    }
    made = workflow(tmp_path / "workflows", "twin", graph, '["9.filename_prefix", "8.filename_prefix"]')
    async with (
        backend(tmp_path / "a") as one,
        stage(tmp_path, one.renderer_url, workflows_dir=made) as heard,
    ):
        await heard.bus.publish(reserved(quantity=3, workflow="twin"))
        await heard.ended(3)
    assert set(heard.ends().values()) == {"done"}
    assert len({image.md5 for image in heard.ready}) == 3
