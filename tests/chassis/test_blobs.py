"""What every blob store promises: whole or not there, kept once put, and an outage where it can't answer."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE

import pytest

from chassis.blobs import Blobs, blob_key
from messaging.errors import Outage, PermanentError
from tests.chassis.blob_stores import KEY, MD5, Beside, ages, keys
from tests.chassis.databases import ROOT


async def test_bytes_come_back_until_they_are_removed(blobs: Blobs, beside: Beside) -> None:
    assert await blobs.get(KEY) is None
    await blobs.put(KEY, b"bytes")
    assert await blobs.get(KEY) == b"bytes"
    assert await keys(blobs) == {KEY}
    await blobs.remove(KEY)
    await blobs.remove(KEY)
    assert await blobs.get(KEY) is None
    assert beside.everything() == set()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1, 3_000_000])
async def test_bytes_come_back_whole_whatever_their_number(size: int, blobs: Blobs) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    await blobs.put(KEY, data[:size])
    assert await blobs.get(KEY) == data[:size]


async def test_what_a_check_says_of_the_bytes_is_raised(blobs: Blobs) -> None:
    seen = []

    def refuse(data: bytes) -> None:
        seen.append(data)
        raise PermanentError("other bytes were meant")

    assert await blobs.get(KEY, refuse) is None
    await blobs.put(KEY, b"bytes")
    with pytest.raises(PermanentError, match="other bytes"):
        await blobs.get(KEY, refuse)
    assert await blobs.get(KEY, seen.append) == b"bytes"
    assert seen == [b"bytes", b"bytes"]


async def test_the_same_key_may_be_put_again_and_at_once(blobs: Blobs, beside: Beside) -> None:
    await asyncio.gather(*(blobs.put(KEY, b"bytes" * 10_000) for _ in range(8)))
    await blobs.put(KEY, b"bytes" * 10_000)
    assert await blobs.get(KEY) == b"bytes" * 10_000
    assert beside.everything() == {KEY}


async def test_what_is_put_is_there_for_everybody_at_once(blobs: Blobs, beside: Beside) -> None:
    await blobs.put(KEY, b"bytes")
    assert beside.everything() == {KEY}


async def test_keys_have_their_age_in_seconds(blobs: Blobs) -> None:
    begun = time.time()
    await blobs.put(KEY, b"bytes")
    # Some stores tell whole seconds.
    assert 0 <= (await ages(blobs))[KEY] <= time.time() - begun + 1


async def test_things_of_others_are_no_keys_and_are_left_alone(blobs: Blobs, beside: Beside) -> None:
    await blobs.put(KEY, b"bytes")
    for name in ("README", "batch-1/README", "batch-1/3/README"):
        beside.put(name, b"words")
    assert await keys(blobs) == {KEY}
    assert await blobs.tidy(0) == 0
    assert beside.everything() == {KEY, "README", "batch-1/README", "batch-1/3/README"}


@pytest.mark.parametrize("key", ["", "../../x", f"../../{KEY}", f"/{KEY}", f"{KEY}\n", "a/1/0-x", f"a/{KEY}"])
async def test_a_key_that_leads_elsewhere_is_refused(key: str, blobs: Blobs) -> None:
    for deed in (blobs.put(key, b""), blobs.get(key), blobs.remove(key)):
        with pytest.raises(PermanentError, match="blob's key"):
            await deed


async def test_a_put_is_not_lost_to_a_removal_beside_it(blobs: Blobs) -> None:
    """Removing a batch's last blob may remove its folders, in which another one is just being put."""
    other = blob_key("batch-1", 3, 1, MD5)

    async def take_away(done: asyncio.Event) -> None:
        while not done.is_set():
            await blobs.remove(other)

    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(take_away(done))
        try:
            for _ in range(50):
                await blobs.put(KEY, b"x")
                assert await blobs.get(KEY) == b"x"
                await blobs.remove(KEY)
        finally:
            done.set()


async def test_tidying_up_and_listing_beside_writers_disturb_nobody(blobs: Blobs) -> None:
    async def come_and_go(key: str) -> None:
        for _ in range(20):
            await blobs.put(key, b"x")
            await blobs.remove(key)

    async def look() -> None:
        for _ in range(20):
            await blobs.tidy(1000)
            await keys(blobs)

    coming = [come_and_go(blob_key("batch-1", ordinal, 0, MD5)) for ordinal in range(3)]
    await asyncio.gather(*coming, look())
    assert await keys(blobs) == set()


async def test_a_place_that_is_gone_is_an_outage_and_not_an_empty_store(blobs: Blobs, beside: Beside) -> None:
    await blobs.put(KEY, b"bytes")
    beside.take_away()
    for deed in (blobs.get(KEY), blobs.put(KEY, b"bytes"), blobs.tidy(0), keys(blobs), blobs.probe()):
        with pytest.raises(Outage, match="blob store"):
            await deed
    assert "blob store" in (await blobs.trouble() or "")


async def test_a_probe_writes_and_reads_and_leaves_nothing(blobs: Blobs, beside: Beside) -> None:
    assert await blobs.trouble() is None
    await blobs.put(KEY, b"bytes")
    await blobs.probe()
    assert beside.everything() == {KEY}


async def test_what_a_dead_probe_left_is_no_blob_and_is_tidied_up_once_it_is_old(
    blobs: Blobs, beside: Beside
) -> None:
    for name in (".probe/4711", ".writing-4711"):
        beside.put(name, b"darkroom")
    await blobs.put(KEY, b"bytes")
    assert await keys(blobs) == {KEY}
    assert await blobs.tidy(1000) == 0
    assert await blobs.tidy(0) == 1
    assert KEY in beside.everything()
    assert len(beside.everything()) == 2


async def test_bytes_are_held_once_on_their_way(beside: Beside) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chassis.held", beside.url), stdout=PIPE, cwd=ROOT
    )
    told, _ = await program.communicate()
    put, got, same = told.split()
    assert float(put) < 0.1
    assert float(got) < 1.3
    assert same == b"True"
