"""The calls of one endpoint, below `/v2/ENDPOINT`."""

import asyncio
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.runpod.endpoint import Endpoint
from sandbox.runpod.jobs import BadCall, Job, submission_of

#: Of `/runsync?wait=`, in milliseconds.
_SHORTEST_WAIT, _LONGEST_WAIT, _DEFAULT_WAIT = 1000, 300_000, 90_000


def routes(endpoint: Endpoint) -> list[Route]:
    calls = _Calls(endpoint)
    return [
        Route("/run", calls.run, methods=["POST"]),
        Route("/runsync", calls.run_and_wait, methods=["POST"]),
        Route("/status/{job_id}", calls.status, methods=["GET"]),
        Route("/cancel/{job_id}", calls.cancel, methods=["POST"]),
        Route("/retry/{job_id}", calls.retry, methods=["POST"]),
        Route("/purge-queue", calls.purge, methods=["POST"]),
        Route("/health", calls.health, methods=["GET"]),
    ]


class _Calls:
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._settings = endpoint, endpoint.settings

    async def run(self, request: Request) -> Response:
        body = await _json(request, self._settings.max_run_bytes)
        submission = submission_of(body, self._settings)
        job = self._endpoint.submit(submission, _origin(request), self._settings.kept_seconds)
        # Whatever has become of it meanwhile.
        return JSONResponse({"id": job.id, "status": "IN_QUEUE"})

    async def run_and_wait(self, request: Request) -> Response:
        wait = _whole(request, "wait", _DEFAULT_WAIT)
        if not _SHORTEST_WAIT <= wait <= _LONGEST_WAIT:
            raise BadCall(f"wait must be from {_SHORTEST_WAIT} to {_LONGEST_WAIT} ms")
        body = await _json(request, self._settings.max_runsync_bytes)
        submission, kept = submission_of(body, self._settings), self._settings.kept_after_runsync_seconds
        job = self._endpoint.submit(submission, _origin(request), kept, "sync-")
        try:
            async with asyncio.timeout(wait / 1000):
                await job.ended.wait()
        except TimeoutError:
            pass  # the caller gets the state as it is, and may ask on
        return await self._told(job)

    async def status(self, request: Request) -> Response:
        job = self._job(request)
        if "ttl" in request.query_params:
            self._endpoint.keep_at_most(job, _whole(request, "ttl", 0) / 1000)
        return await self._told(job)

    async def cancel(self, request: Request) -> Response:
        job = self._job(request)
        self._endpoint.cancel(job)
        return JSONResponse({"id": job.id, "status": job.state.value})

    async def retry(self, request: Request) -> Response:
        job = self._job(request)
        if not self._endpoint.retry(job):
            raise BadCall(f"only a FAILED or TIMED_OUT job can be retried; this one is {job.state.value}")
        return JSONResponse({"id": job.id, "status": "IN_QUEUE"})

    async def purge(self, _request: Request) -> Response:
        return JSONResponse({"removed": self._endpoint.purge(), "status": "completed"})

    async def health(self, _request: Request) -> Response:
        return JSONResponse(self._endpoint.health())

    async def _told(self, job: Job) -> Response:
        return Response(await self._endpoint.told(job), media_type="application/json")

    def _job(self, request: Request) -> Job:
        job = self._endpoint.find(request.path_params["job_id"])
        if job is None:
            raise HTTPException(404, "job not found")
        return job


async def _json(request: Request, most: int) -> Any:
    content = await request.body()
    if len(content) > most:
        raise BadCall(f"the body has more than {most} bytes")
    try:
        return json.loads(content)
    except ValueError:
        raise BadCall("the body is not JSON") from None


def _whole(request: Request, name: str, default: int) -> int:
    told = request.query_params.get(name)
    if told is None:
        return default
    if not told.isdecimal():
        raise BadCall(f"{name} must be a number of milliseconds")
    return int(told)


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
