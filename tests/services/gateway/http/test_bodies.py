"""What can't be read is refused before anybody looks at what it says."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.services.gateway.http.door import JSON, Door
from tests.services.gateway.http.wishes import CHARACTERS


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"nonsense",
        b'{"name": "\xff\xfe"}',
        b'{"name": "x",}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"1" * 5000,
    ],
    ids=["cut", "empty", "word", "not UTF-8", "comma", "deep list", "deep object", "huge number"],
)
async def test_what_is_no_json_is_a_400(door: Door, content: bytes) -> None:
    answer = await door.areg.post(CHARACTERS, content=content, headers=JSON)
    expected = (422, "invalid_request") if content == b"" else (400, "invalid_json")
    assert (answer.status_code, answer.json()["code"]) == expected


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_what_does_not_say_that_it_is_json_is_a_415(door: Door, kind: str) -> None:
    answer = await door.areg.post(CHARACTERS, content=b'{"name": "Opal"}', headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"]
)
async def test_json_is_known_by_all_its_names(door: Door, kind: str) -> None:
    answer = await door.areg.post(CHARACTERS, content=b'{"name": "Opal"}', headers={"Content-Type": kind})
    assert answer.status_code == 201


async def test_a_body_that_is_announced_too_large_is_refused(door: Door) -> None:
    for _ in range(5):
        answer = await door.areg.post(CHARACTERS, content=b"x" * 2_000_000, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")


async def test_a_body_that_turns_out_too_large_is_refused(door: Door) -> None:
    async def growing() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    for _ in range(5):
        answer = await door.areg.post(CHARACTERS, content=growing(), headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")


async def test_who_asks_before_he_sends_too_much_is_not_told_to_go_on(door: Door) -> None:
    reader, writer = await asyncio.open_connection(*door.url.removeprefix("http://").split(":"))
    token = door.areg.headers["Authorization"]
    writer.write(
        f"POST {CHARACTERS} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n".encode()
    )
    assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("length", ["9" * 4301, "99999999999999999999"])
async def test_a_length_that_nobody_can_mean_is_refused(door: Door, length: str) -> None:
    reader, writer = await asyncio.open_connection(*door.url.removeprefix("http://").split(":"))
    token = door.areg.headers["Authorization"]
    head = f"POST {CHARACTERS} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nExpect: 100-continue\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    assert status in (400, 413)
    writer.close()
    await writer.wait_closed()
