"""Failures are sorted by structure first, and nothing of a server's inside reaches a message."""

import json
from typing import Any

import pytest

from services.renderer.adapters.runpod.failures import failure, trouble
from services.renderer.domain.troubles import Hopeless, Passing, Trouble

CRASH = {
    "error_type": "<class 'ConnectionRefusedError'>",
    "error_message": "[Errno 111] Connection refused",
    "error_traceback": 'Traceback (most recent call last):\n  File "/handler.py", line 641, in handler\n',
    "hostname": "abc-64410f3a",
    "worker_id": "abc",
}
NOT_IN_LIST = (
    "Workflow validation failed:\n"
    "• Node 4 (errors): [{'type': 'value_not_in_list', 'message': 'Value not in list', 'details': "
    "\"ckpt_name: 'nope.safetensors' not in []\", 'extra_info': {'input_name': 'ckpt_name', "
    "'received_value': 'nope.safetensors'}}]\n"
    "• Node 4 (dependent_outputs): ['9']\n"
    "• Node 4 (class_type): CheckpointLoaderSimple"
)
NO_NODE = "Node 'X' not found. Raw response: " + json.dumps(
    {
        "error": {"type": "missing_node_type", "message": "no", "extra_info": {"class_type": "X"}},
        "node_errors": {},
    }
)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ({"error": json.dumps(CRASH)}, Passing, "worker_failed"),
        ({"error": CRASH}, Passing, "worker_failed"),
        ({"output": {"error": json.dumps(CRASH)}}, Passing, "worker_failed"),
        ({"error": NOT_IN_LIST}, Hopeless, "missing_model"),
        ({"error": NO_NODE}, Hopeless, "missing_node"),
        ({"error": "Missing 'workflow' parameter"}, Hopeless, "invalid_workflow"),
        ({"error": "WebSocket communication error: ComfyUI HTTP unreachable"}, Passing, "worker_failed"),
        ({"error": "torch.OutOfMemoryError: Allocation on device"}, Passing, "out_of_memory"),
        ({"error": json.dumps({**CRASH, "error_message": "CUDA out of memory"})}, Passing, "out_of_memory"),
        ({"error": "{not json"}, Passing, "worker_failed"),
        ({"error": ""}, Passing, "worker_failed"),
        ({"error": 7}, Passing, "worker_failed"),
        ({}, Passing, "worker_failed"),
    ],
)
def test_a_failed_job_is_sorted(answer: dict[str, Any], kind: type[Trouble], code: str) -> None:
    found = failure(answer)
    assert (type(found), found.code) == (kind, code)


def test_a_failed_node_is_named_with_its_reason() -> None:
    details = ["Workflow execution error: Node Type: ProbeFail, Node ID: 3, Message: boom\n"]
    found = failure({"error": "Job processing failed", "output": {"details": details}})
    assert isinstance(found, Hopeless)
    assert found.code == "node_failed"
    assert found.detail == "node 3 (ProbeFail) failed: boom"


def test_a_missing_model_is_named_with_its_node() -> None:
    told = failure({"error": NOT_IN_LIST}).detail
    for named in ("node 4 (CheckpointLoaderSimple)", "'nope.safetensors'", "ckpt_name"):
        assert named in told


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CRASH),
        'worker died\nTraceback (most recent call last):\n  File "/handler.py", line 1\nKeyError: 1',
        "cannot open /workspace/ComfyUI/models/checkpoints/secret.safetensors",
    ],
)
def test_no_trace_host_or_path_is_told(text: str) -> None:
    told = failure({"error": text}).detail
    for hidden in ("Traceback", "handler", "64410f3a", "/workspace", "\n"):
        assert hidden not in told


@pytest.mark.parametrize("value", ["__import__('os').system('true')", "[" * 500, "[1, 2", "{'a': [{}]}"])
def test_a_quoted_refusal_is_data_and_never_run(value: str) -> None:
    found = trouble([f"Workflow validation failed:\n• Node 1 (errors): {value}"])
    assert found.code == "invalid_workflow"
