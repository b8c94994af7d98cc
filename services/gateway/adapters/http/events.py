"""`/v1/batches/{id}/events`: a batch as it happens, in server-sent events (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response

from services.gateway.adapters.http import event_examples
from services.gateway.adapters.http.batches import BatchId
from services.gateway.adapters.http.codes import CODES, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs
from services.gateway.adapters.http.event_response import MEDIA_TYPE, EventResponse
from services.gateway.adapters.http.event_stream import EventStream
from services.gateway.adapters.http.frames import Frame
from services.gateway.adapters.http.orders import named
from services.gateway.adapters.http.problems import Problem
from services.gateway.adapters.http.user_stream import UserStream
from services.gateway.domain.callers import Caller
from services.gateway.domain.changes import Position

router = APIRouter(prefix="/v1", tags=["events"], route_class=Guarded)


class _NothingMore(Exception):
    """The client has heard everything, the end included."""


LastId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="id of the last event that was received", examples=["41"]),
]
LastIdAsked = Annotated[
    str | None,
    Query(alias="last_event_id", description="the same, for clients that can't set headers", examples=["41"]),
]


def wants_events(request: Request) -> None:
    """Raises Problem where the caller says that he can't read a stream."""
    accepted = ",".join(request.headers.getlist("accept"))
    kinds = {each.partition(";")[0].strip().lower() for each in accepted.split(",")}
    if not kinds & {"", "*/*", "text/*", MEDIA_TYPE}:
        raise Problem("not_acceptable", CODES["not_acceptable"].example)


async def _the_stream(
    batch_id: BatchId,
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    header: LastId = None,
    query: LastIdAsked = None,
) -> AsyncIterator[Response]:
    """Opened before the answer begins, so that it can still be a problem; held until the answer has ended."""
    known = await named(desk, batch_id, caller.username)
    with (
        desk.streams.taken(caller.username) as leave,
        desk.stage.watching(known[0].request.batch_id) as (watcher, room),
    ):
        stream = EventStream(desk, known, watcher, room)
        # The header first: a browser that comes back sends it along with the address it was given.
        position = Position.read(header or query)
        if position is None or not await stream.resumed(position):
            await stream.opened()
        if stream.over:
            raise _NothingMore
        yield answered(request, caller, stream.events(), leave)


def answered(
    request: Request, caller: Caller, frames: AsyncIterator[Frame], leave: Callable[[], None]
) -> Response:
    silent = request.scope["darkroom.head"]
    return EventResponse(nothing() if silent else frames, caller.until, leave)


async def nothing() -> AsyncIterator[Frame]:
    """The body of an answer to HEAD."""
    never: tuple[Frame, ...] = ()
    for each in never:
        yield each


@router.get(
    "/batches/{batch_id}/events",
    operation_id="streamBatchEvents",
    dependencies=[needs("batches:read"), Depends(wants_events)],
    summary="Follow a batch",
    status_code=200,
    response_class=EventResponse,
    responses={
        200: event_examples.STREAM,
        204: {"description": "Everything was told, the end included; a browser asks no more"},
        **answers("not_found", "not_acceptable", "too_many_streams"),
    },
)
async def events(stream: Annotated[Response, Depends(_the_stream)]) -> Response:
    """First the batch as it is (`status`), then each image as it changes (`output`), how the batch stands
    when that changes (`status` in short) and how far renders are (`progress`); `completed` with the whole
    batch is the last. A batch that is tried again can be followed again.

    Every `id` is a position in one log that all replicas share: whoever comes back with the last one misses
    nothing, wherever he comes back to; with any other word for it he begins anew. A comment every 15 seconds
    keeps the connection alive. `closing` says why a stream ends before the batch does: the token has expired,
    the process stops, or what was sent was not read for 30 seconds; come back then."""
    return stream


async def _the_users_stream(
    desk: AtDesk, caller: ByCaller, request: Request, header: LastId = None, query: LastIdAsked = None
) -> AsyncIterator[Response]:
    with (
        desk.streams.taken(caller.username) as leave,
        desk.stage.watching_all(caller.username) as (watcher, _),
    ):
        stream = UserStream(desk, caller.username, watcher)
        try:
            position = Position.read(header or query)
            if position is None or not await stream.resumed(position):
                await stream.opened()
            yield answered(request, caller, stream.events(), leave)
        finally:
            stream.close()


@router.get(
    "/events",
    operation_id="streamEvents",
    dependencies=[needs("batches:read"), Depends(wants_events)],
    summary="Follow everything",
    status_code=200,
    response_class=EventResponse,
    responses={200: event_examples.USERS_STREAM, **answers("not_acceptable", "too_many_streams")},
)
async def all_events(stream: Annotated[Response, Depends(_the_users_stream)]) -> Response:
    """All of the caller's batches in one stream: first the newest of them (`batches`), then each image as it
    changes (`output`), each batch as it changes, its end included (`batch`), and how far renders are
    (`progress`). It has no end of its own; ids, `closing` and comments are as for one batch."""
    return stream


def install(app: FastAPI) -> None:
    @app.exception_handler(_NothingMore)
    async def nothing_more(_request: Request, _error: _NothingMore) -> Response:
        return Response(status_code=204)
