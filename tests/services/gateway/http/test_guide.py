"""The calls that docs/http.md shows do what it says."""

import re
import shlex
from pathlib import Path
from typing import Any

import httpx

from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, bearer, opened, token
from tests.source import ROOT

_BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The words of each `curl` on the page."""
    blocks = [block.replace("\\\n", " ") for block in _BLOCK.findall((ROOT / "docs" / "http.md").read_text())]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("curl ")]


async def carried_out(door: Door, words: list[str], known: dict[str, str]) -> tuple[str, httpx.Response]:
    for name, value in known.items():
        words = [word.replace(f"${name}", value) for word in words]
    headers, method, path, body = dict[str, str](), "GET", "", None
    rest = iter(words)
    for word in rest:
        match word:
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            case "-d":
                body = next(rest)
            case "-N":
                pass
            case _:
                path = word
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream(method, path, headers=headers, content=body) as answer,
    ):
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            await answer.aread()
    return f"{method} {path.removeprefix(door.url).partition('?')[0]}", answer


async def test_the_calls_of_the_guide_are_answered_as_it_says(tmp_path: Path) -> None:
    async with opened(tmp_path, WEBHOOK_ALLOW_PRIVATE="") as door:
        door.peer.script = lambda event: [
            *(peer.stored(event, ordinal) for ordinal in range(event.quantity - 1)),
            peer.failed(event, event.quantity - 1),
        ]
        known = {"URL": door.url, "JSON": "Content-Type: application/json"}
        called: dict[str, Any] = {}
        for words in commands():
            # Its back end's token is one that may act for others.
            scope = "act-as batches:read" if any("Behalf" in word for word in words) else None
            known["AUTH"] = "Authorization: " + bearer(token(scope=scope))["Authorization"]
            call, answer = await carried_out(door, words, known)
            assert answer.is_success, (call, answer.status_code)
            called[call] = answer
            if call == "POST /v1/characters":
                known["CHARACTER"] = answer.json()["id"]
            if call.endswith("/batches") and answer.status_code == 202:
                known["BATCH"] = answer.json()["id"]
            await door.peer.bus.settled()
    assert len(called) > 12
    (retried,) = [answer for call, answer in called.items() if call.endswith("/retry")]
    assert retried.json()["images"][3]["round"] == 2
