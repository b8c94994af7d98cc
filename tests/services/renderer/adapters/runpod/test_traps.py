"""The traps of driving serverless endpoints, by their numbers in the list of eighteen; 1 to 3 and 17 are of
pods alone, 18 is why these tests ask a stand-in for the cloud's API and not the SDK's own server."""

from pathlib import Path
from typing import Any

import pytest

from contracts.commands import CancelBatch
from services.renderer.adapters.runpod.metrics import SECOND_SUBMITS
from tests.services.renderer.endpoints import hooked, rendering, serverless
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import done


def second_submits() -> float:
    value: float = SECOND_SUBMITS.labels("runpod:abc")._value.get()
    return value


async def test_trap_04_a_lost_answer_costs_nothing_where_the_hook_tells_the_id(tmp_path: Path) -> None:
    before = second_submits()
    async with serverless(tmp_path / "a") as one, hooked(tmp_path, one) as heard:
        await one.fault("drop_after", route="/run")
        await done(heard, 3)
        assert await one.accepted() == 3
    assert second_submits() == before


async def test_trap_04_a_lost_answer_that_nobody_tells_of_costs_a_second_job_which_is_counted(
    tmp_path: Path,
) -> None:
    before = second_submits()
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("drop_after", route="/run")
        await done(heard, 3)
        stats = await one.stats()
        assert stats["accepted"] == 4
        # Our own key says which of them are the same image.
        assert sorted(stats["own_keys"].values()) == [1, 1, 1, 1, 2, 2]
    assert second_submits() == before + 1


