"""Paths, cursors and preferences of garbage."""

import base64

import pytest

from contracts.commands import GenerateBatch
from tests.services.gateway.http.door import Door


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/batches/%00", 404),
        ("/v1/batches/%ff%fe", 404),
        ("/v1/batches/" + "x" * 10_000, 404),
        ("/v1/characters/%00", 404),
        ("/v1/characters/..%2f..%2fetc", 404),
        ("/v1/characters/" + "%F0%9F%9C%9A" * 500, 404),
        ("/api/image-generation/character/%00", 404),
        ("/v1/batches?limit=0", 422),
        ("/v1/batches?limit=201", 422),
        ("/v1/batches?limit=" + "9" * 5000, 422),
        ("/v1/batches?limit=x", 422),
        ("/api/image-generation/character/x?limit=-1", 422),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_paths_of_garbage_lead_nowhere(door: Door, path: str, status: int) -> None:
    answer = await door.areg.get(path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    if status == 422:
        assert answer.json()["errors"][0]["parameter"] == "limit"
        assert "pointer" not in answer.json()["errors"][0]


def base64ed(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


#: None of these was ever a next_cursor.
CURSORS = [
    "x",
    "!!!!",
    "\0",
    "\ud83d".encode("utf-16", "surrogatepass").decode("latin-1"),
    base64ed(b"[]"),
    base64ed(b"{}"),
    base64ed(b'["nan","bat_1"]'),
    base64ed(b'["inf","bat_1"]'),
    base64ed(b'["-1e999","bat_1"]'),
    base64ed(b'["1.0","a b"]'),
    base64ed(b'["1.0","' + b"x" * 1000 + b'"]'),
    base64ed(b'["\\u0000"]'),
    base64ed(b'["\\ud800"]'),
    base64ed(b"[[[" * 300),
    base64ed(b"[1,2]"),
    base64ed(b"\xff\xfe"),
    "A" * 5000,
]


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/characters"])
async def test_a_cursor_that_is_not_ours_is_refused(door: Door, path: str) -> None:
    for cursor in CURSORS:
        answer = await door.areg.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), ascii(cursor)


async def test_a_cursor_that_is_longer_than_any_is_refused(door: Door) -> None:
    answer = await door.areg.get("/v1/batches", params={"cursor": "A" * 5001})
    assert answer.json()["errors"][0]["parameter"] == "cursor"


@pytest.mark.parametrize("prefer", ["wait=x", "wait", "wait=-1", "wait=1.5"])
async def test_a_wait_that_is_no_number_is_refused(door: Door, prefer: str) -> None:
    character_id = await door.character()
    path = f"/v1/characters/{character_id}/batches"
    answer = await door.areg.post(path, json={"prompt": "x"}, headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_preference")
    assert door.peer.count(GenerateBatch) == 0


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=99999999999999999999", "wait=300"),
        ('wait="7"', "wait=7"),
        ("Wait = 7; slowly, handling=lenient", "wait=7"),
        ("respond-async, wait=7", "respond-async, wait=7"),
        ("waiting=now", None),
        (",,;=", None),
    ],
)
async def test_preferences_are_read_as_they_may_be_written(
    door: Door, prefer: str, applied: str | None
) -> None:
    character_id = await door.character()
    path = f"/v1/characters/{character_id}/batches"
    answer = await door.areg.post(path, json={"prompt": "x"}, headers={"Prefer": prefer})
    assert answer.status_code in (200, 202)
    assert answer.headers.get("Preference-Applied") == applied
