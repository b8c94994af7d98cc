"""`/v1/batches`: batches as durable resources."""

import re
from datetime import datetime
from math import isfinite
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import AwareDatetime

from services.gateway.adapters.http import cursors, examples, views
from services.gateway.adapters.http.codes import ANY_BODY, ANY_KEY, ANY_LOAD, ANY_ORDER, CODES, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Desk, Guarded, needs
from services.gateway.adapters.http.idempotency import KEYED
from services.gateway.adapters.http.orders import (
    batch_id_of,
    found,
    named,
    new_batch_id,
    order,
    outcome,
    shown,
    too_much,
)
from services.gateway.adapters.http.preferences import Wait
from services.gateway.adapters.http.problems import Problem
from services.gateway.adapters.http.shapes import BatchPage, BatchShape, NewBatch, NewNamedBatch, Retry, Text
from services.gateway.domain.batches import Batch, BatchStatus, Sought
from services.gateway.ports import Canceling, TooMuch

router = APIRouter(prefix="/v1", tags=["batches"], route_class=Guarded)

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

Prefer = Annotated[
    str | None, Header(description="`wait=N` waits up to N seconds for the end", examples=["wait=60"])
]
ClientId = Annotated[
    str, Path(min_length=1, max_length=200, description="chosen by the caller", examples=["order-91"])
]
BatchId = Annotated[str, Path(description="the batch's id, or the one that the caller chose")]

_STARTED = ("Location", "Preference-Applied", "Retry-After")
_ORDERED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": BatchShape,
        **examples.answer("Made, while the caller waited or before", "batch", *_STARTED),
    },
    202: examples.answer("Accepted", "batch", *_STARTED),
}


