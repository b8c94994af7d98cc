"""Serves assets as the CDN does: originals, thumbnails, other formats, with headers for caches."""

import hmac
from collections import OrderedDict
from collections.abc import Mapping
from email.utils import formatdate

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.cloudinary.asset import Address, Asset
from sandbox.cloudinary.calls import Call, Operation, base_url
from sandbox.cloudinary.delivery_path import DeliveryPath, parse_delivery_path
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.images import PILLOW_NAMES, format_named
from sandbox.cloudinary.refusals import Refusal
from sandbox.cloudinary.signature import delivery_signatures
from sandbox.cloudinary.transformations import Step, parse_transformation, rendered

_PUBLIC_TYPES = frozenset({"upload"})
_KEPT_DERIVED = 256
#: How long the CDN keeps a copy: 30 days.
_CACHE = "public, no-transform, max-age=2592000"
_DerivedKey = tuple[str, tuple[str, ...], str]


def delivery_routes(environment: ProductEnvironment) -> list[Route]:
    delivery = _Delivery()
    operation = Operation("deliver", _read, _allowed, delivery.deliver)
    path = "/{cloud}/{resource_type:str}/{type:str}/{source:path}"
    return [Route(path, operation.endpoint(environment), methods=["GET"])]


async def _read(environment: ProductEnvironment, name: str, request: Request) -> Call:
    asked = parse_delivery_path(request.path_params["source"])
    path = {**request.path_params, "public_id": asked.source}
    return Call(name, base_url(environment, request), request.headers, path, {})


def _allowed(environment: ProductEnvironment, call: Call) -> Mapping[str, str]:
    """Private and authenticated assets need a signed URL; a wrong signature is refused on any asset."""
    asked = parse_delivery_path(call.path["source"])
    if call.path["cloud"] != environment.settings.cloud_name:
        raise Refusal(404, f"Unknown cloud_name {call.path['cloud']}")
    if asked.signature is None:
        if call.path["type"] not in _PUBLIC_TYPES:
            raise Refusal(401, "Unauthorized: this asset needs a signed URL")
        return {}
    valid = delivery_signatures(asked.signed_part, environment.settings.api_secret)
    if not any(hmac.compare_digest(asked.signature, one) for one in valid):
        raise Refusal(401, "Invalid signature in URL")
    return {}


class _Delivery:
    """Keeps the latest derived images, so that a gallery page costs its resizing once."""

    def __init__(self) -> None:
        self._derived: OrderedDict[_DerivedKey, bytes] = OrderedDict()

    async def deliver(self, environment: ProductEnvironment, call: Call) -> Response:
        asked = parse_delivery_path(call.path["source"])
        asset, target = _wanted(environment, call, asked)
        steps = tuple(parse_transformation(component) for component in asked.transformation)
        target = _target_format(asset, target, steps, call.headers.get("accept", ""))
        headers = _headers(asset, asked, target)
        if call.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        key = (f"{asset.blob}.{asset.content.etag}", asked.transformation, target)
        data = self._derived.get(key)
        if data is None:
            data = await environment.in_thread(_bytes_of, environment, asset, steps, target)
            if steps or target != asset.content.format:
                self._keep(key, data)
        return Response(data, headers=headers, media_type=_media_type(target))

    def _keep(self, key: _DerivedKey, data: bytes) -> None:
        self._derived[key] = data
        while len(self._derived) > _KEPT_DERIVED:
            self._derived.popitem(last=False)


def _wanted(environment: ProductEnvironment, call: Call, asked: DeliveryPath) -> tuple[Asset, str | None]:
    """The asset, and the format its extension asks for; raises Refusal 404."""
    place = Address(call.path["resource_type"], call.path["type"], asked.source)
    stem, _, extension = asked.source.rpartition(".")
    target = format_named(extension) if stem and place.resource_type == "image" else None
    if target:
        asset = environment.store.find(place._replace(public_id=stem))
        if asset:
            return asset, target
    asset = environment.store.find(place)
    if asset is None or (place.resource_type == "raw" and asked.transformation):
        raise Refusal(404, f"Resource not found - {asked.source}")
    return asset, None


def _target_format(asset: Asset, extension: str | None, steps: tuple[Step, ...], accept: str) -> str:
    named = [step.format for step in steps if step.format]
    stored = asset.content.format or ""
    if not named:
        return extension or stored
    if named[-1] != "auto":
        return named[-1]
    return "webp" if "image/webp" in accept else extension or stored


def _bytes_of(environment: ProductEnvironment, asset: Asset, steps: tuple[Step, ...], target: str) -> bytes:
    opened = environment.store.open(asset.address)
    if opened is None:
        raise Refusal(404, f"Resource not found - {asset.public_id}")
    _, file = opened
    with file:
        data = file.read()
    if not steps and target == (asset.content.format or ""):
        return data
    return rendered(data, steps, target)[0]


def _headers(asset: Asset, asked: DeliveryPath, target: str) -> dict[str, str]:
    derived = "".join((*asked.transformation, target)) if asked.transformation else ""
    changed = asset.content.format and target != asset.content.format
    tail = f"-{derived or target}" if derived or changed else ""
    return {
        "ETag": f'"{asset.content.etag}{tail}"',
        "Cache-Control": f"{_CACHE}, immutable" if asked.version is not None else _CACHE,
        "Last-Modified": formatdate(asset.uploaded_at, usegmt=True),
        "Timing-Allow-Origin": "*",
        **({"Vary": "Accept"} if "f_auto" in derived else {}),
        "X-Content-Type-Options": "nosniff",
    }


def _media_type(target: str) -> str:
    if target not in PILLOW_NAMES:
        return "application/octet-stream"
    return "image/x-icon" if target == "ico" else f"image/{'jpeg' if target == 'jpg' else target}"
