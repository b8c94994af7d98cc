"""RunPod's calls when a job ends. They are unsigned, may repeat, lie, or never come: each is a hint to look,
and tells the id of a job whose own answer was lost, which is then asked for and compared."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

#: Under RENDERER_PUBLIC_URL; what follows it nobody can guess.
PATH = "/hooks/runpod/"
#: Bytes of a call that is read: RunPod sends the whole result along.
MOST_BODY = 32 * 1024 * 1024
#: Ids kept of what may be a flood of lies.
MOST_IDS = 8


@dataclass
class _Expected:
    hint: Callable[[], None]
    #: Whether the job's id is still wanted; else its call is not read.
    nameless: bool
    ids: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(MOST_IDS))


class Hooks:
    """`base` is the URL under which RunPod reaches this process, None where it can't."""

    def __init__(self, base: str | None) -> None:
        self._base = base.rstrip("/") if base else None
        self._expected: dict[str, _Expected] = {}

    def url(self, key: str) -> str | None:
        """What RunPod shall call when the job of this key ends."""
        return f"{self._base}{PATH}{key}" if self._base else None

    @contextmanager
    def expecting(self, key: str, nameless: bool, hint: Callable[[], None]) -> Iterator[None]:
        """While the block lasts, calls for this job are heard."""
        expected = self._expected[key] = _Expected(hint, nameless)
        try:
            yield
        finally:
            if self._expected.get(key) is expected:
                del self._expected[key]

    def expects(self, key: str) -> bool:
        return key in self._expected

    def named(self, key: str) -> None:
        """The job's id is known."""
        if key in self._expected:
            self._expected[key].nameless = False

    async def told(self, key: str) -> str:
        """The next id that a call names for this job, true or not."""
        return await self._expected[key].ids.get()

    def routes(self) -> list[Route]:
        return [Route(PATH + "{key}", self._receive, methods=["POST"])] if self._base else []

    async def _receive(self, request: Request) -> Response:
        expected = self._expected.get(request.path_params["key"])
        if expected is None:
            # Nobody's, or of a job whose process has died: RunPod calls twice more, and by then its heir
            # may listen.
            return Response(status_code=503)
        if expected.nameless:
            with suppress(asyncio.QueueFull):
                if name := await _id(request):
                    expected.ids.put_nowait(name)
        expected.hint()
        return Response(status_code=200)


async def _id(request: Request) -> str | None:
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > MOST_BODY:
            return None
    try:
        body = json.loads(read)
    except ValueError:
        return None
    name = body.get("id") if isinstance(body, dict) else None
    return name if isinstance(name, str) and name else None
