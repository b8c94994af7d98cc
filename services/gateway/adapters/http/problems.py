"""Errors as RFC 9457 problem documents with stable codes. One place turns every exception into one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from messaging.errors import Outage, TemporaryError
from services.gateway.adapters.http.codes import CODES, title_of
from services.gateway.adapters.tokens import Unauthorized, Uncheckable
from services.gateway.domain.callers import Forbidden

log = structlog.get_logger("gateway")

MEDIA_TYPE = "application/problem+json"
#: Errors of one body that are told, and characters of each name in a pointer: both are the caller's own.
MAX_ERRORS, MAX_NAME = 50, 100
#: What the framework itself refuses.
_BY_STATUS = {
    400: "invalid_json",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "content_too_large",
}


class FieldError(BaseModel):
    """What is wrong with one part of the request."""

    pointer: str | None = Field(
        None, description="JSON Pointer (RFC 6901) into the body; empty: all of it", examples=["/quantity"]
    )
    parameter: str | None = Field(None, description="part of the path, query or header", examples=["limit"])
    detail: str = Field(examples=["Input should be less than or equal to 1000"])


class ProblemDocument(BaseModel):
    """RFC 9457, with a stable `code` for programs."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no such batch"])
    instance: str = Field(description="path that was asked for", examples=["/v1/batches/bat_1"])
    code: str = Field(description="for programs; never changes", examples=["not_found"])
    request_id: str | None = Field(
        None, description="the answer's X-Request-Id", examples=["req_00000000000000000000000000000000"]
    )
    errors: list[FieldError] | None = None


class Problem(Exception):
    """An answer that is an error. Its code says its status."""

    def __init__(
        self,
        code: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = CODES[code].status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = extra


def not_found(what: str) -> Problem:
    """Also for what is somebody else's: whoever asks learns nothing of it."""
    return Problem("not_found", f"there is no such {what}")


def install(app: FastAPI) -> None:
    """Registers a handler for everything that can be raised."""
    _install_refusals(app)
    _install_failures(app)


def _install_refusals(app: FastAPI) -> None:
    """What the caller can mend."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return answer(request, error)

    @app.exception_handler(Unauthorized)
    async def unauthorized(request: Request, error: Unauthorized) -> Response:
        challenge = 'Bearer error="invalid_token"' if error.presented else "Bearer"
        return answer(request, Problem("unauthorized", str(error), headers={"WWW-Authenticate": challenge}))

    @app.exception_handler(Forbidden)
    async def forbidden(request: Request, error: Forbidden) -> Response:
        needed = f'Bearer error="insufficient_scope", scope="{error.scope}"'
        headers = {"WWW-Authenticate": needed} if error.scope else {}
        return answer(request, Problem("forbidden", str(error), headers=headers))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(request, _refused(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = _BY_STATUS[error.status_code]
        detail = CODES[code].example if code == "invalid_json" else str(error.detail)
        return answer(request, Problem(code, detail, headers=error.headers))


def _install_failures(app: FastAPI) -> None:
    """What he can't."""

    @app.exception_handler(Uncheckable)
    async def uncheckable(request: Request, error: Uncheckable) -> Response:
        return answer(request, _unavailable(str(error)))

    @app.exception_handler(Outage)
    @app.exception_handler(TemporaryError)
    async def outage(request: Request, error: Exception) -> Response:
        log.warning("request met an outage", **_about(request), reason=str(error))
        return answer(request, _unavailable(CODES["unavailable"].example))

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        log.error("request failed", **_about(request), exc_info=error)
        return answer(request, Problem("internal_error", CODES["internal_error"].example))


def answer(request: Request, problem: Problem) -> Response:
    document = ProblemDocument(
        title=title_of(problem.status),
        status=problem.status,
        detail=problem.detail,
        instance=request.url.path,
        code=problem.code,
        request_id=request.scope.get("darkroom.request_id"),
        errors=list(problem.errors) or None,
    )
    body = document.model_dump(exclude_none=True) | problem.extra
    # ASCII alone: what a caller sent may hold characters that UTF-8 has no bytes for.
    return Response(json.dumps(body).encode(), problem.status, problem.headers, media_type=MEDIA_TYPE)


def _refused(errors: Sequence[Mapping[str, Any]]) -> Problem:
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem("invalid_json", CODES["invalid_json"].example)
    told = [_field_error(error["loc"], str(error["msg"])) for error in errors[:MAX_ERRORS]]
    return Problem("invalid_request", "the request is not what is expected here; see errors", told)


def _field_error(loc: Sequence[int | str], message: str) -> FieldError:
    # FastAPI begins with where it looked: body, query, path or header.
    where, *parts = [_readable(part) for part in loc]
    detail = message.removeprefix("Value error, ")
    if where != "body":
        return FieldError(parameter=".".join(parts) or where, detail=detail)
    escaped = [part.replace("~", "~0").replace("/", "~1") for part in parts]
    return FieldError(pointer="".join(f"/{part}" for part in escaped), detail=detail)


def _readable(part: int | str) -> str:
    return str(part)[:MAX_NAME].encode(errors="replace").decode()


def _unavailable(detail: str) -> Problem:
    return Problem("unavailable", detail, headers={"Retry-After": "5"})


def _about(request: Request) -> dict[str, Any]:
    """What a log line says of a request; the id finds it again."""
    asked = {"method": request.method, "path": request.url.path}
    return {**asked, "request_id": request.scope.get("darkroom.request_id")}
