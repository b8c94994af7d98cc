"""Ten thousand hostile requests: each is told what is wrong with it or hung up on, and nothing else
happens."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chaos.hostile.requests import Call, Request, hostile
from tests.chaos.hostile.system import System, is_flat, system
from tests.journeys.caller import Caller

SEED = 9
#: Connections at once.
WIDTH = 12
#: Seconds that a caller waits for an answer; a stream that is open by then is an answer.
PATIENCE = 25.0
HUNG_UP, STREAM = "hung up", "stream"


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_each_is_answered_and_none_of_them_harms(tmp_path: Path, whole: bool) -> None:
    size = 10_000 if whole else 1_200
    async with system(tmp_path, "memory:") as target:
        await target.works()
        await _something_there(target)
        sent = list(hostile(SEED, size, await _calls(target)))
        ends = await _through(target, sent[: size // 2])
        first = target.memory
        ends += await _through(target, sent[size // 2 :])
        second = target.memory
        await target.works()
    failures = {end: count for end, count in ends.items() if end.startswith("5")}
    assert failures == {}, (tmp_path / "system.log").read_text()[-4000:]
    assert ends.total() == size
    assert sum(count for end, count in ends.items() if end.startswith("4")) > size / 2
    assert is_flat(first, second), f"memory grew from {first} to {second}"


async def _calls(target: System) -> list[Call]:
    document = (await target.running.client.get("/openapi.json")).json()
    calls = [Call(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs]
    return [*calls, Call("GET", "/"), Call("GET", "/metrics"), Call("GET", "/docs")]


async def _something_there(target: System) -> None:
    """What the wrong ones could get at."""
    mallory = Caller(target.running.client, "Mallory")
    await mallory.register("Night Heron")


async def _through(target: System, requests: Sequence[Request]) -> Counter[str]:
    """Status, or what there was in its place -> how often."""
    address = urlsplit(str(target.running.client.base_url))
    left, ends = iter(requests), Counter[str]()

    async def one_after_the_other() -> None:
        for request in left:
            ends[await _answer(str(address.hostname), address.port or 0, request)] += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(WIDTH)))
    assert target.running.process.returncode is None, target.log.read_text()[-4000:]
    return ends


async def _answer(host: str, port: int, request: Request) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                for piece in request.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0 if len(request.pieces) == 1 else 0.02)
                if request.leaves:
                    return HUNG_UP
                status = (await reader.readline())[9:12].decode("latin-1")
                return status or HUNG_UP
        return HUNG_UP
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
