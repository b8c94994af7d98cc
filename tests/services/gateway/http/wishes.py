"""Questions that a test asks, right or wrong."""

import json
from typing import Any

import httpx

from tests.services.gateway.http.door import JSON, Door

CHARACTERS = "/v1/characters"
GENERATE = "/api/image-generation/generate"


async def ask(door: Door, **wish: Any) -> httpx.Response:
    """What a batch of Areg's only character is answered with; the body goes as Python writes it."""
    known = (await door.areg.get(CHARACTERS)).json()["items"]
    character_id = known[0]["id"] if known else await door.character()
    path = f"{CHARACTERS}/{character_id}/batches"
    return await door.areg.post(path, content=json.dumps({"prompt": "x", **wish}), headers=JSON)


def pointers(answer: httpx.Response) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]
