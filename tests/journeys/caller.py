"""Somebody with a token, at the gateway's door."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx

from cli.tokens import issue
from tests.journeys.waiting import until

#: Signs the tokens of every journey.
SECRET = "a secret of the journeys, long enough for HS256"
#: Small pictures make quick journeys.
WIDTH, HEIGHT = 128, 192
SIZE = {"width": WIDTH, "height": HEIGHT}


class Caller:
    """Calls in the name of one user. `ask` and the like raise where the answer is no success."""

    def __init__(self, client: httpx.AsyncClient, username: str, scope: str = "") -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {issue(SECRET, username, 3600, scope)}"}
        self.username = username

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self._client.request(method, path, json=body, headers=self._headers | headers)

    def stream(self, path: str, **headers: str) -> AbstractAsyncContextManager[httpx.Response]:
        return self._client.stream("GET", path, headers=self._headers | headers)

    async def register(self, name: str, **more: Any) -> str:
        """The new character's id."""
        return str((await self._done("POST", "/v1/characters", {"name": name, **more}))["id"])

    async def ask(self, client_id: str, character_id: str, **wish: Any) -> str:
        """The batch's id, which follows from `client_id`."""
        body = SIZE | {"prompt": "opal light", "character_id": character_id} | wish
        return str((await self._done("PUT", f"/v1/batches/{client_id}", body))["id"])

    async def look(self, batch_id: str) -> dict[str, Any]:
        return await self._done("GET", f"/v1/batches/{batch_id}")

    async def reserved(self, batch_id: str) -> dict[str, Any]:
        """The batch, once it has its numbers."""

        async def numbered() -> dict[str, Any] | None:
            batch = await self.look(batch_id)
            return batch if batch["indexes"] else None

        return await until(numbered)

    async def ended(self, batch_id: str) -> dict[str, Any]:
        """The batch, once every image of it has ended."""

        async def complete() -> dict[str, Any] | None:
            batch = await self.look(batch_id)
            return batch if batch["completed_at"] else None

        return await until(complete)

    async def cancel(self, batch_id: str) -> None:
        await self._done("POST", f"/v1/batches/{batch_id}/cancel")

    async def retry(self, batch_id: str) -> None:
        await self._done("POST", f"/v1/batches/{batch_id}/retry")

    async def gallery(self, character_id: str) -> dict[str, Any]:
        """What the old gallery call says under `data`."""
        answer = await self._done("GET", f"/api/image-generation/character/{character_id}")
        data: dict[str, Any] = answer["data"]
        return data

    async def _done(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.call(method, path, body)
        assert answer.is_success, answer.text
        value: dict[str, Any] = answer.json()
        return value


def indexes(images: Iterable[dict[str, Any]]) -> list[int]:
    """Numbers in the order of ordinals."""
    return [image["index"] for image in sorted(images, key=lambda image: image["ordinal"])]
