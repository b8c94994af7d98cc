"""What ComfyUI's answers mean: where a job stands, and what is wrong with a graph. Pure.

Error texts change between versions, so nothing is read from them; types and structure are what counts.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from services.renderer.domain.equipment import is_model
from services.renderer.domain.remote import File, Finished, Lost, Queued, Running, Seen
from services.renderer.domain.troubles import MISSING_MODEL, MISSING_NODE, Hopeless, Passing, Trouble

Json = Mapping[str, Any]

#: Exceptions of nodes that say nothing about the image: a GPU that broke, a download that did not come.
_GPU_ERRORS = ("AcceleratorError", "CudaError", "CUDAError")
_NETWORK_ERRORS = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "TimeoutError")


def seen_in_job(job: Json, output: str) -> Seen:
    """From `GET /api/jobs/{id}`. Raises Hopeless or Passing where the job failed."""
    match job.get("status"):
        case "completed":
            asked, began, ended = (
                job.get(f"{name}_time") for name in ("create", "execution_start", "execution_end")
            )
            image = one_image(job.get("outputs"), output)
            return Finished(image, _between(began, ended), _between(asked, began))
        case "failed":
            raise node_trouble(_object(job.get("execution_error")))
        case "cancelled":
            raise interrupted()
        case "in_progress":
            return Running()
        case _:
            # An unknown word is a job that goes on: the deadline ends it if it does not.
            return Queued()


def seen_in_history(history: Json, prompt_id: str, output: str) -> Finished | None:
    """From `GET /history/{id}`, None where it is not there. Raises as `seen_in_job`."""
    entry = history.get(prompt_id)
    if not isinstance(entry, Mapping):
        return None
    status = _object(entry.get("status"))
    told = dict(_messages(status.get("messages")))
    if status.get("status_str") != "success":
        # Both a failure and an interruption say "error"; only the messages tell them apart.
        if "execution_interrupted" in told:
            raise interrupted()
        raise node_trouble(told.get("execution_error", {}))
    began, ended = (told.get(name, {}).get("timestamp") for name in ("execution_start", "execution_success"))
    image = one_image(entry.get("outputs"), output)
    return Finished(image, _between(began, ended), _between(_asked(entry.get("prompt")), began))


def seen_in_queue(queue: Json, prompt_id: str) -> Seen:
    """From `GET /queue`."""
    for part, seen in (("queue_running", Running()), ("queue_pending", Queued())):
        if any(len(item) > 1 and item[1] == prompt_id for item in queue.get(part) or ()):
            return seen
    return Lost()


def one_image(outputs: Any, node: str) -> File:
    """The one image that the output node saved; others of its files, and other nodes, do not count.
    Raises Passing where there is none, or more than one."""
    images = _object(_object(outputs).get(node)).get("images") or ()
    files = {
        File(str(image["filename"]), str(image.get("subfolder", "")))
        for image in images
        if isinstance(image, Mapping) and image.get("filename") and image.get("type", "output") == "output"
    }
    if not files:
        raise Passing("no_image", f"the workflow ended without an image from its output node {node}")
    if len(files) > 1:
        raise Passing(
            "too_many_images", f"output node {node} made {len(files)} images where one was expected"
        )
    return files.pop()


def refusal(answer: Json) -> Hopeless:
    """Why `POST /prompt` was answered with 400, or with 200 and `node_errors`."""
    for node, input_errors in _node_errors(answer):
        for error in input_errors:
            return _input_refusal(node, _object(error))
    error = _object(answer.get("error"))
    about = _object(error.get("extra_info"))
    # 0.3.64 says `invalid_prompt`, also of a node without a class, which no workflow of ours has.
    if error.get("type") in ("missing_node_type", "invalid_prompt") or "class_type" in about:
        name = repr(about["class_type"]) if about.get("class_type") else f"of {error.get('details')}"
        return Hopeless(
            MISSING_NODE,
            f"the backend has no node class {name}; install the custom node that brings it there, or take it "
            "out of the workflow",
        )
    reason = error.get("message") or "it gives no reason"
    return Hopeless("invalid_workflow", f"the backend refuses the graph, mend the workflow: {reason}")


def node_trouble(error: Json) -> Trouble:
    """What an `execution_error` means for the image."""
    place = f"node {error.get('node_id')} ({error.get('node_type')})"
    kind = str(error.get("exception_type") or "error")
    if "OutOfMemory" in kind or kind == "MemoryError":
        return Passing("out_of_memory", f"{place} ran out of memory; ask for a smaller image or fewer models")
    if kind.endswith(_GPU_ERRORS):
        return Passing("gpu_error", f"{place} lost its GPU ({kind}); the backend may have to be restarted")
    if kind.endswith(_NETWORK_ERRORS):
        return Passing("node_offline", f"{place} could not reach what it needs ({kind})")
    reason = str(error.get("exception_message") or "").strip().partition("\n")[0]
    return Hopeless(
        "node_failed", f"{place} failed: {kind}: {reason}" if reason else f"{place} failed: {kind}"
    )


def interrupted() -> Passing:
    return Passing("interrupted", "somebody interrupted the job on the backend")


def _input_refusal(node: str, error: Json) -> Hopeless:
    about = _object(error.get("extra_info"))
    name = about.get("input_name", "an input")
    value = about.get("received_value")
    match error.get("type"):
        case "value_not_in_list" if is_model(str(name), value):
            return Hopeless(
                MISSING_MODEL,
                f"{node}: the backend does not have {value!r} for {name}; install it there, or ask for "
                "another",
            )
        case "value_not_in_list" | "value_bigger_than_max" | "value_smaller_than_min" | "invalid_input_type":
            return Hopeless(
                "invalid_parameters", f"{node}: {name} cannot be {value!r}; ask for another value"
            )
        case "custom_validation_failed":
            missing = f"{node}: the backend does not take {value!r} for {name}; see that the file is there"
            return Hopeless("invalid_input", missing)
        case _:
            reason = error.get("message") or "refused"
            return Hopeless("invalid_workflow", f"{node}: {name}: {reason}; mend the workflow")


def _node_errors(answer: Json) -> Iterator[tuple[str, list[Any]]]:
    for node_id, errors in _object(answer.get("node_errors")).items():
        about = _object(errors)
        yield f"node {node_id} ({about.get('class_type')})", about.get("errors") or []


def _asked(prompt: Any) -> Any:
    """When the server took the prompt, from `[number, id, graph, extra_data, outputs]`; old servers do not
    say."""
    return _object(prompt[3]).get("create_time") if isinstance(prompt, list) and len(prompt) > 3 else None


def _messages(messages: Any) -> Iterator[tuple[str, Json]]:
    for message in messages or ():
        if isinstance(message, list | tuple) and len(message) == 2:
            yield str(message[0]), _object(message[1])


def _between(start: Any, end: Any) -> int | None:
    if isinstance(start, int | float) and isinstance(end, int | float) and end >= start:
        return round(end - start)
    return None


def _object(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}
