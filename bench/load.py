"""Load on an HTTP server from a process of its own: requests on connections that are kept, and open streams.

Speaks as much HTTP/1.1 as that takes, over bare sockets, so that what is measured is the server: a full
client would use more of the machine than what it calls. It reads its orders from standard input, one JSON
object a line, and answers each with one.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: A stream's frames, and the head of an answer, are far below.
LONGEST = 1 << 20


@dataclass(frozen=True)
class Shots:
    """The same request again and again for `seconds`, on so many connections at once. `{turn}` in a head or
    a body is the number of the request; connections take the heads in turn."""

    url: str
    path: str
    heads: Sequence[str]
    body: str
    seconds: float
    connections: int
    expected: int


@dataclass(frozen=True)
class Told:
    """What came of them, in answers a second and milliseconds."""

    rate: float
    p50: float
    p99: float


class Line:
    """A connection that is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> "Line":
        where = urlsplit(url)
        return cls(*await asyncio.open_connection(where.hostname, where.port, limit=LONGEST))

    async def head(self, request: str) -> tuple[int, int]:
        """Sends it; status of the answer and length of its body."""
        self._writer.write(request.encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        _, _, after = head.partition("content-length: ")
        return int(head[9:12]), int(after.partition("\r\n")[0] or 0)

    async def answer(self, request: str) -> tuple[int, bytes]:
        status, length = await self.head(request)
        return status, await self.reader.readexactly(length)

    async def hears(self, word: bytes) -> None:
        """Returns once a line of what streams in begins so."""
        while not (await self.reader.readuntil(b"\n")).startswith(word):
            pass

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@dataclass
class Load:
    """Keeps the streams that it has opened."""

    streams: list[Line] = field(default_factory=list)

    async def shoot(self, shots: Shots) -> dict[str, Any]:
        """Raises RuntimeError with an answer of any other status."""
        taken: list[float] = []
        began = time.perf_counter()
        turns = iter(range(1 << 30))
        await asyncio.gather(*(self._line(shots, turns, began, taken) for _ in range(shots.connections)))
        taken.sort()
        p50, p99 = (1000 * taken[int(len(taken) * part)] for part in (0.5, 0.99))
        return asdict(Told(len(taken) / (time.perf_counter() - began), p50, p99))

    async def open(self, url: str, requests: Sequence[str]) -> dict[str, Any]:
        """A stream for each; returns when each has begun to speak."""
        for request in requests:
            line = await Line.to(url)
            status, _ = await line.head(request)
            assert status == 200, status
            await line.hears(b"data:")
            self.streams.append(line)
        return {"open": len(self.streams)}

    async def hear(self, word: str) -> dict[str, Any]:
        """Returns when each stream has told of an event of this name; the last of them after so long."""
        began = time.perf_counter()
        await asyncio.gather(*(line.hears(f"event: {word}".encode()) for line in self.streams))
        return {"seconds": time.perf_counter() - began}

    async def _line(self, shots: Shots, turns: Iterator[int], began: float, taken: list[float]) -> None:
        line = await Line.to(shots.url)
        while (at := time.perf_counter()) < began + shots.seconds:
            turn = next(turns)
            request = _post(shots, turn)
            status, body = await line.answer(request)
            taken.append(time.perf_counter() - at)
            if status != shots.expected:
                raise RuntimeError(f"{status}: {body.decode()[:500]}")
        await line.close()


def _post(shots: Shots, turn: int) -> str:
    body = shots.body.replace("{turn}", str(turn))
    head = shots.heads[turn % len(shots.heads)].replace("{turn}", str(turn))
    said = f"Host: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{head}"
    return f"POST {shots.path} HTTP/1.1\r\n{said}\r\n{body}"


async def _obey() -> None:
    load = Load()
    while line := await asyncio.to_thread(sys.stdin.readline):
        match json.loads(line):
            case {"shoot": shots}:
                said = await load.shoot(Shots(**shots))
            case {"open": requests, "url": url}:
                said = await load.open(url, requests)
            case {"hear": word}:
                said = await load.hear(word)
        print(json.dumps(said), flush=True)


@dataclass(frozen=True)
class Loader:
    """The other end of such a process."""

    process: asyncio.subprocess.Process

    @classmethod
    async def started(cls) -> "Loader":
        pipe = asyncio.subprocess.PIPE
        root = Path(__file__).parents[1]
        words = (sys.executable, "-m", "bench.load")
        return cls(
            await asyncio.create_subprocess_exec(*words, cwd=root, stdin=pipe, stdout=pipe, limit=LONGEST)
        )

    async def shoot(self, shots: Shots) -> Told:
        return Told(**await self.say({"shoot": asdict(shots)}))

    async def say(self, order: Any) -> Any:
        self.tell(order)
        return await self.heard()

    def tell(self, order: Any) -> None:
        """Without waiting for what comes of it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def heard(self) -> Any:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError("the load has ended; why is said above")
        return json.loads(line)

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()


if __name__ == "__main__":
    asyncio.run(_obey())
