"""How Admin and Search calls are read and who may make them: Basic auth, and a limit for each hour."""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from sandbox.cloudinary.calls import Call, Handler, Operation, base_url
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.form import Form, read_body
from sandbox.cloudinary.refusals import Refusal


def admin_route(
    environment: ProductEnvironment, name: str, method: str, path: str, handler: Handler
) -> Route:
    operation = Operation(name, _read, _authorised, handler)
    return Route(f"/v1_1/{{cloud}}{path}", operation.endpoint(environment), methods=[method])


async def _read(environment: ProductEnvironment, name: str, request: Request) -> Call:
    form = Form()
    for field, value in request.query_params.multi_items():
        form.add(field, value)
    body = await read_body(request, environment.settings.max_request_bytes)
    fields = {**form.fields, **_json_fields(body)}
    return Call(name, base_url(environment, request), request.headers, request.path_params, fields)


def _json_fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body) if body else {}
    except ValueError:
        raise Refusal(400, "Invalid JSON in request body") from None
    if not isinstance(fields, dict):
        raise Refusal(400, "The request body must be a JSON object")
    return fields


def _authorised(environment: ProductEnvironment, call: Call) -> Mapping[str, str]:
    settings = environment.settings
    key, secret = _credentials(call.headers.get("authorization", ""))
    if key != settings.api_key:
        raise Refusal(401, "unknown api_key")
    if not hmac.compare_digest(secret.encode(), settings.api_secret.encode()):
        raise Refusal(401, "api_secret mismatch")
    if call.path["cloud"] != settings.cloud_name:
        raise Refusal(401, "cloud_name mismatch")
    environment.stats.admin_calls += 1
    return environment.quota.spend()


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    if scheme.lower() != "basic" or not text:
        raise Refusal(401, "Authorization required")
    key, _, secret = text.partition(":")
    return key, secret
