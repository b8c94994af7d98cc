"""`/v1/batches`: batches as durable resources."""

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from services.gateway.adapters.http import views
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Desk
from services.gateway.adapters.http.orders import Known, batch_id_of, found, new_batch_id, order, outcome
from services.gateway.adapters.http.preferences import wait_seconds
from services.gateway.adapters.http.problems import Problem, answers
from services.gateway.adapters.http.shapes import BatchPage, BatchShape, NewBatch, NewNamedBatch, Retry
from services.gateway.ports import Canceling

router = APIRouter(prefix="/v1", tags=["batches"])

Prefer = Annotated[
    str | None, Header(description="`wait=N` to wait for the end up to N seconds", examples=["wait=60"])
]
ClientId = Annotated[str, Path(min_length=1, max_length=200, description="chosen by the caller")]


@router.post(
    "/characters/{character_id}/batches",
    status_code=202,
    summary="Ask for a batch",
    responses=answers(400, 404, 413, 422),
)
async def ask(
    character_id: str,
    asked: NewBatch,
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    response: Response,
    prefer: Prefer = None,
) -> BatchShape:
    """Accepted once it is kept, also while the broker is down. Its images are numbered in one block."""
    seconds = wait_seconds(prefer)
    batch = await order(desk, caller.username, character_id, new_batch_id(), asked.model_dump())
    return await _answered(desk, batch.request.batch_id, caller.username, seconds, request, response)


@router.put(
    "/batches/{client_id}",
    status_code=202,
    summary="Ask for a batch under an id of one's own",
    responses=answers(400, 404, 413, 422),
)
async def put(
    client_id: ClientId,
    asked: NewNamedBatch,
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    response: Response,
    prefer: Prefer = None,
) -> BatchShape:
    """As often as one likes: the same id and body is the same batch, made once."""
    seconds = wait_seconds(prefer)
    batch_id = batch_id_of(caller.username, client_id)
    wish = asked.model_dump(exclude={"character_id"})
    await order(desk, caller.username, asked.character_id, batch_id, wish)
    return await _answered(desk, batch_id, caller.username, seconds, request, response)


@router.get("/batches", summary="List batches", responses=answers(400, 422))
async def listed(
    desk: AtDesk,
    caller: ByCaller,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=300, description="`next_cursor` of the page before")
    ] = None,
) -> BatchPage:
    """The caller's batches, newest first; stable while new ones are made."""
    known = await desk.batches.list(caller.username, _read(cursor) if cursor else None, limit + 1)
    more = len(known) > limit
    following = None
    if more:
        last = known[limit - 1].batch
        following = _written(last.created_at, last.request.batch_id)
    items = [views.summary(each) for each in known[:limit]]
    return BatchPage(items=items, next_cursor=following, has_more=more)


@router.get("/batches/{batch_id}", summary="Look at a batch", responses=answers(404))
async def look(batch_id: str, desk: AtDesk, caller: ByCaller) -> BatchShape:
    """Everything that is known of it and of its images, with live progress."""
    return _shape(desk, await found(desk, batch_id, caller.username))


@router.post("/batches/{batch_id}/cancel", summary="Cancel a batch", responses=answers(404))
async def cancel(batch_id: str, desk: AtDesk, caller: ByCaller) -> BatchShape:
    """What is not made yet ends as cancelled; what is made stays. Again and again is once."""
    await found(desk, batch_id, caller.username)
    await desk.batches.cancel(batch_id)
    desk.relay.ring()
    return _shape(desk, await found(desk, batch_id, caller.username))


@router.post(
    "/batches/{batch_id}/retry",
    status_code=202,
    summary="Render again what was not made",
    responses=answers(404, 409, 413, 422),
)
async def retry(batch_id: str, desk: AtDesk, caller: ByCaller, asked: Retry | None = None) -> BatchShape:
    """At the same indexes: what failed, was cancelled or is a placeholder, or what is named of that."""
    await found(desk, batch_id, caller.username)
    try:
        chosen = await desk.batches.retry(batch_id, asked.ordinals if asked else None)
    except Canceling:
        raise Problem(409, "batch_canceling", "the batch is being cancelled; retry once it is") from None
    if not chosen:
        detail = "nothing here failed, was cancelled or is a placeholder"
        raise Problem(409, "nothing_to_retry", detail)
    desk.relay.ring()
    return _shape(desk, await found(desk, batch_id, caller.username))


async def _answered(
    desk: Desk, batch_id: str, username: str, seconds: int | None, request: Request, response: Response
) -> BatchShape:
    known = await outcome(desk, batch_id, username, seconds or 0, request.is_disconnected)
    response.headers["Location"] = f"{views.BATCHES}/{batch_id}"
    applied = "respond-async" if seconds is None else f"wait={seconds}"
    response.headers["Preference-Applied"] = applied
    if known[0].finished_at is not None:
        response.status_code = 200
    else:
        response.headers["Retry-After"] = "2"
    return _shape(desk, known)


def _shape(desk: Desk, known: Known) -> BatchShape:
    batch, images = known
    batch_id = batch.request.batch_id
    return views.batch(batch, images, lambda ordinal, round_: desk.stage.progress(batch_id, ordinal, round_))


def _written(created_at: float, batch_id: str) -> str:
    return base64.urlsafe_b64encode(f"{created_at!r} {batch_id}".encode()).decode()


def _read(cursor: str) -> tuple[float, str]:
    try:
        created_at, batch_id = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return float(created_at), batch_id
    except (ValueError, binascii.Error):
        raise Problem(400, "invalid_cursor", "this is not a next_cursor of ours; begin without one") from None
