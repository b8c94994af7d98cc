"""The stand-in's own calls, for tests: install and clear faults, see what happened, list every asset."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.cloudinary.asset import Asset
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.faults import FaultRule, InstalledRule
from sandbox.cloudinary.store import Outcome

_RULES = TypeAdapter(list[FaultRule])


def control_routes(environment: ProductEnvironment) -> list[Route]:
    async def install(request: Request) -> Response:
        """One rule or a list of them; 422 with the reasons where one is wrong, and then none is installed."""
        body = (await request.body()).strip()
        try:
            rules = _RULES.validate_json(body if body.startswith(b"[") else b"[%b]" % body)
        except ValidationError as error:
            return JSONResponse(
                {"errors": error.errors(include_url=False, include_context=False, include_input=False)}, 422
            )
        environment.faults.install(rules)
        return await _installed(environment, 201)

    async def clear(_: Request) -> Response:
        environment.faults.clear()
        return Response(status_code=204)

    async def installed(_: Request) -> Response:
        return await _installed(environment, 200)

    async def stats(_: Request) -> Response:
        return JSONResponse(_stats(environment))

    async def assets(_: Request) -> Response:
        ordered = sorted(environment.store.all(), key=lambda asset: asset.address)
        return JSONResponse({"assets": [_line(asset) for asset in ordered]})

    calls: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("POST", "faults", install),
        ("DELETE", "faults", clear),
        ("GET", "faults", installed),
        ("GET", "stats", stats),
        ("GET", "assets", assets),
    ]
    return [Route(f"/sandbox/{name}", endpoint, methods=[method]) for method, name, endpoint in calls]


async def _installed(environment: ProductEnvironment, status: int) -> Response:
    return JSONResponse({"faults": [_rule_line(known) for known in environment.faults.installed]}, status)


def _rule_line(known: InstalledRule) -> dict[str, Any]:
    rule = known.rule.model_dump(mode="json", exclude_defaults=True)
    return {**rule, "matched": known.matched, "applied": known.applied}


def _stats(environment: ProductEnvironment) -> dict[str, Any]:
    stats = environment.stats
    return {
        "assets": len(environment.store.all()),
        "uploads": stats.outcomes[Outcome.CREATED],
        "overwrites": stats.outcomes[Outcome.OVERWRITTEN],
        "existing": stats.outcomes[Outcome.EXISTING],
        "admin_calls": stats.admin_calls,
        "calls": dict(stats.calls),
        "faults": dict(stats.faults),
    }


def _line(asset: Asset) -> dict[str, Any]:
    return {
        "public_id": asset.public_id,
        "resource_type": asset.address.resource_type,
        "type": asset.address.type,
        "asset_id": asset.asset_id,
        "etag": asset.content.etag,
        "bytes": asset.content.bytes,
        "version": asset.version,
        "context": dict(asset.description.context),
        "tags": list(asset.description.tags),
        "overwrites": asset.overwrites,
    }
