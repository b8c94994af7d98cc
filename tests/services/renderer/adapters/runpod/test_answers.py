"""Where a job stands, by what /status says; its image by name or by being alone."""

import base64
from typing import Any

import pytest

from services.renderer.adapters.runpod.answers import Health, health, is_ours, seen_in_status
from services.renderer.domain.remote import Attached, File, Finished, Link, Queued, Remote, Running
from services.renderer.domain.troubles import Passing, Trouble

REMOTE = Remote("key", "abc-u1", "b1/0/1.0", "9", File("Areg_opal_image_1_00001_.png", "b1/1"))
BYTES = b"\x89PNG and more"
ENCODED = base64.b64encode(BYTES).decode()


def image(name: str = "Areg_opal_image_1_00001_.png", data: str = ENCODED) -> dict[str, str]:
    return {"filename": name, "type": "base64", "data": data}


def completed(*images: Any, **more: Any) -> dict[str, Any]:
    return {
        "status": "COMPLETED",
        "executionTime": 3391,
        "delayTime": 824,
        "output": {"images": list(images), **more},
    }


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ("IN_QUEUE", Queued()),
        ("IN_PROGRESS", Running()),
        ("RUNNING", Running()),
        ("THROTTLED", Running()),
        (None, Running()),
    ],
)
def test_a_state_that_is_no_end_is_a_job_that_goes_on(state: str | None, seen: object) -> None:
    assert seen_in_status({"status": state}, REMOTE) == seen


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": "TIMED_OUT"}, "render_deadline"),
        ({"status": "CANCELLED"}, "interrupted"),
        ({"status": "FAILED", "error": "?"}, "worker_failed"),
        ({"status": "COMPLETED"}, "no_result"),
        ({"status": "COMPLETED", "output": "odd"}, "no_image"),
        ({"status": "COMPLETED", "output": {"status": "success_no_images", "images": []}}, "no_image"),
        (completed(image(), errors=["Workflow execution error: something"]), "worker_failed"),
        (completed(image("a_00001_.png"), image("b_00001_.png", "AAAA")), "too_many_images"),
        (completed(image(), image("Areg_opal_image_1_00002_.png", "AAAA")), "too_many_images"),
        (completed(image(data="no base64!")), "bad_image"),
        (completed({"filename": "x"}, 7, image(data="")), "no_image"),
    ],
)
def test_an_end_without_exactly_one_image_is_passing(answer: dict[str, Any], code: str) -> None:
    with pytest.raises(Passing) as told:
        seen_in_status(answer, REMOTE)
    assert told.value.code == code


@pytest.mark.parametrize(
    "images",
    [
        [image()],
        # One file that is listed twice.
        [image(), image()],
        # Another node's image beside it, and image 10, whose name begins alike.
        [image("mask_00001_.png", "AAAA"), image(), image("Areg_opal_image_10_00001_.png", "AAAA")],
        # A workflow that names its file itself.
        [image("ComfyUI_00001_.png")],
        [image(data=f"data:image/png;base64,{ENCODED}")],
    ],
)
def test_the_image_is_known_by_its_name_or_by_being_alone(images: list[dict[str, str]]) -> None:
    assert seen_in_status(completed(*images), REMOTE) == Finished(Attached(BYTES), 3391, 824)


def test_a_url_is_a_link_whatever_its_type_is_called() -> None:
    url = "https://bucket.example/11-26/x/f.png?X-Amz-Expires=604800"
    assert seen_in_status(completed(image(data=url)), REMOTE) == Finished(Link(url), 3391, 824)


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        ({"status": "IN_PROGRESS", "input": {"darkroom_key": "key"}}, True),
        ({"status": "IN_PROGRESS", "input": {"darkroom_key": "other"}}, False),
        (completed(image()), True),
        (completed(image("Areg_opal_image_2_00001_.png")), False),
        ({"status": "IN_QUEUE"}, True),
    ],
)
def test_a_job_that_was_told_of_is_compared_with_what_it_says_of_itself(
    answer: dict[str, Any], ours: bool
) -> None:
    assert is_ours(answer, REMOTE) is ours


@pytest.mark.parametrize(
    ("answer", "found", "cold"),
    [
        ({"jobs": {"inQueue": 3}, "workers": {"idle": 0, "running": 0}}, Health(0, 3), True),
        ({"jobs": {"inQueue": 3}, "workers": {"idle": 0, "running": 1}}, Health(1, 3), False),
        ({"jobs": {"inQueue": 0}, "workers": {"idle": 0, "running": 0}}, Health(0, 0), False),
        ({"jobs": None, "workers": {"idle": "x"}}, Health(0, 0), False),
    ],
)
def test_an_endpoint_is_cold_where_jobs_wait_and_no_machine_is_up(
    answer: dict[str, Any], found: Health, cold: bool
) -> None:
    assert health(answer) == found
    assert found.cold is cold


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
@pytest.mark.parametrize(
    "output", [None, 1, "x", [], [[]], {"images": 3}, {"images": [None]}, {"errors": {}}]
)
def test_an_odd_end_is_a_trouble_of_the_job_and_no_error_of_ours(status: str, output: Any) -> None:
    with pytest.raises(Trouble):
        seen_in_status({"status": status, "output": output, "error": output}, REMOTE)
