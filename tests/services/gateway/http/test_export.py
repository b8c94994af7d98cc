"""A character's images as one archive."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import md5
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from contracts.events import IndicesReserved
from contracts.message import Message
from sandbox.serving import serve
from services.gateway.adapters.archive import LIST, Item, Missing, archived
from tests.services.gateway.events import stored
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door
from tests.services.gateway.http.test_images import made


def image(index: int) -> bytes:
    return f"image {index} ".encode() * 1000


class Shelf:
    """Storage that serves images by their numbers, and does what it is told for some of them."""

    def __init__(self) -> None:
        self.answers: dict[int, Response] = {}
        self.asked: list[int] = []
        self.opened = asyncio.Event()
        self.opened.set()
        self.base = ""

    async def get(self, request: Request) -> Response:
        index = int(request.path_params["index"])
        self.asked.append(index)
        await self.opened.wait()
        return self.answers.get(index) or Response(image(index), media_type="image/png")

    def script(self, event: IndicesReserved) -> Sequence[Message]:
        return [self.stored(event, ordinal) for ordinal in range(event.quantity)]

    def stored(self, event: IndicesReserved, ordinal: int) -> Message:
        said = peer.stored(event, ordinal)
        digest = md5(image(said.index), usedforsecurity=False).hexdigest()
        return said.model_copy(update={"url": f"{self.base}/v1/{said.index}.png", "md5": digest})


@asynccontextmanager
async def shelf_for(door: Door) -> AsyncIterator[Shelf]:
    shelf = Shelf()
    app = Starlette(routes=[Route("/v1/{index:int}.png", shelf.get)])
    async with serve(app) as shelf.base:
        door.peer.script = shelf.script
        yield shelf


def path(batch: dict[str, Any]) -> str:
    return f"/v1/characters/{batch['character']['id']}/export"


def opened(content: bytes) -> tuple[ZipFile, list[dict[str, Any]]]:
    archive = ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    return archive, [json.loads(line) for line in archive.read(LIST).splitlines()]


async def test_an_archive_holds_every_image_and_what_is_known_of_it(door: Door) -> None:
    async with shelf_for(door):
        batch = await made(door, 3, seed=42)
        answer = await door.areg.get(path(batch))
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="opal-fever.zip"'
    archive, lines = opened(answer.content)
    files = [f"images/Areg_opal-fever_image_{index}.png" for index in (1, 2, 3)]
    assert archive.namelist() == [*files, LIST]
    assert [archive.read(name) for name in files] == [image(index) for index in (1, 2, 3)]
    assert [(line["file"], line["missing"]) for line in lines] == [(name, None) for name in files]
    told = (await door.areg.get(f"/v1/images/{batch['id']}.1")).json()
    assert {name: value for name, value in lines[1].items() if name not in ("file", "missing")} == told
    assert archive.getinfo(files[0]).date_time == (2030, 1, 1, 0, 0, 0)


async def test_what_can_not_be_had_is_told_and_the_rest_is_there(door: Door) -> None:
    async with shelf_for(door) as shelf:
        batch = await made(door, 4)
        shelf.answers = {
            1: Response(status_code=404),
            2: Response(b"other bytes"),
            3: RedirectResponse("http://169.254.169.254/"),
        }
        answer = await door.areg.get(path(batch))
    archive, lines = opened(answer.content)
    assert archive.namelist() == ["images/Areg_opal-fever_image_4.png", LIST]
    assert [line["missing"] for line in lines] == [
        "storage answers 404",
        "storage answers with other bytes than were stored",
        "storage answers 307",
        None,
    ]


async def test_a_storage_that_is_away_leaves_a_whole_archive(door: Door) -> None:
    async with shelf_for(door):
        batch = await made(door, 1)
    _, lines = opened((await door.areg.get(path(batch))).content)
    assert lines[0]["missing"] == "storage does not answer: ConnectError"


async def test_an_archive_of_nothing_is_one(door: Door) -> None:
    character_id = await door.character()
    archive, lines = opened((await door.areg.get(f"/v1/characters/{character_id}/export")).content)
    assert (archive.namelist(), lines) == ([LIST], [])


async def test_one_export_at_a_time_and_a_place_is_given_back(door: Door) -> None:
    async with shelf_for(door) as shelf:
        batch = await made(door, 1)
        shelf.opened.clear()
        async with door.areg.stream("GET", path(batch)) as first:
            assert first.status_code == 200
            refused = await door.areg.get(path(batch))
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_exports")
            assert int(refused.headers["Retry-After"]) > 0
            other = await door.by("Nare").get(path(batch))
            assert other.status_code == 404
            shelf.opened.set()
            await first.aread()
        assert (await door.areg.get(path(batch))).status_code == 200


async def test_an_archive_of_some_has_what_a_list_with_the_same_question_has(door: Door) -> None:
    async with shelf_for(door):
        batch = await made(door, 3)
        other = await made(door, 1)
        first, last = f"{batch['id']}.0", f"{other['id']}.0"
        await door.areg.patch(f"/v1/images/{last}", json={"favourite": True})
        for asked, numbers in (
            ({"favourite": "true"}, [4]),
            ({"batch": batch["id"]}, [1, 2, 3]),
            ({"ids": f"{first},{last}"}, [1, 4]),
            ({"placeholder": "true"}, []),
        ):
            _, lines = opened((await door.areg.get(path(batch), params=asked)).content)
            assert [line["index"] for line in lines] == numbers, asked
        refused = await door.areg.get(path(batch), params={"collection": "col_nobodys"})
    assert refused.status_code == 404


async def test_a_look_at_the_head_fetches_nothing(door: Door) -> None:
    async with shelf_for(door) as shelf:
        batch = await made(door, 1)
        answer = await door.areg.head(path(batch))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert shelf.asked == []


async def test_no_more_than_one_image_is_in_memory_at_a_time() -> None:
    held, most = 0, 0

    async def items() -> AsyncIterator[Item]:
        for ordinal in range(50):
            yield Item(stored(ordinal), {"ordinal": ordinal})

    async def fetch(_asset: Any) -> bytes:
        nonlocal held
        held += 1
        return b"x" * 100_000

    sizes = []
    async for piece in archived(items(), fetch):
        most, held = max(most, held), 0
        sizes.append(len(piece))
    assert most == 1
    assert max(sizes) < 110_000


async def test_an_image_that_is_missing_does_not_break_the_archive_it_is_in() -> None:
    async def items() -> AsyncIterator[Item]:
        yield Item(stored(0), {})

    async def fetch(_asset: Any) -> bytes:
        raise Missing("gone")

    pieces = [piece async for piece in archived(items(), fetch)]
    _, lines = opened(b"".join(pieces))
    assert lines == [{"file": None, "missing": "gone"}]


@pytest.mark.parametrize("premade", [False, True])
async def test_an_archive_has_ones_own_images_alone(door: Door, premade: bool, tmp_path: Path) -> None:
    async with shelf_for(door):
        character_id = await door.character("Everybodys", premade=premade)
        await door.batch(character_id, 1)
        await door.peer.reserved()
        answer = await door.by("Nare").get(f"/v1/characters/{character_id}/export")
    if not premade:
        assert answer.status_code == 404
        return
    assert opened(answer.content)[1] == []