async def test_trap_04_a_hook_that_never_comes_is_not_waited_for_longer_than_was_said(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, hooked(tmp_path, one, runpod_hook_seconds=0.3) as heard:
        await one.fault("webhook_never", times=None)
        await one.fault("drop_before", route="/run")
        await done(heard)
        assert await one.accepted() == 1


async def test_trap_05_a_result_that_was_lost_is_asked_for_under_another_name(tmp_path: Path) -> None:
    """The worker would answer the same graph from its cache, with the file that is gone."""
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("no_result")
        await done(heard)
        assert sorted((await one.stats())["executions"]) == [
            "b1/1.5/Areg_opal-fever_image_1",
            "b1/1/Areg_opal-fever_image_1",
        ]


async def test_trap_06_a_completed_job_with_fewer_images_is_rendered_again(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("fewer_images")
        await done(heard, 2)
        assert await one.accepted() == 3


async def test_trap_07_completed_with_errors_beside_an_image_is_a_failure(tmp_path: Path) -> None:
    """Another branch failed after the image was saved: on a pod the prompt would have failed too."""
    card = {"width": 64, "height": 64, "batch_size": 1, "color": 0}
    nodes = (
        f'"1": {{"class_type": "EmptyImage", "inputs": {str(card).replace(chr(39), chr(34))}}}',
        '"9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}',
        '"10": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}',
    )
    folder = tmp_path / "workflows" / "two"
    folder.mkdir(parents=True)
    (folder / "graph.json").write_text("{" + ",".join(nodes) + "}")
    (folder / "inputs.toml").write_text(
        'output = "9"\n[inputs]\nseed = { to = "1.color", modulo = 16777216 }\n'
        'filename_prefix = "9.filename_prefix"\n'
    )
    changes: dict[str, Any] = {"workflows_dir": tmp_path / "workflows"}
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one, **changes) as heard:
        await one.fault("node_error", node_type="PreviewImage", message="boom")
        await heard.bus.publish(reserved(workflow="two"))
        await heard.ended(1)
    assert heard.ends() == {(0, 1): "node_failed"}


async def test_trap_07_completed_without_output_is_paid_for_twice_and_says_what_to_do(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a", max_result_bytes=10) as one, rendering(tmp_path, one) as heard:
        await heard.bus.publish(reserved())
        await heard.ended(1)
        assert await one.accepted() == 2
    assert heard.ends() == {(0, 1): "no_result"}
    assert "S3 bucket (BUCKET_ENDPOINT_URL" in heard.failed[0].detail


async def test_trap_07_completed_without_images_ends_as_a_failure_when_it_stays_so(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("fewer_images", times=None)
        await heard.bus.publish(reserved())
        await heard.ended(1)
    assert heard.ends() == {(0, 1): "no_image"}


async def test_trap_08_two_images_of_one_name_are_told_apart_by_their_jobs(tmp_path: Path) -> None:
    """The subfolder is dropped from the result, so both files have the same name."""
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await heard.bus.publish(reserved("b1", quantity=3), reserved("b2", quantity=3))
        await heard.until(lambda: len(heard.ready) == 6)
    assert len({image.md5 for image in heard.ready}) == 6


async def test_trap_09_a_cancel_stops_our_jobs_and_no_other(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a", max_workers=2) as one:
        await one.fault("stall", seconds=30, times=None, prefix="Areg")
        card = {"width": 64, "height": 64, "batch_size": 1, "color": 3}
        theirs = {
            "1": {"class_type": "EmptyImage", "inputs": card},
            "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "theirs"}},
        }
        async with rendering(tmp_path, one) as heard:
            await heard.bus.publish(reserved(quantity=4))
            await one.taken(4)
            asked = {"input": {"workflow": theirs}}
            key = {"Authorization": "Bearer rpa_SANDBOX"}
            (await one.http.post("/run", json=asked, headers=key)).raise_for_status()
            await heard.bus.publish(CancelBatch(batch_id="b1"))
            await heard.ended(4)
            await one.ended("CANCELLED", 4)
            await one.ended("COMPLETED", 1)
        assert set(heard.ends().values()) == {"cancelled"}
        assert (await one.stats())["executions"] == {"theirs": 1}


async def test_trap_10_a_job_that_somebody_else_cancelled_is_no_failure_of_the_image(tmp_path: Path) -> None:
    cold = {"cold_start_seconds": 0.5}
    async with serverless(tmp_path / "a", **cold) as one, rendering(tmp_path, one) as heard:
        await heard.bus.publish(reserved())
        await one.taken(1)
        (job,) = [each["id"] for each in (await one.http.get("/sandbox/timeline")).json()["entries"]]
        key = {"Authorization": "Bearer rpa_SANDBOX"}
        (await one.http.post(f"/cancel/{job}", headers=key)).raise_for_status()
        await heard.ended(1)
    assert heard.ends() == {(0, 1): "done"}


async def test_trap_10_a_missing_model_is_permanent_and_a_broken_worker_is_not(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("job_fails", times=2)
        await done(heard)
        lacking = {"checkpoint": "none.safetensors"}
        await heard.bus.publish(reserved("b2", workflow="portrait", parameters=lacking, first=2))
        await heard.until(lambda: bool(heard.failed))
        assert await one.accepted() == 4
    assert heard.failed[0].code == "missing_model"
    assert "none.safetensors" in heard.failed[0].detail


async def test_trap_11_a_500_to_a_submit_leaves_open_whether_it_was_taken(tmp_path: Path) -> None:
    before = second_submits()
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("api_error", route="/run", status=500)
        await done(heard)
        assert await one.accepted() == 1
    assert second_submits() == before + 1


async def test_trap_12_no_trace_path_or_host_of_a_worker_reaches_a_message(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("job_fails", times=None)
        await heard.bus.publish(reserved())
        await heard.ended(1)
        assert await one.accepted() == 5
    (failed,) = heard.failed
    assert failed.code == "worker_failed"
    assert failed.retryable
    assert "ConnectionRefusedError" in failed.detail
    for hidden in ("Traceback", "/", "64410f3a", "handler.py", "\n"):
        assert hidden not in failed.detail


async def test_trap_13_a_worker_that_hangs_is_stopped_at_the_deadline_and_the_image_is_done_anew(
    tmp_path: Path,
) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one, render_deadline=4.0) as heard:
        await one.fault("stall", seconds=30)
        await done(heard)
        stats = await one.stats()
    assert stats["ended"] == {"CANCELLED": 1, "COMPLETED": 1}


@pytest.mark.parametrize("bucket", [False, True])
async def test_trap_14_a_result_is_taken_from_the_answer_or_from_the_bucket(
    tmp_path: Path, bucket: bool
) -> None:
    async with serverless(tmp_path / "a", bucket=bucket) as one, rendering(tmp_path, one) as heard:
        await done(heard, 2)
        assert await one.accepted() == 2


@pytest.mark.parametrize("when", ["queued", "finished"])
async def test_trap_14_a_job_that_is_unknown_after_it_was_accepted_is_gone(tmp_path: Path, when: str) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("vanish", when=when)
        await done(heard)
        assert await one.accepted() == 2


async def test_trap_14_a_presigned_url_that_expired_is_a_file_that_is_gone(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a", bucket=True) as one, rendering(tmp_path, one) as heard:
        await one.fault("file_vanishes")
        await done(heard)
        assert await one.accepted() == 2


async def test_trap_15_a_hook_ends_the_wait_before_any_look_is_due(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, hooked(tmp_path, one, poll_seconds=3600) as heard:
        await done(heard, 3)


@pytest.mark.parametrize("kind", ["webhook_twice", "webhook_never"])
async def test_trap_15_a_hook_may_repeat_or_never_come(tmp_path: Path, kind: str) -> None:
    async with serverless(tmp_path / "a") as one, hooked(tmp_path, one) as heard:
        await one.fault(kind, times=None)
        await done(heard, 3)
        assert await one.accepted() == 3


@pytest.mark.parametrize("state", ["RUNNING", "THROTTLED", ""])
async def test_trap_15_a_state_that_no_list_has_is_a_job_that_goes_on(tmp_path: Path, state: str) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await one.fault("odd_state", state=state, times=3)
        await done(heard)
        assert await one.accepted() == 1


async def test_trap_16_a_refused_node_is_judged_by_what_the_server_said_and_not_by_the_workers_words(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "workflows" / "odd"
    folder.mkdir(parents=True)
    (folder / "graph.json").write_text(
        '{"1": {"class_type": "NoSuchNode", "inputs": {"seed": 1}},'
        '"9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}'
    )
    (folder / "inputs.toml").write_text(
        'output = "9"\n[inputs]\nseed = "1.seed"\nfilename_prefix = "9.filename_prefix"\n'
    )
    changes: dict[str, Any] = {"workflows_dir": tmp_path / "workflows"}
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one, **changes) as heard:
        await heard.bus.publish(reserved(workflow="odd"))
        await heard.ended(1)
        assert await one.accepted() == 1
    assert heard.failed[0].code == "missing_node"
    assert "NoSuchNode" in heard.failed[0].detail
