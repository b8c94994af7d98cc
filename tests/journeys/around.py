"""What stands around the system: the stand-ins, asked and troubled over their own calls."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import httpx

from chassis.cloudinary_url import credentials
from sandbox.cloudinary.signature import digest, string_to_sign
from sandbox.ensemble import StandIns, stand_ins
from tests.journeys.waiting import until


@dataclass(frozen=True)
class Around:
    """ComfyUI servers, RunPod endpoints and a Cloudinary that outlive any system that works with them."""

    where: StandIns
    client: httpx.AsyncClient

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Base URLs of the RunPod endpoints."""
        return tuple(f"{self.where.runpod}/{name}" for name in self.where.endpoints)

    async def assets(self) -> list[dict[str, Any]]:
        """The storage's own list."""
        listed: list[dict[str, Any]] = (await self._get(f"{self.where.storage}/sandbox/assets"))["assets"]
        return listed

    async def images(self) -> dict[str, dict[str, Any]]:
        return {each["public_id"]: each for each in await self.assets() if each["resource_type"] == "image"}

    async def text(self, public_id: str) -> str | None:
        """What a raw asset says, past every cache."""
        cloud = credentials(self.where.urls()["CLOUDINARY_URL"]).cloud_name
        version = next((a["version"] for a in await self.assets() if a["public_id"] == public_id), 1)
        answer = await self.client.get(f"{self.where.storage}/{cloud}/raw/upload/v{version}/{public_id}")
        return answer.text if answer.is_success else None

    async def renders(self) -> Counter[str]:
        """filename_prefix -> how often a backend rendered it, over all backends."""
        renders: Counter[str] = Counter()
        for stats in await self.backends():
            renders.update(stats["executions"])
        return renders

    async def backends(self) -> list[dict[str, Any]]:
        """What each ComfyUI server and each endpoint counted."""
        return [
            await self._get(f"{backend}/sandbox/stats") for backend in (*self.where.backends, *self.endpoints)
        ]

    async def storage(self) -> Mapping[str, Any]:
        stats: dict[str, Any] = await self._get(f"{self.where.storage}/sandbox/stats")
        return stats

    async def trouble_backends(self, *rules: Mapping[str, Any]) -> None:
        for backend in self.where.backends:
            await self.trouble_backend(backend, *rules)

    async def trouble_backend(self, backend: str, *rules: Mapping[str, Any]) -> None:
        await self._post(f"{backend}/sandbox/faults", list(rules))

    async def calm_backends(self) -> None:
        for backend in self.where.backends:
            (await self.client.delete(f"{backend}/sandbox/faults")).raise_for_status()

    async def trouble_storage(self, *rules: Mapping[str, Any]) -> None:
        await self._post(f"{self.where.storage}/sandbox/faults", list(rules))

    async def calm_storage(self) -> None:
        (await self.client.delete(f"{self.where.storage}/sandbox/faults")).raise_for_status()

    async def put(self, public_id: str, data: bytes) -> None:
        """Stores an image as any holder of the key can, over whatever lies there."""
        await upload(self.client, self.where.urls()["CLOUDINARY_URL"], public_id, data)

    async def mirrored(self, folder: str, next_index: int) -> None:
        """Returns once the folder's index.txt says so."""

        async def says() -> bool:
            return await self.text(f"{folder}/index.txt") == str(next_index)

        await until(says)

    async def _get(self, url: str) -> Any:
        return (await self.client.get(url)).raise_for_status().json()

    async def _post(self, url: str, body: Sequence[Mapping[str, Any]]) -> None:
        (await self.client.post(url, json=body)).raise_for_status()


async def upload(client: httpx.AsyncClient, account_url: str, public_id: str, data: bytes) -> None:
    account = credentials(account_url)
    fields = {"public_id": public_id, "overwrite": "true", "timestamp": str(int(time()))}
    signature = digest(string_to_sign("upload", fields), account.api_secret)
    url = f"{account.upload_prefix}/v1_1/{account.cloud_name}/image/upload"
    form = fields | {"api_key": account.api_key, "signature": signature}
    (await client.post(url, data=form, files={"file": ("image.png", data)})).raise_for_status()


@asynccontextmanager
async def around(folder: Path, render_seconds: float) -> AsyncIterator[Around]:
    async with (
        stand_ins(folder / "sandbox", backends=2, storage=True, render_seconds=render_seconds) as where,
        httpx.AsyncClient(timeout=20) as client,
    ):
        yield Around(where, client)
