"""Rule "Order of truth": any order and repetition of the messages about one image ends in the same."""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from cloudinary import uploader as sdk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.commands import DeleteImage
from contracts.events import ImageFailed, IndexTaken
from contracts.message import Message
from messaging.errors import TemporaryError
from services.uploader.domain.rows import State
from tests.services.uploader.stage import (
    Replica,
    Stage,
    failed,
    picture,
    public_id,
    ready,
    reassigned,
    replica,
    reserved,
)

NUMBERS = itertools.count(1000, 10)


async def settled(uploader: Replica, messages: Sequence[Message]) -> None:
    """Handles them all; what has to come again does, and so does what the uploader says to itself. A number
    that is free plays the indexer's part."""
    waiting = list(messages)
    for _ in range(200):
        if not waiting:
            return
        message = waiting.pop(0)
        try:
            said = await uploader.hear(message)
        except TemporaryError:
            waiting.append(message)
            continue
        for answer in said:
            if isinstance(answer, ImageFailed):
                waiting.append(answer)
            elif isinstance(answer, IndexTaken):
                told = {"batch_id": answer.batch_id, "round": answer.round}
                waiting.append(reassigned(answer.index, answer.index + 5, **told))  # type: ignore[arg-type]
    raise AssertionError("it never ends")


async def state(uploader: Replica, stage: Stage, batch_id: str, first: int) -> dict[str, Any]:
    """What is kept and what lies there, without what differs between two runs of the same: a placeholder
    shows its number, and of a deleted image nothing needs to be known."""
    row = (await uploader.ledger.known(batch_id, 0)).row
    assets = await stage.assets()
    here = {
        number - first: "placeholder" if "placeholder" in asset["tags"] else asset["etag"]
        for number in range(first, first + 10)
        if (asset := assets.get(public_id(number)))
    }
    if row is None or row.state is State.DELETED:
        return {"here": here}
    md5 = "placeholder" if row.placeholder else row.md5
    return {"row": (row.state, row.round, md5, row.place.index - first), "here": here}


STORIES: dict[str, list[str]] = {
    "an image": ["reserved", "ready 1"],
    "a failure": ["reserved", "failed 1"],
    "two failures": ["reserved", "failed 1", "failed 2"],
    "failed, then made": ["reserved", "failed 1", "ready 2"],
    "failed twice, made between": ["reserved", "failed 1", "ready 2", "failed 3"],
    "made, then buried": ["reserved", "ready 1", "failed 1"],
    "refused": ["reserved", "refused 1"],
    "refused, then made": ["reserved", "refused 1", "ready 2"],
    "deleted": ["reserved", "ready 1", "delete"],
    "a placeholder deleted": ["reserved", "failed 1", "delete"],
    "replaced and deleted": ["reserved", "failed 1", "ready 2", "delete"],
    "another asset lies there": ["reserved", "ready 1", "occupied"],
    "another asset lies there, and a failure": ["reserved", "failed 1", "ready 2", "occupied"],
}


async def told(uploader: Replica, word: str, batch_id: str, first: int) -> Message:
    kind, _, number = word.partition(" ")
    about: dict[str, Any] = {"batch_id": batch_id, "round": int(number or 1), "index": first}
    if kind == "reserved":
        return reserved(batch_id, first=first, quantity=1)
    if kind == "ready":
        return await uploader.deliver(picture(1), **about)
    if kind == "refused":
        message = ready(b"no image at all", **about)
        await uploader.blobs.put(message.blob_key, b"no image at all")
        return message
    return DeleteImage(public_id=public_id(first)) if kind == "delete" else failed(**about)


@pytest.mark.parametrize("story", STORIES)
async def test_any_order_and_repetition_ends_the_same(stage: Stage, story: str) -> None:
    async with replica(stage) as uploader:
        ends = []
        for order in orders(story):
            first = next(NUMBERS)
            ends.append(
                await end_of(uploader, stage, order, f"b{first}", first, "occupied" in STORIES[story])
            )
    assert [end for end in ends if end != ends[0]] == []


def orders(story: str) -> list[list[str]]:
    """As it happened, then shuffled with repetitions."""
    words = [word for word in STORIES[story] if word != "occupied"]
    chance = random.Random(story)
    shuffled = [chance.sample(words * 2, len(words) * 2) for _ in range(4)]
    return [words, *shuffled]


async def end_of(
    uploader: Replica, stage: Stage, words: Sequence[str], batch_id: str, first: int, occupied: bool
) -> dict[str, Any]:
    if occupied:
        await uploader.account.call(sdk.upload, picture(99), public_id=public_id(first))
    await settled(uploader, [await told(uploader, word, batch_id, first) for word in words])
    return await state(uploader, stage, batch_id, first)


@given(st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_permutation_with_duplicates_ends_as_the_story_did(
    uploader: Replica, stage: Stage, data: st.DataObject
) -> None:
    story = data.draw(st.sampled_from(sorted(STORIES)))
    words = [word for word in STORIES[story] if word != "occupied"]
    extra = data.draw(st.lists(st.sampled_from(words), max_size=4))
    order = data.draw(st.permutations(words + extra))
    ends = []
    for one in (words, order):
        first = next(NUMBERS)
        ends.append(await end_of(uploader, stage, one, f"b{first}", first, "occupied" in STORIES[story]))
    assert ends[0] == ends[1]
