"""How `/api/jobs` words a prompt, whether it waits, runs or has ended. Pure."""

from collections.abc import Iterable
from typing import Any

from sandbox.comfyui.history import Ended
from sandbox.comfyui.prompt_queue import Ticket

Job = dict[str, Any]
STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
SORTS = ("created_at", "execution_duration")
_ENDS = ("execution_success", "execution_error", "execution_interrupted")


def waiting_job(ticket: Ticket, status: str) -> Job:
    counts = {"outputs_count": 0, "previewable_outputs_count": 0}
    return _without_nothing({**_identity(ticket, status), **counts})


def ended_job(ended: Ended, in_full: bool) -> Job:
    images = [(node, image) for node, shown in ended.outputs.items() for image in shown.get("images", [])]
    job = _without_nothing(
        {
            **_identity(ended.ticket, _status(ended)),
            "execution_start_time": _time(ended, "execution_start"),
            "execution_end_time": _time(ended, *_ENDS),
            "execution_error": ended.told("execution_error"),
            "outputs_count": len(images),
            "previewable_outputs_count": len(images),
            "preview_output": _preview(images),
        }
    )
    return {**job, **_details(ended)} if in_full else job


def sort_jobs(jobs: Iterable[Job], by: str, descending: bool) -> list[Job]:
    return sorted(jobs, key=_duration if by == "execution_duration" else _created, reverse=descending)


def _status(ended: Ended) -> str:
    if ended.succeeded:
        return "completed"
    return "cancelled" if ended.last == "execution_interrupted" else "failed"


def _identity(ticket: Ticket, status: str) -> Job:
    workflow = ticket.pnginfo.get("workflow")
    return {
        "id": ticket.prompt_id,
        "status": status,
        "priority": ticket.number,
        "create_time": ticket.extra_data["create_time"],
        "workflow_id": workflow.get("id") if isinstance(workflow, dict) else None,
    }


def _preview(images: list[tuple[str, dict[str, str]]]) -> dict[str, str] | None:
    """The first image that stays, else the first one."""
    ranked = sorted(images, key=lambda each: each[1]["type"] != "output")
    return {**ranked[0][1], "nodeId": ranked[0][0], "mediaType": "images"} if ranked else None


def _details(ended: Ended) -> Job:
    workflow = {"prompt": ended.ticket.graph, "extra_data": ended.ticket.extra_data}
    return {"outputs": ended.outputs, "execution_status": ended.status(), "workflow": workflow}


def _time(ended: Ended, *names: str) -> int | None:
    told = ended.told(*names)
    return told["timestamp"] if told else None


def _duration(job: Job) -> float:
    start, end = job.get("execution_start_time"), job.get("execution_end_time")
    return end - start if start and end else 0


def _created(job: Job) -> float:
    return float(job["create_time"])


def _without_nothing(job: Job) -> Job:
    return {name: value for name, value in job.items() if value is not None}
