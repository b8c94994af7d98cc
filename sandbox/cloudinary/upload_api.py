"""The signed calls of the Upload API: how they are read, who may make them, and where they are found."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.routing import Route

from sandbox.cloudinary.calls import Call, Handler, Operation, base_url
from sandbox.cloudinary.edits import context, destroy, explicit, rename, tags
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.form import parse_form, read_body
from sandbox.cloudinary.refusals import Refusal, missing
from sandbox.cloudinary.signature import signature_holds, staleness, string_to_sign
from sandbox.cloudinary.uploads import upload

_HANDLERS: Mapping[str, Handler] = {
    "upload": upload,
    "destroy": destroy,
    "rename": rename,
    "explicit": explicit,
    "tags": tags,
    "context": context,
}


def upload_routes(environment: ProductEnvironment) -> list[Route]:
    return [
        Route(
            f"/v1_1/{{cloud}}/{{resource_type}}/{name}",
            Operation(name, _read, _signed, handler).endpoint(environment),
            methods=["POST"],
        )
        for name, handler in _HANDLERS.items()
    ]


async def _read(environment: ProductEnvironment, name: str, request: Request) -> Call:
    body = await read_body(request, environment.settings.max_request_bytes)
    form = parse_form(request.headers.get("content-type", ""), body)
    return Call(
        name, base_url(environment, request), request.headers, request.path_params, form.fields, form.file
    )


def _signed(environment: ProductEnvironment, call: Call) -> Mapping[str, str]:
    settings, signature = environment.settings, call.text("signature")
    if call.path["cloud"] != settings.cloud_name:
        raise Refusal(401, f"Invalid cloud_name {call.path['cloud']}")
    if not signature:
        raise Refusal(400, "Upload preset must be specified when using unsigned upload")
    if call.required("api_key") != settings.api_key:
        raise Refusal(401, "unknown api_key")
    if not call.text("timestamp").isdecimal():
        raise missing("timestamp")
    if not signature_holds(call.name, call.fields, settings.api_secret, signature):
        signed = string_to_sign(call.name, call.fields)
        raise Refusal(401, f"Invalid Signature {signature}. String to sign - '{signed}'.")
    stale = staleness(int(call.text("timestamp")), environment.now())
    if stale:
        raise Refusal(400, stale)
    _only_what_is_set_up(call)
    return {}


def _only_what_is_set_up(call: Call) -> None:
    """This account has no upload presets and no structured metadata fields, so using them is refused."""
    if call.text("upload_preset"):
        raise Refusal(400, "Upload preset not found")
    if call.text("metadata"):
        raise Refusal(400, "Metadata fields are not defined in this product environment")
