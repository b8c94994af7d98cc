"""Which folder mode an account has: fixed, where the public id is the folder, or dynamic, where it isn't."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal

from chassis.cloudinary_answers import Limited, NotFound, Refused
from chassis.cloudinary_sdk import api, uploader
from messaging.errors import Outage

FolderMode = Literal["fixed", "dynamic"]

#: Lies there for a moment where the account has to show its mode.
PROBE = "darkroom-folder-mode.txt"

Call = Callable[..., Awaitable[dict[str, Any]]]


async def folder_mode(call: Call) -> FolderMode:
    """Asks the Admin API, and where its hourly quota is used up lets the Upload API show it, which has none:
    uploads need not wait an hour for it. Raises Outage where neither says."""
    try:
        return await _told(call)
    except Limited:
        return await _shown(call)
    except (NotFound, Refused) as why:
        raise Outage(f"Cloudinary does not say which folder mode the account has: {why}") from why


async def _told(call: Call) -> FolderMode:
    settings = (await call(api.config, settings=True)).get("settings")
    match settings:
        case {"folder_mode": "fixed"}:
            return "fixed"
        case {"folder_mode": "dynamic"}:
            return "dynamic"
    raise Outage("Cloudinary does not say which folder mode the account has")


async def _shown(call: Call) -> FolderMode:
    """Answers to uploads have `asset_folder` in a dynamic account, and `folder` in a fixed one."""
    asset = {"public_id": PROBE, "resource_type": "raw", "type": "upload"}
    try:
        answer = await call(uploader.upload, b"?", filename=PROBE, overwrite=True, **asset)
    except (NotFound, Refused) as why:
        raise Outage(f"Cloudinary does not show which folder mode the account has: {why}") from why
    # What stays is one small file, written over the next time.
    with suppress(Outage, NotFound, Refused):
        await call(uploader.destroy, PROBE, resource_type="raw", type="upload")
    if "asset_folder" not in answer and "folder" not in answer:
        raise Outage("Cloudinary does not show which folder mode the account has")
    return "dynamic" if "asset_folder" in answer else "fixed"
