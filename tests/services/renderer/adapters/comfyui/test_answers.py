"""What ComfyUI's answers mean."""

from typing import Any

import pytest

from services.renderer.adapters.comfyui import answers
from services.renderer.domain.remote import File, Finished, Lost, Queued, Running
from services.renderer.domain.troubles import Hopeless, Passing

IMAGE = {"filename": "x_00001_.png", "subfolder": "b/1", "type": "output"}
FILE = File("x_00001_.png", "b/1")


def entry(*messages: Any, status: str = "success", **outputs: Any) -> dict[str, Any]:
    return {
        "id": {"outputs": outputs, "status": {"status_str": status, "messages": [list(m) for m in messages]}}
    }


def test_a_job_says_whether_it_waits_runs_or_is_done() -> None:
    assert answers.seen_in_job({"status": "pending"}, "9") == Queued()
    assert answers.seen_in_job({"status": "in_progress"}, "9") == Running()
    assert answers.seen_in_job({"status": "a word of tomorrow"}, "9") == Queued()
    done = {
        "status": "completed",
        "outputs": {"9": {"images": [IMAGE]}},
        "create_time": 3,
        "execution_start_time": 10,
        "execution_end_time": 35,
    }
    assert answers.seen_in_job(done, "9") == Finished(FILE, gpu_ms=25, queue_ms=7)


@pytest.mark.parametrize(("told", "waited"), [({"create_time": 3}, 7), ({}, None)])
def test_the_history_says_how_long_it_took_and_what_it_was_asked_for_how_long_it_waited(
    told: dict[str, Any], waited: int | None
) -> None:
    found = entry(
        ("execution_start", {"timestamp": 10}),
        ("execution_success", {"timestamp": 35}),
        status="success",
        **{"9": {"images": [IMAGE]}},
    )
    found["id"]["prompt"] = [0, "id", {}, {"client_id": "c", **told}, ["9"]]
    assert answers.seen_in_history(found, "id", "9") == Finished(FILE, gpu_ms=25, queue_ms=waited)


def test_only_the_last_message_tells_an_interruption_from_a_failure() -> None:
    stopped = entry(("execution_interrupted", {}), status="error")
    with pytest.raises(Passing) as trouble:
        answers.seen_in_history(stopped, "id", "9")
    assert trouble.value.code == "interrupted"


def test_a_failure_that_lists_an_image_is_a_failure() -> None:
    error = {
        "node_id": "3",
        "node_type": "Probe",
        "exception_type": "RuntimeError",
        "exception_message": "boom\n",
    }
    failed = entry(("execution_error", error), status="error", **{"9": {"images": [IMAGE]}})
    with pytest.raises(Hopeless, match=r"node 3 \(Probe\) failed: RuntimeError: boom"):
        answers.seen_in_history(failed, "id", "9")


def test_out_of_memory_passes() -> None:
    trouble = answers.node_trouble({"exception_type": "torch.OutOfMemoryError", "exception_message": "…"})
    assert isinstance(trouble, Passing)
    assert trouble.code == "out_of_memory"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("torch.cuda.OutOfMemoryError", "out_of_memory"),
        ("MemoryError", "out_of_memory"),
        ("torch.AcceleratorError", "gpu_error"),
        ("requests.exceptions.ConnectionError", "node_offline"),
        ("TimeoutError", "node_offline"),
    ],
)
def test_what_says_nothing_about_the_image_passes(kind: str, code: str) -> None:
    trouble = answers.node_trouble({"exception_type": kind, "exception_message": "…"})
    assert (type(trouble), trouble.code) == (Passing, code)


def test_an_empty_history_says_nothing_and_the_queue_says_where_it_is() -> None:
    assert answers.seen_in_history({}, "id", "9") is None
    queue = {"queue_running": [[0, "a", {}, {}, []]], "queue_pending": [[1, "b", {}, {}, []]]}
    assert [answers.seen_in_queue(queue, name) for name in "abc"] == [Running(), Queued(), Lost()]


def test_the_same_file_listed_twice_is_one_image_and_other_nodes_do_not_count() -> None:
    outputs = {"9": {"images": [IMAGE, IMAGE]}, "8": {"images": [{**IMAGE, "filename": "other.png"}]}}
    assert answers.one_image(outputs, "9") == FILE


@pytest.mark.parametrize(
    ("outputs", "code"),
    [
        ({}, "no_image"),
        (None, "no_image"),
        ({"9": {"images": [{**IMAGE, "type": "temp"}]}}, "no_image"),
        ({"9": {"images": [IMAGE, {**IMAGE, "filename": "y.png"}]}}, "too_many_images"),
    ],
)
def test_anything_but_one_image_is_none(outputs: Any, code: str) -> None:
    with pytest.raises(Passing) as trouble:
        answers.one_image(outputs, "9")
    assert trouble.value.code == code


def node_error(kind: str, name: str = "ckpt_name") -> dict[str, Any]:
    error = {"type": kind, "message": "m", "extra_info": {"input_name": name, "received_value": "v"}}
    return {
        "error": {"type": "prompt_outputs_failed_validation"},
        "node_errors": {"4": {"errors": [error], "class_type": "C"}},
    }


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (node_error("value_not_in_list"), "missing_model"),
        (node_error("value_not_in_list", "sampler_name"), "invalid_parameters"),
        (node_error("value_bigger_than_max", "steps"), "invalid_parameters"),
        (node_error("custom_validation_failed", "image"), "invalid_input"),
        (node_error("required_input_missing", "images"), "invalid_workflow"),
        ({"error": {"type": "missing_node_type", "extra_info": {"class_type": "X"}}}, "missing_node"),
        ({"error": {"type": "invalid_prompt", "message": "m", "details": "Node ID '#1'"}}, "missing_node"),
        (node_error("value_not_in_list", "style_file"), "invalid_parameters"),
        ({"error": {"type": "prompt_no_outputs", "message": "Prompt has no outputs"}}, "invalid_workflow"),
        ({}, "invalid_workflow"),
    ],
)
def test_a_refusal_has_a_stable_code(answer: dict[str, Any], code: str) -> None:
    assert answers.refusal(answer).code == code


def test_a_refusal_says_what_is_missing_where_and_what_to_do() -> None:
    refused = answers.refusal(node_error("value_not_in_list"))
    assert refused.detail == (
        "node 4 (C): the backend does not have 'v' for ckpt_name; install it there, or ask for another"
    )
    missing = answers.refusal({"error": {"type": "missing_node_type", "extra_info": {"class_type": "X"}}})
    assert "no node class 'X'; install the custom node" in missing.detail
