"""Callers who mean no good: none of them is answered with 5xx, and none keeps a connection for ever."""

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from chassis import web
from services.gateway.adapters.http import envelope
from tests.services.gateway.http.door import JSON, Door, token

HEAD = f"POST /v1/characters HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n"


async def said(door: Door, *parts: bytes) -> bytes:
    """What comes back until the gateway hangs up."""
    address = urlsplit(door.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        async with asyncio.timeout(20):
            for part in parts:
                writer.write(part)
                with suppress(ConnectionError):
                    await writer.drain()
            try:
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HT", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=repr
)
async def test_who_never_ends_the_head_of_a_request_is_hung_up_on(
    door: Door, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.2)
    assert await said(door, begun) == b""


async def test_also_between_two_requests_of_one_connection(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.5)
    whole = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    assert (await said(door, whole, b"GET /health HTTP/1.1\r\nX-Slow: ")).count(b"HTTP/1.1 200") == 1


async def test_a_slow_answer_is_no_slow_request(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.1)
    character_id = await door.character()
    door.peer.refuses = None
    door.peer.script = lambda event: []
    answer = await door.areg.post(
        f"/v1/characters/{character_id}/batches", json={"prompt": "x"}, headers={"Prefer": "wait=1"}
    )
    assert answer.status_code == 202


async def test_a_body_that_comes_in_drops_is_refused(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "BODY_SECONDS", 0.3)
    head = f"{HEAD}Content-Type: application/json\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n"
    answer = await said(door, head.encode(), b'{"na')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["code"] == "body_too_slow"


@pytest.mark.parametrize(
    "request_line",
    [
        b"\x00\x01\x02\xff\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 20_000 + b"\r\n",
        b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/characters HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/characters HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/characters HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"GET /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \x00\r\n\r\n",
        b"GET /v1/batches/%00%ff%c0%af HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
    ids=lambda line: repr(line[:40]),
)
async def test_nonsense_is_never_a_failure_of_ours(
    door: Door, request_line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.5)
    answer = await said(door, request_line)
    assert not answer or answer.split()[1][:1] == b"4", answer[:200]
    assert (await door.areg.get("/health")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"name":' * 50_000,
        b'{"name": "x", "name": "y\\u0000"}',
        b'{"name": "\\ud800"}',
        b'{"name": NaN}',
        b'{"name": "x", "premade": Infinity}',
        b'{"name": ' + b"9" * 500_000 + b"}",
        b'{"name": 1e999999}',
        b"\xff\xfe{\x00",
        b'"',
        b"null",
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_a_body_of_nonsense_is_never_a_failure_of_ours(door: Door, body: bytes) -> None:
    for method, path in (("POST", "/v1/characters"), ("PUT", "/v1/batches/x"), ("POST", "/v1/images/bulk")):
        answer = await door.areg.request(method, path, content=body, headers=JSON)
        assert answer.status_code in (400, 413, 422), answer.text[:300]
        assert "code" in answer.json()
