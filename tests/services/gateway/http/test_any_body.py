"""Whatever a body holds, the answer is a sentence for whoever sent it, and never a 5xx."""

import asyncio
import json
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.adapters.http.image_generation import Generate
from services.gateway.adapters.http.shapes import NewCharacter, NewNamedBatch, Retry
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import JSON, Door
from tests.services.gateway.http.wishes import CHARACTERS, GENERATE

_TEXT = st.text(st.characters(), max_size=30) | st.sampled_from(["", "\0", "\ud800", "x" * 300, "portrait"])
_NUMBER = st.integers() | st.floats() | st.integers(1, 8).map(lambda n: n * 64)
_LEAF = _TEXT | _NUMBER | st.none() | st.booleans()
_VALUE = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4), max_leaves=8
)
_OURS = (NewCharacter, NewNamedBatch, Retry, Generate)
_NAMES = {name for shape in _OURS for name in shape.model_json_schema()["properties"]}
_FIELDS = st.sampled_from(sorted(_NAMES | {"numImages"}))
_BODY = st.dictionaries(_FIELDS | _TEXT, _VALUE, max_size=8) | _VALUE


async def test_no_body_breaks_anything(door: Door) -> None:
    door.peer.script = peer.nothing
    character_id = await door.character()
    fuzzed = Fuzzed(door, character_id, (await door.batch(character_id))["id"])

    @settings(max_examples=100, deadline=None, database=None)
    @given(body=_BODY, good=st.booleans())
    def sent(body: Any, good: bool) -> None:
        fuzzed.send_everywhere(body, good)

    # hypothesis calls plain functions; the door lives on this loop, so the calls come from a thread.
    await asyncio.to_thread(sent)


class Fuzzed:
    """The calls that have a body."""

    def __init__(self, door: Door, character_id: str, batch_id: str) -> None:
        self._door, self._loop = door, asyncio.get_running_loop()
        order = {"prompt": "x"}
        self._calls: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", CHARACTERS, {"name": "Opal Fever"}),
            ("POST", GENERATE, {"characterId": character_id, **order}),
            ("POST", f"/v1/characters/{character_id}/batches", order),
            ("PUT", "/v1/batches/own", {"character_id": character_id, **order}),
            ("POST", f"/v1/batches/{batch_id}/retry", {}),
        ]

    def send_everywhere(self, body: Any, good: bool) -> None:
        """`good` bodies have what must be there, so that the rest is looked at too."""
        for method, path, needed in self._calls:
            sent = {**body, **needed} if good and isinstance(body, dict) else body
            answer = self._send(method, path, json.dumps(sent))
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["status"] == answer.status_code

    def _send(self, method: str, path: str, content: str) -> httpx.Response:
        headers = {**JSON, "Prefer": "respond-async"}
        call = self._door.areg.request(method, path, content=content, headers=headers)
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(30)
