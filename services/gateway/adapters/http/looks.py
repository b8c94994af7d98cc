"""Looks at one batch for everybody in this process who watches it: read once, written down once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from contracts.transient import RenderProgress
from services.gateway.adapters.http import views
from services.gateway.adapters.http.desk import Followed
from services.gateway.adapters.http.frames import Frame, frame
from services.gateway.adapters.http.orders import Known, found, shown
from services.gateway.adapters.room import Room
from services.gateway.domain.changes import Position, images_told
from services.gateway.domain.images import ImageState
from services.gateway.ports import Summary

#: Changes that are read at once, and so the most images that are held for a client who is slow.
GROUP = 100
#: Seconds for which the whole of a batch is the same for everybody who comes: after a restart all do at once.
FRESH = 0.25


@dataclass(frozen=True)
class Whole:
    """All of a batch, at a position of the log, with what was known then of its renders."""

    position: int
    known: Known
    steps: Mapping[int, RenderProgress]
    status: Frame


@dataclass(frozen=True)
class News:
    """What changed after a position: some images, or the batch itself."""

    position: int
    #: Whether there may be more.
    full: bool
    summary: Summary
    images: Sequence[ImageState]
    #: Empty where the batch itself changed, and is to be told as a whole.
    outputs: Sequence[Frame]


class Looks:
    """What the database says is as true as the room's last ring."""

    def __init__(self, desk: Followed, room: Room, batch_id: str, username: str) -> None:
        self._desk = desk
        self._room = room
        self._batch_id = batch_id
        self._username = username

    async def whole(self) -> Whole:
        return await self._room.once(("whole", int(monotonic() / FRESH)), self._whole)

    async def after(self, position: int) -> News | None:
        """None where nothing changed."""
        return await self._room.once(("after", position), lambda: self._after(position))

    async def end(self, position: int) -> Frame | None:
        """The batch's end, None where it goes on after all."""
        return await self._room.once(("end", position), lambda: self._end(position))

    def step(self, heard: RenderProgress) -> Frame:
        return self._room.recalled(heard, lambda: frame("progress", views.step(heard)))

    async def _whole(self) -> Whole:
        # The position first: what changes in between is told twice, and nothing is missed.
        position = await self._desk.changes.latest(self._batch_id)
        known = await found(self._desk, self._batch_id, self._username)
        heard = ((each.ordinal, self._progress(each.ordinal, each.round)) for each in known[1])
        steps = {ordinal: each for ordinal, each in heard if each is not None}
        return Whole(position, known, steps, frame("status", shown(self._desk, known), Position(position)))

    async def _after(self, position: int) -> News | None:
        changes = await self._desk.changes.after(self._batch_id, position, GROUP)
        if not changes:
            return None
        last = images_told(changes) or {}
        summary, images = await self._desk.batches.glance(self._batch_id, tuple(last))
        told = {image.ordinal: views.image(image, self._progress, summary.batch) for image in images}
        return News(
            position=changes[-1].id,
            full=len(changes) == GROUP,
            summary=summary,
            images=images,
            outputs=[frame("output", told[ordinal], Position(at)) for ordinal, at in last.items()],
        )

    async def _end(self, position: int) -> Frame | None:
        known = await found(self._desk, self._batch_id, self._username)
        # A retry may have come in between; it is in the log then.
        if known[0].finished_at is None:
            return None
        return frame("completed", shown(self._desk, known), Position(position, ended=True))

    def _progress(self, ordinal: int, round_: int) -> RenderProgress | None:
        return self._desk.stage.progress(self._batch_id, ordinal, round_)
