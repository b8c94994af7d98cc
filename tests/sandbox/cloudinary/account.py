"""A served stand-in and the real SDK pointed at it, call by call, so that tests share no configuration."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cloudinary.api
import cloudinary.uploader
import httpx
from cloudinary.search import Search
from PIL import Image

from sandbox.cloudinary import CloudinarySettings
from sandbox.cloudinary import cloudinary as stand_in
from sandbox.serving import serve

SECRET = "abcd-of-tests"
KEY = "874837483274837"


@dataclass(frozen=True)
class Account:
    base: str
    http: httpx.AsyncClient
    settings: CloudinarySettings

    @property
    def credentials(self) -> dict[str, Any]:
        settings = self.settings
        named = {
            "cloud_name": settings.cloud_name,
            "api_key": settings.api_key,
            "api_secret": settings.api_secret,
        }
        return {**named, "upload_prefix": self.base, "timeout": 20}

    async def upload(self, data: Any, **options: Any) -> dict[str, Any]:
        return await self.uploader("upload", data, **options)

    async def uploader(self, call: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        function = getattr(cloudinary.uploader, call)
        answer: dict[str, Any] = await asyncio.to_thread(
            function, *arguments, **{**self.credentials, **options}
        )
        return answer

    async def admin(self, call: str, *arguments: Any, **options: Any) -> Any:
        function = getattr(cloudinary.api, call)
        return await asyncio.to_thread(function, *arguments, **{**self.credentials, **options})

    async def search(self, expression: str, **query: Any) -> Any:
        search = Search().expression(expression)
        for name, value in query.items():
            search.query[name] = value
        return await asyncio.to_thread(search.execute, **self.credentials)

    async def fault(self, **rule: Any) -> None:
        (await self.http.post("/sandbox/faults", json=rule)).raise_for_status()

    async def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = (await self.http.get("/sandbox/stats")).json()
        return stats

    async def assets(self) -> list[dict[str, Any]]:
        assets: list[dict[str, Any]] = (await self.http.get("/sandbox/assets")).json()["assets"]
        return assets


@asynccontextmanager
async def account_at(
    folder: Path, now: Callable[[], float] = time.time, **settings: Any
) -> AsyncIterator[Account]:
    chosen = CloudinarySettings(folder, **{"api_key": KEY, "api_secret": SECRET, **settings})
    async with serve(stand_in(chosen, now)) as base, httpx.AsyncClient(base_url=base) as http:
        try:
            yield Account(base, http, chosen)
        finally:
            cloudinary.uploader._http.clear()
            cloudinary.api_client.call_api._http.clear()


def png(colour: str = "red", size: tuple[int, int] = (6, 4)) -> bytes:
    return picture("PNG", colour, size)


def picture(pillow_format: str, colour: str = "red", size: tuple[int, int] = (6, 4)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, pillow_format)
    return out.getvalue()
