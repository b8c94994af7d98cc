"""Who did not hear the answer asks again, and nothing is made twice."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.commands import GenerateBatch
from services.gateway.domain.idempotency import LEASE
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, opened

KEY = {"Idempotency-Key": "0b6c0f3e"}
GENERATE = "/api/image-generation/generate"


async def ask(
    door: Door, character_id: str, headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    wish = {"prompt": "on a rooftop", **more}
    return await door.areg.post(
        f"/v1/characters/{character_id}/batches", json=wish, headers=KEY if headers is None else headers
    )


async def listed(door: Door) -> int:
    return len((await door.areg.get("/v1/batches")).json()["items"])


async def test_the_same_key_and_body_is_answered_as_the_first_time(door: Door) -> None:
    door.peer.script = peer.nothing
    character_id = await door.character()
    first = await ask(door, character_id)
    await door.peer.reserved()
    again = await ask(door, character_id)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (202, first.content)
    for name in ("Location", "Retry-After", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert await listed(door) == 1
    assert door.peer.count(GenerateBatch) == 1


async def test_a_body_is_the_same_however_its_json_is_written(door: Door) -> None:
    path = f"/v1/characters/{await door.character()}/batches"
    headers = {**KEY, "Content-Type": "application/json"}
    first = await door.areg.post(path, content=b'{"prompt":"x","quantity":2}', headers=headers)
    again = await door.areg.post(path, content=b'{ "quantity": 2, "prompt": "\\u0078" }', headers=headers)
    assert again.json()["id"] == first.json()["id"]


async def test_another_body_or_place_under_the_same_key_is_refused(door: Door) -> None:
    character_id, other = await door.character(), await door.character("Second")
    await ask(door, character_id)
    for answer in (await ask(door, character_id, quantity=2), await ask(door, other)):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reuse")
    assert await listed(door) == 1


async def test_while_the_first_call_is_under_way_others_are_told_to_wait(door: Door) -> None:
    door.peer.script = peer.nothing
    character_id = await door.character()
    first = asyncio.create_task(ask(door, character_id, {**KEY, "Prefer": "wait=60"}))
    event = await door.peer.reserved()
    answer = await ask(door, character_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
    assert 1 <= int(answer.headers["Retry-After"]) <= LEASE
    await door.peer.says(*peer.all_stored(event))
    done = await first
    assert (done.status_code, done.json()["status"]) == (200, "succeeded")
    again = await ask(door, character_id)
    assert (again.status_code, again.content) == (200, done.content)


async def test_many_calls_under_one_key_at_once_make_one_batch(door: Door) -> None:
    character_id = await door.character()
    answers = await asyncio.gather(*(ask(door, character_id) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert await listed(door) == 1


async def test_a_key_is_its_users_own(door: Door) -> None:
    character_id = await door.character(premade=True)
    mine = await ask(door, character_id)
    path = f"/v1/characters/{character_id}/batches"
    hers = await door.by("Nare").post(path, json={"prompt": "other"}, headers=KEY)
    assert (hers.status_code, hers.json()["id"] == mine.json()["id"]) == (202, False)


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "é", "a\tb"])
async def test_a_key_that_is_none_is_refused(door: Door, key: str) -> None:
    character_id = await door.character()
    headers = httpx.Headers({"Idempotency-Key": key}, encoding="latin-1")
    answer = await ask(door, character_id, headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
    assert await listed(door) == 0


async def test_a_key_may_be_long_and_may_be_quoted(door: Door) -> None:
    character_id = await door.character()
    key = "x" * 255
    first = await ask(door, character_id, {"Idempotency-Key": key})
    again = await ask(door, character_id, {"Idempotency-Key": f'"{key}"'})
    assert (first.status_code, again.json()["id"]) == (202, first.json()["id"])


@pytest.mark.parametrize(
    ("wrong", "status"), [({"quantity": 0}, 422), ({"workflow": "none"}, 422), ({"prompt": "\0"}, 422)]
)
async def test_a_refused_call_leaves_its_key_free(door: Door, wrong: dict[str, Any], status: int) -> None:
    character_id = await door.character()
    assert (await ask(door, character_id, **wrong)).status_code == status
    mended = await ask(door, character_id)
    assert mended.status_code == 202
    assert "Idempotent-Replayed" not in mended.headers


async def test_a_body_that_can_not_be_read_leaves_its_key_free(door: Door) -> None:
    character_id = await door.character()
    headers = {**KEY, "Content-Type": "application/json"}
    for content in (b"{", b"\xff", b"[" * 100_000):
        answer = await door.areg.post(
            f"/v1/characters/{character_id}/batches", content=content, headers=headers
        )
        assert answer.status_code == 400
    assert (await ask(door, character_id)).status_code == 202


async def test_a_call_whose_process_died_is_gone_on_with_as_the_same_batch(door: Door) -> None:
    character_id = await door.character()
    first = await ask(door, character_id)
    await door.peer.reserved()
    # As a process leaves it that accepted the batch and died before it could keep its answer.
    door.spoil("UPDATE idempotency_keys SET status = NULL, lease_until = 0")
    again = await ask(door, character_id)
    assert again.json()["id"] == first.json()["id"]
    assert "Idempotent-Replayed" not in again.headers
    await door.peer.bus.settled()
    assert (await listed(door), door.peer.count(GenerateBatch)) == (1, 1)


async def test_a_character_is_registered_once_also_when_the_answer_was_lost(door: Door) -> None:
    async def register(name: str = "Opal Fever", **more: Any) -> httpx.Response:
        return await door.areg.post("/v1/characters", json={"name": name, **more}, headers=KEY)

    first = await register(style="noir")
    assert first.status_code == 201
    assert (await register(style="noir")).content == first.content
    door.spoil("UPDATE idempotency_keys SET status = NULL, lease_until = 0")
    resumed = await register(style="noir")
    assert (resumed.status_code, resumed.json()) == (201, first.json())
    other = await door.areg.post(
        "/v1/characters", json={"name": "Opal Fever"}, headers={"Idempotency-Key": "another"}
    )
    assert (other.status_code, other.json()["code"]) == (409, "slug_taken")


async def test_the_old_call_knows_keys_too_also_where_no_image_was_made(door: Door) -> None:
    door.peer.script = lambda event: [peer.blank(event, 0)]
    body = {"characterId": await door.character(), "prompt": "x"}
    first, again = [await door.areg.post(GENERATE, json=body, headers=KEY) for _ in range(2)]
    assert (first.status_code, first.json()["code"]) == (502, "all_images_failed")
    assert (again.status_code, again.json()) == (502, first.json())
    assert again.headers["Content-Type"] == "application/problem+json"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert door.peer.count(GenerateBatch) == 1


async def test_an_outage_leaves_the_key_with_its_body(door: Door) -> None:
    character_id = await door.character()
    door.spoil("ALTER TABLE outbox RENAME TO gone")
    failed = await ask(door, character_id)
    assert failed.status_code >= 500
    door.spoil("ALTER TABLE gone RENAME TO outbox")
    assert (await ask(door, character_id, quantity=2)).json()["code"] == "idempotency_key_reuse"
    door.spoil("UPDATE idempotency_keys SET lease_until = 0")
    assert (await ask(door, character_id)).status_code == 202


async def test_keys_survive_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        character_id = await door.character()
        first = await ask(door, character_id)
    async with opened(tmp_path) as door:
        again = await ask(door, character_id)
    assert (again.headers["Idempotent-Replayed"], again.content) == ("true", first.content)
