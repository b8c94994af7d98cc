"""`/v1/operate`: the whole system, and its dead letters, for whoever runs it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Query

from messaging.dead_letters import Wanted
from services.gateway.adapters.http import examples, operate_views
from services.gateway.adapters.http.codes import ANY_BODY, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs
from services.gateway.adapters.http.operate_shapes import (
    MAX_LETTERS,
    Chosen,
    DeadLetterPage,
    LetterName,
    OverviewShape,
    SettledLetters,
    WholeDeadLetter,
)
from services.gateway.adapters.http.problems import not_found
from services.gateway.domain.operating import overview

router = APIRouter(prefix="/v1/operate", tags=["operate"], route_class=Guarded)
log = structlog.get_logger("gateway")

#: Seconds; ten years.
LONGEST = 315_360_000
Age = Annotated[int | None, Query(ge=0, le=LONGEST, description="seconds since it died", examples=[3600])]
Words = Annotated[str | None, Query(max_length=200)]


@router.get(
    "",
    operation_id="getOverview",
    dependencies=[needs("operate")],
    summary="Look at the whole system",
    responses={200: examples.answer("As it is now", "overview"), **answers()},
)
async def looked(desk: AtDesk, _caller: ByCaller) -> OverviewShape:
    """Queues, processes and backends as they said of themselves in the last seconds, and what came of
    everybody's images. Cheap: it may be asked every second."""
    recent = await desk.operate.figures.recent()
    return operate_views.overview(overview(desk.operate.words.heard()), recent)


@router.get(
    "/dead-letters",
    operation_id="listDeadLetters",
    dependencies=[needs("operate")],
    summary="List dead letters",
    responses={200: examples.answer("Those asked for", "dead_letters"), **answers("invalid_request")},
)
async def listed(
    desk: AtDesk,
    _caller: ByCaller,
    queue: Annotated[
        list[str] | None, Query(max_length=50, description="names; all of them if absent")
    ] = None,
    reason: Annotated[Words, Query(description="part of why it died, in any case")] = None,
    batch_id: Words = None,
    older_than: Age = None,
    newer_than: Age = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LETTERS)] = 100,
) -> DeadLetterPage:
    """By queue, and there as they lie. Every look takes each out and puts it back: for a number of them ask
    the overview."""
    wanted = Wanted(
        queues=None if queue is None else frozenset(queue),
        reason=reason or "",
        batch_id=batch_id,
        died_before=_ago(older_than),
        died_after=_ago(newer_than),
    )
    found = await desk.operate.dead.find(wanted, limit)
    return operate_views.page(found.letters, found.more)


@router.get(
    "/dead-letters/{dead_letter_id}",
    operation_id="getDeadLetter",
    dependencies=[needs("operate")],
    summary="Look at a dead letter",
    responses={200: examples.answer("It", "dead_letter"), **answers("not_found", "invalid_request")},
)
async def shown(desk: AtDesk, _caller: ByCaller, dead_letter_id: LetterName) -> WholeDeadLetter:
    """With its headers and its body."""
    letter = await desk.operate.dead.show(dead_letter_id)
    if letter is None:
        raise not_found("dead letter")
    return operate_views.whole(letter)


@router.post(
    "/dead-letters/replay",
    operation_id="replayDeadLetters",
    dependencies=[needs("operate")],
    summary="Replay dead letters",
    responses={200: examples.answer("What became of each", "settled"), **answers(*ANY_BODY)},
)
async def replayed(desk: AtDesk, caller: ByCaller, asked: Chosen) -> SettledLetters:
    """Puts each back into the queue that it died in, with the same ids and all attempts before it. One that
    fails again comes back with its history."""
    return _told(caller.username, "replayed", asked, await desk.operate.dead.replay(_named(asked)))


@router.post(
    "/dead-letters/drop",
    operation_id="dropDeadLetters",
    dependencies=[needs("operate")],
    summary="Drop dead letters",
    responses={200: examples.answer("What became of each", "settled"), **answers(*ANY_BODY)},
)
async def dropped(desk: AtDesk, caller: ByCaller, asked: Chosen) -> SettledLetters:
    """Forgets each for good: nobody will ever handle it."""
    return _told(caller.username, "dropped", asked, await desk.operate.dead.drop(_named(asked)))


def _named(asked: Chosen) -> Wanted:
    return Wanted(ids=frozenset(asked.ids))


def _told(username: str, deed: str, asked: Chosen, done: Sequence[str]) -> SettledLetters:
    log.info(f"dead letters {deed}", by=username, ids=list(done))
    return operate_views.settled(asked.ids, done)


def _ago(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.now(UTC) - timedelta(seconds=seconds)
