"""One client's stream of everything that is his user's: what changed in which batch, as it is now.

As with the stream of one batch nothing is queued: it holds a position in the log, and looks anew once the
client has taken what was said last. It has no end of its own.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from time import monotonic

from pydantic import BaseModel, Field

from contracts.transient import RenderProgress
from messaging.errors import Outage, TemporaryError
from services.gateway.adapters.http import views
from services.gateway.adapters.http.desk import Desk
from services.gateway.adapters.http.event_stream import AGAIN, IDLE, STEP_SECONDS
from services.gateway.adapters.http.frames import BEGIN, Frame, closing, frame
from services.gateway.adapters.http.looks import GROUP
from services.gateway.adapters.http.shapes import BatchSummary, ImageShape, StepShape
from services.gateway.adapters.stage import Watcher
from services.gateway.domain.changes import Change, Position
from services.gateway.ports import Summary

#: Batches that are told to begin with, and of which renders are followed: the newest.
SHOWN = 50


class BatchesShape(BaseModel):
    """The newest batches, to begin with."""

    items: list[BatchSummary]


class OutputShape(ImageShape):
    """An image that changed."""

    batch_id: str = Field(examples=["bat_0b6c0f3e5d0c4f0e8a37c1c3a1b2c3d4"])


class ProgressShape(StepShape):
    """How far one render is."""

    batch_id: str = Field(examples=["bat_0b6c0f3e5d0c4f0e8a37c1c3a1b2c3d4"])


class UserStream:
    """Begun by `opened` or `resumed`; ends with the process."""

    def __init__(self, desk: Desk, username: str, watcher: Watcher) -> None:
        self._desk = desk
        self._username = username
        self._watcher = watcher
        self._position = 0
        self._first: Sequence[Frame] = ()
        self._behind = True
        self._steps_due = 0.0
        #: Of each open batch, what lets go of it.
        self._open: dict[str, ExitStack] = {}

    async def opened(self) -> None:
        # The position first: what changes in between is told twice, and nothing is missed.
        self._position = await self._desk.feed.latest_of(self._username)
        known = await self._desk.batches.list(self._username, None, SHOWN)
        self._first = [
            frame(
                "batches",
                BatchesShape(items=[views.summary(each) for each in known]),
                Position(self._position),
            )
        ]
        for each in known:
            self._follow(each)

    async def resumed(self, position: Position) -> bool:
        """To go on after a position, if an earlier stream of this user has told it."""
        if not await self._desk.feed.knows_of(self._username, position.id):
            return False
        self._position = position.id
        for each in await self._desk.batches.list(self._username, None, SHOWN):
            self._follow(each)
        return True

    async def events(self) -> AsyncIterator[Frame]:
        try:
            yield BEGIN
            for event in self._first:
                yield event
            self._first = ()
            while not self._desk.stage.closing:
                for event in await self._news():
                    yield event
                if not self._behind:
                    await self._watcher.news(self._patience())
            yield closing("stopping")
        finally:
            self.close()

    def close(self) -> None:
        """Lets go of every batch."""
        for each in self._open.values():
            each.close()
        self._open = {}

    async def _news(self) -> Sequence[Frame]:
        self._behind |= self._watcher.changed()
        try:
            return await self._look() if self._behind else self._due_steps()
        except (Outage, TemporaryError):
            await self._watcher.news(AGAIN)
            return ()

    async def _look(self) -> Sequence[Frame]:
        changes = await self._desk.feed.after_of(self._username, self._position, GROUP)
        self._behind = len(changes) == GROUP
        by_batch: dict[str, list[Change]] = {}
        for batch_id, change in changes:
            by_batch.setdefault(batch_id, []).append(change)
        told = [each for batch_id, its in by_batch.items() for each in await self._of(batch_id, its)]
        if not told:
            return ()
        # The last alone has an id: whoever got it was told everything before it.
        self._position = changes[-1][1].id
        name, shape = told.pop()
        return [*(frame(*each) for each in told), frame(name, shape, Position(self._position))]

    async def _of(self, batch_id: str, changes: Sequence[Change]) -> Sequence[tuple[str, BaseModel]]:
        ordinals = {change.ordinal for change in changes if change.ordinal is not None}
        summary, images = await self._desk.batches.glance(batch_id, sorted(ordinals))
        self._follow(summary)

        def live(ordinal: int, round_: int) -> RenderProgress | None:
            return self._desk.stage.progress(batch_id, ordinal, round_)

        shown = [views.image(image, live, summary.batch) for image in images]
        outputs = [OutputShape(batch_id=batch_id, **image.model_dump()) for image in shown]
        return [*(("output", output) for output in outputs), ("batch", views.summary(summary))]

    def _follow(self, known: Summary) -> None:
        """Renders of a batch are heard while it is open, and while there are not too many."""
        batch_id, ended = known.batch.request.batch_id, known.batch.finished_at is not None
        if ended and batch_id in self._open:
            self._open.pop(batch_id).close()
        elif not ended and batch_id not in self._open and len(self._open) < SHOWN:
            self._open[batch_id] = ExitStack()
            self._open[batch_id].enter_context(self._desk.stage.steps(batch_id, self._watcher))

    def _patience(self) -> float:
        return max(self._steps_due - monotonic(), 0) if self._watcher.stepping else IDLE

    def _due_steps(self) -> Sequence[Frame]:
        if not self._watcher.stepping or monotonic() < self._steps_due:
            return ()
        self._steps_due = monotonic() + STEP_SECONDS
        heard = [self._desk.stage.last(*each) for each in sorted(self._watcher.stepped())]
        return [
            frame("progress", ProgressShape(batch_id=each.batch_id, **views.step(each).model_dump()))
            for each in heard
            if each is not None
        ]
