"""The users: they ask by HTTP and by message, change their minds, and never give up on an answer."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aio_pika
import httpx
from aio_pika.exceptions import AMQPError

from tests.chaos.system.evidence import Asked
from tests.chaos.system.wishes import OWN, SHARED, USERS, Character, Wish
from tests.distributed.wire import channel
from tests.journeys.caller import Caller

EXCHANGE, ROUTE = "darkroom", "GenerateBatch.v1"
#: Seconds between two looks at a batch, and between two tries of a call that met an outage.
LOOK, AGAIN = 0.5, 0.5
#: Seconds after which a message to a silent broker is sent again.
UNCONFIRMED = 10.0
#: What tells a caller to come back: too much at once, the first call under a key is under way, an outage.
LATER = {429, 503}
LATER_CODES = {"idempotency_key_in_use", "batch_canceling"}


@dataclass
class People:
    """Keeps a note of whatever was accepted; the checker goes by these notes."""

    client: httpx.AsyncClient
    bus_url: str
    asked: list[Asked] = field(default_factory=list)
    hopeless: set[bytes] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)
    #: Whatever counts as a step ahead, so that a run that stands still can be told from a slow one.
    steps: int = 0

    async def characters(self) -> list[tuple[str, Character]]:
        """Registers them, and pairs each with everybody who may use it."""
        studio = Caller(self.client, "studio", "premade")
        shared = await studio.register(SHARED[0], premade=True)
        found = [(user, Character(shared, *SHARED, "premade_characters")) for user in USERS]
        for user in USERS:
            caller = Caller(self.client, user)
            for name, slug in OWN:
                found.append((user, Character(await caller.register(name), name, slug, "characters")))
        return found

    async def live(self, wish: Wish) -> None:
        """From the wish to the last thing that its user does about it."""
        asked = await self._ask(wish)
        if wish.afterwards.startswith("cancel"):
            await asyncio.sleep(wish.patience)
            asked.cancelled = True
            await self._told(wish.username, "POST", f"/v1/batches/{asked.batch_id}/cancel")
        batch = await self._ended(wish.username, asked.batch_id)
        if wish.afterwards.endswith("retry"):
            answer = await self._told(wish.username, "POST", f"/v1/batches/{asked.batch_id}/retry")
            asked.retried = answer.is_success
            batch = await self._ended(wish.username, asked.batch_id)
        if wish.afterwards == "delete":
            await self._delete(wish, asked, batch)
        if wish.twice and wish.by == "message":
            await self._contradict(wish, asked)

    async def inject(self, body: bytes, route: str = ROUTE) -> None:
        """Puts a message on the exchange, until the broker has confirmed it."""
        while True:
            try:
                async with asyncio.timeout(UNCONFIRMED), channel(self.bus_url) as opened:
                    exchange = await opened.get_exchange(EXCHANGE, ensure=False)
                    await exchange.publish(aio_pika.Message(body), route)
            except (OSError, AMQPError, TimeoutError, RuntimeError):
                await asyncio.sleep(AGAIN)
            else:
                self.steps += 1
                return

    async def send_nonsense(self, count: int, dice: random.Random, pauses: tuple[float, float]) -> None:
        """Messages that nobody can read, and orders that nobody can carry out."""
        for number in range(count):
            await asyncio.sleep(dice.uniform(*pauses))
            if number % 3 == 2:
                batch_id = f"refused-{number}"
                self.refused.add(batch_id)
                await self.inject(json.dumps(impossible(number, batch_id)).encode())
            else:
                body = unreadable(number)
                self.hopeless.add(body)
                await self.inject(body)

    async def _ask(self, wish: Wish) -> Asked:
        if wish.by == "message":
            batch_id = f"wish-{wish.number}-{uuid4().hex[:8]}"
            for _ in range(1 + wish.twice):
                await self.inject(json.dumps(wish.message(batch_id)).encode())
            return self._noted(wish, batch_id)
        return self._noted(wish, await self._order(wish))

    async def _order(self, wish: Wish) -> str:
        """By HTTP, under an id or a key of one's own; as often as it takes to hear the answer."""
        headers = {} if wish.prefers is None else {"Prefer": f"wait={wish.prefers}"}
        client_id = f"wish-{wish.number}"
        body = wish.body()
        if wish.number % 2:
            path = f"/v1/characters/{wish.character.id}/batches"
            headers["Idempotency-Key"] = client_id
            calls = [("POST", path, body)]
        else:
            calls = [("PUT", f"/v1/batches/{client_id}", body | {"character_id": wish.character.id})]
        for method, path, said in calls * (1 + wish.twice):
            answer = await self._told(wish.username, method, path, said, **headers)
            assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return str(answer.json()["id"])

    def _noted(self, wish: Wish, batch_id: str) -> Asked:
        self.asked.append(wish.asked(batch_id))
        self.steps += 1
        return self.asked[-1]

    async def _delete(self, wish: Wish, asked: Asked, batch: Mapping[str, Any]) -> None:
        """The last of its images that lies in storage, and waits until it is gone."""
        there = [image for image in batch["images"] if image["url"]]
        if not there:
            return
        asked.deleted.add(there[-1]["ordinal"])
        path = f"/v1/images/{there[-1]['id']}"
        await self._told(wish.username, "DELETE", path)

        async def gone() -> bool:
            return bool((await self._told(wish.username, "GET", path)).json()["status"] == "deleted")

        await self._until(gone)

    async def _contradict(self, wish: Wish, asked: Asked) -> None:
        """The same id with other content, which may change nothing."""
        body = json.dumps(wish.message(asked.batch_id) | {"prompt": "something else"}).encode()
        self.hopeless.add(body)
        await self.inject(body)

    async def _ended(self, username: str, batch_id: str) -> dict[str, Any]:
        """The batch, once all of its images have ended."""
        batch: dict[str, Any] = {}

        async def over() -> bool:
            nonlocal batch
            batch = (await self._told(username, "GET", f"/v1/batches/{batch_id}")).json()
            return bool(batch["completed_at"])

        await self._until(over)
        return batch

    async def _until(self, true: Callable[[], Awaitable[bool]]) -> None:
        while not await true():  # noqa: ASYNC110 - the other side of a wire has no event to await
            await asyncio.sleep(LOOK)
        self.steps += 1

    async def _told(
        self, username: str, method: str, path: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        """The answer, once there is one that does not say `later`: what was asked by a message is not known
        to the gateway at once, either."""
        while True:
            # A token for each call: none of a long run may expire.
            try:
                answer = await Caller(self.client, username).call(method, path, body, **headers)
            except (httpx.TransportError, TimeoutError):
                await asyncio.sleep(AGAIN)
                continue
            if answer.status_code >= 500 and answer.status_code not in LATER:
                self.answers.append(f"{method} {path}: {answer.status_code} {answer.text}")
            elif not _comes_later(answer):
                return answer
            await asyncio.sleep(AGAIN)


def _comes_later(answer: httpx.Response) -> bool:
    if answer.status_code in LATER or answer.status_code == 404:
        return True
    return answer.status_code == 409 and answer.json()["code"] in LATER_CODES


def unreadable(number: int) -> bytes:
    """A body that cannot be decoded by its contract."""
    kinds: Sequence[bytes] = (
        b"no JSON at all, number %d" % number,
        b'{"batch_id": "half-%d", "username": "Areg"}' % number,
        b"[%d]" % number,
        b"\xff\xfe %d" % number,
        b'{"batch_id": "spaces in the id %d"}' % number,
    )
    return kinds[number % len(kinds)]


def impossible(number: int, batch_id: str) -> dict[str, Any]:
    """An order that can be read and asks for what nobody can do."""
    lacking: Sequence[dict[str, Any]] = (
        {"quantity": 5000},
        {"workflow": "no-such-workflow"},
        {"width": 7},
        {"character": {"id": "x", "name": "???", "collection": "characters"}},
    )
    character = {"id": "x", "name": OWN[0][0], "collection": "characters"}
    wish = {"batch_id": batch_id, "username": USERS[0], "character": character, "prompt": "opal light"}
    return wish | lacking[number // 3 % len(lacking)]
