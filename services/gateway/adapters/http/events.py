"""`/v1/batches/{id}/events`: a batch as it happens, in server-sent events (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.gateway.adapters.http import event_examples
from services.gateway.adapters.http.batches import BatchId
from services.gateway.adapters.http.codes import answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs
from services.gateway.adapters.http.event_stream import EventStream
from services.gateway.adapters.http.orders import named
from services.gateway.domain.changes import Position

router = APIRouter(prefix="/v1", tags=["batches"], route_class=Guarded)


class _NothingMore(Exception):
    """The client has heard everything, the end included."""


async def _the_stream(
    batch_id: BatchId,
    desk: AtDesk,
    caller: ByCaller,
    header: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="id of the last event that was received", examples=["41"]),
    ] = None,
    query: Annotated[
        str | None,
        Query(alias="last_event_id", description="the same, for clients that can't set headers"),
    ] = None,
) -> AsyncIterator[EventStream]:
    """Opened before the answer begins, so that it can still be a problem; held until the answer has ended."""
    known = await named(desk, batch_id, caller.username)
    with desk.streams.taken(caller.username), desk.stage.watching(known[0].request.batch_id) as watcher:
        stream = EventStream(desk, known, watcher)
        # The header first: a browser that comes back sends it along with the address it was given.
        position = Position.read(header or query)
        if position is None or not await stream.resumed(position):
            await stream.opened()
        if stream.over:
            raise _NothingMore
        yield stream


@router.get(
    "/batches/{batch_id}/events",
    operation_id="streamBatchEvents",
    dependencies=[needs("batches:read")],
    summary="Follow a batch",
    response_class=EventSourceResponse,
    responses={
        200: event_examples.STREAM,
        204: {"description": "Everything was told, the end included; a browser asks no more"},
        **answers("not_found", "too_many_streams"),
    },
)
async def events(
    request: Request, stream: Annotated[EventStream, Depends(_the_stream)]
) -> AsyncIterator[ServerSentEvent]:
    """First the batch as it is (`status`), then each image as it changes (`output`), how the batch stands
    when that changes (`status` in short) and how far renders are (`progress`); `completed` with the whole
    batch is the last. A batch that is tried again can be followed again.

    Every `id` is a position in one log that all replicas share: whoever comes back with the last one misses
    nothing, wherever he comes back to; with any other word for it he begins anew. A comment every 15 seconds
    keeps the connection alive. The stream also ends when the process behind it stops: come back then."""
    if request.scope["darkroom.head"]:
        return
    async for event in stream.events():
        yield event


def install(app: FastAPI) -> None:
    @app.exception_handler(_NothingMore)
    async def nothing_more(_request: Request, _error: _NothingMore) -> Response:
        return Response(status_code=204)
