"""One client's stream of one batch: what is true now, sent at the client's own pace.

Nothing is queued for a client. A stream holds how far it has read, and looks anew once the client has taken
what was said last: a slow one hears less often of the same things, and slows nobody else. Clients who have
read equally far share one look.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from time import monotonic

from messaging.errors import Outage, TemporaryError
from services.gateway.adapters.http.desk import Followed
from services.gateway.adapters.http.frames import BEGIN, Frame, closing, frame
from services.gateway.adapters.http.looks import Looks, News
from services.gateway.adapters.http.orders import Known
from services.gateway.adapters.http.told import Told
from services.gateway.adapters.room import Room
from services.gateway.adapters.stage import Watcher
from services.gateway.domain.changes import Position

#: Seconds between two words about the steps of an image.
STEP_SECONDS = 0.5
#: Seconds between two attempts while the database is away, and after which an idle stream turns over.
AGAIN, IDLE = 1.0, 60.0


class EventStream:
    """Begun by `opened` or `resumed`; ends with the batch, or with the process."""

    def __init__(self, desk: Followed, known: Known, watcher: Watcher, room: Room) -> None:
        batch_id, username = known[0].request.batch_id, known[0].request.username
        self._desk = desk
        self._batch_id = batch_id
        self._watcher = watcher
        self._looks = Looks(desk, room, batch_id, username)
        self._room = room
        self._told = Told(desk.stage, known)
        self._position = 0
        self._first: Sequence[Frame] = ()
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
        self._first = [*self._standing(), *self._steps(self._told.open)]
        return True

    async def events(self) -> AsyncIterator[Frame]:
        yield BEGIN
        for event in self._first:
            yield event
        self._first = ()
        while not (self.over or self._desk.stage.closing):
            for event in await self._news():
                yield event
            if not (self.over or self._behind):
                await self._watcher.news(self._patience())
        if not self.over:
            yield closing("stopping")

    async def _news(self) -> Sequence[Frame]:
        self._behind |= self._watcher.changed()
        try:
            return await self._look() if self._behind else self._due_steps()
        except (Outage, TemporaryError):
            # Not the end: a client that is sent away comes back to a 503, which a browser takes for a no.
            await self._watcher.news(AGAIN)
            return ()

    async def _look(self) -> Sequence[Frame]:
        news = await self._looks.after(self._position)
        if news is None and self._told.finished:
            return await self._end()
        told = () if news is None else await self._changed(news)
        # The end is told once a look that came after it has found nothing more.
        self._behind = (news is not None and news.full) or self._told.finished
        return told

    async def _changed(self, news: News) -> Sequence[Frame]:
        if not news.outputs:
            return await self._whole()
        self._told.learn(news.summary, news.images)
        self._position = news.position
        # Before the images and without an id: whoever got an image's id was told how the batch stands.
        return [*self._standing(), *news.outputs]

    async def _whole(self) -> Sequence[Frame]:
        whole = await self._looks.whole()
        self._position = whole.position
        self._told.whole(whole.known, whole.steps)
        return [whole.status]

    async def _end(self) -> Sequence[Frame]:
        end = await self._looks.end(self._position)
        self.over = end is not None
        self._behind = not self.over
        return [end] if end else ()

    def _patience(self) -> float:
        return max(self._steps_due - monotonic(), 0) if self._watcher.stepping else IDLE

    def _due_steps(self) -> Sequence[Frame]:
        if not self._watcher.stepping or monotonic() < self._steps_due:
            return ()
        self._steps_due = monotonic() + STEP_SECONDS
        steps = self._steps({ordinal for _, ordinal in self._watcher.stepped()})
        # The first step of all makes a batch that was queued a running one.
        return [*self._standing(), *steps] if steps and self._told.queued else steps

    def _steps(self, ordinals: Collection[int]) -> Sequence[Frame]:
        return [self._looks.step(heard) for heard in self._told.steps(ordinals)]

    def _standing(self) -> Sequence[Frame]:
        # Who has read equally far, and heard as many steps, knows the same of the images.
        moment = (self._position, self._room.steps)
        standing = self._room.recalled(("standing", *moment), self._told.standing)
        if not self._told.is_news(standing):
            return ()
        return [self._room.recalled(("status", *moment), lambda: frame("status", standing))]