@router.post(
    "/characters/{character_id}/batches",
    status_code=202,
    operation_id="askForBatch",
    dependencies=[needs("batches:write"), KEYED],
    summary="Ask for a batch",
    responses={**_ORDERED, **answers(*ANY_ORDER, *ANY_KEY, "invalid_webhook")},
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
    batch_id, wait = new_batch_id(request), Wait.preferred(prefer)
    batch = await order(desk, caller.username, character_id, batch_id, asked.model_dump())
    return await _answered(desk, batch, caller.username, wait, request, response)


@router.put(
    "/batches/{client_id}",
    status_code=202,
    operation_id="putBatch",
    dependencies=[needs("batches:write")],
    summary="Ask for a batch under an id of one's own",
    responses={**_ORDERED, **answers(*ANY_ORDER, "batch_id_reuse", "invalid_webhook")},
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
    batch_id, wait = batch_id_of(caller.username, client_id), Wait.preferred(prefer)
    wish = asked.model_dump(exclude={"character_id"})
    batch = await order(desk, caller.username, asked.character_id, batch_id, wish)
    return await _answered(desk, batch, caller.username, wait, request, response)


def _sought(
    status: Annotated[BatchStatus | None, Query(description="only batches of this status")] = None,
    character: Annotated[
        Text | None, Query(max_length=300, description="only batches of this character")
    ] = None,
    created_after: Annotated[
        AwareDatetime | None, Query(description="only batches made then or later")
    ] = None,
    created_before: Annotated[AwareDatetime | None, Query(description="only batches made before")] = None,
) -> Sought:
    return Sought(
        status=status,
        character_id=character,
        created_after=_moment(created_after),
        created_before=_moment(created_before),
    )


@router.get(
    "/batches",
    operation_id="listBatches",
    dependencies=[needs("batches:read")],
    summary="List batches",
    responses={
        200: examples.answer("One page", "batches", "Link"),
        **answers("invalid_cursor", "invalid_request"),
    },
)
async def listed(
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    response: Response,
    sought: Annotated[Sought, Depends(_sought)],
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> BatchPage:
    """The caller's batches, newest first; stable while new ones are made."""
    before = _before(cursor) if cursor else None
    known = await desk.batches.list(caller.username, before, limit + 1, sought)
    following = None
    if len(known) > limit:
        last = known[limit - 1].batch
        following = cursors.written(repr(last.created_at), last.request.batch_id)
        response.headers["Link"] = cursors.link(request, following)
    items = [views.summary(each) for each in known[:limit]]
    return BatchPage(items=items, next_cursor=following, has_more=following is not None)


@router.get(
    "/batches/{batch_id}",
    operation_id="getBatch",
    dependencies=[needs("batches:read")],
    summary="Look at a batch",
    responses={200: examples.answer("The batch", "batch"), **answers("not_found")},
)
async def look(batch_id: BatchId, desk: AtDesk, caller: ByCaller) -> BatchShape:
    """Everything that is known of it and of its images, with live progress."""
    return shown(desk, await named(desk, batch_id, caller.username))


@router.post(
    "/batches/{batch_id}/cancel",
    operation_id="cancelBatch",
    dependencies=[needs("batches:write")],
    summary="Cancel a batch",
    responses={200: examples.answer("As it is now", "batch"), **answers("not_found")},
)
async def cancel(batch_id: BatchId, desk: AtDesk, caller: ByCaller) -> BatchShape:
    """What is not made yet ends as cancelled; what is made stays. Again and again is once."""
    batch_id = (await named(desk, batch_id, caller.username))[0].request.batch_id
    await desk.batches.cancel(batch_id)
    desk.stage.changed(batch_id)
    desk.relay.ring()
    return shown(desk, await found(desk, batch_id, caller.username))


@router.post(
    "/batches/{batch_id}/retry",
    status_code=202,
    operation_id="retryBatch",
    dependencies=[needs("batches:write")],
    summary="Render again what was not made",
    responses={
        202: examples.answer("Under way again", "batch", "Location", "Retry-After"),
        **answers(*ANY_BODY, *ANY_LOAD, "not_found", "batch_canceling", "nothing_to_retry"),
    },
)
async def retry(
    batch_id: BatchId, desk: AtDesk, caller: ByCaller, response: Response, asked: Retry | None = None
) -> BatchShape:
    """At the same indexes: what failed, was cancelled or is a placeholder, or what is named of that."""
    batch_id = (await named(desk, batch_id, caller.username))[0].request.batch_id
    try:
        chosen = await desk.batches.retry(batch_id, asked.ordinals if asked else None)
    except Canceling:
        raise Problem("batch_canceling", CODES["batch_canceling"].example) from None
    except TooMuch as why:
        raise too_much(why.excess) from None
    if not chosen:
        raise Problem("nothing_to_retry", CODES["nothing_to_retry"].example)
    desk.stage.changed(batch_id)
    desk.relay.ring()
    response.headers.update({"Location": f"{views.BATCHES}/{batch_id}", "Retry-After": views.RETRY_AFTER})
    return shown(desk, await found(desk, batch_id, caller.username))


async def _answered(
    desk: Desk, batch: Batch, username: str, wait: Wait, request: Request, response: Response
) -> BatchShape:
    known = await outcome(desk, batch, username, wait.patience(0), request.is_disconnected)
    response.headers.update({"Location": f"{views.BATCHES}/{batch.request.batch_id}", **wait.headers()})
    if known[0].finished_at is not None:
        response.status_code = 200
    else:
        response.headers["Retry-After"] = views.RETRY_AFTER
    return shown(desk, known)


def _moment(said: datetime | None) -> float | None:
    # What people see of a time is rounded to its microsecond; who names one that he saw means that batch.
    return None if said is None else said.timestamp() - 1e-6


def _before(cursor: str) -> tuple[float, str]:
    moment, batch_id = cursors.read(cursor, 2)
    try:
        created_at = float(moment)
    except ValueError:
        raise cursors.not_ours() from None
    if not isfinite(created_at) or not _BATCH_ID.fullmatch(batch_id):
        raise cursors.not_ours()
    return created_at, batch_id
