"""The whole indexer over the memory bus, a database and the Cloudinary stand-in."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudinary import uploader
from prometheus_client import REGISTRY

from chassis.cloudinary_account import open_account
from chassis.settings import BadSettings, read
from contracts import topology
from contracts.commands import GenerateBatch, OpenFolder
from contracts.events import (
    BatchRejected,
    FolderOpened,
    ImageFailed,
    IndexReassigned,
    IndexTaken,
    IndicesReserved,
)
from contracts.message import Message
from contracts.topology import Queue
from messaging.bus import Subscription
from messaging.envelope import Envelope
from messaging.memory import MemoryBus
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve
from services.indexer.adapters import adoption
from services.indexer.app import open_indexer
from services.indexer.settings import Settings
from tests.services.indexer.ledgers import OPAL
from tests.services.indexer.requests import batch, taken

FORM = """
[parameters]
steps = { to = "3.steps", type = "int", min = 1 }
"""
BATCHES = Queue("indexer", GenerateBatch)
ANSWERS: dict[type[Message], str] = {
    IndicesReserved: "gateway",
    BatchRejected: "gateway",
    FolderOpened: "uploader",
    IndexReassigned: "gateway",
    ImageFailed: "gateway",
}


class Desk:
    """Sends messages to a running indexer and keeps what it says."""

    def __init__(self, bus: MemoryBus, storage: str) -> None:
        self.bus = bus
        self.storage = storage
        self.said: list[Message] = []
        self.changed = asyncio.Condition()

    async def hear(self, message: Message) -> list[Message]:
        async with self.changed:
            self.said.append(message)
            self.changed.notify_all()
        return []

    async def ask(self, *messages: Message) -> list[Message]:
        """What is said to these, once everything has been."""
        before = len(self.said)
        await self.bus.publish(*messages)
        await self.bus.settled()
        return self.said[before:]

    async def until(self, enough: Callable[[list[Message]], bool]) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: enough(self.said))

    async def hold(self, public_id: str, text: bytes = b"x") -> None:
        """A raw asset of this name."""
        async with open_account(_account(self.storage), 1) as account:
            await account.call(
                uploader.upload, text, resource_type="raw", public_id=public_id, filename="index.txt"
            )

    async def storage_fails(self, **rule: Any) -> None:
        async with httpx.AsyncClient() as http:
            fault = {"kind": "error_503", "count": None, **rule}
            (await http.post(f"{self.storage}/sandbox/faults", json=fault)).raise_for_status()

    async def storage_is_back(self) -> None:
        async with httpx.AsyncClient() as http:
            await http.delete(f"{self.storage}/sandbox/faults")


def _account(base: str) -> str:
    return f"cloudinary://000000000000000:stand-in@darkroom?upload_prefix={base}"


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[str]:
    async with serve(cloudinary(CloudinarySettings(tmp_path / "assets"))) as base:
        yield base


@asynccontextmanager
async def at_work(tmp_path: Path, storage: str, database_url: str, **more: str) -> AsyncIterator[Desk]:
    inputs = tmp_path / "workflows" / "portrait" / "inputs.toml"
    inputs.parent.mkdir(parents=True, exist_ok=True)
    inputs.write_text(FORM)
    told = {
        "BUS_URL": "memory:",
        "DATABASE_URL": database_url,
        "CLOUDINARY_URL": _account(storage),
        "WORKFLOWS_DIR": str(inputs.parents[1]),
        **more,
    }
    bus = MemoryBus()
    desk = Desk(bus, storage)
    ears = [Subscription(service, message, desk.hear) for message, service in ANSWERS.items()]
    waste = [
        Subscription(queue.service, queue.message, _forget)
        for queue in topology.QUEUES
        if queue.service != "indexer" and ANSWERS.get(queue.message) not in (None, queue.service)
    ]
    async with (
        open_indexer(read(Settings, told), bus) as service,
        bus.consuming([*service.subscriptions, *ears, *waste]),
    ):
        yield desk


async def _forget(_message: Message) -> list[Message]:
    return []


@pytest.fixture
async def desk(tmp_path: Path, storage: str, database_url: str) -> AsyncIterator[Desk]:
    async with at_work(tmp_path, storage, database_url) as desk:
        yield desk


async def test_a_batch_comes_back_with_its_block(desk: Desk) -> None:
    (said,) = await desk.ask(batch())
    assert said == IndicesReserved(request=batch(), folder=OPAL, first=1, quantity=4, next_index=5)


async def test_a_batch_asked_again_is_answered_with_the_same_event(desk: Desk) -> None:
    (first,) = await desk.ask(batch())
    await desk.ask(batch("b2"))
    (again,) = await desk.ask(batch())
    assert (again, again.id()) == (first, first.id())


async def test_200_batches_at_once_are_numbered_in_one_sequence(desk: Desk) -> None:
    said = await desk.ask(*(batch(f"b{n}", n % 8 + 1) for n in range(200)))
    blocks = [(event.first, event.next_index) for event in said if isinstance(event, IndicesReserved)]
    handed = sorted(number for first, end in blocks for number in range(first, end))
    assert len(blocks) == 200
    assert handed == list(range(1, len(handed) + 1))


HOSTILE = [
    ({"username": "../etc"}, "invalid_username"),
    ({"username": "w_100"}, "invalid_username"),
    ({"username": "v12"}, "invalid_username"),
    ({"username": "Areg\n"}, "invalid_username"),
    ({"username": "a/b"}, "invalid_username"),
    ({"name": "☃"}, "invalid_character"),
    ({"name": "v7"}, "invalid_character"),
    ({"name": "x" * 200}, "invalid_character"),
    ({"collection": "../premade"}, "invalid_collection"),
    ({"quantity": 0}, "invalid_quantity"),
    ({"quantity": 10**30}, "invalid_quantity"),
    ({"width": 7}, "invalid_size"),
    ({"prompt": "a\0b"}, "invalid_text"),
    ({"workflow": "../../secret"}, "unknown_workflow"),
    ({"style": "cubist"}, "unknown_style"),
    ({"parameters": {"stepps": 4}}, "invalid_parameters"),
    ({"parameters": {"steps": 0}}, "invalid_parameters"),
]


async def test_what_cannot_be_made_is_rejected_with_a_reason(desk: Desk) -> None:
    wishes = [batch(f"b{n}", **changes) for n, (changes, _) in enumerate(HOSTILE)]  # type: ignore[arg-type]
    said = {event.batch_id: event for event in await desk.ask(*wishes) if isinstance(event, BatchRejected)}
    assert [said[f"b{n}"].code for n in range(len(HOSTILE))] == [code for _, code in HOSTILE]
    assert all(event.reason for event in said.values())
    assert desk.bus.letters(BATCHES) == ()


async def test_a_known_id_with_other_content_is_a_dead_letter_and_says_nothing(desk: Desk) -> None:
    await desk.ask(batch())
    assert await desk.ask(batch(prompt="other"), batch(workflow="none")) == []
    letters = desk.bus.letters(BATCHES)
    assert len(letters) == 2
    assert all("reserved with other content" in str(letter.last_error) for letter in letters)


async def test_what_cannot_be_decoded_is_a_dead_letter_and_the_next_batch_goes_on(desk: Desk) -> None:
    bad = [b"no json", b"[]", json.dumps({"batch_id": "b/1"}).encode(), b"{" * (1 << 21)]
    for body in bad:
        await desk.bus.inject(BATCHES, Envelope(GenerateBatch.route(), body))
    (said,) = await desk.ask(batch())
    assert isinstance(said, IndicesReserved)
    assert len(desk.bus.letters(BATCHES)) == len(bad)


async def test_a_folder_opens_behind_what_index_txt_says(desk: Desk) -> None:
    await desk.hold(f"{OPAL}/index.txt", b"8")
    assert await desk.ask(OpenFolder(folder=OPAL)) == [FolderOpened(folder=OPAL, next_index=8)]
    (said,) = await desk.ask(batch())
    assert isinstance(said, IndicesReserved)
    assert said.first == 8
    assert await desk.ask(OpenFolder(folder=OPAL)) == [FolderOpened(folder=OPAL, next_index=12)]


async def test_a_folder_that_is_none_of_ours_is_not_opened(desk: Desk) -> None:
    assert await desk.ask(OpenFolder(folder="../images")) == []
    assert len(desk.bus.letters(Queue("indexer", OpenFolder))) == 1


def returned() -> float:
    """How many batches were told to come again, in this process."""
    labels = {"queue": BATCHES.name, "outcome": "again"}
    return REGISTRY.get_sample_value("darkroom_deliveries_total", labels) or 0


@pytest.mark.slow
async def test_while_storage_is_down_only_batches_of_new_folders_wait(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "ASK_AGAIN", 1.0)
    await desk.ask(batch("known"))
    await desk.storage_fails()
    before = returned()
    await desk.bus.publish(batch("new", name="Ruby"))
    async with asyncio.timeout(10):
        while returned() == before:  # noqa: ASYNC110 - a metric wakes nobody
            await asyncio.sleep(0.01)
    await desk.bus.publish(*(batch(f"b{n}") for n in range(3)))
    await desk.until(lambda said: len(said) == 4)
    assert "new" not in {getattr(event, "batch_id", None) for event in desk.said}
    await desk.storage_is_back()
    await desk.bus.settled()
    assert isinstance(desk.said[-1], IndicesReserved)
    assert (desk.said[-1].batch_id, desk.said[-1].first) == ("new", 1)
    assert desk.bus.letters(BATCHES) == ()


async def test_an_image_whose_number_is_taken_gets_the_next_one_once(desk: Desk) -> None:
    await desk.ask(batch())
    (moved,) = await desk.ask(taken(2, 3))
    assert isinstance(moved, IndexReassigned)
    assert (moved.old_index, moved.new_index, moved.next_index, moved.round) == (3, 5, 6, 1)
    await desk.storage_fails()
    assert await desk.ask(taken(2, 3)) == [moved]


async def test_an_image_that_never_had_the_number_fails_and_moves_nobody(desk: Desk) -> None:
    await desk.ask(batch())
    (failed,) = await desk.ask(taken(2, 300))
    assert isinstance(failed, ImageFailed)
    assert (failed.code, failed.retryable) == ("index_taken", True)
    assert len(desk.bus.letters(Queue("indexer", IndexTaken))) == 1
    (said,) = await desk.ask(batch("b2"))
    assert isinstance(said, IndicesReserved)
    assert said.first == 5


async def test_padding_is_that_of_the_first_answer(tmp_path: Path, storage: str, database_url: str) -> None:
    async with at_work(tmp_path, storage, database_url, INDEX_PADDING="4") as desk:
        await desk.ask(batch())
    async with at_work(tmp_path, storage, database_url) as desk:
        said = await desk.ask(batch()) + await desk.ask(batch("b2"))
    assert [event.padding for event in said if isinstance(event, IndicesReserved)] == [4, 0]


async def test_a_storage_said_to_be_new_is_not_asked(tmp_path: Path, storage: str, database_url: str) -> None:
    async with at_work(tmp_path, storage, database_url, ADOPT_EXISTING="false") as desk:
        await desk.storage_fails()
        (said,) = await desk.ask(batch())
    assert isinstance(said, IndicesReserved)


async def test_a_batch_that_no_number_is_left_for_is_rejected(desk: Desk) -> None:
    await desk.hold(f"{OPAL}/index.txt", b"9007199254740991")
    (said,) = await desk.ask(batch())
    assert isinstance(said, BatchRejected)
    assert said.code == "dead_letter"
    assert "no counting reaches" in said.reason


async def test_the_service_is_ready_while_its_database_answers(
    tmp_path: Path, storage: str, database_url: str
) -> None:
    settings = {"BUS_URL": "memory:", "DATABASE_URL": database_url, "CLOUDINARY_URL": _account(storage)}
    (tmp_path / "workflows" / "portrait").mkdir(parents=True)
    (tmp_path / "workflows" / "portrait" / "inputs.toml").touch()
    told = {**settings, "WORKFLOWS_DIR": str(tmp_path / "workflows")}
    async with open_indexer(read(Settings, told), MemoryBus()) as service:
        assert [await check() for check in service.checks.values()] == [None]


async def test_a_missing_url_is_named() -> None:
    with pytest.raises(BadSettings, match=r"DATABASE_URL is not set(.|\n)*CLOUDINARY_URL is not set"):
        read(Settings, {"BUS_URL": "memory:"})
