"""`/api/jobs`: the only calls that tell a waiting, a running and a lost prompt apart."""

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.comfyui.answers import json_of
from sandbox.comfyui.job_views import SORTS, STATUSES, Job, ended_job, sort_jobs, waiting_job
from sandbox.comfyui.machine import Machine
from sandbox.comfyui.routes.prompts import CANONICAL_UUID


class _BadQuery(Exception):
    """The text goes into a 400."""


def routes(machine: Machine) -> list[Route]:
    """As many of them as the server's version has."""
    jobs, settings = _Jobs(machine), machine.settings
    reading = [Route("/jobs", jobs.several, methods=["GET"])]
    cancelling = [
        Route("/jobs/cancel", jobs.cancel_many, methods=["POST"]),
        Route("/jobs/{prompt_id}/cancel", jobs.cancel, methods=["POST"]),
    ]
    one = [Route("/jobs/{prompt_id}", jobs.one, methods=["GET"])]
    return [
        *(reading if settings.at_least("0.6.0") else []),
        *(cancelling if settings.at_least("0.26.0") else []),
        *(one if settings.at_least("0.6.0") else []),
    ]


class _Jobs:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def one(self, request: Request) -> Response:
        """The history is asked first, so a repeated id shows its old run while the new one waits."""
        prompt_id, memory = request.path_params["prompt_id"], self._machine.memory
        ended = memory.history.get(prompt_id)
        if ended is not None:
            return JSONResponse(ended_job(ended, in_full=True))
        for job in self._unfinished():
            if job["id"] == prompt_id:
                return JSONResponse(job)
        return JSONResponse({"error": "Job not found"}, 404)

    async def several(self, request: Request) -> Response:
        try:
            wanted, limit, offset = _filter_of(request.query_params)
        except _BadQuery as bad:
            return JSONResponse({"error": str(bad)}, 400)
        ended = [ended_job(each, in_full=False) for each in self._machine.memory.history.all()]
        chosen = [job for job in [*self._unfinished(), *ended] if job["status"] in wanted]
        descending = request.query_params.get("sort_order", "desc") == "desc"
        jobs = sort_jobs(chosen, request.query_params.get("sort_by", "created_at"), descending)
        page = jobs[offset:] if limit is None else jobs[offset : offset + limit]
        more = offset + len(page) < len(jobs)
        about = {"offset": offset, "limit": limit, "total": len(jobs), "has_more": more}
        return JSONResponse({"jobs": page, "pagination": about})

    async def cancel(self, request: Request) -> Response:
        return JSONResponse({"cancelled": self._machine.cancel(request.path_params["prompt_id"])})

    async def cancel_many(self, request: Request) -> Response:
        body = await json_of(request)
        ids = body.get("job_ids") if isinstance(body, dict) else None
        if not isinstance(ids, list):
            return JSONResponse({"error": "job_ids must be a list"}, 400)
        invalid = [each for each in ids if not (isinstance(each, str) and CANONICAL_UUID.fullmatch(each))]
        if invalid:
            return JSONResponse({"error": "job_ids contains invalid id(s)", "invalid_ids": invalid}, 400)
        cancelled = [self._machine.cancel(each) for each in ids]
        return JSONResponse({"cancelled": any(cancelled)})

    def _unfinished(self) -> list[Job]:
        queue = self._machine.memory.queue
        running = [waiting_job(queue.running, "in_progress")] if queue.running else []
        return running + [waiting_job(ticket, "pending") for ticket in queue.pending()]


def _filter_of(query: QueryParams) -> tuple[list[str], int | None, int]:
    """Statuses, limit and offset. Raises _BadQuery."""
    wanted = [each.strip() for each in query.get("status", ",".join(STATUSES)).split(",") if each.strip()]
    unknown = [each for each in wanted if each not in STATUSES]
    if unknown:
        raise _BadQuery(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {', '.join(STATUSES)}")
    if query.get("sort_by", "created_at") not in SORTS:
        raise _BadQuery(f"sort_by must be one of: {', '.join(SORTS)}")
    if query.get("sort_order", "desc") not in ("asc", "desc"):
        raise _BadQuery("sort_order must be 'asc' or 'desc'")
    limit = _integer(query, "limit")
    if limit is not None and limit <= 0:
        raise _BadQuery("limit must be a positive integer")
    return wanted, limit, max(0, _integer(query, "offset") or 0)


def _integer(query: QueryParams, name: str) -> int | None:
    try:
        return int(query[name]) if name in query else None
    except ValueError:
        raise _BadQuery(f"{name} must be an integer") from None
