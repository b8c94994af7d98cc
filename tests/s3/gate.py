"""A gate before an HTTP server, through which answers come late, wrong, in part or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "server", "date"})


@dataclass
class Fault:
    """What happens to the next requests instead of what should."""

    #: `answer`, `reset`, `lost` (done, but nobody hears of it), `cut` (half the body), `hang`.
    kind: str
    #: Requests of this method alone.
    method: str = ""
    #: How often, None for ever.
    times: int | None = 1
    status: int = 500
    code: str = ""
    #: The whole body, instead of S3's own words for the code.
    body: str = ""


@dataclass
class Gate:
    """Stands before the server at `there`."""

    there: str
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    connections: int = 0
    #: Method and path of each request, in order.
    requests: list[str] = field(default_factory=list)
    #: Of the last request, names in lower case.
    headers: dict[str, str] = field(default_factory=dict)
    #: Requests that were given up by their caller while they hung.
    given_up: int = 0
    _client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False))

    def answers(self, status: int, code: str = "", *, times: int | None = None, method: str = "") -> None:
        self.faults.append(Fault("answer", method, times, status, code))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    await writer.drain()
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is good for another request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        self.headers = headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(f"{method} {target}")
        fault = self._fault(method)
        if fault is None or fault.kind in ("lost", "cut"):
            answer = await self._client.request(method, self.there + target, headers=headers, content=body)
        if fault is None:
            _write(writer, answer, len(answer.content))
            return True
        if fault.kind == "answer":
            _write_error(writer, fault)
            return True
        if fault.kind == "hang":
            await reader.read()
            self.given_up += 1
        if fault.kind == "cut":
            _write(writer, answer, len(answer.content) // 2)
            await writer.drain()
        else:
            writer.transport.abort()
        return False

    def _fault(self, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.method in ("", method):
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                return fault
        return None


@asynccontextmanager
async def gate_before(url: str) -> AsyncIterator[Gate]:
    gate = Gate(url)
    server = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
    try:
        gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with gate._client:
            yield gate
    finally:
        server.close()


def _write(writer: asyncio.StreamWriter, answer: httpx.Response, size: int) -> None:
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
    # An answer to HEAD says how long the body would be.
    kept["content-length"] = str(len(answer.content) or answer.headers.get("content-length", 0))
    lines = "".join(f"{name}: {value}\r\n" for name, value in kept.items())
    writer.write(f"HTTP/1.1 {answer.status_code} X\r\n{lines}\r\n".encode("latin-1") + answer.content[:size])


def _write_error(writer: asyncio.StreamWriter, fault: Fault) -> None:
    body = (fault.body or f"<Error><Code>{fault.code}</Code><Message>as told</Message></Error>").encode()
    lines = (f"HTTP/1.1 {fault.status} X", "content-type: application/xml", f"content-length: {len(body)}")
    writer.write("\r\n".join((*lines, "", "")).encode() + body)
