"""What a caller does over HTTP: register characters, ask for batches, look how far they are."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from cli.demo.plan import STUDIO, Role, Wish
from cli.tokens import issue

HOUR = 3600.0
LOOK_SECONDS = 0.2


class Visitor:
    """Calls the gateway in the name of whoever the plan says."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._key = key

    async def register(self, role: Role) -> str:
        """The new character's id."""
        answer = await self._client.post("/v1/characters", json=role.body(), headers=self._as(role.owner))
        return str(_object(answer)["id"])

    async def ask(self, wish: Wish, character_id: str) -> dict[str, Any]:
        path = f"/v1/characters/{character_id}/batches"
        headers = self._as(wish.username) | {"Prefer": "respond-async"}
        return _object(await self._client.post(path, json=wish.body(), headers=headers))

    async def look(self, wish: Wish, batch_id: str) -> dict[str, Any]:
        return _object(await self._client.get(f"/v1/batches/{batch_id}", headers=self._as(wish.username)))

    async def follow(
        self, wish: Wish, batch_id: str, seen: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """The batch once it has ended; `seen` is told every state on the way."""
        while True:
            batch = await self.look(wish, batch_id)
            seen(batch)
            if batch["completed_at"] is not None:
                return batch
            await asyncio.sleep(LOOK_SECONDS)

    async def fetch(self, url: str) -> bytes:
        answer = await self._client.get(url)
        answer.raise_for_status()
        return answer.content

    def _as(self, username: str) -> dict[str, str]:
        scope = "premade" if username == STUDIO else ""
        return {"Authorization": f"Bearer {issue(self._key, username, HOUR, scope)}"}


def _object(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
    value: dict[str, Any] = answer.json()
    return value
