"""How every call runs: it is read, faults get their turn, its credentials are checked, it is carried out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from sandbox.cloudinary.asset import Address
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.fault_answers import under_fault
from sandbox.cloudinary.form import SentFile
from sandbox.cloudinary.refusals import Refusal, missing

_NAMING_FIELDS = ("public_id", "public_ids", "from_public_id", "to_public_id", "prefix")


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it was sent, whatever its encoding: form, query or JSON."""

    name: str
    base_url: str
    headers: Headers
    path: Mapping[str, str]
    fields: Mapping[str, Any]
    file: SentFile | None = None

    def text(self, name: str, default: str = "") -> str:
        value = self.fields.get(name)
        return default if value is None or isinstance(value, list | dict) else str(value)

    def required(self, name: str) -> str:
        """The field's text; raises Refusal where it is missing."""
        value = self.text(name)
        if not value:
            raise missing(name)
        return value

    def texts(self, name: str) -> list[str]:
        value = self.fields.get(name)
        return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []

    def address(self, public_id: str) -> Address:
        kind = self.path.get("type") or self.text("type", "upload") or "upload"
        return Address(self.path.get("resource_type", "image"), kind, public_id)

    @property
    def public_ids(self) -> Sequence[str]:
        named = [text for name in _NAMING_FIELDS for text in self.texts(name)]
        return [*named, self.path["public_id"]] if "public_id" in self.path else named


Body = Mapping[str, Any]
ReadCall = Callable[[ProductEnvironment, str, Request], Awaitable[Call]]
#: Lets a call in and gives the headers its answer must carry; raises Refusal.
Guard = Callable[[ProductEnvironment, Call], Mapping[str, str]]
Handler = Callable[[ProductEnvironment, Call], Awaitable[Body | Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    read: ReadCall
    guard: Guard
    handler: Handler

    def endpoint(self, environment: ProductEnvironment) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            response = await self._answered(environment, request)
            response.headers["X-Request-Id"] = uuid4().hex
            return response

        return endpoint

    async def _answered(self, environment: ProductEnvironment, request: Request) -> Response:
        try:
            call = await self.read(environment, self.name, request)
        except Refusal as refusal:
            return refusal.response()
        except ClientDisconnect:
            # Clients killed in the middle of an upload are what this stand-in is for; nobody hears this.
            return Response(status_code=499)
        environment.stats.calls[self.name] += 1
        rule = environment.faults.take(self.name, call.public_ids)
        if rule:
            environment.stats.faults[rule.kind] += 1
        return await under_fault(rule, lambda: self._carried_out(environment, call), environment.now())

    async def _carried_out(self, environment: ProductEnvironment, call: Call) -> Response:
        headers: Mapping[str, str] = {}
        try:
            headers = self.guard(environment, call)
            result = await self.handler(environment, call)
        except Refusal as refusal:
            refusal.headers.update(headers)
            return refusal.response()
        response = result if isinstance(result, Response) else JSONResponse(result)
        response.headers.update(headers)
        return response


def base_url(environment: ProductEnvironment, request: Request) -> str:
    return environment.settings.base_url or str(request.base_url).rstrip("/")
