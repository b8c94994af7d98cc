"""The texts of worker-comfyui 5.8.5 and of the SDK around it. Pure."""

import json
from collections.abc import Sequence
from typing import Any


def input_problem(told: Any) -> str | None:
    """Why the handler takes the input for no job, None where it takes it."""
    if told is None:
        return "Please provide input"
    if not isinstance(told, dict):
        return "Invalid JSON format in input"
    if told.get("workflow") is None:
        return "Missing 'workflow' parameter"
    images = told.get("images")
    if images is not None and not (isinstance(images, list) and all(_is_image(each) for each in images)):
        return "'images' must be a list of objects with 'name' and 'image' keys"
    return None


def _is_image(told: Any) -> bool:
    return isinstance(told, dict) and "name" in told and "image" in told


def refusal(body: dict[str, Any], checkpoints: Sequence[str]) -> str:
    """What the handler makes of ComfyUI's 400."""
    error, nodes = body["error"], body["node_errors"]
    several = error["type"] == "prompt_outputs_failed_validation"
    message = "Workflow validation failed" if several else error["message"]
    found = [f"Node {node} ({name}): {value}" for node, each in nodes.items() for name, value in each.items()]
    if not found:
        return f"{message}. Raw response: {json.dumps(body)}"
    told = f"{message}:\n" + "\n".join(f"• {each}" for each in found)
    if any("not in list" in each and "ckpt_name" in each for each in found):
        known = f"Available checkpoint models: {', '.join(checkpoints)}"
        none = "No checkpoint models appear to be available. Please check your model installation."
        told += "\n\n" + (known if checkpoints else none)
    return told


def execution_error(data: dict[str, Any]) -> str:
    where = f"Node Type: {data['node_type']}, Node ID: {data['node_id']}"
    return f"Workflow execution error: {where}, Message: {data['exception_message']}"


def raised(worker: str) -> str:
    """A JSON text inside the JSON: what the SDK posts for a handler that raised."""
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/opt/venv/lib/python3.12/site-packages/runpod/serverless/modules/rp_job.py", line 183, '
        "in run_job\n    handler_return = handler(job)\n"
        '  File "/handler.py", line 641, in handler\n    ws.connect(ws_url, timeout=10)\n'
        "ConnectionRefusedError: [Errno 111] Connection refused\n"
    )
    told = {
        "error_type": "<class 'ConnectionRefusedError'>",
        "error_message": "[Errno 111] Connection refused",
        "error_traceback": trace,
        "hostname": f"{worker}-64410f3a",
        "worker_id": worker,
        "runpod_version": "1.7.13",
    }
    return json.dumps(told)
