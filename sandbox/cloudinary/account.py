"""The Admin API about the account itself: ping, configuration, usage, folders."""

from starlette.routing import Route

from sandbox.cloudinary.admin_calls import admin_route
from sandbox.cloudinary.answers import Answer, moment
from sandbox.cloudinary.attributes import flag
from sandbox.cloudinary.calls import Call
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.refusals import Refusal


def account_routes(environment: ProductEnvironment) -> list[Route]:
    table = [
        ("ping", "GET", "/ping", _ping),
        ("config", "GET", "/config", _config),
        ("usage", "GET", "/usage", _usage),
        ("usage", "GET", "/usage/{date}", _usage),
        ("root_folders", "GET", "/folders", _folders),
        ("subfolders", "GET", "/folders/{folder:path}", _folders),
    ]
    return [admin_route(environment, *entry) for entry in table]


async def _ping(environment: ProductEnvironment, call: Call) -> Answer:  # noqa: ARG001
    return {"status": "ok"}


async def _config(environment: ProductEnvironment, call: Call) -> Answer:
    settings = environment.settings
    asked = {"settings": {"folder_mode": settings.folder_mode}} if flag(call.text("settings")) else {}
    return {"cloud_name": settings.cloud_name, "created_at": "2024-06-04T00:00:00Z", **asked}


async def _usage(environment: ProductEnvironment, call: Call) -> Answer:  # noqa: ARG001
    settings, assets = environment.settings, environment.store.all()
    stored = sum(asset.content.bytes for asset in assets)
    return {
        "plan": "Free",
        "last_updated": moment(environment.now())[:10],
        "transformations": {"usage": 0},
        "objects": {"usage": len(assets)},
        "bandwidth": {"usage": 0},
        "storage": {"usage": stored},
        "requests": sum(environment.stats.calls.values()),
        "resources": len(assets),
        "derived_resources": 0,
        "media_limits": {
            "image_max_size_bytes": settings.max_image_bytes,
            "raw_max_size_bytes": settings.max_raw_bytes,
            "image_max_px": settings.max_image_pixels,
            "asset_max_total_px": 2 * settings.max_image_pixels,
        },
    }


async def _folders(environment: ProductEnvironment, call: Call) -> Answer:
    """The folders directly below the named one. Only folders that hold something exist here."""
    parent = call.path.get("folder", "").strip("/")
    below = f"{parent}/" if parent else ""
    places = {
        _folder_of(environment, asset.public_id, asset.description.asset_folder)
        for asset in environment.store.all()
    }
    if parent and not any(f"{place}/".startswith(below) for place in places):
        raise Refusal(404, f"Can't find folder with path {parent}")
    names = {place[len(below) :].split("/")[0] for place in places if place.startswith(below)} - {""}
    found = [{"name": name, "path": below + name} for name in sorted(names)]
    return {"folders": found, "next_cursor": None, "total_count": len(found)}


def _folder_of(environment: ProductEnvironment, public_id: str, asset_folder: str) -> str:
    return public_id.rpartition("/")[0] if environment.settings.folder_mode == "fixed" else asset_folder
