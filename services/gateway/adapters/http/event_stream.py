"""One client's stream of one batch: what is true now, sent at the client's own pace.

Nothing is queued for a client. A stream holds how far it has read, and looks anew once the client has taken
what was said last: a slow one hears less often of the same things, and slows nobody else.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from time import monotonic

from fastapi.sse import ServerSentEvent
from pydantic import BaseModel

from messaging.errors import Outage, TemporaryError
from services.gateway.adapters.http.desk import Desk
from services.gateway.adapters.http.orders import Known, found, shown
from services.gateway.adapters.http.told import Told
from services.gateway.adapters.stage import Watcher
from services.gateway.domain.changes import Change, Position, images_told

Events = Sequence[ServerSentEvent]

#: Milliseconds after which a client that lost its stream opens it again.
RETRY = 2000
#: Seconds between two words about the steps of an image.
STEP_SECONDS = 0.5
#: Seconds between two attempts while the database is away, and after which an idle stream turns over.
AGAIN, IDLE = 1.0, 60.0
#: Changes that are read at once, and so the most images that are held for a client who is slow.
GROUP = 100


class EventStream:
    """Begun by `opened` or `resumed`; ends with the batch, or with the process."""

    def __init__(self, desk: Desk, known: Known, watcher: Watcher) -> None:
        self._desk = desk
        self._batch_id = known[0].request.batch_id
        self._username = known[0].request.username
        self._watcher = watcher
        self._told = Told(desk.stage, known)
        self._position = 0
        self._first: Events = ()
        self._behind = True
        self._steps_due = 0.0
        #: Whether everything was said, the end included.
        self.over = False

    async def opened(self) -> None:
        """To begin with the whole batch."""
        self._first = await self._whole()

    async def resumed(self, position: Position) -> bool:
        """To go on after a position, if an earlier stream of this batch has told it. The stream may then be
        over before it begins."""
        if not await self._desk.changes.knows(self._batch_id, position.id):
            return False
        self._position = position.id
        more = await self._desk.changes.after(self._batch_id, position.id, 1)
        self.over = position.ended and self._told.finished and not more
        self._first = self._steps(self._told.open)
        return True

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(retry=RETRY)
        for event in self._first:
            yield event
        self._first = ()
        while not (self.over or self._desk.stage.closing):
            for event in await self._news():
                yield event
            if not (self.over or self._behind):
                await self._watcher.news(self._patience())

    async def _news(self) -> Events:
        self._behind |= self._watcher.changed()
        try:
            return await self._look() if self._behind else self._due_steps()
        except (Outage, TemporaryError):
            # Not the end: a client that is sent away comes back to a 503, which a browser takes for a no.
            await self._watcher.news(AGAIN)
            return ()

    async def _look(self) -> Events:
        changes = await self._desk.changes.after(self._batch_id, self._position, GROUP)
        if not changes and self._told.finished:
            return await self._end()
        told = await self._changed(changes) if changes else ()
        # The end is told once a look that came after it has found nothing more.
        self._behind = len(changes) == GROUP or self._told.finished
        return told

    async def _changed(self, changes: Sequence[Change]) -> Events:
        last = images_told(changes)
        if last is None:
            return await self._whole()
        summary, images = await self._desk.batches.glance(self._batch_id, tuple(last))
        self._told.learn(summary, images)
        self._position = changes[-1].id
        # Before the images and without an id: whoever got an image's id was told how the batch stands.
        standing = self._standing()
        outputs = {image.ordinal: self._told.image(image) for image in images}
        return [*standing, *(_event("output", outputs[each], Position(at)) for each, at in last.items())]

    async def _whole(self) -> Events:
        # The position first: what changes in between is told twice, and nothing is missed.
        position = await self._desk.changes.latest(self._batch_id)
        known = await found(self._desk, self._batch_id, self._username)
        self._position = position
        self._told.whole(known)
        return [_event("status", shown(self._desk, known), Position(self._position))]

    async def _end(self) -> Events:
        known = await found(self._desk, self._batch_id, self._username)
        # A retry may have come in between; it is in the log then.
        self._behind = known[0].finished_at is None
        self.over = not self._behind
        end = Position(self._position, ended=True)
        return [_event("completed", shown(self._desk, known), end)] if self.over else ()

    def _patience(self) -> float:
        return max(self._steps_due - monotonic(), 0) if self._watcher.stepping else IDLE

    def _due_steps(self) -> Events:
        if not self._watcher.stepping or monotonic() < self._steps_due:
            return ()
        self._steps_due = monotonic() + STEP_SECONDS
        return self._steps(self._watcher.stepped())

    def _steps(self, ordinals: Collection[int]) -> Events:
        # The first step of all makes a batch that was queued a running one.
        steps = [_event("progress", step) for step in self._told.steps(ordinals)]
        return [*self._standing(), *steps]

    def _standing(self) -> Events:
        standing = self._told.standing()
        return [_event("status", standing)] if standing else ()


def _event(name: str, told: BaseModel, at: Position | None = None) -> ServerSentEvent:
    return ServerSentEvent(event=name, raw_data=told.model_dump_json(), id=str(at) if at else None)
