"""A process that dies at any moment that matters: another finishes its work, and nothing is stored twice."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cloudinary import uploader as sdk

from contracts.commands import DeleteImage
from contracts.events import ImageDeleted, ImageStored, IndexTaken
from contracts.message import Message
from tests.services.uploader.stage import (
    Replica,
    Stage,
    digest,
    failed,
    picture,
    public_id,
    reassigned,
    reborn,
    reserved,
)

Fatal = tuple[str, str, str]


def moments(*calls: tuple[str, str]) -> list[Fatal]:
    return [(port, method, moment) for port, method in calls for moment in ("before", "after")]


#: Before and after each call by which a handler touches the world.
STORING = moments(("ledger", "decide"), ("ledger", "keep"), ("blobs", "get"), ("shelf", "put"))
DELETING = moments(("folders", "bury"), ("shelf", "remove"))


class Dying:
    """A port of a process that is killed before or after its nth call of one method."""

    def __init__(self, port: Any, method: str, moment: str, nth: int) -> None:
        self._port, self._method, self._moment, self._left = port, method, moment, nth

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._fatal(found) if name == self._method else found

    def _fatal(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def last(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._moment == "before":
                raise asyncio.CancelledError
            answer = await call(*args, **options)
            if self._left == 0:
                raise asyncio.CancelledError
            return answer

        return last


class Processes:
    """One after the other, each with nothing but what the former left in the database and in storage."""

    def __init__(self, first: Replica) -> None:
        self.now = 1_000_000.0
        self.alive = reborn(first, self.clock)

    def clock(self) -> float:
        return self.now

    async def killed(self, fatal: Fatal, nth: int, message: Message) -> None:
        """Handles one delivery in a process that dies at that moment; then its leases have run out."""
        port, method, moment = fatal
        dying = reborn(self.alive, self.clock)
        fatal_port: dict[str, Any] = {port: Dying(getattr(dying, port), method, moment, nth)}
        dying = replace(dying, **fatal_port)
        with suppress(asyncio.CancelledError):
            await dying.hear(message)
        self.now += 60
        self.alive = reborn(self.alive, self.clock)


@pytest.fixture
def processes(uploader: Replica) -> Processes:
    return Processes(uploader)


@pytest.mark.parametrize("fatal", STORING, ids="-".join)
@pytest.mark.parametrize("nth", [1, 2])
async def test_an_image_is_stored_once_wherever_its_uploader_dies(
    processes: Processes, stage: Stage, fatal: Fatal, nth: int
) -> None:
    message = await processes.alive.deliver(picture(1))
    await processes.killed(fatal, nth, message)
    (said,) = await processes.alive.hear(message)
    assert isinstance(said, ImageStored)
    assert await processes.alive.hear(message) == (said,)
    assets = await stage.assets()
    assert [(asset["etag"], asset["overwrites"]) for asset in assets.values()] == [(digest(picture(1)), 0)]


@pytest.mark.parametrize("fatal", STORING, ids="-".join)
@pytest.mark.parametrize("nth", [1, 2])
async def test_a_placeholder_is_replaced_once_wherever_its_uploader_dies(
    processes: Processes, stage: Stage, fatal: Fatal, nth: int
) -> None:
    await processes.alive.hear(reserved())
    message = await processes.alive.deliver(picture(1), round=2)
    await processes.killed(fatal, nth, failed())
    (placed,) = await processes.alive.hear(failed())
    assert isinstance(placed, ImageStored)
    await processes.killed(fatal, nth, message)
    (said,) = await processes.alive.hear(message)
    assert isinstance(said, ImageStored)
    assert await processes.alive.hear(failed()) == (said,)
    asset = (await stage.assets())[public_id(7)]
    assert (asset["etag"], asset["overwrites"]) == (digest(picture(1)), 1)


@pytest.mark.parametrize("fatal", STORING, ids="-".join)
async def test_a_conflict_ends_at_one_new_number_wherever_its_uploader_dies(
    processes: Processes, stage: Stage, fatal: Fatal
) -> None:
    message = await processes.alive.deliver(picture(1))
    await processes.alive.account.call(sdk.upload, picture(99), public_id=public_id(7))
    await processes.killed(fatal, 1, message)
    (asked,) = await processes.alive.hear(message)
    assert isinstance(asked, IndexTaken)
    await processes.killed(fatal, 1, reassigned(7, 12))
    (said,) = await processes.alive.hear(reassigned(7, 12))
    assert await processes.alive.hear(message) == (said,)
    etags = {name: asset["etag"] for name, asset in (await stage.assets()).items()}
    assert etags == {public_id(7): digest(picture(99)), public_id(12): digest(picture(1))}


@pytest.mark.parametrize("fatal", DELETING, ids="-".join)
async def test_a_deletion_is_finished_wherever_its_uploader_dies(
    processes: Processes, stage: Stage, fatal: Fatal
) -> None:
    command, gone = DeleteImage(public_id=public_id(7)), ImageDeleted(public_id=public_id(7))
    message = await processes.alive.deliver(picture(1))
    await processes.alive.hear(message)
    await processes.killed(fatal, 1, command)
    assert await processes.alive.hear(command) == [gone]
    assert await processes.alive.hear(message) == (gone,)
    assert await stage.assets() == {}
