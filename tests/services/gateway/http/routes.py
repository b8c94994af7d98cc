"""Every call of the API with what it asks of its caller. A route that is not here fails the matrix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from contracts.events import IndicesReserved
from contracts.message import Message
from services.gateway.domain.callers import GRANTED
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door

#: Names in paths -> ids of one user's things.
Things = dict[str, str]
#: Where webhooks may call, and nobody answers.
NOBODY = "http://127.0.0.1:1024/"
#: A body that is right in itself, of these things and this user.
Body = Callable[[Things, str], dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """What its owner is answered, somebody else, and somebody else where the character is premade."""

    scope: str
    owner: int
    other: int
    premade: int
    body: Body | None = None
    #: Statuses with which others are hidden what is not theirs.
    hides: bool = True

    @property
    def named(self) -> str | None:
        """The scope that a token has to name, where a user's own does not do."""
        return self.scope if self.scope in GRANTED else None


def owned(scope: str, status: int, premade: int = 404, body: Body | None = None) -> Call:
    """Names a thing of somebody's."""
    return Call(scope, status, 404, premade, body)


def free(scope: str, status: int, body: Body | None = None) -> Call:
    """Names nothing of anybody's: everybody is answered the same."""
    return Call(scope, status, status, status, body, hides=False)


ROUTES: Mapping[str, Call] = {
    "generateImages": owned(
        "batches:write", 202, 202, lambda things, _: {"characterId": things["character_id"], "prompt": "x"}
    ),
    "listCharacterImages": owned("images:read", 200, 200),
    "registerCharacter": free("characters:write", 201, lambda _, user: {"name": f"New of {user}"}),
    "listCharacters": free("characters:read", 200),
    "getCharacter": owned("characters:read", 200, 200),
    "askForBatch": owned("batches:write", 202, 202, lambda _things, _user: {"prompt": "x"}),
    "putBatch": owned(
        "batches:write", 202, 202, lambda things, _: {"character_id": things["character_id"], "prompt": "x"}
    ),
    "listBatches": free("batches:read", 200),
    "getBatch": owned("batches:read", 200),
    "streamBatchEvents": owned("batches:read", 200),
    "streamEvents": free("batches:read", 200),
    "cancelBatch": owned("batches:write", 200),
    "retryBatch": owned("batches:write", 202),
    "listImages": owned("images:read", 200, 200),
    "getImage": owned("images:read", 200),
    "exportImages": owned("images:read", 200, 200),
    # Storage is away there.
    "downloadImage": owned("images:read", 503),
    "markImage": owned("images:write", 200, body=lambda _things, _user: {"favourite": True}),
    "changeImages": free(
        "images:write", 200, lambda things, _: {"action": "favourite", "ids": [things["image_id"]]}
    ),
    "makeCollection": free("images:write", 201, lambda _, user: {"name": f"New of {user}"}),
    "listCollections": free("images:read", 200),
    "getCollection": owned("images:read", 200),
    "renameCollection": owned("images:write", 200, body=lambda _things, _user: {"name": "Renamed"}),
    "listCollected": owned("images:read", 200),
    "collectImages": owned("images:write", 200, body=lambda things, _: {"ids": [things["image_id"]]}),
    "collectImage": owned("images:write", 204),
    "removeCollectedImage": owned("images:write", 204),
    "dropCollection": owned("images:write", 204),
    "deleteImage": owned("images:write", 202),
    "listWorkflows": free("batches:read", 200),
    "getUsage": free("usage:read", 200),
    "addWebhook": free("webhooks", 201, lambda _things, _user: {"url": NOBODY}),
    "listWebhooks": free("webhooks", 200),
    "getWebhook": owned("webhooks", 200),
    "changeWebhook": owned("webhooks", 200, body=lambda _things, _user: {"description": "x"}),
    "rotateWebhookSecret": owned("webhooks", 200),
    "testWebhook": owned("webhooks", 202),
    "listDeliveries": owned("webhooks", 200),
    "getDelivery": owned("webhooks", 200),
    "redeliver": owned("webhooks", 202),
    "removeWebhook": owned("webhooks", 204),
    "getWebhookSecret": free("webhooks", 200),
    "rotateOwnWebhookSecret": free("webhooks", 200),
    "getOverview": free("operate", 200),
    "listDeadLetters": free("operate", 200),
    "getDeadLetter": free("operate", 404),
    "replayDeadLetters": free("operate", 200, lambda things, _: {"ids": [things["dead_letter_id"]]}),
    "dropDeadLetters": free("operate", 200, lambda things, _: {"ids": [things["dead_letter_id"]]}),
}

#: Calls that change what the others need: first the stream, which ends while its batch has ended, and the
#: retry of what is not being cancelled; then whatever only looks; then these, in this order.
FIRST = ("streamBatchEvents", "retryBatch")
LAST = ("cancelBatch", "dropCollection", "deleteImage", "removeWebhook")
IN_ORDER = (*FIRST, *(name for name in ROUTES if name not in (*FIRST, *LAST)), *LAST)


#: The stream that has no end of its own.
EVENTS = "/v1/events"


async def documented(door: Door) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Of every call that needs a token: name -> method, path and what the OpenAPI document says of it."""
    async with httpx.AsyncClient(base_url=door.url) as http:
        document = (await http.get("/openapi.json")).json()
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation["security"]
    }


async def call(
    http: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None, **headers: str
) -> httpx.Response:
    said = httpx.Headers({"Prefer": "respond-async", **headers}, encoding="latin-1")
    async with http.stream(method, path, json=body, headers=said) as answer:
        endless = path == EVENTS and answer.is_success
        content = b"" if endless else await answer.aread()
    return httpx.Response(answer.status_code, headers=answer.headers, content=content)


async def things_of_areg(
    door: Door, premade: bool, stored: Callable[[IndicesReserved, int], Message] = peer.stored
) -> Things:
    """A character of his, a premade one or his own, a batch of it that can be retried, and a collection. What
    is `stored` lies where nobody is, unless it says otherwise."""
    name = "Everybodys" if premade else "Opal Fever"
    character_id = await door.character(name, premade=premade)

    def one_fails(event: IndicesReserved) -> list[Message]:
        return [stored(event, 0), peer.failed(event, 1)]

    door.peer.script = one_fails
    made = await door.batch(character_id)
    await door.peer.bus.settled()
    while (await door.seen(made["id"]))["completed_at"] is None:
        await door.peer.reserved()
    collection = await door.areg.post("/v1/collections", json={"name": name})
    webhook_id = (await door.areg.post("/v1/webhooks", json={"url": NOBODY})).json()["id"]
    delivery = await door.areg.post(f"/v1/webhooks/{webhook_id}/test")
    return {
        "character_id": character_id,
        "batch_id": made["id"],
        "client_id": f"own-{premade}",
        "image_id": f"{made['id']}.0",
        "collection_id": collection.json()["id"],
        "webhook_id": webhook_id,
        "delivery_id": delivery.json()["id"],
        "dead_letter_id": "renderer.IndicesReserved:nobody",
    }
