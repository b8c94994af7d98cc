"""Every line that is about a batch or an image says which, in which trace and by which service."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chassis import logs
from cli.tokens import issue
from contracts.commands import Character, GenerateBatch
from messaging.memory import MemoryBus
from services.gateway.adapters.tokens import LEEWAY
from tests.journeys.around import Around
from tests.journeys.buses import FailsAfterCommit, TwistedBus
from tests.journeys.caller import HEIGHT, SECRET, WIDTH
from tests.journeys.system import running
from tests.journeys.waiting import until

Line = dict[str, Any]

#: Lines about a process, a neighbour, or several images at once.
ABOUT_NO_BATCH = frozenset(
    {
        "running",
        "stopping",
        "stopped before it was open",
        "waits for a neighbour",
        "backend rests",
        "backend answers",
        "index.txt has to wait",
        "index.txt was set back; it is written again",
        "folder adopted",
    }
)
#: Seconds that the stream lasts at most, and in which it has to be open.
MOMENT = 8
#: Queues of messages about no batch, and about a folder, which many batches share.
ABOUT_PROCESSES = ("ServiceStatus", "ImagesWaiting")
ABOUT_A_FOLDER = ("OpenFolder", "FolderOpened")
#: Queues of messages about one image.
ABOUT_AN_IMAGE = ("ImageReady", "ImageFailed", "ImageStored", "RenderProgress")


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("darkroom", "debug", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.slow
async def test_every_line_about_a_batch_says_so_in_every_service(
    told: io.StringIO, beside: Around, tmp_path: Path
) -> None:
    """Every delivery fails once, renders fail for a while and for good, a batch is refused, and a stream ends
    with its token."""
    bus = TwistedBus(within := MemoryBus(), FailsAfterCommit())
    await beside.trouble_backends(
        {"kind": "out_of_memory", "text": "once", "times": 1},
        {"kind": "node_error", "text": "thunder", "times": None},
        {"kind": "stall", "text": "stillness", "seconds": 60, "times": None},
    )
    async with running(bus, beside, tmp_path) as system:
        areg = system.caller("Areg")
        opal = await areg.register("Opal Fever")
        asked = [await areg.ask(name, opal, prompt=name, quantity=2) for name in ("once", "thunder")]
        ends = [await areg.ended(batch_id) for batch_id in asked]
        await within.publish(_same_id_other_wish(asked[0]))
        still = await areg.ask("still", opal, prompt="stillness")
        await areg.reserved(still)
        async with system.client.stream(
            "GET", f"/v1/batches/{still}/events", headers=_for_a_moment()
        ) as stream:
            assert stream.is_success
            await until(lambda: _dead(within))
            await until(lambda: _says(told, "event stream closed"))
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [end["status"] for end in ends] == ["succeeded", "failed"]
    assert [line for line in lines if not _is_right(line)] == []
    assert {line["service"] for line in lines if "batch_id" in line} == {
        "gateway",
        "indexer",
        "renderer",
        "uploader",
    }
    wanted = {"handler failed", "delivery returns", "dead letter", "tries again", "image failed"}
    assert wanted | {"event stream closed"} <= {line["event"] for line in lines if "batch_id" in line}
    for batch_id in asked:
        about = [line for line in lines if line.get("batch_id") == batch_id and _in_turn(line)]
        traces = {line["trace_id"] for line in about}
        assert len(traces) == (2 if batch_id == asked[0] else 1), "the other wish has a trace of its own"
    assert [secret for secret in _secrets(beside) if secret in told.getvalue()] == []


def _for_a_moment() -> dict[str, str]:
    """A token that has ended, but not for as long as clocks may differ."""
    return {"Authorization": f"Bearer {issue(SECRET, 'Areg', MOMENT - LEEWAY, '')}"}


def _in_turn(line: Line) -> bool:
    """Deliveries follow from the request; words about places in the queue follow from nothing."""
    return not line.get("queue", "RenderProgress").endswith("RenderProgress")


def _is_right(line: Line) -> bool:
    subject = line.get("queue", "").partition(".")[2]
    if line["event"] in ABOUT_NO_BATCH or subject in ABOUT_PROCESSES:
        return True
    if "trace_id" not in line or "span_id" not in line:
        return False
    if subject in ABOUT_A_FOLDER:
        return "folder" in line
    if subject in ABOUT_AN_IMAGE or "ordinal" in line:
        return {"batch_id", "ordinal", "index", "round"} <= line.keys()
    return "batch_id" in line


def _same_id_other_wish(batch_id: str) -> GenerateBatch:
    opal = Character(id="opal", name="Opal Fever", collection="characters")
    return GenerateBatch(
        batch_id=batch_id, username="Mira", character=opal, prompt="mine", width=WIDTH, height=HEIGHT
    )


async def _dead(bus: MemoryBus) -> bool:
    return "indexer.GenerateBatch" in await bus.dead_letters()


async def _says(told: io.StringIO, event: str) -> bool:
    return f'"{event}"' in told.getvalue()


def _secrets(around: Around) -> list[str]:
    """The key of the tokens, any token, and what storage is opened with."""
    storage = around.where.urls()["CLOUDINARY_URL"].partition("://")[2].partition("@")[0]
    return [SECRET, "eyJ", storage.partition(":")[2], "Bearer e"]
