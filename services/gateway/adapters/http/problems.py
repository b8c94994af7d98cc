"""Errors as RFC 9457 problem documents with stable codes. One place turns every exception into one."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from messaging.errors import Outage, TemporaryError
from services.gateway.adapters.tokens import Forbidden, Unauthorized

log = structlog.get_logger("gateway")

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """What is wrong with one part of the request."""

    pointer: str = Field(examples=["/quantity"])
    detail: str = Field(examples=["ask for 1 to 1000 images"])


class ProblemDocument(BaseModel):
    """RFC 9457, with a stable `code` for programs."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no such batch"])
    instance: str = Field(examples=["/v1/batches/bat_1"])
    code: str = Field(examples=["not_found"])
    request_id: str | None = None
    errors: list[FieldError] | None = None


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra


def not_found(what: str) -> Problem:
    """Also for what is somebody else's: whoever asks learns nothing of it."""
    return Problem(404, "not_found", f"there is no such {what}")


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems, for the OpenAPI document."""
    return {
        status: {
            "model": ProblemDocument,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in sorted({401, 403, 500, 503, *statuses})
    }


def install(app: FastAPI) -> None:
    """Registers a handler for everything that can be raised."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> JSONResponse:
        return _answer(request, error)

    @app.exception_handler(Unauthorized)
    async def unauthorized(request: Request, error: Unauthorized) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"}
        return _answer(request, Problem(401, "unauthorized", str(error), headers=headers))

    @app.exception_handler(Forbidden)
    async def forbidden(request: Request, error: Forbidden) -> JSONResponse:
        return _answer(request, Problem(403, "forbidden", str(error)))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [(_pointer(each["loc"]), str(each["msg"])) for each in error.errors()]
        return _answer(request, Problem(422, "invalid_request", "the request can't be read", errors))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_").replace("-", "_")
        return _answer(
            request, Problem(error.status_code, code, str(error.detail), headers=dict(error.headers or {}))
        )

    @app.exception_handler(Outage)
    @app.exception_handler(TemporaryError)
    async def outage(request: Request, error: Exception) -> JSONResponse:
        log.warning("request met an outage", path=request.url.path, reason=str(error))
        detail = "a part of the system is down; try again in a moment"
        return _answer(request, Problem(503, "unavailable", detail, headers={"Retry-After": "5"}))

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request failed", path=request.url.path, exc_info=error)
        return _answer(request, Problem(500, "internal_error", "something here is broken; it was logged"))


def _answer(request: Request, problem: Problem) -> JSONResponse:
    document = ProblemDocument(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        instance=request.url.path,
        code=problem.code,
        request_id=request.scope.get("darkroom.request_id"),
        errors=[FieldError(pointer=pointer, detail=detail) for pointer, detail in problem.errors] or None,
    )
    body = document.model_dump(exclude_none=True) | problem.extra
    return JSONResponse(body, problem.status, problem.headers, media_type=MEDIA_TYPE)


def _pointer(loc: Sequence[int | str]) -> str:
    # FastAPI begins with where it looked: body, query, path or header.
    return "/" + "/".join(str(part) for part in (loc[1:] or loc))
