"""A gallery whose database was lost, from what storage holds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from chassis.cloudinary_account import Account, Refused, open_account
from chassis.cloudinary_sdk import api
from chassis.database import open_database
from chassis.settings import BadSettings, Settings, Url
from services.gateway.adapters.sql_rebuilding import Rebuilder, Tally
from services.gateway.app import MIGRATIONS
from services.gateway.domain.rebuilding import Asset

#: The most that one listing call answers (Admin API, `max_results`).
PAGE = 500
_FIELDS = ("secure_url", "version", "created_at", "bytes", "format", "width", "height")
_EXTRAS = ("etag", "tags", "context")


class RebuildSettings(Settings):
    """Where the images are, and where the gallery is kept."""

    cloudinary_url: Url = Field(description="`cloudinary://key:secret@cloud`")
    database_url: Url = Field(description="the gateway's own, e.g. `sqlite+aiosqlite:///var/gateway.db`")


async def rebuilt(settings: RebuildSettings, username: str, premade_owner: str | None) -> Tally:
    """Raises BadSettings, and Outage where storage or the database can't be asked."""
    url = settings.database_url.get_secret_value()
    async with (
        open_account(settings.cloudinary_url.get_secret_value(), 1) as account,
        open_database(url, "gateway", MIGRATIONS) as database,
    ):
        rebuilder = Rebuilder(database, premade_owner)
        async for assets in _listing(account, f"{username}/" if username else ""):
            await rebuilder.take(assets)
    return rebuilder.tally


async def _listing(account: Account, prefix: str) -> AsyncIterator[Sequence[Asset]]:
    options: dict[str, Any] = {"type": "upload", "max_results": PAGE, "context": True, "tags": True}
    options |= {"prefix": prefix} if prefix else {}
    cursor: str | None = None
    while True:
        more = {"next_cursor": cursor} if cursor else {}
        try:
            page = await account.call(api.resources, fields=[*_FIELDS, *_EXTRAS], **options, **more)
        except Refused as why:
            raise BadSettings(f"CLOUDINARY_URL: Cloudinary refuses to list: {why}") from why
        yield [_asset(each) for each in page["resources"]]
        cursor = page.get("next_cursor")
        if not cursor:
            return


def _asset(told: Mapping[str, Any]) -> Asset:
    context = told.get("context") or {}
    custom = context.get("custom", context)
    return Asset(
        public_id=str(told["public_id"]),
        url=str(told["secure_url"]),
        version=int(told["version"]),
        created_at=datetime.fromisoformat(told["created_at"]),
        byte_count=int(told["bytes"]),
        format=str(told.get("format") or "png"),
        width=int(told.get("width") or 1),
        height=int(told.get("height") or 1),
        etag=told.get("etag"),
        placeholder="placeholder" in (told.get("tags") or ()),
        context={str(name): str(value) for name, value in custom.items()},
    )
