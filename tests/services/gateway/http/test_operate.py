"""The whole system over HTTP, and its dead letters."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.commands import CancelBatch, OpenFolder
from contracts.message import Message
from contracts.topology import Queue
from contracts.transient import BackendStatus, ServiceStatus
from messaging.bus import Subscription
from messaging.envelope import Envelope
from messaging.errors import PermanentError
from messaging.memory import MemoryBus
from tests.messaging.ear import Ear
from tests.messaging.rig import until
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, opened
from tests.services.gateway.http.test_images import made

GPU = BackendStatus(name="gpu", healthy=True, depth=2, busy=1, seconds=8.123, embeddings=("opal",))


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[Door]:
    """A gateway without neighbours: whatever is in their queues stays there."""
    async with opened(tmp_path, deaf=True) as door:
        yield door


def operator(door: Door) -> httpx.AsyncClient:
    return door.by("Olga", "operate")


async def seen(door: Door) -> dict[str, Any]:
    answer = await operator(door).get("/v1/operate")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def tells(door: Door, service: str, instance: str = "one", **more: Any) -> None:
    said = {"ready": True, "at": datetime.now(UTC), **more}
    await door.peer.says(ServiceStatus(service=service, instance=instance, **said))


async def killed(bus: MemoryBus, service: str, *messages: Message, reason: str = "never") -> None:
    ear = Ear(*len(messages) * [PermanentError(reason)])
    async with bus.consuming([Subscription(service, type(messages[0]), ear)]):
        await bus.publish(*messages)
        await ear.hears(len(messages))


async def listed(door: Door, **asked: Any) -> Sequence[dict[str, Any]]:
    answer = await operator(door).get("/v1/operate/dead-letters", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/dead-letters"),
        ("GET", "/dead-letters/x"),
        ("POST", "/dead-letters/replay"),
        ("POST", "/dead-letters/drop"),
    ],
)
async def test_a_users_own_token_opens_nothing_of_it(door: Door, method: str, path: str) -> None:
    answer = await door.areg.request(method, f"/v1/operate{path}")
    assert answer.status_code == 403
    assert 'scope="operate"' in answer.headers["WWW-Authenticate"]


async def test_the_overview_shows_what_processes_said_of_themselves(door: Door) -> None:
    dead, queues = {"renderer.CancelBatch": 2}, {"renderer.IndicesReserved": 7}
    await tells(door, "renderer", in_flight=1, backends=(GPU,), dead_letters=dead, queues=queues)
    await tells(door, "uploader", ready=False, reason="storage: gone", in_flight=4)
    told = await seen(door)
    processes = {each["service"]: each for each in told["processes"]}
    assert (processes["uploader"]["ready"], processes["uploader"]["reason"]) == (False, "storage: gone")
    assert processes["renderer"]["silent"] is False
    assert told["in_flight"] == 5
    assert told["dead_letters"] == 2
    depths = {each["name"]: (each["waiting"], each["dead_letters"]) for each in told["queues"]}
    assert depths["renderer.IndicesReserved"] == (7, 0)
    assert depths["renderer.CancelBatch"] == (0, 2)
    (backend,) = told["backends"]
    assert backend == {
        "name": "gpu",
        "healthy": True,
        "reason": None,
        "depth": 2,
        "busy": 1,
        "seconds_per_image": 8.12,
        "embeddings": ["opal"],
        "renderers": 1,
        "healthy_for": 1,
    }


async def test_the_gateway_itself_is_among_the_processes(door: Door) -> None:
    async def spoke() -> dict[str, Any] | None:
        told = await seen(door)
        return told if told["processes"] else None

    told = await until(spoke)
    assert told["processes"][0]["service"] == "gateway"
    assert "gateway.ImageStored" in {each["name"] for each in told["queues"]}


async def test_the_overview_counts_what_came_of_everybodys_images(door: Door) -> None:
    door.peer.script = lambda event: [
        peer.stored(event, 0).model_copy(update={"created_at": datetime.now(UTC)}),
        peer.failed(event, 1),
        peer.failed(event, 2, code="out_of_memory"),
        peer.failed(event, 3, code="out_of_memory"),
        peer.failed(event, 4, code="cancelled"),
    ]
    await made(door, 6)
    told = await seen(door)
    assert told["images"] == {
        "outstanding": 1,
        "last_5_minutes": 1,
        "last_hour": 1,
        "per_minute_of_5": 0.2,
        "per_minute_of_60": 0.02,
        "placeholders_last_hour": 0,
        "failed_last_hour": 3,
    }
    assert told["failures"][0] == {"code": "out_of_memory", "count": 2}
    assert sum(each["count"] for each in told["failures"]) == 3


async def test_dead_letters_are_listed_shown_replayed_and_dropped(quiet: Door) -> None:
    bus = quiet.peer.bus
    await killed(bus, "renderer", CancelBatch(batch_id="b1"), CancelBatch(batch_id="b2"))
    first, second = await listed(quiet)
    assert (first["queue"], first["batch_id"], first["attempts"]) == ("renderer.CancelBatch", "b1", 1)
    assert (first["reason"], first["earlier"]) == ("PermanentError: never", [])
    whole = (await operator(quiet).get(f"/v1/operate/dead-letters/{first['id']}")).json()
    assert whole["body"] == CancelBatch(batch_id="b1").encode().decode()
    assert whole["headers"]["id"] == str(CancelBatch(batch_id="b1").id())

    asked = {"ids": [first["id"], "renderer.CancelBatch:gone", first["id"]]}
    done = await operator(quiet).post("/v1/operate/dead-letters/replay", json=asked)
    assert done.json()["items"] == [
        {"id": first["id"], "status": "done"},
        {"id": "renderer.CancelBatch:gone", "status": "gone"},
    ]
    ear = Ear(PermanentError("still not"))
    async with bus.consuming([Subscription("renderer", CancelBatch, ear)]):
        assert await ear.hears() == [CancelBatch(batch_id="b1")]
    left = {each["batch_id"]: each for each in await listed(quiet)}
    assert [death["reason"] for death in left["b1"]["earlier"]] == ["PermanentError: never"]
    assert left["b1"]["id"] != first["id"]

    asked = {"ids": [left["b1"]["id"], second["id"]]}
    await operator(quiet).post("/v1/operate/dead-letters/drop", json=asked)
    assert await listed(quiet) == []
    gone = await operator(quiet).get(f"/v1/operate/dead-letters/{second['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_dead_letters_are_found_by_queue_reason_batch_and_age(quiet: Door) -> None:
    await killed(quiet.peer.bus, "renderer", CancelBatch(batch_id="b1"), reason="too late")
    await killed(quiet.peer.bus, "indexer", OpenFolder(folder="f"), reason="disk full")
    for asked, queues in (
        ({}, ["indexer.OpenFolder", "renderer.CancelBatch"]),
        ({"queue": "indexer.OpenFolder"}, ["indexer.OpenFolder"]),
        (
            {"queue": ["indexer.OpenFolder", "renderer.CancelBatch"]},
            ["indexer.OpenFolder", "renderer.CancelBatch"],
        ),
        ({"queue": "nobody.Nothing"}, []),
        ({"reason": "DISK"}, ["indexer.OpenFolder"]),
        ({"batch_id": "b1"}, ["renderer.CancelBatch"]),
        ({"older_than": 3600}, []),
        ({"newer_than": 3600}, ["indexer.OpenFolder", "renderer.CancelBatch"]),
    ):
        assert sorted(each["queue"] for each in await listed(quiet, **asked)) == queues, asked
    answer = await operator(quiet).get("/v1/operate/dead-letters", params={"limit": 1})
    assert (len(answer.json()["items"]), answer.json()["has_more"]) == (1, True)


async def test_whatever_died_can_be_shown(quiet: Door) -> None:
    """Anybody may have put anything there."""
    for body, headers in (
        (b"\xff\xfe\x00", {}),
        (
            b'{"batch_id": "\\ud800"}',
            {"x-history": '[{"at": "\\ud800", "reason": "\\ud800", "attempts": 1}]'},
        ),
        (b"[" * 100_000, {}),
        (b"x" * 300_000, {}),
    ):
        await dead_body(quiet, body, headers)
        (letter,) = await listed(quiet)
        whole = (await operator(quiet).get(f"/v1/operate/dead-letters/{letter['id']}")).json()
        assert whole["bytes"] == len(body)
        assert whole["truncated"] == (len(body) > 262_144)
        await operator(quiet).post("/v1/operate/dead-letters/drop", json={"ids": [letter["id"]]})


async def dead_body(door: Door, body: bytes, headers: dict[str, str]) -> None:
    bus = door.peer.bus
    async with bus.consuming([Subscription("renderer", CancelBatch, Ear())]):
        await bus.inject(Queue("renderer", CancelBatch), Envelope.read("CancelBatch.v1", body, headers))
        await bus.settled()
